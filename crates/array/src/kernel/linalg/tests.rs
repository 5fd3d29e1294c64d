use faer::Mat;
use num_complex::Complex;

use super::*;
use crate::dispatch;
use crate::dtype::Scalar;
use crate::error::ErrorKind;
use crate::tensor::Slice;

type C = Complex<f64>;

/// Numbers in (-1, 1) that look random, the same every time.
pub(super) fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn random(dtype: DType, shape: &[usize], seed: u64) -> Result<Tensor> {
    let len = shape.iter().product();
    let (re, im) = (noise(len, seed), noise(len, seed + 100));
    from_values(dtype, shape, re.into_iter().zip(im).map(|(re, im)| C::new(re, im)).collect())
}

fn from_values(dtype: DType, shape: &[usize], values: Vec<C>) -> Result<Tensor> {
    let scalar = |x: C| if dtype.is_complex() { Scalar::Complex(x) } else { Scalar::Float(x.re) };
    dispatch!(dtype, T => {
        let values = values.into_iter().map(|x| <T as Element>::from_scalar(scalar(x))).collect();
        Tensor::from_vec::<T>(values, shape)
    })
}

/// The matrices of a batch.
fn matrices(tensor: &Tensor, front: usize) -> Vec<Mat<C>> {
    let len = |axis: usize| tensor.shape().get(front + axis).copied().unwrap_or(1);
    let (n, m) = (len(0), len(1));
    let values: Vec<C> = dispatch!(tensor.dtype(), T => {
        tensor.to_vec::<T>().unwrap_or_default().into_iter().map(|x| x.to_scalar().as_complex()).collect()
    });
    let count: usize = tensor.shape()[..front].iter().product();
    (0..count).map(|b| Mat::from_fn(n, m, |i, j| values[b * n * m + i * m + j])).collect()
}

fn tolerance(dtype: DType) -> f64 {
    if dtype.real() == DType::F32 { 3e-5 } else { 3e-13 }
}

fn assert_close(have: &Mat<C>, want: &Mat<C>, tolerance: f64, what: &str) {
    assert_eq!(have.shape(), want.shape(), "{what}");
    let scale = want.norm_l2().max(1.0);
    let error = (have - want).norm_l2();
    assert!(error <= tolerance * scale, "{what}: off by {error} of {scale}");
}

fn identity(n: usize) -> Mat<C> {
    Mat::identity(n, n)
}

fn diagonal(values: &Mat<C>, n: usize, m: usize) -> Mat<C> {
    Mat::from_fn(n, m, |i, j| if i == j { values[(i, 0)] } else { C::new(0.0, 0.0) })
}

const INEXACT: [DType; 4] = [DType::F32, DType::F64, DType::C64, DType::C128];
const FRONTS: [&[usize]; 4] = [&[], &[3], &[2, 2], &[0]];

/// Calls `check` with random batches: plain, of permuted axes, with negative strides.
fn each_input(n: usize, m: usize, check: impl Fn(&Tensor, usize) -> Result<()>) -> Result<()> {
    for dtype in INEXACT {
        for front in FRONTS {
            let shape = [front, &[n, m]].concat();
            check(&random(dtype, &shape, 1)?, front.len())?;
            let turned: Vec<usize> = shape.iter().rev().copied().collect();
            let axes: Vec<usize> = (0..shape.len()).rev().collect();
            check(&random(dtype, &turned, 2)?.permute(&axes), front.len())?;
            let back = |&len: &usize| Slice { start: len.saturating_sub(1), count: len, step: -1 };
            let slices: Vec<Slice> = shape.iter().map(back).collect();
            check(&random(dtype, &shape, 3)?.slice(&slices), front.len())?;
        }
    }
    Ok(())
}

const SHAPES: [(usize, usize); 13] = [
    (0, 0),
    (0, 3),
    (3, 0),
    (1, 1),
    (1, 4),
    (4, 1),
    (2, 2),
    (7, 5),
    (5, 7),
    (33, 33),
    (120, 61),
    (70, 130),
    (200, 9),
];
const SIDES: [usize; 7] = [0, 1, 2, 3, 8, 37, 90];

