use num_complex::Complex;

use super::*;
use crate::build::elementwise::cast;
use crate::dispatch;
use crate::dtype::{DType, Element, Scalar};
use crate::error::ErrorKind;
use crate::graph::Op;
use crate::run::Runner;
use crate::tensor::Tensor;

type C = Complex<f64>;

/// Numbers in (-1, 1) that look random, the same every time.
fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn array(dtype: DType, shape: &[usize], value: impl Fn(usize) -> C) -> Result<Array> {
    let len = shape.iter().product();
    let scalar = |x: C| match dtype {
        _ if dtype.is_complex() => Scalar::Complex(x),
        _ if dtype.is_float() => Scalar::Float(x.re),
        DType::Bool => Scalar::Bool(x.re > 0.0),
        _ => Scalar::Int((x.re * 10.0) as i128),
    };
    dispatch!(dtype, T => {
        let values = (0..len).map(|i| <T as Element>::from_scalar(scalar(value(i)))).collect();
        Ok(Array::from_tensor(Tensor::from_vec::<T>(values, shape)?))
    })
}

fn random(dtype: DType, shape: &[usize], seed: u64) -> Result<Array> {
    let len = shape.iter().product();
    let (re, im) = (noise(len, seed), noise(len, seed + 50));
    array(dtype, shape, |i| C::new(re[i], im[i]))
}

fn floats(values: &[f64], shape: &[usize]) -> Result<Array> {
    Ok(Array::from_tensor(Tensor::from_vec(values.to_vec(), shape)?))
}

fn values(x: &Array) -> Result<Vec<C>> {
    let tensor = Runner::new().compute(x)?;
    assert_eq!((tensor.dtype(), tensor.shape()), (x.dtype(), x.shape()));
    dispatch!(tensor.dtype(), T => {
        Ok(tensor.to_vec::<T>()?.into_iter().map(|x| x.to_scalar().as_complex()).collect())
    })
}

fn reals(x: &Array) -> Result<Vec<f64>> {
    Ok(values(x)?.into_iter().map(|x| x.re).collect())
}

#[track_caller]
fn assert_near(have: &[C], want: &[C], tolerance: f64) {
    assert_eq!(have.len(), want.len());
    let scale = want.iter().map(|x| x.norm()).fold(1.0, f64::max);
    for (i, (have, want)) in have.iter().zip(want).enumerate() {
        assert!((have - want).norm() <= tolerance * scale, "{i}: {have} is not {want}");
    }
}

#[track_caller]
fn assert_reals(have: &Array, want: &[f64]) -> Result<()> {
    let want: Vec<C> = want.iter().map(|&x| C::new(x, 0.0)).collect();
    assert_near(&values(have)?, &want, 1e-12);
    Ok(())
}

/// Sums of products by definition: over all indices of all labels.
fn sums_by_definition(spec: &str, operands: &[Array]) -> Result<Vec<C>> {
    let (left, right) = spec.split_once("->").expect("an explicit result");
    let terms: Vec<Vec<char>> = left.split(',').map(|term| term.chars().collect()).collect();
    let mut lens = std::collections::BTreeMap::new();
    for (term, x) in terms.iter().zip(operands) {
        term.iter().zip(x.shape()).for_each(|(&c, &len)| {
            let known = lens.entry(c).or_insert(len);
            *known = (*known).max(len);
        });
    }
    let output: Vec<char> = right.chars().collect();
    let inner: Vec<char> = lens.keys().copied().filter(|c| !output.contains(c)).collect();
    let all: Vec<char> = output.iter().chain(&inner).copied().collect();
    let count = |labels: &[char]| labels.iter().map(|c| lens[c]).product::<usize>();
    let data = operands.iter().map(values).collect::<Result<Vec<_>>>()?;
    let mut sums = vec![C::new(0.0, 0.0); count(&output)];
    for number in 0..count(&all) {
        let mut rest = number;
        let mut index = std::collections::BTreeMap::new();
        for &c in all.iter().rev() {
            index.insert(c, rest % lens[&c]);
            rest /= lens[&c];
        }
        let factor = |((term, x), data): ((&Vec<char>, &Array), &Vec<C>)| {
            let flat =
                term.iter().zip(x.shape()).fold(0, |flat, (c, &len)| flat * len + index[c].min(len - 1));
            data[flat]
        };
        sums[number / count(&inner)] += terms.iter().zip(operands).zip(&data).map(factor).product::<C>();
    }
    Ok(sums)
}

