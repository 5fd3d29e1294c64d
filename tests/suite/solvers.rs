//! Factorizations by cuSOLVER against the CPU's. The library is the simulated one: what is tested is how it is called, not
//! what the real one answers.

use swath::array::{Watch, compute};
use swath_array::build::elementwise::{binary, cast, unary};
use swath_array::build::index::{self, Index};
use swath_array::build::linalg::{self, Eigen, Qr, SignAndLogarithm, Svd};
use swath_array::build::manipulate::{broadcast_to, reshape};
use swath_array::program::{BinaryOp, UnaryOp};
use swath_array::run::Runner;
use swath_array::{Array, DType, ErrorKind, Result, Scalar, Tensor};

use crate::array_stages::{Case, array, case, compare, on_device};
use crate::tensor::{Bound, numbers, scalars, tensor};

const TYPES: [DType; 4] = [DType::F32, DType::F64, DType::C64, DType::C128];

/// How far elements of magnitude up to about a thousand may be.
fn near(dtype: DType) -> Bound {
    Bound::Distance(if dtype.real() == DType::F64 { 1e-9 } else { 1e-2 })
}

fn adjoint(x: &Array) -> Result<Array> {
    linalg::matrix_adjoint(x)
}

fn multiply(a: &Array, b: &Array) -> Result<Array> {
    binary(BinaryOp::Multiply, a, b)
}

/// Numbers near 1.
fn some(dtype: DType, shape: &[usize], seed: u64) -> Result<Array> {
    let x = array(numbers(dtype, shape, seed));
    multiply(&x, &array(Tensor::scalar(Scalar::Float(0.125).cast(dtype), dtype)?))
}

/// Matrices that have inverses, and not large ones.
fn regular(dtype: DType, shape: &[usize], seed: u64) -> Result<Array> {
    let n = shape[shape.len() - 1];
    let identity = swath_array::build::creation::eye(n, n, 0, dtype)?;
    let large = Tensor::scalar(Scalar::Float(4.0 * n as f64).cast(dtype), dtype)?;
    binary(BinaryOp::Add, &some(dtype, shape, seed)?, &multiply(&identity, &array(large))?)
}

/// Hermitian ones.
fn hermitian(dtype: DType, shape: &[usize], seed: u64) -> Result<Array> {
    let x = some(dtype, shape, seed)?;
    binary(BinaryOp::Add, &x, &adjoint(&x)?)
}

/// Positive definite ones.
fn definite(dtype: DType, shape: &[usize], seed: u64) -> Result<Array> {
    let x = regular(dtype, shape, seed)?;
    linalg::matmul(&x, &adjoint(&x)?)
}

/// A·diag(x)·B.
fn scaled_product(a: &Array, x: &Array, b: &Array) -> Result<Array> {
    let row = reshape(
        x,
        &[&x.shape()[..x.ndim() - 1], &[1, x.shape()[x.ndim() - 1]]]
            .concat()
            .iter()
            .map(|&n| n as i64)
            .collect::<Vec<_>>(),
    )?;
    linalg::matmul(&multiply(a, &cast(&row, a.dtype()))?, b)
}

const BATCHES: [&[usize]; 3] = [&[], &[3], &[2, 3]];

#[test]
fn linear_systems() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in TYPES {
            for front in BATCHES {
                for n in [1, 2, 5, 17] {
                    let a = regular(dtype, &[front, &[n, n]].concat(), n as u64)?;
                    let what = format!("{dtype}, {front:?} of {n} rows");
                    let b = some(dtype, &[front, &[n, 3]].concat(), 7)?;
                    cases.push(case(format!("solve {what}"), linalg::solve(&a, &b), near(dtype))?);
                    let vector = some(dtype, &[n], 8)?;
                    cases.push(case(format!("solve one {what}"), linalg::solve(&a, &vector), near(dtype))?);
                    cases.push(case(format!("inv {what}"), linalg::inv(&a), near(dtype))?);
                    let SignAndLogarithm { sign, logabsdet } = linalg::slogdet(&a)?;
                    cases.push(case(format!("sign {what}"), Ok(sign), near(dtype))?);
                    cases.push(case(format!("logarithm {what}"), Ok(logabsdet), near(dtype))?);
                    let small = some(dtype, &[front, &[n.min(5), n.min(5)]].concat(), 3)?;
                    cases.push(case(format!("det {what}"), linalg::det(&small), Bound::Other)?);
                    let definite = definite(dtype, &[front, &[n, n]].concat(), 4)?;
                    for upper in [false, true] {
                        let factor = linalg::cholesky(&definite, upper)?;
                        cases.push(case(format!("cholesky {what}, upper {upper}"), Ok(factor), near(dtype))?);
                    }
                }
            }
        }
        Ok(cases)
    });
}

