//! The simulated cuSOLVER, and the batches of cuBLAS: what factorizations are, and what is refused.

use crate::harness::{address, harness};
use crate::matrix::{KINDS, Matrix, bound, is_complex, real};
use crate::solver_calls::{Device, Solver};
use cudarc::cublas::sys::{self as blas, cublasOperation_t as BlasOperation};
use cudarc::cusolver::sys::{
    self, cublasFillMode_t as Fill, cublasOperation_t as Operation, cublasSideMode_t as Side,
    cudaDataType as Kind, cusolverEigMode_t as Vectors, cusolverStatus_t as Status,
};
use cudarc::driver::CudaSlice;
use std::ffi::c_void;
use std::ptr::null_mut;

/// Calls the function of a type, whose pointers are of that type: `typed!(kind, [S, D, C, Z] of a library, arguments...)`.
macro_rules! typed {
    ($kind:expr, [$s:path, $d:path, $c:path, $z:path], $($argument:expr),* $(,)?) => {
        match $kind {
            Kind::CUDA_R_32F => $s($($argument),*),
            Kind::CUDA_R_64F => $d($($argument),*),
            Kind::CUDA_C_32F => $c($($argument),*),
            _ => $z($($argument),*),
        }
    };
}

/// `B·Bᴴ` and something on the diagonal.
fn positive_definite(kind: Kind, n: usize, seed: u64) -> Matrix {
    let b = Matrix::random(kind, n, n, seed);
    let square = b.times(&b.adjoint());
    Matrix::from_fn(n, n, |i, j| [square.at(i, j)[0] + f64::from(i == j), square.at(i, j)[1]])
}

fn is_lower(i: usize, j: usize) -> bool {
    i >= j
}

fn is_upper(i: usize, j: usize) -> bool {
    i <= j
}

#[test]
fn cholesky_factors_give_the_matrix() {
    let harness = harness();
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        let solver = Solver::new(&harness);
        for kind in KINDS {
            for n in [1, 4, 17] {
                let whole = positive_definite(kind, n, n as u64);
                // What is not named stays as it is, the rows after the last too.
                let garbage = |is_there: fn(usize, usize) -> bool| {
                    Matrix::from_fn(n + 2, n, |i, j| {
                        if i < n && is_there(i, j) { whole.at(i, j) } else { [9.0, 0.0] }
                    })
                };
                let a = solver.upload(kind, &garbage(is_lower));
                solver.potrf(Fill::CUBLAS_FILL_MODE_LOWER, &a).result().unwrap();
                let found = solver.download(&a);
                let l = found.top(n, n).filter(is_lower);
                l.times(&l.adjoint()).assert_close(&whole, kind);
                assert_eq!(
                    found.filter(|i, j| i >= n || !is_lower(i, j)),
                    garbage(is_lower).filter(|i, j| i >= n || !is_lower(i, j))
                );
                assert_eq!(solver.codes(1), [0]);
                let a = solver.upload(kind, &garbage(is_upper));
                solver.potrf(Fill::CUBLAS_FILL_MODE_UPPER, &a).result().unwrap();
                let u = solver.download(&a).top(n, n).filter(is_upper);
                u.adjoint().times(&u).assert_close(&whole, kind);
            }
        }
    }
    harness.simulator.set_lazy(false);
    let solver = Solver::new(&harness);
    for bad in [-1.0, 0.0, f64::NAN] {
        let diagonal = [1.0, 2.0, bad, 1.0];
        let a = Matrix::from_fn(4, 4, |i, j| [if i == j { diagonal[i] } else { 0.0 }, 0.0]);
        let a = solver.upload(Kind::CUDA_R_64F, &a);
        solver.potrf(Fill::CUBLAS_FILL_MODE_LOWER, &a).result().unwrap();
        assert_eq!(solver.codes(1), [3], "{bad}");
    }
}