#[test]
fn matmul_takes_vectors_matrices_and_batches() -> Result<()> {
    for dtype in [DType::F64, DType::F32, DType::C128, DType::I32, DType::Bool] {
        type Case<'a> = (&'a [usize], &'a [usize], &'a str, &'a [usize]);
        let cases: [Case<'_>; 8] = [
            (&[4], &[4], "i,i->", &[]),
            (&[4], &[4, 3], "i,ij->j", &[3]),
            (&[3, 4], &[4], "ij,j->i", &[3]),
            (&[3, 4], &[4, 5], "ij,jk->ik", &[3, 5]),
            (&[2, 3, 4], &[4, 5], "aij,jk->aik", &[2, 3, 5]),
            (&[3, 1, 2, 4], &[6, 4, 5], "abij,cjk->acik", &[3, 6, 2, 5]),
            (&[2, 3, 4], &[4], "aij,j->ai", &[2, 3]),
            (&[4], &[2, 4, 3], "j,ajk->ak", &[2, 3]),
        ];
        for (a, b, spec, shape) in cases {
            let (a, b) = (random(dtype, a, 1)?, random(dtype, b, 2)?);
            let product = matmul(&a, &b)?;
            assert_eq!((product.dtype(), product.shape()), (dtype, shape));
            let spec = spec.replace("abij", "aBij");
            let by_definition = if spec.contains("aBij") {
                let squeezed = reshape_for_tests(&a, &[3, 2, 4]);
                sums_by_definition("aij,cjk->acik", &[squeezed, b.clone()])?
            } else {
                sums_by_definition(&spec, &[a.clone(), b.clone()])?
            };
            let want: Vec<C> = match dtype {
                DType::Bool => by_definition.iter().map(|x| C::new((x.re > 0.0) as u8 as f64, 0.0)).collect(),
                _ => by_definition,
            };
            assert_near(&values(&product)?, &want, 1e-6);
        }
    }
    let empty = matmul(&random(DType::F64, &[3, 0], 1)?, &random(DType::F64, &[0, 2], 1)?)?;
    assert_reals(&empty, &[0.0; 6])?;
    assert_eq!(
        matmul(&floats(&[1.0], &[])?, &floats(&[1.0], &[1])?).expect_err("0-d").kind(),
        ErrorKind::Value
    );
    let error =
        matmul(&random(DType::F64, &[2, 3], 1)?, &random(DType::F64, &[2, 3], 1)?).expect_err("inner");
    assert_eq!(error.to_string(), "matmul of shapes (2, 3) and (2, 3): the inner lengths 3 and 2 differ");
    assert_eq!(matmul(&random(DType::I8, &[2, 2], 1)?, &random(DType::U8, &[2, 2], 1)?)?.dtype(), DType::I16);
    Ok(())
}

fn reshape_for_tests(x: &Array, shape: &[usize]) -> Array {
    Array::new(Op::Reshape, vec![x.clone()], x.dtype(), shape.to_vec())
}

