//! Factorizations and solutions of matrices on a device, by cuSOLVER.
//!
//! cuSOLVER takes matrices column by column and overwrites them, so each is copied to such a place first; what comes of it is
//! a view. Many small matrices are factored in one kernel where there is one: LU by cuBLAS, Cholesky, eigenvalues. All else
//! is taken one matrix after the other, in the order of the stream. What is said of the matrices is read once at the end.

use swath_array::dtype::Scalar;
use swath_array::error::show_shape;
use swath_array::graph::Region;
use swath_array::kernel::linalg::{Decomposition, Fault, Place, Triangular, determinants, scale_of};
use swath_array::program::{BinaryOp, ReduceOp, Step, UnaryOp};
use swath_array::tensor::{Slice, row_major};
use swath_array::{DType, Tensor};

use super::steps::Steps;
use super::{DeviceTensor, Multiplier, run_copy, run_place, run_product, run_reduce};
use crate::device::{DeviceBuffer, GemmType, LuBatch, LuStep, SolverStep, SolverType, SvdVectors};
use crate::error::{Error, Result};
use crate::worker::Task;

/// What `decomposition` makes of each matrix of a batch, whose axes are the first of every input and output; `start` is where
/// the batch starts in a larger one, for messages.
///
/// # Shape      as the decomposition says, behind the batch's axes; any strides, outputs are views. No empty ones.
/// # Memory     a copy of the matrices, the results, and the library's workspace.
/// # Guarantee  factorizations of the same matrix by the same library on the same kind of device have the same bits.
/// # Errors     user error for matrices that have no such decomposition, naming the first one; `unsupported` where there is
///   no cuSOLVER, or none for such matrices; out of memory.
pub fn run_decompose(
    task: &mut Task<'_>,
    decomposition: Decomposition,
    inputs: &[DeviceTensor],
    start: &[usize],
) -> Result<Decomposed> {
    let batch = Batch::of(decomposition, inputs, start)?;
    let a = &inputs[0];
    let mut by = task.solver()?;
    let takes_lu = matches!(
        decomposition,
        Decomposition::Determinant
            | Decomposition::SignAndLogarithm
            | Decomposition::Inverse
            | Decomposition::Solve
    );
    if takes_lu && let Some(blas) = batch.lu_batcher(task)? {
        by = blas;
    }
    let outputs = match (decomposition, &inputs[1..]) {
        (Decomposition::Cholesky { upper }, []) => batch.cholesky(task, a, upper),
        (Decomposition::Determinant | Decomposition::SignAndLogarithm, []) => {
            batch.determinants(task, a, decomposition)
        }
        (Decomposition::Inverse, []) => batch.inverse(task, a),
        (Decomposition::Solve, [b]) => batch.solve(task, a, b),
        (Decomposition::Qr { complete }, []) => batch.qr(task, a, complete),
        (Decomposition::QrTriangle, []) => {
            let (qr, _) = batch.reflections(task, a)?;
            Ok(vec![batch.triangle(task, &qr)?])
        }
        (Decomposition::QrTimes, [c]) => batch.qr_times(task, a, c),
        (Decomposition::Svd { full }, []) => batch.svd(task, a, Some(full)),
        (Decomposition::SingularValues, []) => batch.svd(task, a, None),
        (Decomposition::SelfAdjointEigen, []) => batch.self_adjoint(task, a, true),
        (Decomposition::SelfAdjointEigenvalues, []) => batch.self_adjoint(task, a, false),
        _ => Err(Error::unsupported(format!("no kernel for {}", decomposition.name()))),
    }?;
    Ok(Decomposed { outputs, by })
}

/// What a decomposition makes, and what made it.
#[derive(Clone, Debug)]
pub struct Decomposed {
    pub outputs: Vec<DeviceTensor>,
    /// A library, with its version.
    pub by: String,
}

/// Sides up to which many matrices are factored in one kernel, rather than each by the kernels for large ones. Estimated,
/// not measured.
const BATCHED_SIDE_MAX: usize = 256;
const BATCHED_EIGEN_SIDE_MAX: usize = 64;