/// `L`, `U` and the matrix whose rows were swapped.
fn lu_parts(found: &Matrix, matrix: &Matrix, pivots: &[i64]) -> (Matrix, Matrix, Matrix) {
    let (m, n) = (found.rows, found.columns);
    let k = m.min(n);
    let l = Matrix::from_fn(m, k, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Less => [0.0; 2],
        std::cmp::Ordering::Equal => [1.0, 0.0],
        std::cmp::Ordering::Greater => found.at(i, j),
    });
    let mut order: Vec<usize> = (0..m).collect();
    pivots.iter().enumerate().for_each(|(i, pivot)| order.swap(i, *pivot as usize - 1));
    (l, found.top(k, n).filter(is_upper), Matrix::from_fn(m, n, |i, j| matrix.at(order[i], j)))
}

#[test]
fn lu_factors_give_the_matrix_and_solve_equations() {
    let harness = harness();
    let solver = Solver::new(&harness);
    for kind in KINDS {
        for (m, n) in [(1, 1), (5, 5), (9, 4), (4, 9)] {
            let matrix = Matrix::random(kind, m, n, 3);
            let a = solver.upload(kind, &matrix);
            let pivots = solver.stream.alloc_zeros::<i64>(m.min(n)).unwrap();
            solver.getrf(&a, &pivots).result().unwrap();
            assert_eq!(solver.codes(1), [0]);
            let swaps = solver.stream.clone_dtoh(&pivots).unwrap();
            let (l, u, swapped) = lu_parts(&solver.download(&a), &matrix, &swaps);
            l.times(&u).assert_close(&swapped, kind);
            if m != n {
                continue;
            }
            for (operation, of) in [
                (Operation::CUBLAS_OP_N, matrix.clone()),
                (Operation::CUBLAS_OP_T, matrix.transpose()),
                (Operation::CUBLAS_OP_C, matrix.adjoint()),
            ] {
                let right = Matrix::random(kind, n, 3, 4);
                let b = solver.upload(kind, &right);
                let (n, ipiv) = (n as i64, address(&pivots, &solver.stream) as *const i64);
                let (h, p) = (solver.handle, solver.params);
                // SAFETY: the matrices are there.
                unsafe {
                    let (a, b) = (solver.at::<c_void>(&a), solver.at(&b));
                    sys::cusolverDnXgetrs(h, p, operation, n, 3, kind, a, n, ipiv, kind, b, n, solver.info())
                }
                .result()
                .unwrap();
                of.times(&solver.download(&b)).assert_close(&right, kind);
                assert_eq!(solver.codes(1), [0]);
            }
        }
    }
    // The second column is the first one's double; the third is reached all the same.
    let rows = [[1.0, 2.0, 0.0], [2.0, 4.0, 1.0], [3.0, 6.0, 5.0]];
    let matrix = Matrix::from_fn(3, 3, |i, j| [rows[i][j], 0.0]);
    let a = solver.upload(Kind::CUDA_R_64F, &matrix);
    let pivots = solver.stream.alloc_zeros::<i64>(3).unwrap();
    solver.getrf(&a, &pivots).result().unwrap();
    assert_eq!(solver.codes(1), [2]);
    let swaps = solver.stream.clone_dtoh(&pivots).unwrap();
    let (l, u, swapped) = lu_parts(&solver.download(&a), &matrix, &swaps);
    l.times(&u).assert_close(&swapped, Kind::CUDA_R_64F);
}