#[test]
fn tensordot_vecdot_outer_kron_cross() -> Result<()> {
    for dtype in [DType::F64, DType::C128] {
        let (a, b) = (random(dtype, &[2, 3, 4], 1)?, random(dtype, &[4, 3, 5], 2)?);
        let product = tensordot(&a, &b, &[1, -1], &[1, 0])?;
        assert_near(&values(&product)?, &sums_by_definition("ijk,kjl->il", &[a.clone(), b.clone()])?, 1e-12);
        let nothing = tensordot(&a, &b, &[], &[])?;
        assert_eq!(nothing.shape(), [2, 3, 4, 4, 3, 5]);
        assert_near(
            &values(&nothing)?,
            &sums_by_definition("ijk,lmn->ijklmn", &[a.clone(), b.clone()])?,
            1e-12,
        );
        assert_eq!(tensordot(&a, &b, &[0], &[0]).expect_err("2 and 4").kind(), ErrorKind::Value);

        let c = random(dtype, &[3, 4], 3)?;
        let conjugated: Vec<C> = values(&a)?.iter().map(|x| x.conj()).collect();
        let conjugated = array(dtype, &[2, 3, 4], |i| conjugated[i])?;
        let want = sums_by_definition("ijk,jk->ij", &[conjugated, c.clone()])?;
        assert_near(&values(&vecdot(&a, &c, -1)?)?, &want, 1e-12);
        assert_eq!(vecdot(&a, &c, -2)?.shape(), [2, 4]);
        assert_eq!(vecdot(&a, &c, -3).expect_err("too far").kind(), ErrorKind::Axis);

        let (u, v) = (random(dtype, &[3], 4)?, random(dtype, &[4], 5)?);
        assert_near(
            &values(&outer(&u, &v)?)?,
            &sums_by_definition("i,j->ij", &[u.clone(), v.clone()])?,
            1e-12,
        );
        assert_eq!(outer(&c, &v).expect_err("a matrix").kind(), ErrorKind::Value);

        let product = kron(&random(dtype, &[2, 3], 6)?, &random(dtype, &[4], 7)?)?;
        assert_eq!(product.shape(), [2, 12]);
        let (x, y) = (values(&random(dtype, &[2, 3], 6)?)?, values(&random(dtype, &[4], 7)?)?);
        let want: Vec<C> = (0..24).map(|i| x[i / 4] * y[i % 4]).collect();
        assert_near(&values(&product)?, &want, 1e-12);
    }
    let (x, y) = (floats(&[1.0, 2.0, 3.0], &[3])?, floats(&[4.0, 5.0, 6.0, 1.0, 0.0, 0.0], &[2, 3])?);
    assert_reals(&cross(&x, &y, -1)?, &[-3.0, 6.0, -3.0, 0.0, 3.0, -2.0])?;
    assert_reals(
        &cross(&matrix_transpose(&y)?, &reshape_for_tests(&x, &[3, 1]), 0)?,
        &[3.0, 0.0, -6.0, -3.0, 3.0, 2.0],
    )?;
    assert_eq!(cross(&floats(&[1.0, 2.0], &[2])?, &x, -1).expect_err("2").kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn einsum_follows_the_definition() -> Result<()> {
    let cases: [(&str, &[&[usize]]); 22] = [
        ("i->i", &[&[4]]),
        ("i->", &[&[4]]),
        ("ij->ji", &[&[2, 3]]),
        ("ij->j", &[&[2, 3]]),
        ("ii->", &[&[4, 4]]),
        ("ii->i", &[&[4, 4]]),
        ("iij->ji", &[&[3, 3, 2]]),
        ("iii->i", &[&[3, 3, 3]]),
        ("ijik->kj", &[&[3, 2, 3, 4]]),
        ("i,j->ij", &[&[2], &[3]]),
        ("i,i->i", &[&[3], &[3]]),
        ("i,i->", &[&[3], &[3]]),
        ("ij,jk->ik", &[&[2, 3], &[3, 4]]),
        ("ij,jk->ki", &[&[2, 3], &[3, 4]]),
        ("bij,bjk->bik", &[&[5, 2, 3], &[5, 3, 4]]),
        ("bij,kjb->ikb", &[&[5, 2, 3], &[4, 3, 5]]),
        ("ij,kl->", &[&[2, 3], &[4, 2]]),
        ("ij,jk,kl->il", &[&[2, 3], &[3, 4], &[4, 5]]),
        ("ab,bc,cd,da->", &[&[2, 3], &[3, 4], &[4, 5], &[5, 2]]),
        ("abc,bd,ae,cf->def", &[&[2, 3, 4], &[3, 5], &[2, 2], &[4, 3]]),
        ("ij,jj,jk->ik", &[&[2, 3], &[3, 3], &[3, 2]]),
        ("ij,jk->ik", &[&[2, 3], &[1, 4]]),
    ];
    for (spec, shapes) in cases {
        for dtype in [DType::F64, DType::C128] {
            let operands: Vec<Array> =
                shapes.iter().enumerate().map(|(i, s)| random(dtype, s, i as u64)).collect::<Result<_>>()?;
            let have = einsum(spec, &operands)?;
            assert_near(&values(&have)?, &sums_by_definition(spec, &operands)?, 1e-12);
        }
    }
    let (a, b) = (random(DType::F64, &[5, 2, 3], 1)?, random(DType::F64, &[3, 4], 2)?);
    let want = sums_by_definition("bij,jk->bik", &[a.clone(), b.clone()])?;
    for spec in ["...ij,jk->...ik", "...ij,...jk", " b i j , j k -> b i k "] {
        let have = einsum(spec, &[a.clone(), b.clone()])?;
        assert_eq!(have.shape(), [5, 2, 4], "{spec}");
        assert_near(&values(&have)?, &want, 1e-12);
    }
    let back = einsum("...ij->j...i", std::slice::from_ref(&a))?;
    assert_eq!(back.shape(), [3, 5, 2]);
    assert_eq!(einsum("...", std::slice::from_ref(&a))?.shape(), [5, 2, 3]);
    assert_eq!(einsum("...j->...", std::slice::from_ref(&a))?.shape(), [5, 2]);
    assert_eq!(einsum("ba", &[random(DType::F64, &[2, 3], 1)?])?.shape(), [3, 2]);
    assert_eq!(
        einsum("...a,...a->...", &[random(DType::F64, &[2, 1, 4], 1)?, random(DType::F64, &[3, 4], 1)?])?
            .shape(),
        [2, 3]
    );
    assert_eq!(
        einsum("ij,jk", &[random(DType::I8, &[2, 3], 1)?, random(DType::I32, &[3, 0], 2)?])?.shape(),
        [2, 0]
    );
    for (spec, shapes) in [
        ("ij,jk->ik", &[&[2, 3][..]][..]),
        ("ij->ik", &[&[2, 3]]),
        ("ij->ii", &[&[2, 3]]),
        ("i", &[&[2, 3]]),
        ("i..j", &[&[2, 3]]),
        ("i,i", &[&[2], &[3]]),
        ("i-j", &[&[2, 3]]),
    ] {
        let operands: Vec<Array> = shapes.iter().map(|s| random(DType::F64, s, 1)).collect::<Result<_>>()?;
        assert_eq!(einsum(spec, &operands).expect_err(spec).kind(), ErrorKind::Value, "{spec}");
    }
    Ok(())
}

#[test]
fn multi_dot_finds_the_cheap_order() -> Result<()> {
    let shapes: [&[usize]; 4] = [&[7], &[7, 2], &[2, 9], &[9]];
    let chain: Vec<Array> = shapes.iter().map(|s| random(DType::F64, s, 3)).collect::<Result<_>>()?;
    let have = multi_dot(&chain)?;
    assert_eq!(have.shape(), [] as [usize; 0]);
    assert_near(&values(&have)?, &sums_by_definition("i,ij,jk,k->", &chain)?, 1e-12);
    let wide: [&[usize]; 3] = [&[10, 100], &[100, 5], &[5, 50]];
    let chain: Vec<Array> = wide.iter().map(|s| random(DType::F64, s, 3)).collect::<Result<_>>()?;
    let have = multi_dot(&chain)?;
    assert_eq!(have.inputs()[0].shape(), [10, 5], "the first two first");
    assert_near(&values(&have)?, &sums_by_definition("ij,jk,kl->il", &chain)?, 1e-12);
    assert_eq!(multi_dot(&chain[..1]).expect_err("one").kind(), ErrorKind::Value);
    Ok(())
}

#[test]
fn decompositions_multiply_back() -> Result<()> {
    for dtype in [DType::F32, DType::F64, DType::C64, DType::C128] {
        let tolerance = if dtype.real() == DType::F32 { 1e-4 } else { 1e-11 };
        for front in [&[][..], &[3], &[2, 0], &[2, 2]] {
            for (n, m) in [(5, 5), (7, 4), (4, 7), (0, 3), (3, 0), (0, 0)] {
                let a = random(dtype, &[front, &[n, m]].concat(), 1)?;
                let want = values(&a)?;
                for complete in [false, true] {
                    let Qr { q, r } = qr(&a, complete)?;
                    assert_near(&values(&matmul(&q, &r)?)?, &want, tolerance);
                    let Svd { u, s, vh } = svd(&a, complete)?;
                    let k = n.min(m);
                    let (left, right) = if complete { (n, m) } else { (k, k) };
                    assert_eq!(u.shape()[front.len()..], [n, left]);
                    assert_eq!(vh.shape()[front.len()..], [right, m]);
                    if !complete {
                        let column = reshape_for_tests(&s, &[s.shape(), &[1]].concat());
                        let scaled = nodes::multiply(&cast(&column, dtype), &vh)?;
                        assert_near(&values(&matmul(&u, &scaled)?)?, &want, tolerance);
                        assert_near(&values(&svdvals(&a)?)?, &values(&s)?, tolerance);
                    }
                }
                if n == m {
                    let b = random(dtype, &[n, 2], 9)?;
                    let x = solve(&a, &b)?;
                    let back = values(&matmul(&a, &x)?)?;
                    let all = nodes::broadcast(&b, x.shape());
                    assert_near(&back, &values(&all)?, tolerance * 10.0);
                    let identity = matmul(&a, &inv(&a)?)?;
                    let eye = crate::build::creation::eye(n, n, 0, dtype)?;
                    assert_near(
                        &values(&identity)?,
                        &values(&nodes::broadcast(&eye, a.shape()))?,
                        tolerance * 10.0,
                    );
                    let gram = nodes::binary(
                        crate::program::BinaryOp::Add,
                        &matmul(&a, &matrix_adjoint(&a)?)?,
                        &eye,
                    )?;
                    let l = cholesky(&gram, false)?;
                    assert_near(&values(&matmul(&l, &matrix_adjoint(&l)?)?)?, &values(&gram)?, tolerance);
                    let u = cholesky(&gram, true)?;
                    assert_near(&values(&matmul(&matrix_adjoint(&u)?, &u)?)?, &values(&gram)?, tolerance);
                    let Eigen { values: w, vectors } = eigh(&gram)?;
                    let row = reshape_for_tests(&w, &[front, &[1, n]].concat());
                    let scaled = nodes::multiply(&vectors, &cast(&row, dtype))?;
                    assert_near(&values(&matmul(&gram, &vectors)?)?, &values(&scaled)?, tolerance);
                    assert_near(&values(&eigvalsh(&gram)?)?, &values(&w)?, tolerance);
                    let Eigen { values: w, vectors } = eig(&a)?;
                    let row = reshape_for_tests(&w, &[front, &[1, n]].concat());
                    let scaled = nodes::multiply(&vectors, &row)?;
                    assert_near(&values(&matmul(&a, &vectors)?)?, &values(&scaled)?, tolerance * 10.0);
                    assert_eq!(eigvals(&a)?.shape(), w.shape());
                    let SignAndLogarithm { sign, logabsdet } = slogdet(&a)?;
                    let product: Vec<C> = values(&sign)?
                        .iter()
                        .zip(values(&logabsdet)?)
                        .map(|(sign, log)| sign * log.re.exp())
                        .collect();
                    assert_near(&values(&det(&a)?)?, &product, tolerance);
                }
                let p = pinv(&a, None)?;
                assert_eq!(p.shape()[front.len()..], [m, n]);
                assert_near(&values(&matmul(&matmul(&a, &p)?, &a)?)?, &want, tolerance * 10.0);
            }
        }
    }
    Ok(())
}

#[test]
fn all_outputs_of_one_operator_are_results() -> Result<()> {
    let a = random(DType::F64, &[150, 150], 1)?;
    let Svd { u, s, vh } = svd(&a, true)?;
    let all = Runner::new().compute_all(&[u, s.clone(), vh, s])?;
    assert_eq!(
        all.iter().map(|x| x.shape().to_vec()).collect::<Vec<_>>(),
        [vec![150, 150], vec![150], vec![150, 150], vec![150]]
    );
    assert_eq!(Runner::new().compute(&eigh(&a)?.vectors)?.shape(), [150, 150]);
    Ok(())
}

#[test]
fn takes_integers_and_narrow_floats() -> Result<()> {
    let integers = Array::from_tensor(Tensor::from_vec(vec![2i32, 1, 1, 3], &[2, 2])?);
    assert_reals(&det(&integers)?, &[5.0])?;
    assert_reals(&inv(&integers)?, &[0.6, -0.2, -0.2, 0.4])?;
    assert_reals(
        &solve(&integers, &Array::from_tensor(Tensor::from_vec(vec![3i8, 4], &[2])?))?,
        &[1.0, 1.0],
    )?;
    assert_eq!(svd(&integers, true)?.s.dtype(), DType::F64);
    for narrow in [DType::F16, DType::BF16] {
        let x = cast(&integers, narrow);
        assert_eq!(det(&x)?.dtype(), narrow);
        assert_reals(&det(&x)?, &[5.0])?;
        let Qr { q, r } = qr(&x, false)?;
        assert_eq!((q.dtype(), r.dtype()), (narrow, narrow));
        assert_eq!(eig(&x)?.values.dtype(), DType::C64);
        assert_eq!(vector_norm(&x, None, false, 2.0)?.dtype(), narrow);
        assert_eq!(matrix_rank(&x, None)?.dtype(), DType::I64);
        assert_reals(&matrix_rank(&x, None)?, &[2.0])?;
    }
    Ok(())
}

#[test]
fn solves_vectors_and_broadcasts() -> Result<()> {
    let a = random(DType::F64, &[2, 1, 3, 3], 1)?;
    let vector = random(DType::F64, &[3], 2)?;
    let x = solve(&a, &vector)?;
    assert_eq!(x.shape(), [2, 1, 3]);
    let back = matmul(&a, &reshape_for_tests(&x, &[2, 1, 3, 1]))?;
    assert_near(&values(&back)?, &[values(&vector)?, values(&vector)?].concat(), 1e-11);
    let b = random(DType::F64, &[4, 3, 2], 2)?;
    assert_eq!(solve(&a, &b)?.shape(), [2, 4, 3, 2]);
    assert_eq!(solve(&a, &random(DType::F64, &[4, 2], 1)?).expect_err("4 rows").kind(), ErrorKind::Value);
    assert_eq!(
        solve(&random(DType::F64, &[2, 3], 1)?, &vector).expect_err("2 × 3").kind(),
        ErrorKind::LinearAlgebra
    );
    let singular =
        Runner::new().compute(&inv(&floats(&[1.0, 2.0, 2.0, 4.0], &[2, 2])?)?).expect_err("singular");
    assert_eq!(
        (singular.kind(), singular.to_string().as_str()),
        (ErrorKind::LinearAlgebra, "a singular matrix, of shape (2, 2)")
    );
    Ok(())
}

#[test]
fn ranks_and_powers() -> Result<()> {
    let low = matmul(&random(DType::F64, &[3, 6, 2], 1)?, &random(DType::F64, &[2, 5], 2)?)?;
    assert_reals(&matrix_rank(&low, None)?, &[2.0, 2.0, 2.0])?;
    assert_reals(
        &matrix_rank(&low, Some(&floats(&[0.0, 0.5, 2.0], &[3])?))?,
        &[
            reals(&matrix_rank(&low, Some(&floats(&[0.0], &[])?))?)?[0],
            reals(&matrix_rank(&low, Some(&floats(&[0.5], &[])?))?)?[1],
            0.0,
        ],
    )?;
    assert_reals(&matrix_rank(&random(DType::F64, &[2, 0, 3], 1)?, None)?, &[0.0, 0.0])?;
    let p = pinv(&low, None)?;
    assert_near(&values(&matmul(&matmul(&low, &p)?, &low)?)?, &values(&low)?, 1e-11);

    let x = floats(&[1.0, 1.0, 1.0, 0.0], &[2, 2])?;
    assert_reals(&matrix_power(&x, 10)?, &[89.0, 55.0, 55.0, 34.0])?;
    assert_reals(&matrix_power(&x, 1)?, &[1.0, 1.0, 1.0, 0.0])?;
    assert_reals(&matrix_power(&x, 0)?, &[1.0, 0.0, 0.0, 1.0])?;
    assert_reals(&matrix_power(&x, -2)?, &[1.0, -1.0, -1.0, 2.0])?;
    let integers = Array::from_tensor(Tensor::from_vec(vec![1i64, 1, 1, 0], &[2, 2])?);
    let power = matrix_power(&integers, 90)?;
    assert_eq!(Runner::new().compute(&power)?.to_vec::<i64>()?[1], 2880067194370816120);
    assert_eq!(
        matrix_power(&random(DType::F64, &[2, 3], 1)?, 2).expect_err("2 × 3").kind(),
        ErrorKind::LinearAlgebra
    );
    Ok(())
}

#[test]
fn least_squares() -> Result<()> {
    let a = floats(&[0.0, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0, 1.0], &[4, 2])?;
    let b = floats(&[-1.0, 0.2, 0.9, 2.1], &[4])?;
    let found = lstsq(&a, &b, None)?;
    assert_reals(&found.x, &[1.0, -0.95])?;
    assert_reals(&found.residuals, &[0.05])?;
    assert_reals(&found.rank, &[2.0])?;
    assert_eq!(found.singular_values.shape(), [2]);
    let wide = lstsq(&matrix_transpose(&a)?, &random(DType::F64, &[2, 3], 1)?, None)?;
    assert_eq!((wide.x.shape(), wide.residuals.shape()), (&[4, 3][..], &[3][..]));
    assert_reals(&wide.residuals, &[0.0; 3])?;
    let complex = random(DType::C128, &[5, 3], 1)?;
    let x = random(DType::C128, &[3], 2)?;
    let found = lstsq(&complex, &matmul(&complex, &x)?, None)?;
    assert_near(&values(&found.x)?, &values(&x)?, 1e-12);
    assert_eq!(
        lstsq(&random(DType::F64, &[0, 3], 1)?, &random(DType::F64, &[0, 2], 1)?, None)?.x.shape(),
        [3, 2]
    );
    Ok(())
}

#[test]
fn vector_norms_of_every_order() -> Result<()> {
    let x = floats(&[3.0, -4.0, 0.0, 1.0, -2.0, 2.0], &[2, 3])?;
    let (inf, minus) = (f64::INFINITY, f64::NEG_INFINITY);
    for (ord, want) in
        [(2.0, 34f64.sqrt()), (1.0, 12.0), (0.0, 5.0), (inf, 4.0), (minus, 0.0), (3.0, 108f64.cbrt())]
    {
        assert_reals(&vector_norm(&x, None, false, ord)?, &[want])?;
    }
    assert_reals(&vector_norm(&x, Some(&[-1]), false, 2.0)?, &[5.0, 3.0])?;
    assert_eq!(vector_norm(&x, Some(&[0]), true, 2.0)?.shape(), [1, 3]);
    assert_eq!(vector_norm(&x, Some(&[0, 1]), true, -1.0)?.shape(), [1, 1]);
    assert_reals(&vector_norm(&x, Some(&[1]), false, -1.0)?, &[0.0, 0.5])?;
    let complex = array(DType::C64, &[2], |_| C::new(3.0, 4.0))?;
    assert_eq!(vector_norm(&complex, None, false, 2.0)?.dtype(), DType::F32);
    assert_near(&values(&vector_norm(&complex, None, false, 2.0)?)?, &[C::new(50f64.sqrt(), 0.0)], 1e-6);
    assert_reals(&vector_norm(&floats(&[-7.0], &[])?, None, false, 2.0)?, &[7.0])?;
    let empty = floats(&[], &[0])?;
    for (ord, want) in [(2.0, 0.0), (0.0, 0.0), (1.0, 0.0), (inf, 0.0), (-1.0, inf)] {
        assert_eq!(reals(&vector_norm(&empty, None, false, ord)?)?, [want], "{ord}");
    }
    assert_eq!(vector_norm(&empty, None, false, minus).expect_err("none").kind(), ErrorKind::Value);
    let nan = floats(&[1.0, f64::NAN], &[2])?;
    for ord in [0.5, 1.0, 2.0, inf, minus] {
        assert!(reals(&vector_norm(&nan, None, false, ord)?)?[0].is_nan(), "{ord}");
    }
    Ok(())
}

#[test]
fn matrix_norms_of_every_order() -> Result<()> {
    use MatrixOrder::*;
    let x = floats(&[1.0, -2.0, 3.0, 4.0, 0.0, 2.0], &[2, 3])?;
    let (inf, minus) = (f64::INFINITY, f64::NEG_INFINITY);
    let cases = [
        (Frobenius, 34f64.sqrt()),
        (Number(1.0), 5.0),
        (Number(-1.0), 2.0),
        (Number(inf), 6.0),
        (Number(minus), 6.0),
    ];
    for (ord, want) in cases {
        assert_reals(&matrix_norm(&x, false, ord)?, &[want])?;
        assert_eq!(matrix_norm(&x, true, ord)?.shape(), [1, 1]);
    }
    let s = reals(&svdvals(&x)?)?;
    assert_reals(&matrix_norm(&x, false, Number(2.0))?, &s[..1])?;
    assert_reals(&matrix_norm(&x, false, Number(-2.0))?, &s[1..])?;
    assert_reals(&matrix_norm(&x, false, Nuclear)?, &[s[0] + s[1]])?;
    assert_eq!(matrix_norm(&x, false, Number(3.0)).expect_err("3").kind(), ErrorKind::Value);
    let none = random(DType::F64, &[2, 0, 3], 1)?;
    for ord in [Frobenius, Nuclear, Number(1.0), Number(-1.0), Number(2.0), Number(inf)] {
        assert_reals(&matrix_norm(&none, false, ord)?, &[0.0, 0.0])?;
    }
    for ord in [Number(-2.0), Number(minus)] {
        assert_eq!(matrix_norm(&none, false, ord).expect_err("none").kind(), ErrorKind::Value);
    }
    assert_eq!(matrix_norm(&random(DType::C64, &[4, 3, 3], 1)?, false, Nuclear)?.dtype(), DType::F32);
    Ok(())
}

#[test]
fn diagonals_and_traces() -> Result<()> {
    let x = floats(&(0..12).map(f64::from).collect::<Vec<_>>(), &[3, 4])?;
    for (offset, want) in [
        (0, &[0.0, 5.0, 10.0][..]),
        (1, &[1.0, 6.0, 11.0]),
        (3, &[3.0]),
        (-1, &[4.0, 9.0]),
        (4, &[]),
        (-7, &[]),
    ] {
        assert_reals(&diagonal(&x, offset)?, want)?;
        assert_reals(&trace(&x, offset, None)?, &[want.iter().sum()])?;
    }
    let batch = random(DType::C64, &[2, 3, 3], 1)?;
    assert_near(&values(&trace(&batch, 0, None)?)?, &sums_by_definition("bii->b", &[batch])?, 1e-6);
    let bytes = Array::from_tensor(Tensor::from_vec(vec![200u8; 4], &[2, 2])?);
    assert_eq!(Runner::new().compute(&trace(&bytes, 0, None)?)?.to_vec::<u64>()?, [400]);
    assert_eq!(trace(&bytes, 0, Some(DType::U8))?.dtype(), DType::U8);
    // More than a chunk, computed: read once, never whole.
    let n = 3000;
    let rows = crate::build::creation::index(&[n, n], 0);
    let columns = crate::build::creation::index(&[n, n], 1);
    let large =
        nodes::binary(crate::program::BinaryOp::Subtract, &rows, &nodes::multiply(&columns, &columns)?)?;
    let have = Runner::new().compute(&diagonal(&large, -1)?)?.to_vec::<i64>()?;
    assert!(have.iter().enumerate().all(|(i, &x)| x == (i as i64 + 1) - (i as i64).pow(2)));
    let complex = Array::new(
        Op::Binary(crate::program::BinaryOp::Complex),
        vec![cast(&large, DType::F64), cast(&rows, DType::F64)],
        DType::C128,
        vec![n, n],
    );
    let have = Runner::new().compute(&diagonal(&complex, 0)?)?.to_vec::<C>()?;
    assert!(have.iter().enumerate().all(|(i, x)| *x == C::new(i as f64 - (i * i) as f64, i as f64)));
    Ok(())
}

#[test]
fn tall_matrices_are_factored_by_blocks() -> Result<()> {
    for (dtype, n, k, tolerance) in [
        (DType::F64, 60_011, 7, 1e-11),
        (DType::F32, 120_001, 5, 2e-4),
        (DType::C128, 20_003, 9, 1e-11),
        (DType::F64, 9001, 33, 1e-11),
    ] {
        let a = random(dtype, &[n, k], 1)?;
        let Qr { q, r } = qr(&a, false)?;
        assert!(matches!(q.op(), Op::Slice(_)), "by blocks");
        let want = values(&a)?;
        assert_near(&values(&matmul(&q, &r)?)?, &want, tolerance);
        let eye = values(&crate::build::creation::eye(k, k, 0, dtype)?)?;
        assert_near(&values(&matmul(&matrix_adjoint(&q)?, &q)?)?, &eye, tolerance);
        for turned in [false, true] {
            let x = if turned { matrix_transpose(&a)? } else { a.clone() };
            let Svd { u, s, vh } = svd(&x, false)?;
            let column = cast(&reshape_for_tests(&s, &[k, 1]), dtype);
            let back = matmul(&u, &nodes::multiply(&column, &vh)?)?;
            assert_near(&values(&back)?, &values(&x)?, tolerance);
            assert_near(&values(&matmul(&matrix_adjoint(&u)?, &u)?)?, &eye, tolerance);
            assert_near(&values(&matmul(&vh, &matrix_adjoint(&vh)?)?)?, &eye, tolerance);
            assert_near(&values(&svdvals(&x)?)?, &values(&s)?, tolerance);
        }
    }
    // Columns that are nearly the same: Q is orthogonal all the same.
    let close: Vec<f64> = noise(80_000 * 2, 4);
    let a = array(DType::F64, &[80_000, 3], |i| {
        C::new(
            close[i / 3] + if i % 3 == 0 { 0.0 } else { close[80_000 + i / 3] * 1e-12 * (i % 3) as f64 },
            0.0,
        )
    })?;
    let Qr { q, r } = qr(&a, false)?;
    assert_near(
        &values(&matmul(&matrix_adjoint(&q)?, &q)?)?,
        &values(&crate::build::creation::eye(3, 3, 0, DType::F64)?)?,
        1e-12,
    );
    assert_near(&values(&matmul(&q, &r)?)?, &values(&a)?, 1e-12);
    Ok(())
}

#[test]
fn a_tall_matrix_does_not_have_to_fit() -> Result<()> {
    // 96 MB of values that are computed where they are needed; a tenth of that is allowed.
    let (n, k) = (1_500_000, 8);
    let index = nodes::cast(&crate::build::creation::index(&[n, k], 0), DType::F64);
    let column = nodes::cast(&crate::build::creation::index(&[n, k], 1), DType::F64);
    let one = nodes::full(Scalar::Float(1.0), DType::F64, &[n, k]);
    let x = nodes::unary(
        crate::program::UnaryOp::Sin,
        &nodes::multiply(&index, &nodes::binary(crate::program::BinaryOp::Add, &column, &one)?)?,
    );
    let s = Runner::new().with_memory_limit(10 << 20).compute(&svdvals(&x)?)?.to_vec::<f64>()?;
    // Sines of different frequencies are nearly orthogonal, each of length √(n/2).
    assert!(s.iter().all(|s| (s / (n as f64 / 2.0).sqrt() - 1.0).abs() < 1e-3), "{s:?}");
    Ok(())
}