#[test]
fn qr_is_orthogonal_times_triangular() -> Result<()> {
    for (n, m) in SHAPES {
        each_input(n, m, |a, front| {
            for complete in [false, true] {
                let out = Decomposition::Qr { complete }.compute(std::slice::from_ref(a), front, &[])?;
                let k = if complete { n } else { n.min(m) };
                assert_eq!(out[0].shape()[front..], [n, k]);
                assert_eq!(out[1].shape()[front..], [k, m]);
                let triangle = Decomposition::QrTriangle.compute(std::slice::from_ref(a), front, &[])?;
                let (qs, rs, only) =
                    (matrices(&out[0], front), matrices(&out[1], front), matrices(&triangle[0], front));
                for (((a, q), r), only) in matrices(a, front).iter().zip(qs).zip(rs).zip(only) {
                    let tolerance = tolerance(out[0].dtype());
                    assert_close(&(&q * &r), a, tolerance, &format!("QR of {n}×{m}"));
                    assert_close(&(q.adjoint() * &q), &identity(k), tolerance, "QᴴQ");
                    (0..m).for_each(|j| (j + 1..k).for_each(|i| assert_eq!(r[(i, j)], C::new(0.0, 0.0))));
                    assert_eq!(r.subrows(0, n.min(m)), only.as_ref());
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn qr_of_dependent_columns_and_of_tall_matrices() -> Result<()> {
    for dtype in INEXACT {
        let base = &matrices(&random(dtype, &[50, 4], 5)?, 0)[0];
        let repeated: Vec<C> = (0..50)
            .flat_map(|i| (0..9).map(move |j| (i, j)))
            .map(|(i, j)| if j == 6 { C::new(0.0, 0.0) } else { base[(i, j % 4)] })
            .collect();
        let zeros = from_values(dtype, &[8, 3], vec![C::new(0.0, 0.0); 24])?;
        let tall = random(dtype, &[60_000, 3], 7)?;
        for a in [from_values(dtype, &[50, 9], repeated)?, zeros, tall] {
            let out = Decomposition::Qr { complete: false }.compute(std::slice::from_ref(&a), 0, &[])?;
            let (q, r) = (&matrices(&out[0], 0)[0], &matrices(&out[1], 0)[0]);
            assert_close(&(q * r), &matrices(&a, 0)[0], tolerance(dtype), "QR");
            assert_close(&(q.adjoint() * q), &identity(q.ncols()), tolerance(dtype), "QᴴQ");
            let svd = Decomposition::Svd { full: false }.compute(std::slice::from_ref(&a), 0, &[])?;
            let (u, s, vh) = (&matrices(&svd[0], 0)[0], &matrices(&svd[1], 0)[0], &matrices(&svd[2], 0)[0]);
            let s = diagonal(s, s.nrows(), s.nrows());
            assert_close(&(u * s * vh), &matrices(&a, 0)[0], tolerance(dtype), "UΣVᴴ");
            assert_close(&(u.adjoint() * u), &identity(u.ncols()), tolerance(dtype), "UᴴU");
        }
    }
    Ok(())
}

#[test]
fn multiplies_with_q_without_making_it() -> Result<()> {
    for (n, m) in SHAPES.into_iter().filter(|(n, m)| n >= m) {
        each_input(n, m, |a, front| {
            let c = random(a.dtype(), &[&a.shape()[..front], &[m, m + 2]].concat(), 9)?;
            let product = Decomposition::QrTimes.compute(&[a.clone(), c.clone()], front, &[])?;
            let q = Decomposition::Qr { complete: false }.compute(std::slice::from_ref(a), front, &[])?;
            let (qs, cs) = (matrices(&q[0], front), matrices(&c, front));
            for ((have, q), c) in matrices(&product[0], front).iter().zip(qs).zip(cs) {
                assert_close(have, &(q * c), tolerance(a.dtype()), "Q·c");
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn singular_values_of_matrices_whose_squares_overflow_or_vanish() -> Result<()> {
    for dtype in INEXACT {
        let exponents: [i32; 4] =
            if dtype.real() == DType::F32 { [64, 120, -80, -120] } else { [512, 1010, -600, -960] };
        for exponent in exponents {
            for (n, m) in [(1, 1), (2, 2), (3, 3), (7, 2), (2, 7)] {
                let small = random(dtype, &[n, m], 3)?;
                let values = &matrices(&small, 0)[0];
                let scaled = values.row_iter().flat_map(|row| row.iter()).map(|x| x * 2f64.powi(exponent));
                let a = from_values(dtype, &[n, m], scaled.collect())?;
                let (want, have) = (
                    Decomposition::Svd { full: false }.compute(&[small], 0, &[])?,
                    Decomposition::Svd { full: false }.compute(std::slice::from_ref(&a), 0, &[])?,
                );
                let s = Decomposition::SingularValues.compute(&[a], 0, &[])?;
                for values in [&have[1], &s[0]] {
                    let values = matrices(values, 0)[0].map(|x| x * 2f64.powi(-exponent));
                    assert_close(&values, &matrices(&want[1], 0)[0], tolerance(dtype), "Σ");
                }
                assert_close(&matrices(&have[0], 0)[0], &matrices(&want[0], 0)[0], tolerance(dtype), "U");
                assert_close(&matrices(&have[2], 0)[0], &matrices(&want[2], 0)[0], tolerance(dtype), "Vᴴ");
            }
        }
    }
    Ok(())
}

#[test]
fn singular_values_and_vectors() -> Result<()> {
    for (n, m) in SHAPES {
        each_input(n, m, |a, front| {
            let k = n.min(m);
            let values = Decomposition::SingularValues.compute(std::slice::from_ref(a), front, &[])?;
            for full in [false, true] {
                let out = Decomposition::Svd { full }.compute(std::slice::from_ref(a), front, &[])?;
                assert_eq!(out[1].dtype(), a.dtype().real());
                let (left, right) = if full { (n, m) } else { (k, k) };
                let (us, ss, vhs) =
                    (matrices(&out[0], front), matrices(&out[1], front), matrices(&out[2], front));
                let only = matrices(&values[0], front);
                for ((((a, u), s), vh), only) in matrices(a, front).iter().zip(us).zip(ss).zip(vhs).zip(only)
                {
                    let tolerance = tolerance(out[0].dtype());
                    assert_eq!((u.shape(), vh.shape()), ((n, left), (right, m)));
                    let what = format!("UΣVᴴ of {n}×{m}");
                    assert_close(&(&u * diagonal(&s, left, right) * &vh), a, tolerance, &what);
                    assert_close(&(u.adjoint() * &u), &identity(left), tolerance, "UᴴU");
                    assert_close(&(&vh * vh.adjoint()), &identity(right), tolerance, "VᴴV");
                    assert_close(&only, &s, tolerance, "values alone");
                    let s: Vec<f64> = (0..k).map(|i| s[(i, 0)].re).collect();
                    assert!(s.windows(2).all(|pair| pair[0] >= pair[1]) && s.iter().all(|&s| s >= 0.0));
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn inverts_and_solves() -> Result<()> {
    for n in SIDES {
        each_input(n, n, |a, front| {
            let inverses = Decomposition::Inverse.compute(std::slice::from_ref(a), front, &[])?;
            // The inverse's error grows with the condition, which for these is moderate.
            let tolerance = tolerance(a.dtype()) * 300.0;
            for (a, inverse) in matrices(a, front).iter().zip(matrices(&inverses[0], front)) {
                assert_close(&(a * inverse), &identity(n), tolerance, &format!("inverse of {n}"));
            }
            for k in [0, 1, 5] {
                let b = random(a.dtype(), &[&a.shape()[..front], &[n, k]].concat(), 4)?;
                let x = Decomposition::Solve.compute(&[a.clone(), b.clone()], front, &[])?;
                let (xs, bs) = (matrices(&x[0], front), matrices(&b, front));
                for ((a, x), b) in matrices(a, front).iter().zip(xs).zip(bs) {
                    assert_close(&(a * x), &b, tolerance, "solution");
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn determinants_are_products_of_eigenvalues() -> Result<()> {
    for n in SIDES {
        each_input(n, n, |a, front| {
            let one = std::slice::from_ref(a);
            let have = matrices(&Decomposition::Determinant.compute(one, front, &[])?[0], front);
            let pair = Decomposition::SignAndLogarithm.compute(one, front, &[])?;
            assert_eq!(pair[1].dtype(), a.dtype().real());
            let (signs, logarithms) = (matrices(&pair[0], front), matrices(&pair[1], front));
            let eigen = matrices(&Decomposition::Eigenvalues.compute(one, front, &[])?[0], front);
            for (((have, eigen), sign), logarithm) in have.iter().zip(eigen).zip(signs).zip(logarithms) {
                let want: C = (0..n).map(|i| eigen[(i, 0)]).product();
                let (have, sign, logarithm) = (have[(0, 0)], sign[(0, 0)], logarithm[(0, 0)].re);
                let tolerance = tolerance(a.dtype()) * 1e3;
                if want.norm() > 1e30 && tolerance > 1e-6 {
                    assert!((logarithm - want.norm().ln()).abs() < 1e-2);
                    continue;
                }
                assert!((have - want).norm() <= tolerance * want.norm(), "{} {n}: {have} {want}", a.dtype());
                assert!((sign * logarithm.exp() - want).norm() <= tolerance * want.norm());
            }
            Ok(())
        })?;
    }
    let known = Tensor::from_vec(vec![2.0, 1.0, 0.0, 0.0, 3.0, 5.0, 7.0, 0.0, 1.0], &[3, 3])?;
    assert!((Decomposition::Determinant.compute(&[known], 0, &[])?[0].get::<f64>(&[]) - 41.0).abs() < 1e-13);
    // What is in between overflows, and the result does not.
    let scales = [1e300, 1e300, 1e-300, 1e-299];
    let wide = from_values(
        DType::F64,
        &[4, 4],
        (0..16).map(|i| C::new(if i % 5 == 0 { scales[i / 5] } else { 0.0 }, 0.0)).collect(),
    )?;
    let determinant = Decomposition::Determinant.compute(&[wide], 0, &[])?[0].get::<f64>(&[]);
    assert!((determinant / 10.0 - 1.0).abs() < 1e-12, "{determinant}");
    Ok(())
}

/// a·aᴴ + 1, of every matrix.
fn positive(a: &Tensor, front: usize) -> Result<Tensor> {
    let n = a.shape()[front];
    let values = matrices(a, front)
        .into_iter()
        .flat_map(|a| {
            let product = &a * a.adjoint() + identity(n);
            (0..n * n).map(|i| product[(i / n, i % n)]).collect::<Vec<_>>()
        })
        .collect();
    from_values(a.dtype(), a.shape(), values)
}

#[test]
fn cholesky_factors_multiply_back() -> Result<()> {
    for n in SIDES {
        each_input(n, n, |a, front| {
            let a = positive(a, front)?;
            for upper in [false, true] {
                let factor =
                    Decomposition::Cholesky { upper }.compute(std::slice::from_ref(&a), front, &[])?;
                for (a, l) in matrices(&a, front).iter().zip(matrices(&factor[0], front)) {
                    let l = if upper { l.adjoint().to_owned() } else { l };
                    assert_close(&(&l * l.adjoint()), a, tolerance(factor[0].dtype()), "LLᴴ");
                    (0..n).for_each(|i| (i + 1..n).for_each(|j| assert_eq!(l[(i, j)], C::new(0.0, 0.0))));
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn imaginary_parts_of_a_hermitian_diagonal_are_not_read() -> Result<()> {
    let n = 5;
    let (mut values, off) = (vec![], noise(2 * n * n + n, 3));
    for i in 0..n * n {
        let x = C::new(off[2 * i], off[2 * i + 1]);
        values.push(if i % (n + 1) == 0 { C::new(9.0, 0.0) } else { x });
    }
    let real = from_values(DType::C128, &[n, n], values.clone())?;
    (0..n).for_each(|i| values[i * (n + 1)].im = off[2 * n * n + i]);
    let imaginary = from_values(DType::C128, &[n, n], values)?;
    for decomposition in [
        Decomposition::SelfAdjointEigen,
        Decomposition::SelfAdjointEigenvalues,
        Decomposition::Cholesky { upper: false },
        Decomposition::Cholesky { upper: true },
    ] {
        let made = |x: &Tensor| decomposition.compute(std::slice::from_ref(x), 0, &[]);
        for (have, want) in made(&imaginary)?.iter().zip(made(&real)?) {
            assert_eq!(matrices(have, 0), matrices(&want, 0), "{decomposition:?}");
        }
    }
    Ok(())
}

#[test]
fn eigenvectors_of_hermitian_and_of_any_matrices() -> Result<()> {
    for n in SIDES {
        each_input(n, n, |a, front| {
            let tolerance = tolerance(a.dtype());
            let hermitian = positive(a, front)?;
            let one = std::slice::from_ref(&hermitian);
            let out = Decomposition::SelfAdjointEigen.compute(one, front, &[])?;
            assert_eq!(out[0].dtype(), a.dtype().real());
            let only = Decomposition::SelfAdjointEigenvalues.compute(one, front, &[])?;
            let (values, vectors, only) =
                (matrices(&out[0], front), matrices(&out[1], front), matrices(&only[0], front));
            for (((a, w), v), only) in matrices(&hermitian, front).iter().zip(values).zip(vectors).zip(only) {
                assert_close(&(&v * diagonal(&w, n, n) * v.adjoint()), a, tolerance, "VΛVᴴ");
                assert_close(&(v.adjoint() * &v), &identity(n), tolerance, "VᴴV");
                assert_close(&only, &w, tolerance, "values alone");
                assert!((1..n).all(|i| w[(i - 1, 0)].re <= w[(i, 0)].re));
            }
            let out = Decomposition::Eigen.compute(std::slice::from_ref(a), front, &[])?;
            assert_eq!(out[1].dtype(), a.dtype().complex());
            let (values, vectors) = (matrices(&out[0], front), matrices(&out[1], front));
            for ((a, w), v) in matrices(a, front).iter().zip(values).zip(vectors) {
                let what = format!("AV of {n}");
                assert_close(&(a * &v), &(&v * diagonal(&w, n, n)), tolerance * 10.0, &what);
                (0..n).for_each(|j| assert!((v.col(j).norm_l2() - 1.0).abs() < 1e-5));
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn names_the_matrix_that_is_singular() -> Result<()> {
    let mut values = vec![C::new(0.0, 0.0); 6 * 4];
    for (i, matrix) in values.chunks_exact_mut(4).enumerate() {
        matrix[0] = C::new(1.0, 0.0);
        matrix[3] = C::new(if i == 4 { 0.0 } else { 2.0 }, 0.0);
    }
    for dtype in INEXACT {
        let a = from_values(dtype, &[2, 3, 2, 2], values.clone())?;
        let error =
            Decomposition::Inverse.compute(std::slice::from_ref(&a), 2, &[10, 0]).expect_err("singular");
        assert_eq!(error.kind(), ErrorKind::LinearAlgebra);
        assert_eq!(error.to_string(), "a singular matrix, of shape (2, 2), at index (11, 1) of the batch");
        let ones = from_values(dtype, &[3, 3], vec![C::new(1.0, 0.0); 9])?;
        let error =
            Decomposition::Solve.compute(&[ones.clone(), ones.clone()], 0, &[]).expect_err("singular");
        assert_eq!(error.to_string(), "a singular matrix, of shape (3, 3)");
        assert_eq!(
            matrices(&Decomposition::Determinant.compute(std::slice::from_ref(&ones), 0, &[])?[0], 0)[0]
                [(0, 0)]
                .re,
            0.0
        );
        let pair = Decomposition::SignAndLogarithm.compute(&[ones], 0, &[])?;
        assert_eq!(matrices(&pair[0], 0)[0][(0, 0)].re, 0.0);
        assert_eq!(matrices(&pair[1], 0)[0][(0, 0)].re, f64::NEG_INFINITY);
        let indefinite = from_values(dtype, &[2, 2], [1.0, 2.0, 2.0, 1.0].map(|x| C::new(x, 0.0)).to_vec())?;
        let error =
            Decomposition::Cholesky { upper: false }.compute(&[indefinite], 0, &[]).expect_err("indefinite");
        assert_eq!(error.to_string(), "a matrix that is not positive definite, of shape (2, 2)");
    }
    Ok(())
}

#[test]
fn ends_on_nan_and_infinities() -> Result<()> {
    for dtype in INEXACT {
        for n in [1, 2, 5, 60, 140] {
            for value in [f64::NAN, f64::INFINITY] {
                let mut values = vec![C::new(0.0, 0.0); n * n];
                values.iter_mut().zip(noise(n * n, 3)).for_each(|(x, noise)| x.re = noise);
                values[n * n / 2] = C::new(value, 0.0);
                let a = from_values(dtype, &[n, n], values)?;
                let run =
                    |decomposition: Decomposition| decomposition.compute(std::slice::from_ref(&a), 0, &[]);
                let failed = |decomposition| run(decomposition).expect_err("not finite").kind();
                assert_eq!(failed(Decomposition::Svd { full: true }), ErrorKind::LinearAlgebra);
                assert_eq!(failed(Decomposition::SingularValues), ErrorKind::LinearAlgebra);
                assert_eq!(failed(Decomposition::Eigen), ErrorKind::LinearAlgebra);
                assert_eq!(failed(Decomposition::Eigenvalues), ErrorKind::LinearAlgebra);
                let _ = run(Decomposition::SelfAdjointEigen)?;
                let _ = run(Decomposition::Qr { complete: true })?;
                let _ = run(Decomposition::Inverse);
                let _ = run(Decomposition::Cholesky { upper: false });
                let _ = Decomposition::Solve.compute(&[a.clone(), a.clone()], 0, &[]);
                let determinant = matrices(&run(Decomposition::Determinant)?[0], 0)[0][(0, 0)];
                assert!(!determinant.re.is_finite(), "{determinant}");
            }
        }
    }
    Ok(())
}

#[test]
fn works_from_all_threads_at_once() -> Result<()> {
    use rayon::prelude::*;
    let a = random(DType::F64, &[300, 300], 1)?;
    let want = Decomposition::SingularValues.compute(std::slice::from_ref(&a), 0, &[])?[0].to_vec::<f64>()?;
    let all = (0..8).into_par_iter().map(|_| {
        let one = std::slice::from_ref(&a);
        let _ = Decomposition::Inverse.compute(one, 0, &[])?;
        Decomposition::SingularValues.compute(one, 0, &[])?[0].to_vec::<f64>()
    });
    for have in all.collect::<Result<Vec<_>>>()? {
        assert!(have.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-10));
    }
    let many = random(DType::F32, &[5000, 3, 3], 1)?;
    let inverses = Decomposition::Inverse.compute(std::slice::from_ref(&many), 1, &[0])?;
    for (a, inverse) in matrices(&many, 1).iter().zip(matrices(&inverses[0], 1)).step_by(97) {
        assert_close(&(a * inverse), &identity(3), 1e-2, "inverse");
    }
    Ok(())
}
