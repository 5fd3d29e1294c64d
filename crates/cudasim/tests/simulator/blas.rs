//! The products of the simulated cuBLAS.

use crate::harness::harness;
use crate::matrix::{KINDS, Matrix, is_complex, real};
use crate::solver_calls::{Device, Solver};
use cudarc::cublas::sys::{
    self, cublasComputeType_t as Compute, cublasGemmAlgo_t as Algorithm, cublasOperation_t as Operation,
    cublasStatus_t as Status,
};
use cudarc::cusolver::sys::cudaDataType as Kind;

/// `alpha·op(a)·b + beta·c` in place of `c`, whose rows, columns and inner dimension are given.
fn multiply(
    solver: &Solver,
    operation: Operation,
    [m, n, k]: [usize; 3],
    [a, b, c]: [&Device; 3],
    [alpha, beta]: [f64; 2],
) -> Status {
    let kind = match a.kind {
        Kind::CUDA_R_32F => sys::cudaDataType::CUDA_R_32F,
        Kind::CUDA_R_64F => sys::cudaDataType::CUDA_R_64F,
        Kind::CUDA_C_32F => sys::cudaDataType::CUDA_C_32F,
        _ => sys::cudaDataType::CUDA_C_64F,
    };
    let is_single = real(a.kind) == Kind::CUDA_R_32F;
    let compute = if is_single { Compute::CUBLAS_COMPUTE_32F } else { Compute::CUBLAS_COMPUTE_64F };
    let singles = [[alpha as f32, 0.0], [beta as f32, 0.0]];
    let doubles = [[alpha, 0.0], [beta, 0.0]];
    let factor =
        |i: usize| if is_single { (&raw const singles[i]).cast() } else { (&raw const doubles[i]).cast() };
    let (plain, leading) = (Operation::CUBLAS_OP_N, |device: &Device| device.rows as i64);
    // SAFETY: the matrices are there; what is refused is not done.
    unsafe {
        sys::cublasGemmStridedBatchedEx_64(
            solver.blas,
            operation,
            plain,
            m as i64,
            n as i64,
            k as i64,
            factor(0),
            solver.at(a),
            kind,
            leading(a),
            0,
            solver.at(b),
            kind,
            leading(b),
            0,
            factor(1),
            solver.at(c),
            kind,
            leading(c),
            0,
            1,
            compute,
            Algorithm::CUBLAS_GEMM_DFALT,
        )
    }
}

#[test]
fn products_are_as_defined() {
    let harness = harness();
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        let solver = Solver::new(&harness);
        for kind in KINDS {
            let (a, b) = (Matrix::random(kind, 4, 5, 1), Matrix::random(kind, 5, 3, 2));
            let c = Matrix::random(kind, 4, 3, 3);
            for (operation, stored) in [
                (Operation::CUBLAS_OP_N, a.clone()),
                (Operation::CUBLAS_OP_T, a.transpose()),
                (Operation::CUBLAS_OP_C, a.adjoint()),
            ] {
                let [a_there, b_there, c_there] = [&stored, &b, &c].map(|matrix| solver.upload(kind, matrix));
                let operands = [&a_there, &b_there, &c_there];
                multiply(&solver, operation, [4, 3, 5], operands, [2.0, -1.0]).result().unwrap();
                let product = a.times(&b);
                let expected = Matrix::from_fn(4, 3, |i, j| {
                    [0, 1].map(|part| 2.0 * product.at(i, j)[part] - c.at(i, j)[part])
                });
                solver.download(&c_there).assert_close(&expected, kind);
                // What is there does not count, NaN included.
                let nan = [f64::NAN, if is_complex(kind) { f64::NAN } else { 0.0 }];
                let c_there = solver.upload(kind, &Matrix::from_fn(4, 3, |_, _| nan));
                let operands = [&a_there, &b_there, &c_there];
                multiply(&solver, operation, [4, 3, 5], operands, [1.0, 0.0]).result().unwrap();
                solver.download(&c_there).assert_close(&product, kind);
            }
        }
    }
}

#[test]
fn products_that_leave_their_allocations_are_refused() {
    let harness = harness();
    let solver = Solver::new(&harness);
    let plain = Operation::CUBLAS_OP_N;
    let [a, b, c] = [(4, 5), (5, 3), (4, 3)].map(|(m, n)| solver.empty(Kind::CUDA_R_32F, m, n));
    for (shape, status) in [
        ([4, 3, 5], Status::CUBLAS_STATUS_SUCCESS),
        ([4, 4, 5], Status::CUBLAS_STATUS_INVALID_VALUE),
        ([5, 3, 5], Status::CUBLAS_STATUS_INVALID_VALUE),
    ] {
        assert_eq!(multiply(&solver, plain, shape, [&a, &b, &c], [1.0, 0.0]), status, "{shape:?}");
    }
}