#[test]
fn qr_factors_give_the_matrix() {
    let harness = harness();
    let solver = Solver::new(&harness);
    for kind in KINDS {
        for (m, n) in [(1, 1), (5, 5), (9, 4), (4, 9)] {
            let k = m.min(n);
            let matrix = Matrix::random(kind, m, n, 5);
            let (a, tau) = (solver.upload(kind, &matrix), solver.empty(kind, k, 1));
            solver.geqrf(&a, &tau).result().unwrap();
            assert_eq!(solver.codes(1), [0]);
            let factored = solver.download(&a);
            let r = factored.top(k, n).filter(is_upper);
            // LAPACK's format: the reflections are below, with ones that are not written.
            let first = Matrix::from_fn(m, 1, |i, _| if i == 0 { [1.0, 0.0] } else { factored.at(i, 0) });
            let [re, im] = solver.download(&tau).at(0, 0);
            let square = first.times(&first.adjoint());
            let h = Matrix::from_fn(m, m, |i, j| {
                let [a, b] = square.at(i, j);
                [f64::from(i == j) - (re * a - im * b), -(re * b + im * a)]
            });
            h.adjoint().times(&matrix).top(m, 1).assert_close(&factored.top(m, 1).filter(is_upper), kind);

            let (rows, count) = (m as i32, k as i32);
            let q = solver.upload(kind, &factored.top(m, k));
            let (h, at, factors) = (solver.handle, solver.at::<c_void>(&q), solver.at::<c_void>(&tau));
            let mut elements = 0;
            // SAFETY: the matrices are there.
            unsafe {
                typed!(
                    kind,
                    [
                        sys::cusolverDnSorgqr_bufferSize,
                        sys::cusolverDnDorgqr_bufferSize,
                        sys::cusolverDnCungqr_bufferSize,
                        sys::cusolverDnZungqr_bufferSize
                    ],
                    h,
                    rows,
                    count,
                    count,
                    at.cast(),
                    rows,
                    factors.cast(),
                    &mut elements
                )
                .result()
                .unwrap();
                let work = solver.empty(kind, elements as usize, 1);
                let area = solver.at::<c_void>(&work);
                typed!(
                    kind,
                    [
                        sys::cusolverDnSorgqr,
                        sys::cusolverDnDorgqr,
                        sys::cusolverDnCungqr,
                        sys::cusolverDnZungqr
                    ],
                    h,
                    rows,
                    count,
                    count,
                    at.cast(),
                    rows,
                    factors.cast(),
                    area.cast(),
                    elements,
                    solver.info()
                )
                .result()
                .unwrap();
            }
            let q = solver.download(&q);
            q.assert_orthonormal(kind);
            q.times(&r).assert_close(&matrix, kind);

            let adjoint = if is_complex(kind) { Operation::CUBLAS_OP_C } else { Operation::CUBLAS_OP_T };
            let other = Matrix::random(kind, m, 3, 6);
            for (operation, start, expected) in [
                (adjoint, q.clone(), Matrix::identity(m).top(m, k)),
                (Operation::CUBLAS_OP_N, Matrix::identity(m).top(m, k), q.clone()),
                (adjoint, other.clone(), q.adjoint().times(&other)),
            ] {
                let c = solver.upload(kind, &start);
                let (side, columns) = (Side::CUBLAS_SIDE_LEFT, start.columns as i32);
                let (at, product) = (solver.at::<c_void>(&a), solver.at::<c_void>(&c));
                // SAFETY: as above.
                unsafe {
                    typed!(
                        kind,
                        [
                            sys::cusolverDnSormqr_bufferSize,
                            sys::cusolverDnDormqr_bufferSize,
                            sys::cusolverDnCunmqr_bufferSize,
                            sys::cusolverDnZunmqr_bufferSize
                        ],
                        h,
                        side,
                        operation,
                        rows,
                        columns,
                        count,
                        at.cast(),
                        rows,
                        factors.cast(),
                        product.cast(),
                        rows,
                        &mut elements
                    )
                    .result()
                    .unwrap();
                    let work = solver.empty(kind, elements as usize, 1);
                    let area = solver.at::<c_void>(&work);
                    typed!(
                        kind,
                        [
                            sys::cusolverDnSormqr,
                            sys::cusolverDnDormqr,
                            sys::cusolverDnCunmqr,
                            sys::cusolverDnZunmqr
                        ],
                        h,
                        side,
                        operation,
                        rows,
                        columns,
                        count,
                        at.cast(),
                        rows,
                        factors.cast(),
                        product.cast(),
                        rows,
                        area.cast(),
                        elements,
                        solver.info()
                    )
                    .result()
                    .unwrap();
                }
                let found = solver.download(&c);
                found.top(expected.rows, expected.columns).assert_close(&expected, kind);
                assert_eq!(solver.codes(1), [0]);
            }
        }
    }
}

#[track_caller]
fn assert_eigen(matrix: &Matrix, vectors: &Matrix, values: &[[f64; 2]], kind: Kind) {
    let values: Vec<f64> = values.iter().map(|value| value[0]).collect();
    assert!(values.is_sorted(), "{values:?}");
    vectors.assert_orthonormal(kind);
    matrix.times(vectors).assert_close(&vectors.scaled(&values), kind);
}