/// Whole numbers have determinants that are known.
#[test]
fn determinants_are_right() {
    compare(|| {
        let values = |values: &[i64], n: usize| {
            let values: Vec<Scalar> = values.iter().map(|&x| Scalar::Float(x as f64)).collect();
            array(tensor(&values, DType::F64, &[values.len() / n / n, n, n]))
        };
        // -2, 0 with rows that repeat, an exchange of rows, NaN where singular and not finite.
        let two = values(&[1, 2, 3, 4, 1, 2, 2, 4, 0, 1, 1, 0], 2);
        let three = values(&[2, 0, 1, 0, 3, 0, 1, 0, 4], 3);
        let nan = Scalar::Float(f64::NAN);
        let zero = Scalar::Float(0.0);
        let nan = array(tensor(&[nan, nan, zero, zero], DType::F64, &[2, 2]));
        let large =
            array(tensor(&[Scalar::Float(1e300), zero, zero, Scalar::Float(1e-300)], DType::F64, &[2, 2]));
        Ok(vec![
            case("of two", linalg::det(&two), Bound::Distance(1e-12))?,
            case("of three", linalg::det(&three), Bound::Distance(1e-12))?,
            case("of NaN", linalg::det(&nan), Bound::Exact)?,
            case("of what overflows in between", linalg::det(&large), Bound::Distance(1e-12))?,
            case("a sign of 0", Ok(linalg::slogdet(&two)?.sign), Bound::Distance(1e-12))?,
            case("a logarithm of 0", Ok(linalg::slogdet(&two)?.logabsdet), Bound::Distance(1e-12))?,
        ])
    });
}

#[test]
fn orthogonal_factors() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in TYPES {
            for front in BATCHES {
                for (n, m) in [(1, 1), (4, 4), (7, 3), (3, 7), (19, 5), (2, 1)] {
                    let a = some(dtype, &[front, &[n, m]].concat(), (n * m) as u64)?;
                    for complete in [false, true] {
                        let what = format!("{dtype}, {front:?} of {n} × {m}, complete {complete}");
                        let Qr { q, r } = linalg::qr(&a, complete)?;
                        cases.push(case(format!("q·r {what}"), linalg::matmul(&q, &r), near(dtype))?);
                        cases.push(case(
                            format!("qᴴ·q {what}"),
                            linalg::matmul(&adjoint(&q)?, &q),
                            near(dtype),
                        )?);
                        let magnitude = unary(UnaryOp::Abs, &r);
                        cases.push(case(format!("|r| {what}"), magnitude, near(dtype))?);
                        let Svd { u, s, vh } = linalg::svd(&a, complete)?;
                        let k = n.min(m);
                        let first = |x: &Array, axis: usize| {
                            let mut at = vec![Index::Ellipsis];
                            let taken = Index::Slice { start: None, stop: Some(k as i64), step: None };
                            at.extend(if axis == 0 { [taken, Index::ALL] } else { [Index::ALL, taken] });
                            index::get(x, &at, &Runner::new())
                        };
                        let again = scaled_product(&first(&u, 1)?, &s, &first(&vh, 0)?);
                        cases.push(case(format!("u·s·vᴴ {what}"), again, near(dtype))?);
                        cases.push(case(
                            format!("uᴴ·u {what}"),
                            linalg::matmul(&adjoint(&u)?, &u),
                            near(dtype),
                        )?);
                        cases.push(case(
                            format!("vᴴ·v {what}"),
                            linalg::matmul(&vh, &adjoint(&vh)?),
                            near(dtype),
                        )?);
                        cases.push(case(format!("s {what}"), Ok(s), near(dtype))?);
                    }
                    cases.push(case(format!("svdvals {dtype} {n} {m}"), linalg::svdvals(&a), near(dtype))?);
                }
            }
        }
        Ok(cases)
    });
}

