//! Fourier transforms on a device, by cuFFT.

use swath_array::DType;
use swath_array::dtype::Scalar;
use swath_array::error::show_shape;
use swath_array::kernel::fft::Transform;
use swath_array::program::{BinaryOp, Step, UnaryOp};
use swath_array::tensor::Slice;

use super::steps::Steps;
use super::{DeviceTensor, run_place};
use crate::device::{FFT_ALIGNMENT, FftKind, FftRows};
use crate::error::{Error, Result};
use crate::worker::Task;

/// Transforms every row, of which there is as much as there is, or as much as is needed; the rest is 0.
///
/// The sums are not divided by anything, but multiplied with `scale`.
///
/// # Shape      rows [.., m], m > 0 → [.., points out], row-major; any strides.
/// # Memory     the result, cuFFT's workspace, and the rows once more where they do not lie one after the other, are scaled,
///   or are the half of what is Hermitian.
/// # Guarantee  the same transforms by the same library on the same kind of device give the same bits. Imaginary parts that
///   have to be 0 are taken so.
/// # Errors     `unsupported` where there is no cuFFT, or none for such rows; `bug` for types that are not transformed and
///   rows without elements; out of memory.
pub fn run_fft(
    task: &mut Task<'_>,
    rows: &DeviceTensor,
    transform: Transform,
    points: usize,
    scale: f64,
) -> Result<DeviceTensor> {
    let wrong = || {
        Error::bug(format!(
            "{transform:?} transform of {points} points of {} {}",
            rows.dtype,
            show_shape(&rows.shape)
        ))
    };
    let (Some(last), true) = (rows.ndim().checked_sub(1), points > 0 && !rows.is_empty()) else {
        return Err(wrong());
    };
    let is_taken = matches!(rows.dtype.real(), DType::F32 | DType::F64);
    if !is_taken || rows.dtype.is_complex() == (transform == Transform::RealForward) {
        return Err(wrong());
    }
    let mut shape = rows.shape.clone();
    shape[last] = transform.points_out(points);
    let input = padded(task, rows, transform.points_in(points))?;
    let input = prepared(task, input, transform, points, scale)?;
    let output = DeviceTensor::alloc(task, transform.result(rows.dtype), &shape)?;
    let rows = FftRows {
        kind: match transform {
            Transform::Complex { inverse: false } => FftKind::Forward,
            Transform::Complex { inverse: true } => FftKind::Inverse,
            Transform::RealForward => FftKind::RealToComplex,
            Transform::RealInverse => FftKind::ComplexToReal,
        },
        is_double: rows.dtype.real() == DType::F64,
        points,
        rows: shape[..last].iter().product(),
    };
    task.transform(&rows, input.address(), output.address())?;
    Ok(output)
}

/// The first `wanted` elements of each row, or the row with zeros behind it.
fn padded(task: &mut Task<'_>, rows: &DeviceTensor, wanted: usize) -> Result<DeviceTensor> {
    let last = rows.ndim() - 1;
    let mut slices: Vec<Slice> = rows.shape.iter().map(|&len| Slice::range(0, len)).collect();
    if rows.shape[last] >= wanted {
        slices[last] = Slice::range(0, wanted);
        return Ok(rows.slice(&slices));
    }
    let mut shape = rows.shape.clone();
    shape[last] = wanted;
    let whole = DeviceTensor::alloc(task, rows.dtype, &shape)?;
    task.fill(&whole.buffer, 0)?;
    run_place(task, rows, &whole.slice(&slices))?;
    Ok(whole)
}

/// The rows one after the other, scaled, where cuFFT may read them and, for a transform to reals, overwrite them.
fn prepared(
    task: &mut Task<'_>,
    rows: DeviceTensor,
    transform: Transform,
    points: usize,
    scale: f64,
) -> Result<DeviceTensor> {
    let is_half = transform == Transform::RealInverse;
    let is_dense = rows.is_contiguous() && rows.address().is_multiple_of(FFT_ALIGNMENT);
    if is_dense && !is_half && scale == 1.0 {
        return Ok(rows);
    }
    let (dtype, last) = (rows.dtype, rows.ndim() - 1);
    let mut program = Steps::of(&[dtype]);
    let mut value = 0;
    if is_half {
        // What stands for zero frequency, and of an even number of points for the highest, is real.
        let real = program.push(Step::Unary(UnaryOp::Real, 0), dtype.real());
        let real = program.push(Step::Cast(real), dtype);
        let index = program.push(Step::Index(last), DType::I64);
        let mut is_real = program.equal(index, 0);
        if points.is_multiple_of(2) {
            let is_highest = program.equal(index, points / 2);
            is_real = program.push(Step::Binary(BinaryOp::LogicalOr, is_real, is_highest), DType::Bool);
        }
        value = program.push(Step::Where(is_real, real, 0), dtype);
    }
    if scale != 1.0 {
        let factor = program.push(Step::Constant(Scalar::Float(scale).cast(dtype)), dtype);
        program.push(Step::Binary(BinaryOp::Multiply, value, factor), dtype);
    }
    program.run(task, std::slice::from_ref(&rows), &rows.shape)
}