#[test]
fn eigenvectors_are_only_stretched() {
    let harness = harness();
    let solver = Solver::new(&harness);
    for kind in KINDS {
        for n in [1, 2, 7, 24] {
            let b = Matrix::random(kind, n, n, 7);
            let adjoint = b.adjoint();
            let matrix =
                Matrix::from_fn(n, n, |i, j| [0, 1].map(|part| b.at(i, j)[part] + adjoint.at(i, j)[part]));
            let mut only_values = vec![];
            for vectors in [Vectors::CUSOLVER_EIG_MODE_VECTOR, Vectors::CUSOLVER_EIG_MODE_NOVECTOR] {
                for (uplo, is_there) in [
                    (Fill::CUBLAS_FILL_MODE_LOWER, is_lower as fn(usize, usize) -> bool),
                    (Fill::CUBLAS_FILL_MODE_UPPER, is_upper),
                ] {
                    let half =
                        Matrix::from_fn(
                            n,
                            n,
                            |i, j| if is_there(i, j) { matrix.at(i, j) } else { [9.0, 0.0] },
                        );
                    let (a, values) = (solver.upload(kind, &half), solver.empty(real(kind), n, 1));
                    solver.syevd(vectors, uplo, &a, &values).result().unwrap();
                    assert_eq!(solver.codes(1), [0]);
                    let (found, values) = (solver.download(&a), solver.download(&values));
                    if vectors == Vectors::CUSOLVER_EIG_MODE_VECTOR {
                        assert_eigen(&matrix, &found, &values.values, kind);
                        only_values = values.values;
                    } else {
                        assert!(found.is_nan());
                        assert_eq!(values.values, only_values);
                    }
                }
            }
        }
    }
    // What is not a number has no eigenvalues; equal ones, zeros and extremes have.
    let kind = Kind::CUDA_R_64F;
    let lower = Fill::CUBLAS_FILL_MODE_LOWER;
    for (factor, code) in [(f64::NAN, 1), (f64::INFINITY, 1), (0.0, 0), (1e-300, 0), (1e300, 0)] {
        let matrix = Matrix::from_fn(4, 4, |_, _| [factor, 0.0]);
        let (a, values) = (solver.upload(kind, &matrix), solver.empty(kind, 4, 1));
        solver.syevd(Vectors::CUSOLVER_EIG_MODE_VECTOR, lower, &a, &values).result().unwrap();
        assert_eq!(solver.codes(1), [code], "{factor}");
        if code == 0 {
            solver.download(&a).assert_orthonormal(kind);
            let largest = solver.download(&values).at(3, 0)[0];
            assert!(
                (largest - 4.0 * factor).abs() <= 1e-14 * factor,
                "{largest} where 4·{factor} was expected"
            );
        }
    }
}

#[test]
fn eigenvalues_of_a_batch_are_those_of_each() {
    let harness = harness();
    let solver = Solver::new(&harness);
    let (n, lda, batch) = (5usize, 6usize, 3usize);
    for kind in KINDS {
        let matrices: Vec<Matrix> = (0..batch).map(|item| positive_definite(kind, n, item as u64)).collect();
        let all =
            Matrix::from_fn(
                lda,
                n * batch,
                |i, j| {
                    if i < n { matrices[j / n].at(i, j % n) } else { [9.0, 0.0] }
                },
            );
        let (a, values) = (solver.upload(kind, &all), solver.empty(real(kind), n, batch));
        let (h, p, vectors) = (solver.handle, solver.params, Vectors::CUSOLVER_EIG_MODE_VECTOR);
        let (uplo, r) = (Fill::CUBLAS_FILL_MODE_UPPER, real(kind));
        let (at, w, count, lda, n_) = (solver.at(&a), solver.at(&values), batch as i64, lda as i64, n as i64);
        // SAFETY: the matrices are there, as the work areas are.
        solver
            .with_work(
                |d, s| unsafe {
                    sys::cusolverDnXsyevBatched_bufferSize(
                        h, p, vectors, uplo, n_, kind, at, lda, r, w, kind, d, s, count,
                    )
                },
                |d, ds, s, ss| unsafe {
                    sys::cusolverDnXsyevBatched(
                        h,
                        p,
                        vectors,
                        uplo,
                        n_,
                        kind,
                        at,
                        lda,
                        r,
                        w,
                        kind,
                        d,
                        ds,
                        s,
                        ss,
                        solver.info(),
                        count,
                    )
                },
            )
            .result()
            .unwrap();
        assert_eq!(solver.codes(batch + 1), [0, 0, 0, 7], "and no more than a batch has");
        let (found, values) = (solver.download(&a), solver.download(&values));
        for (item, matrix) in matrices.iter().enumerate() {
            let vectors = Matrix::from_fn(n, n, |i, j| found.at(i, item * n + j));
            assert_eigen(matrix, &vectors, &values.values[item * n..][..n], kind);
        }
    }
}