/// Whether a decomposition of so many matrices of this shape is one for all.
pub fn is_batched(decomposition: Decomposition, matrix: &[usize], count: usize) -> bool {
    let side_max = match decomposition {
        Decomposition::Cholesky { .. }
        | Decomposition::Determinant
        | Decomposition::SignAndLogarithm
        | Decomposition::Inverse
        | Decomposition::Solve => BATCHED_SIDE_MAX,
        Decomposition::SelfAdjointEigen | Decomposition::SelfAdjointEigenvalues => BATCHED_EIGEN_SIDE_MAX,
        _ => 0,
    };
    count > 1 && matrix.iter().all(|&side| side <= side_max)
}

/// What LU leaves of a batch.
struct Lu {
    /// By columns.
    factors: DeviceTensor,
    /// The exchanges of rows, counted from 1: `int32` where all matrices were factored in one kernel.
    pivots: DeviceTensor,
    infos: Vec<i32>,
}

/// Matrices of one shape and type.
struct Batch<'a> {
    /// Whether they are many and small, and taken at once where that goes.
    is_batched: bool,
    front: &'a [usize],
    count: usize,
    rows: usize,
    columns: usize,
    dtype: DType,
    numbers: SolverType,
    place: Place<'a>,
}

impl<'a> Batch<'a> {
    fn of(decomposition: Decomposition, inputs: &'a [DeviceTensor], start: &'a [usize]) -> Result<Batch<'a>> {
        let wrong = || Error::bug(format!("a decomposition of {inputs:?} from {start:?} on"));
        let a = inputs.first().ok_or_else(wrong)?;
        let (front, matrix) = a.shape.split_at_checked(start.len()).ok_or_else(wrong)?;
        let fits = |input: &DeviceTensor| {
            input.ndim() == a.ndim() && input.dtype == a.dtype && input.shape.starts_with(front)
        };
        let (&[rows, columns], true) =
            (matrix, inputs.iter().all(fits) && !inputs.iter().any(|x| x.is_empty()))
        else {
            return Err(wrong());
        };
        let numbers = match a.dtype {
            DType::F32 => SolverType::F32,
            DType::F64 => SolverType::F64,
            DType::C64 => SolverType::C64,
            DType::C128 => SolverType::C128,
            _ => return Err(wrong()),
        };
        let place = Place { front, start, matrix };
        let count = front.iter().product();
        let is_batched = is_batched(decomposition, matrix, count);
        Ok(Batch { is_batched, front, count, rows, columns, dtype: a.dtype, numbers, place })
    }

    fn cholesky(&self, task: &mut Task<'_>, a: &DeviceTensor, upper: bool) -> Result<Vec<DeviceTensor>> {
        let n = self.rows;
        let factor = by_columns(task, a)?;
        let infos = match self.is_batched {
            true => {
                let matrices = self.addresses(task, &factor)?;
                let count = self.count;
                self.at_once(
                    task,
                    SolverStep::CholeskyBatch { n, upper, count, matrices: matrices.address() },
                )?
            }
            false => self.each(task, |i| SolverStep::Cholesky { n, upper, a: nth(&factor, i, n * n) })?,
        };
        self.check(&infos, Fault::NotPositiveDefinite)?;
        // By columns, the lower triangle is where the last index is the greater one.
        let kept = if upper { BinaryOp::LessEqual } else { BinaryOp::GreaterEqual };
        Ok(vec![turned(&part(task, &factor, kept)?)])
    }

    /// cuBLAS, where it factors all matrices in one kernel: they are many and small, and it is there.
    fn lu_batcher(&self, task: &mut Task<'_>) -> Result<Option<String>> {
        if !self.is_batched {
            return Ok(None);
        }
        match task.blas() {
            Ok(name) => Ok(Some(name)),
            Err(error) if error.is_unsupported() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lu(&self, task: &mut Task<'_>, a: &DeviceTensor) -> Result<Lu> {
        let n = self.rows;
        let factors = by_columns(task, a)?;
        if self.lu_batcher(task)?.is_none() {
            let pivots = self.alloc(task, DType::I64, &[n])?;
            let step = |i| SolverStep::Lu { n, a: nth(&factors, i, n * n), pivots: nth(&pivots, i, n) };
            let infos = self.each(task, step)?;
            return Ok(Lu { factors, pivots, infos });
        }
        let pivots = self.alloc(task, DType::I32, &[n])?;
        let infos = DeviceTensor::alloc(task, DType::I32, &[self.count])?;
        self.lu_batch(task, &factors, &pivots, LuStep::Factor { infos: infos.address() })?;
        let infos = self.read_infos(task, &infos)?;
        Ok(Lu { factors, pivots, infos })
    }

    fn lu_batch(
        &self,
        task: &mut Task<'_>,
        factors: &DeviceTensor,
        pivots: &DeviceTensor,
        step: LuStep,
    ) -> Result<()> {
        let matrices = self.addresses(task, factors)?;
        task.factor(&LuBatch {
            numbers: match self.numbers {
                SolverType::F32 => GemmType::F32,
                SolverType::F64 => GemmType::F64,
                SolverType::C64 => GemmType::C64,
                SolverType::C128 => GemmType::C128,
            },
            n: self.rows,
            count: self.count,
            matrices: matrices.address(),
            pivots: pivots.address(),
            step,
        })
    }

    fn determinants(
        &self,
        task: &mut Task<'_>,
        a: &DeviceTensor,
        decomposition: Decomposition,
    ) -> Result<Vec<DeviceTensor>> {
        let n = self.rows;
        let greatest = self.greatest_part(task, a, false)?;
        let Lu { factors, pivots, .. } = self.lu(task, a)?;
        let mut diagonal = factors;
        diagonal.shape = [self.front, &[n]].concat();
        diagonal.strides.truncate(diagonal.shape.len());
        diagonal.strides[self.front.len()] = n as isize + 1;
        let (diagonal, exchanges) = (diagonal.download(task)?, pivots.download(task)?);
        let exchanges: Vec<i64> = match pivots.dtype {
            DType::I32 => exchanges.to_vec::<i32>()?.into_iter().map(i64::from).collect(),
            _ => exchanges.to_vec()?,
        };
        let factored: Vec<Triangular> = greatest
            .iter()
            .zip(exchanges.chunks_exact(n))
            .map(|(greatest, rows)| {
                let moved = rows.iter().enumerate().filter(|&(i, &row)| row != i as i64 + 1).count();
                Triangular { is_odd: !moved.is_multiple_of(2), is_finite: greatest.is_finite() }
            })
            .collect();
        let made = determinants(decomposition, &diagonal, &factored)?;
        made.iter().map(|values| DeviceTensor::upload(task, values)).collect()
    }

    fn inverse(&self, task: &mut Task<'_>, a: &DeviceTensor) -> Result<Vec<DeviceTensor>> {
        let n = self.rows;
        let mut identity = Steps::of(&[]);
        let is_diagonal = identity.compare_indices(BinaryOp::Equal, [self.front.len(), self.front.len() + 1]);
        identity.push(Step::Cast(is_diagonal), self.dtype);
        let target = identity.run(task, &[], &[self.front, &[n, n]].concat())?;
        self.solved(task, a, target)
    }

    fn solve(&self, task: &mut Task<'_>, a: &DeviceTensor, b: &DeviceTensor) -> Result<Vec<DeviceTensor>> {
        let target = by_columns(task, b)?;
        self.solved(task, a, target)
    }

    /// Solves for what lies by columns in `target`, in its place.
    fn solved(
        &self,
        task: &mut Task<'_>,
        a: &DeviceTensor,
        target: DeviceTensor,
    ) -> Result<Vec<DeviceTensor>> {
        let n = self.rows;
        let columns = target.shape[self.front.len()];
        let Lu { factors, pivots, infos } = self.lu(task, a)?;
        self.check(&infos, Fault::Singular)?;
        if pivots.dtype == DType::I32 {
            let targets = self.addresses(task, &target)?;
            let step = LuStep::Solve { columns, targets: targets.address() };
            self.lu_batch(task, &factors, &pivots, step)?;
            return Ok(vec![turned(&target)]);
        }
        self.each(task, |i| SolverStep::LuSolve {
            n,
            columns,
            lu: nth(&factors, i, n * n),
            pivots: nth(&pivots, i, n),
            b: nth(&target, i, n * columns),
        })?;
        Ok(vec![turned(&target)])
    }

    /// What the QR factorization leaves by columns: R above, reflections below; and the reflections' factors.
    fn reflections(&self, task: &mut Task<'_>, a: &DeviceTensor) -> Result<(DeviceTensor, DeviceTensor)> {
        let (rows, columns) = (self.rows, self.columns);
        let k = rows.min(columns);
        let qr = by_columns(task, a)?;
        let tau = self.alloc(task, self.dtype, &[k])?;
        self.each(task, |i| SolverStep::Qr {
            rows,
            columns,
            a: nth(&qr, i, rows * columns),
            tau: nth(&tau, i, k),
        })?;
        Ok((qr, tau))
    }

    /// R of what [`reflections`](Batch::reflections) left: its first rows, as many as there are columns at most.
    fn triangle(&self, task: &mut Task<'_>, qr: &DeviceTensor) -> Result<DeviceTensor> {
        self.triangle_of(task, qr, self.rows.min(self.columns))
    }

    fn triangle_of(&self, task: &mut Task<'_>, qr: &DeviceTensor, rows: usize) -> Result<DeviceTensor> {
        let view = self.first(qr, 1, rows);
        Ok(turned(&part(task, &view, BinaryOp::LessEqual)?))
    }

    fn qr(&self, task: &mut Task<'_>, a: &DeviceTensor, complete: bool) -> Result<Vec<DeviceTensor>> {
        let k = self.rows.min(self.columns);
        let wanted = if complete { self.rows } else { k };
        let (qr, tau) = self.reflections(task, a)?;
        let r = self.triangle_of(task, &qr, wanted)?;
        let q = self.basis(task, qr, &tau, wanted)?;
        Ok(vec![turned(&q), r])
    }

    /// The first `wanted` columns of Q, by columns.
    fn basis(
        &self,
        task: &mut Task<'_>,
        qr: DeviceTensor,
        tau: &DeviceTensor,
        wanted: usize,
    ) -> Result<DeviceTensor> {
        let rows = self.rows;
        let k = rows.min(self.columns);
        let (q, distance) = if wanted > self.columns {
            let q = self.alloc(task, self.dtype, &[wanted, rows])?;
            run_place(task, &qr, &self.first(&q, 0, self.columns))?;
            (q, wanted * rows)
        } else {
            (qr, self.columns * rows)
        };
        self.each(task, |i| SolverStep::QrBasis {
            rows,
            columns: wanted,
            reflections: k,
            a: nth(&q, i, distance),
            tau: nth(tau, i, k),
        })?;
        Ok(self.first(&q, 0, wanted))
    }

    fn qr_times(&self, task: &mut Task<'_>, a: &DeviceTensor, c: &DeviceTensor) -> Result<Vec<DeviceTensor>> {
        let (qr, tau) = self.reflections(task, a)?;
        let q = self.basis(task, qr, &tau, self.columns.min(self.rows))?;
        Ok(vec![run_product(task, &turned(&q), c, Multiplier::Auto)?.tensor])
    }

    /// Of matrices that are wider than tall, the transposes are decomposed: aᵀ = U·S·Vᴴ, so a = conj(V)·S·Uᵀ.
    fn svd(&self, task: &mut Task<'_>, a: &DeviceTensor, vectors: Option<bool>) -> Result<Vec<DeviceTensor>> {
        let is_wide = self.rows < self.columns;
        let (rows, columns) = (self.rows.max(self.columns), self.rows.min(self.columns));
        let real = self.dtype.real();
        let greatest = self.greatest_part(task, a, false)?;
        if let Some(number) = greatest.iter().position(|greatest| !greatest.is_finite()) {
            return Err(self.place.fault(number, Fault::SvdNotFinite).into());
        }
        let scales: Vec<f64> = greatest.iter().map(|&greatest| scale_of(greatest, self.dtype)).collect();
        let is_scaled = scales.iter().any(|&scale| scale != 1.0);
        let scales = self.upload_reals(task, &scales)?;
        // By columns: a transpose by rows.
        let upright = if is_wide { a.clone() } else { turned(a) };
        let matrix = match is_scaled {
            true => by_number(task, BinaryOp::Multiply, &upright, &scales)?,
            false => run_copy(task, &upright)?,
        };
        let s = self.alloc(task, real, &[columns])?;
        let wide_u = if vectors == Some(true) { rows } else { columns };
        let made = match vectors {
            None => None,
            Some(_) => Some((
                self.alloc(task, self.dtype, &[wide_u, rows])?,
                self.alloc(task, self.dtype, &[columns, columns])?,
            )),
        };
        let infos = self.each(task, |i| SolverStep::Svd {
            rows,
            columns,
            a: nth(&matrix, i, rows * columns),
            s: nth(&s, i, columns),
            vectors: match &made {
                None => SvdVectors::None,
                Some((u, vh)) => SvdVectors::Both {
                    full: vectors == Some(true),
                    u: nth(u, i, wide_u * rows),
                    vh: nth(vh, i, columns * columns),
                },
            },
        })?;
        self.check(&infos, Fault::SvdNoConvergence)?;
        let s = match is_scaled {
            true => {
                let mut shape = s.shape.clone();
                shape.push(1);
                let column = s.reshape(task, &shape)?;
                by_number(task, BinaryOp::Divide, &column, &scales)?.reshape(task, &s.shape)?
            }
            false => s,
        };
        Ok(match made {
            None => vec![s],
            // What lies by columns is, read by rows, the transpose.
            Some((u, vh)) if is_wide => vec![vh, s, u],
            Some((u, vh)) => vec![turned(&u), s, turned(&vh)],
        })
    }

    fn self_adjoint(
        &self,
        task: &mut Task<'_>,
        a: &DeviceTensor,
        vectors: bool,
    ) -> Result<Vec<DeviceTensor>> {
        let n = self.rows;
        let greatest = self.greatest_part(task, a, true)?;
        let matrix = by_columns(task, a)?;
        let values = self.alloc(task, self.dtype.real(), &[n])?;
        let is_finite = |i: usize| greatest[i].is_finite();
        let finite: Vec<usize> = (0..self.count).filter(|&i| is_finite(i)).collect();
        let is_batched = self.is_batched && finite.len() == self.count && task.has_eigen_batch()?;
        let infos = match is_batched {
            true => {
                let (a, values) = (matrix.address(), values.address());
                self.at_once(task, SolverStep::EigenBatch { n, count: self.count, vectors, a, values })?
            }
            false => self.each_of(task, &finite, |i| SolverStep::Eigen {
                n,
                vectors,
                a: nth(&matrix, i, n * n),
                values: nth(&values, i, n),
            })?,
        };
        if let Some(place) = infos.iter().position(|&info| info != 0) {
            return Err(self.place.fault(finite[place], Fault::EigenNoConvergence).into());
        }
        // Of what is not finite nothing is known, as NumPy has it.
        let mut made = vec![values];
        if vectors {
            made.push(matrix);
        }
        for tensor in &made {
            for number in (0..self.count).filter(|&i| !is_finite(i)) {
                self.fill_nan(task, tensor, number)?;
            }
        }
        if vectors {
            made[1] = turned(&made[1]);
        }
        Ok(made)
    }

    fn fill_nan(&self, task: &mut Task<'_>, tensor: &DeviceTensor, number: usize) -> Result<()> {
        let nan = Tensor::scalar(Scalar::Float(f64::NAN), tensor.dtype)?;
        let shape = &tensor.shape[self.front.len()..];
        let len: usize = shape.iter().product();
        let nan = DeviceTensor::upload(task, &nan)?.broadcast(shape);
        let offset = tensor.offset + (number * len) as isize;
        let (shape, strides) = (shape.to_vec(), row_major(shape));
        run_place(task, &nan, &DeviceTensor { shape, strides, offset, ..tensor.clone() })
    }

    /// The greatest magnitude of a part in each matrix, or in each lower triangle; NaN where there is one.
    fn greatest_part(&self, task: &mut Task<'_>, a: &DeviceTensor, lower: bool) -> Result<Vec<f64>> {
        let real = self.dtype.real();
        let mut program = Steps::of(&[self.dtype]);
        let mut value = match self.dtype.is_complex() {
            true => {
                let re = program.push(Step::Unary(UnaryOp::Real, 0), real);
                let re = program.push(Step::Unary(UnaryOp::Abs, re), real);
                let im = program.push(Step::Unary(UnaryOp::Imag, 0), real);
                let im = program.push(Step::Unary(UnaryOp::Abs, im), real);
                program.push(Step::Binary(BinaryOp::Maximum, re, im), real)
            }
            false => program.push(Step::Unary(UnaryOp::Abs, 0), real),
        };
        let axes = [self.front.len(), self.front.len() + 1];
        if lower {
            let is_lower = program.compare_indices(BinaryOp::GreaterEqual, axes);
            let zero = program.push(Step::Constant(Scalar::Float(0.0)), real);
            value = program.push(Step::Where(is_lower, value, zero), real);
        }
        debug_assert_eq!(value + 1, program.0.instructions.len());
        let region = Region::whole(&a.shape);
        let inputs = std::slice::from_ref(a);
        let greatest = run_reduce(task, ReduceOp::Max, &axes, &program.0, &region, &a.shape, inputs)?;
        let greatest = greatest.download(task)?;
        Ok(match real {
            DType::F32 => greatest.to_vec::<f32>()?.into_iter().map(f64::from).collect(),
            _ => greatest.to_vec::<f64>()?,
        })
    }

    /// One number for each matrix, behind whose axes are two of one element.
    fn upload_reals(&self, task: &mut Task<'_>, values: &[f64]) -> Result<DeviceTensor> {
        let shape = [self.front, &[1, 1]].concat();
        let values = match self.dtype.real() {
            DType::F32 => Tensor::from_vec(values.iter().map(|&value| value as f32).collect(), &shape)?,
            _ => Tensor::from_vec(values.to_vec(), &shape)?,
        };
        DeviceTensor::upload(task, &values)
    }

    fn alloc(&self, task: &mut Task<'_>, dtype: DType, behind: &[usize]) -> Result<DeviceTensor> {
        DeviceTensor::alloc(task, dtype, &[self.front, behind].concat())
    }

    /// The first `count` indices of an axis behind the batch's.
    fn first(&self, tensor: &DeviceTensor, axis: usize, count: usize) -> DeviceTensor {
        let mut slices: Vec<Slice> = tensor.shape.iter().map(|&len| Slice::range(0, len)).collect();
        slices[self.front.len() + axis] = Slice::range(0, count);
        tensor.slice(&slices)
    }

    /// Has cuSOLVER take a step for each matrix, and answers what it says of them.
    fn each(&self, task: &mut Task<'_>, step: impl Fn(usize) -> SolverStep) -> Result<Vec<i32>> {
        self.each_of(task, &(0..self.count).collect::<Vec<_>>(), step)
    }

    fn each_of(
        &self,
        task: &mut Task<'_>,
        numbers: &[usize],
        step: impl Fn(usize) -> SolverStep,
    ) -> Result<Vec<i32>> {
        if numbers.is_empty() {
            return Ok(vec![]);
        }
        let infos = DeviceTensor::alloc(task, DType::I32, &[numbers.len()])?;
        let steps: Vec<SolverStep> = numbers.iter().map(|&number| step(number)).collect();
        task.solve(self.numbers, &steps, infos.address())?;
        self.read_infos(task, &infos)
    }

    /// Has cuSOLVER take one step for all matrices.
    fn at_once(&self, task: &mut Task<'_>, step: SolverStep) -> Result<Vec<i32>> {
        let infos = DeviceTensor::alloc(task, DType::I32, &[self.count])?;
        task.solve(self.numbers, &[step], infos.address())?;
        self.read_infos(task, &infos)
    }

    /// What is said of each matrix.
    fn read_infos(&self, task: &mut Task<'_>, infos: &DeviceTensor) -> Result<Vec<i32>> {
        let infos = infos.download(task)?.to_vec::<i32>()?;
        match infos.iter().find(|&&info| info < 0) {
            Some(info) => {
                let matrix = show_shape(self.place.matrix);
                Err(Error::bug(format!("a library refuses argument {} for matrices of {matrix}", -info)))
            }
            None => Ok(infos),
        }
    }

    /// The addresses of the matrices that lie one after the other in a tensor.
    fn addresses(&self, task: &mut Task<'_>, matrices: &DeviceTensor) -> Result<DeviceBuffer> {
        let bytes = matrices.bytes() / self.count;
        let address = |number: usize| matrices.address() + (number * bytes) as u64;
        let addresses: Vec<u8> = (0..self.count).flat_map(|number| address(number).to_le_bytes()).collect();
        task.write(&addresses)
    }

    fn check(&self, infos: &[i32], fault: Fault) -> Result<()> {
        match infos.iter().position(|&info| info != 0) {
            Some(number) => Err(self.place.fault(number, fault).into()),
            None => Ok(()),
        }
    }
}

/// The address of a matrix, or a row, of a tensor without gaps that has `len` elements in each.
fn nth(tensor: &DeviceTensor, number: usize, len: usize) -> u64 {
    tensor.address() + (number * len * tensor.dtype.size()) as u64
}

/// The last two axes exchanged.
fn turned(tensor: &DeviceTensor) -> DeviceTensor {
    let mut axes: Vec<usize> = (0..tensor.ndim()).collect();
    axes.swap(tensor.ndim() - 2, tensor.ndim() - 1);
    tensor.permute(&axes)
}

/// A copy that has matrices column by column; its axes are those of the transpose.
fn by_columns(task: &mut Task<'_>, tensor: &DeviceTensor) -> Result<DeviceTensor> {
    run_copy(task, &turned(tensor))
}

/// The elements at which the index along the last axis compares so with that along the one before; elsewhere 0.
fn part(task: &mut Task<'_>, tensor: &DeviceTensor, kept: BinaryOp) -> Result<DeviceTensor> {
    let mut program = Steps::of(&[tensor.dtype]);
    let is_kept = program.compare_indices(kept, [tensor.ndim() - 1, tensor.ndim() - 2]);
    let zero = program.push(Step::Constant(Scalar::Float(0.0).cast(tensor.dtype)), tensor.dtype);
    program.push(Step::Where(is_kept, 0, zero), tensor.dtype);
    program.run(task, std::slice::from_ref(tensor), &tensor.shape)
}

/// Each matrix with a real number of its own.
fn by_number(
    task: &mut Task<'_>,
    op: BinaryOp,
    tensor: &DeviceTensor,
    numbers: &DeviceTensor,
) -> Result<DeviceTensor> {
    let mut program = Steps::of(&[tensor.dtype, numbers.dtype]);
    let number = program.push(Step::Cast(1), tensor.dtype);
    program.push(Step::Binary(op, 0, number), tensor.dtype);
    program.run(task, &[tensor.clone(), numbers.broadcast(&tensor.shape)], &tensor.shape)
}