#[test]
fn eigenvalues_of_hermitian_matrices() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in TYPES {
            for front in BATCHES {
                for n in [1, 2, 6, 13] {
                    let a = hermitian(dtype, &[front, &[n, n]].concat(), n as u64)?;
                    let what = format!("{dtype}, {front:?} of {n} rows");
                    let Eigen { values, vectors } = linalg::eigh(&a)?;
                    let adjoint = adjoint(&vectors)?;
                    let again = scaled_product(&vectors, &values, &adjoint);
                    cases.push(case(format!("v·w·vᴴ {what}"), again, near(dtype))?);
                    cases.push(case(
                        format!("vᴴ·v {what}"),
                        linalg::matmul(&adjoint, &vectors),
                        near(dtype),
                    )?);
                    cases.push(case(format!("w {what}"), Ok(values), near(dtype))?);
                    cases.push(case(format!("eigvalsh {what}"), linalg::eigvalsh(&a), near(dtype))?);
                    // The lower triangle alone is read.
                    let lower = some(dtype, &[front, &[n, n]].concat(), 9)?;
                    cases.push(case(
                        format!("of the lower part {what}"),
                        linalg::eigvalsh(&lower),
                        near(dtype),
                    )?);
                }
            }
        }
        let mut values = scalars(&numbers(DType::F64, &[3, 4, 4], 1));
        values[16 + 4] = Scalar::Float(f64::NAN);
        // Above the diagonal nothing is read.
        values[32 + 1] = Scalar::Float(f64::INFINITY);
        let some_nan = array(tensor(&values, DType::F64, &[3, 4, 4]));
        cases.push(case("one with NaN", linalg::eigvalsh(&some_nan), Bound::Distance(1e-9))?);
        cases.push(case("one with NaN", Ok(linalg::eigh(&some_nan)?.values), Bound::Distance(1e-9))?);
        let vectors = unary(UnaryOp::Abs, &linalg::eigh(&some_nan)?.vectors);
        cases.push(case("one with NaN", vectors, Bound::Distance(1e-9))?);
        Ok(cases)
    });
}

#[test]
fn what_is_made_of_factors() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in [DType::F64, DType::C64] {
            let a = some(dtype, &[2, 6, 4], 1)?;
            cases.push(case("pinv", linalg::pinv(&a, None), near(dtype))?);
            cases.push(case("rank", linalg::matrix_rank(&a, None), Bound::Exact)?);
            let square = regular(dtype, &[3, 3], 1)?;
            cases.push(case("power", linalg::matrix_power(&square, -2), near(dtype))?);
            let repeated = broadcast_to(&square, &[4, 3, 3])?;
            cases.push(case("repeated", linalg::inv(&repeated), near(dtype))?);
            let turned = linalg::matrix_transpose(&repeated)?;
            cases.push(case("turned", linalg::inv(&turned), near(dtype))?);
        }
        // Squares of these overflow and vanish.
        for (dtype, factor) in
            [(DType::F64, 1e300), (DType::F64, 1e-300), (DType::F32, 1e30), (DType::C64, 1e-30)]
        {
            let factor = Tensor::scalar(Scalar::Float(factor).cast(dtype), dtype)?;
            let extreme = multiply(&some(dtype, &[2, 5, 3], 1)?, &array(factor.clone()))?;
            let s = binary(BinaryOp::Divide, &cast(&linalg::svdvals(&extreme)?, dtype), &array(factor))?;
            cases.push(case(format!("of extreme {dtype}"), Ok(s), near(dtype))?);
        }
        Ok(cases)
    });
}