#[test]
fn singular_values_and_vectors_give_the_matrix() {
    let harness = harness();
    let solver = Solver::new(&harness);
    for kind in KINDS {
        for (m, n, rank) in [(1, 1, 1), (3, 1, 1), (6, 6, 6), (9, 4, 4), (8, 5, 2), (5, 5, 0), (24, 20, 20)] {
            let matrix = Matrix::random(kind, m, rank, 8).times(&Matrix::random(kind, rank, n, 9));
            let matrix = if rank == n { Matrix::random(kind, m, n, 10) } else { matrix };
            let mut values_with_vectors = vec![];
            for (job, columns) in [(b'A', m), (b'S', n), (b'N', 0)] {
                let a = solver.upload(kind, &matrix);
                let s = solver.empty(real(kind), n, 1);
                let (u, vt) = (solver.empty(kind, m, columns.max(1)), solver.empty(kind, n, n));
                solver.gesvd(job, &a, &s, &u, &vt).result().unwrap();
                assert_eq!(solver.codes(1), [0]);
                assert!(solver.download(&a).is_nan(), "the matrix is spoilt");
                let s: Vec<f64> = solver.download(&s).values.iter().map(|value| value[0]).collect();
                assert!(s.iter().rev().is_sorted() && s.iter().all(|value| *value >= 0.0), "{s:?}");
                assert!(s[rank..].iter().all(|value| *value < bound(kind)), "{s:?}");
                if job == b'N' {
                    assert_eq!(s, values_with_vectors);
                    continue;
                }
                let (u, vt) = (solver.download(&u), solver.download(&vt));
                u.assert_orthonormal(kind);
                vt.assert_orthonormal(kind);
                u.top(m, n).scaled(&s).times(&vt).assert_close(&matrix, kind);
                values_with_vectors = s;
            }
        }
    }
    let kind = Kind::CUDA_C_64F;
    let matrix = Matrix::from_fn(4, 3, |i, j| [if (i, j) == (2, 1) { f64::NAN } else { 1.0 }, 0.0]);
    let (a, s) = (solver.upload(kind, &matrix), solver.empty(real(kind), 3, 1));
    let (u, vt) = (solver.empty(kind, 4, 4), solver.empty(kind, 3, 3));
    solver.gesvd(b'A', &a, &s, &u, &vt).result().unwrap();
    assert_eq!(solver.codes(1), [1]);
    assert!(solver.download(&s).is_nan() && solver.download(&u).is_nan());
}

#[test]
fn batches_are_found_by_pointers() {
    let harness = harness();
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        let solver = Solver::new(&harness);
        let (n, batch) = (4usize, 3usize);
        let (size, count) = (n as i32, batch as i32);
        for kind in KINDS {
            let matrices: Vec<Matrix> =
                (0..batch).map(|item| positive_definite(kind, n, item as u64)).collect();
            let upload = || -> (Vec<Device>, CudaSlice<u64>) {
                let devices: Vec<Device> =
                    matrices.iter().map(|matrix| solver.upload(kind, matrix)).collect();
                let mut pointers: Vec<u64> =
                    devices.iter().map(|device| solver.at::<u8>(device) as u64).collect();
                // One that is nobody's.
                pointers.push(0);
                (devices, solver.stream.clone_htod(&pointers).unwrap())
            };
            let (devices, pointers) = upload();
            let array = address(&pointers, &solver.stream) as *mut *mut c_void;
            let uplo = Fill::CUBLAS_FILL_MODE_LOWER;
            // SAFETY: the pointers are there.
            unsafe {
                typed!(
                    kind,
                    [
                        sys::cusolverDnSpotrfBatched,
                        sys::cusolverDnDpotrfBatched,
                        sys::cusolverDnCpotrfBatched,
                        sys::cusolverDnZpotrfBatched
                    ],
                    solver.handle,
                    uplo,
                    size,
                    array.cast(),
                    size,
                    solver.info(),
                    count + 1
                )
            }
            .result()
            .unwrap();
            assert_eq!(solver.codes(batch + 1), [0, 0, 0, -1]);
            for (device, matrix) in devices.iter().zip(&matrices) {
                let l = solver.download(device).filter(is_lower);
                l.times(&l.adjoint()).assert_close(matrix, kind);
            }

            let (devices, pointers) = upload();
            let array = address(&pointers, &solver.stream) as *mut *mut c_void;
            let pivots = solver.stream.alloc_zeros::<i32>(n * (batch + 1)).unwrap();
            let p = address(&pivots, &solver.stream) as *mut i32;
            // SAFETY: as above.
            unsafe {
                typed!(
                    kind,
                    [
                        blas::cublasSgetrfBatched,
                        blas::cublasDgetrfBatched,
                        blas::cublasCgetrfBatched,
                        blas::cublasZgetrfBatched
                    ],
                    solver.blas,
                    size,
                    array.cast_const().cast(),
                    size,
                    p,
                    solver.info(),
                    count + 1
                )
            }
            .result()
            .unwrap();
            assert_eq!(solver.codes(batch + 1), [0, 0, 0, -1]);
            let right = Matrix::random(kind, n, 2, 11);
            let sides: Vec<Device> = devices.iter().map(|_| solver.upload(kind, &right)).collect();
            let side_pointers: Vec<u64> = sides.iter().map(|side| solver.at::<u8>(side) as u64).collect();
            let side_pointers = solver.stream.clone_htod(&side_pointers).unwrap();
            let b = address(&side_pointers, &solver.stream) as *const *mut c_void;
            let (mut info, trans) = (7, BlasOperation::CUBLAS_OP_T);
            // SAFETY: as above.
            unsafe {
                typed!(
                    kind,
                    [
                        blas::cublasSgetrsBatched,
                        blas::cublasDgetrsBatched,
                        blas::cublasCgetrsBatched,
                        blas::cublasZgetrsBatched
                    ],
                    solver.blas,
                    trans,
                    size,
                    2,
                    array.cast_const().cast(),
                    size,
                    p,
                    b.cast(),
                    size,
                    &mut info,
                    count
                )
            }
            .result()
            .unwrap();
            assert_eq!(info, 0);
            for (side, matrix) in sides.iter().zip(&matrices) {
                matrix.transpose().times(&solver.download(side)).assert_close(&right, kind);
            }
        }
    }
}

#[test]
fn work_waits_for_what_is_before_it() {
    let harness = harness();
    harness.simulator.set_lazy(true);
    let solver = Solver::new(&harness);
    let other = harness.context(0).new_stream().unwrap();
    let kind = Kind::CUDA_R_64F;
    let mut a = solver.empty(kind, 1, 1);
    let work = solver.stream.alloc_zeros::<u8>(4096).unwrap();
    solver.stream.memcpy_htod(&9f64.to_le_bytes(), &mut a.bytes).unwrap();
    let (h, p, at) = (solver.handle, solver.params, solver.at(&a));
    let (area, uplo) = (address(&work, &solver.stream) as *mut c_void, Fill::CUBLAS_FILL_MODE_LOWER);
    // SAFETY: the matrix is there, as the work area is.
    unsafe {
        sys::cusolverDnXpotrf(h, p, uplo, 1, kind, at, 1, kind, area, 4096, null_mut(), 0, solver.info())
    }
    .result()
    .unwrap();
    assert_ne!(other.clone_dtoh(&a.bytes).unwrap(), 3f64.to_le_bytes());
    assert_eq!(solver.stream.clone_dtoh(&a.bytes).unwrap(), 3f64.to_le_bytes());
}