#[test]
fn what_is_empty_is_decomposed() {
    compare(|| {
        let x = |shape: &[usize]| array(numbers(DType::F64, shape, 1));
        Ok(vec![
            case("inv of none", linalg::inv(&x(&[0, 3, 3])), Bound::Exact)?,
            case("det of nothing", linalg::det(&x(&[2, 0, 0])), Bound::Exact)?,
            case("q", Ok(linalg::qr(&x(&[3, 0]), true)?.q), Bound::Exact)?,
            case("svdvals", linalg::svdvals(&x(&[2, 0, 3])), Bound::Exact)?,
        ])
    });
}

/// The device names the same matrix as the CPU does.
#[test]
fn matrices_without_a_decomposition_are_named() {
    let shape = [2, 3, 2, 2];
    let with = |place: usize, matrix: [f64; 4]| {
        let mut values: Vec<Scalar> = [2.0, 0.0, 0.0, 2.0].map(Scalar::Float).repeat(6);
        values[4 * place..4 * (place + 1)].copy_from_slice(&matrix.map(Scalar::Float));
        array(tensor(&values, DType::F64, &shape))
    };
    let singular = with(4, [1.0, 2.0, 2.0, 4.0]);
    let nan = with(2, [1.0, 2.0, f64::NAN, 4.0]);
    let negative = with(5, [-1.0, 0.0, 0.0, 1.0]);
    let cases = [
        ("inv", linalg::inv(&singular), "[1, 1]"),
        ("solve", linalg::solve(&singular, &singular), "[1, 1]"),
        ("cholesky", linalg::cholesky(&negative, false), "[1, 2]"),
        ("svdvals", linalg::svdvals(&nan), "[0, 2]"),
    ];
    for chunk_bytes in [64 << 20, 64] {
        let session = on_device(chunk_bytes);
        for (what, made, place) in &cases {
            let made = made.as_ref().expect("it is made");
            let expected = Runner::new().compute(made).expect_err(what);
            let error = compute(&session, std::slice::from_ref(made), &Watch::default()).expect_err(what);
            assert_eq!(error.kind(), ErrorKind::LinearAlgebra, "{what}: {error}");
            assert_eq!(error.to_string(), expected.to_string(), "{what}");
            let digits: String = place.chars().filter(char::is_ascii_digit).collect();
            let said: String = error
                .to_string()
                .rsplit("index")
                .next()
                .unwrap_or_default()
                .chars()
                .filter(char::is_ascii_digit)
                .collect();
            assert_eq!(said, digits, "{what}: {error}");
        }
    }
}

/// Matrices that are too large to be factored in one kernel.
#[test]
fn large_matrices_are_taken_one_by_one() {
    compare(|| {
        let (dtype, n) = (DType::F64, 260);
        let a = regular(dtype, &[2, n, n], 1)?;
        let vectors = some(dtype, &[2, n, 2], 2)?;
        let definite = binary(BinaryOp::Add, &a, &adjoint(&a)?)?;
        Ok(vec![
            case("solve", linalg::solve(&a, &vectors), near(dtype))?,
            case("logarithm", Ok(linalg::slogdet(&a)?.logabsdet), near(dtype))?,
            case("cholesky", linalg::cholesky(&definite, false), near(dtype))?,
            case("eigvalsh", linalg::eigvalsh(&hermitian(dtype, &[2, 70, 70], 3)?), near(dtype))?,
        ])
    });
}

#[test]
fn the_receipt_says_what_factored() {
    let session = on_device(64 << 20);
    for (front, said) in [(&[][..], "by cuSOLVER "), (&[4], "by cuBLAS ")] {
        let a = regular(DType::F64, &[front, &[3, 3]].concat(), 1).expect("it is made");
        let inverse = linalg::inv(&a).expect("it is made");
        let computed = compute(&session, &[inverse], &Watch::default()).expect("the device takes it");
        let receipt = &computed.receipt;
        let notes: Vec<_> = receipt.operators.iter().filter_map(|one| one.note.as_deref()).collect();
        assert!(notes.iter().any(|note| note.starts_with(said)), "{receipt}");
        assert!(receipt.operators.iter().map(|one| one.kernels_launched).sum::<u64>() > 2, "{receipt}");
    }
}