#[test]
fn what_is_wrong_is_refused() {
    let harness = harness();
    let solver = Solver::new(&harness);
    let kind = Kind::CUDA_R_64F;
    let a = solver.upload(kind, &positive_definite(kind, 4, 1));
    let work = solver.stream.alloc_zeros::<u8>(4096).unwrap();
    let (h, p, at) = (solver.handle, solver.params, solver.at::<c_void>(&a));
    let area = address(&work, &solver.stream) as *mut c_void;
    let uplo = Fill::CUBLAS_FILL_MODE_LOWER;
    let (ok, invalid) = (Status::CUSOLVER_STATUS_SUCCESS, Status::CUSOLVER_STATUS_INVALID_VALUE);
    // SAFETY: what is refused is not done.
    unsafe {
        let factor = |at: *mut c_void, n, lda, compute, area, bytes, info| {
            sys::cusolverDnXpotrf(h, p, uplo, n, kind, at, lda, compute, area, bytes, null_mut(), 0, info)
        };
        let info = solver.info();
        assert_eq!(factor(at, 4, 4, kind, area, 4096, info), ok);
        assert_eq!(factor(at, 5, 5, kind, area, 4096, info), invalid, "it has 4 rows and columns");
        assert_eq!(factor(at, 4, 3, kind, area, 4096, info), invalid, "columns overlap");
        assert_eq!(factor(at, -1, 4, kind, area, 4096, info), invalid);
        assert_eq!(factor(at, 4, 4, Kind::CUDA_R_32F, area, 4096, info), invalid);
        assert_eq!(factor(at, 4, 4, kind, area, 16, info), invalid, "the work area is small");
        assert_eq!(factor(at, 4, 4, kind, area, 8192, info), invalid, "it is smaller than that");
        assert_eq!(factor(at, 4, 4, kind, null_mut(), 4096, info), invalid);
        assert_eq!(factor(at, 4, 4, kind, area, 4096, null_mut()), invalid);
        assert_eq!(
            factor(at, 4, 4, kind, area, 4096, area.cast()),
            invalid,
            "the work area is no place for it"
        );
        assert_eq!(factor(at.wrapping_byte_add(4), 1, 1, kind, area, 4096, info), invalid, "misaligned");
        let none = null_mut();
        let refused =
            sys::cusolverDnXpotrf(none, p, uplo, 1, kind, at, 1, kind, area, 4096, none.cast(), 0, info);
        assert_eq!(refused, Status::CUSOLVER_STATUS_NOT_INITIALIZED);

        let (mut device, mut host) = (0, 0);
        let mut gesvd_size = |m: i64, n: i64, s_kind| {
            let job = b'S' as i8;
            sys::cusolverDnXgesvd_bufferSize(
                h,
                p,
                job,
                job,
                m,
                n,
                kind,
                at,
                m,
                s_kind,
                at,
                kind,
                at,
                m,
                kind,
                at,
                n,
                kind,
                &mut device,
                &mut host,
            )
        };
        assert_eq!(gesvd_size(3, 4, kind), invalid, "it is wide");
        assert_eq!(gesvd_size(4, 3, Kind::CUDA_R_32F), invalid);
        assert_eq!(gesvd_size(4, 3, kind), ok);
        assert!(device > 0 && host > 0);

        // The code is on the host.
        let mut info = 0;
        let (trans, bad) = (BlasOperation::CUBLAS_OP_N, blas::cublasStatus_t::CUBLAS_STATUS_INVALID_VALUE);
        let solve = |lda, info: *mut i32| {
            blas::cublasDgetrsBatched(
                solver.blas,
                trans,
                2,
                1,
                at.cast(),
                lda,
                at.cast(),
                at.cast(),
                2,
                info,
                0,
            )
        };
        assert_eq!(solve(2, solver.info()), bad);
        assert_eq!(solve(1, &mut info), bad);
        assert_eq!(info, -6);
        let mut version = 0;
        sys::cusolverGetVersion(&mut version).result().unwrap();
        assert_eq!(version, 11_702);
    }
}
