//! Discrete Fourier transforms: the standard's extension, and two-dimensional names of NumPy's.
//!
//! `float32` and `complex64` are transformed as such, and so are the 16-bit floats as `float32`; all others as `float64` or
//! `complex128`. NaN spreads over what is transformed together.

use std::sync::Arc;

use crate::build::axis::{normalize_axes, normalize_axis};
use crate::build::creation::index;
use crate::build::elementwise::{binary, cast, unary, where_};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, BlockOperator, DeviceForm, Op, Region};
use crate::kernel::fft::Transform;
use crate::program::{BinaryOp, UnaryOp};
use crate::tensor::{Slice, Tensor};

/// Which way a transform is divided by its number of points n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// The backward one, by n.
    #[default]
    Backward,
    /// Both, by √n.
    Ortho,
    /// The forward one, by n.
    Forward,
}

impl std::str::FromStr for Norm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Norm> {
        match name {
            "backward" => Ok(Norm::Backward),
            "ortho" => Ok(Norm::Ortho),
            "forward" => Ok(Norm::Forward),
            _ => Err(Error::value(format!("norm '{name}' is none of 'backward', 'ortho', 'forward'"))),
        }
    }
}

impl Norm {
    fn scale(self, n: usize, inverse: bool) -> f64 {
        match self {
            Norm::Ortho => 1.0 / (n as f64).sqrt(),
            Norm::Backward if inverse => 1.0 / n as f64,
            Norm::Forward if !inverse => 1.0 / n as f64,
            _ => 1.0,
        }
    }

    /// That of the transform the other way round.
    fn turned(self) -> Norm {
        match self {
            Norm::Backward => Norm::Forward,
            Norm::Ortho => Norm::Ortho,
            Norm::Forward => Norm::Backward,
        }
    }
}

/// A transform of the last axis.
#[derive(Debug)]
struct LastAxis {
    transform: Transform,
    points: usize,
    scale: f64,
    dtype: DType,
    shape: Vec<usize>,
}

impl BlockOperator for LastAxis {
    fn name(&self) -> String {
        match self.transform {
            Transform::Complex { inverse: false } => "fft".to_string(),
            Transform::Complex { inverse: true } => "ifft".to_string(),
            Transform::RealForward => "rfft".to_string(),
            Transform::RealInverse => "irfft".to_string(),
        }
    }

    fn outputs(&self) -> Vec<(DType, Vec<usize>)> {
        vec![(self.dtype, self.shape.clone())]
    }

    fn cuttable(&self) -> usize {
        self.shape.len() - 1
    }

    fn needs(&self, block: &Region, _input: usize, shape: &[usize]) -> Region {
        let mut region = Region::whole(shape);
        let last = shape.len() - 1;
        region.start[..last].copy_from_slice(&block.start);
        region.shape[..last].copy_from_slice(&block.shape);
        region.shape[last] = shape[last].min(self.transform.points_in(self.points));
        region
    }

    fn compute(&self, _block: &Region, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![self.transform.compute(&inputs[0], self.points, self.scale)?])
    }

    fn device_form(&self, _block: &Region) -> Option<DeviceForm> {
        let LastAxis { transform, points, scale, .. } = *self;
        Some(DeviceForm::Fourier { transform, points, scale })
    }
}

/// Transforms an axis: `n` points, or as many as there are.
fn along(x: &Array, transform: Transform, n: Option<usize>, axis: usize, norm: Norm) -> Result<Array> {
    let points = match (n, transform) {
        (Some(n), _) => n,
        (None, Transform::RealInverse) => 2 * x.shape()[axis].saturating_sub(1),
        (None, _) => x.shape()[axis],
    };
    if points == 0 {
        return Err(Error::value(format!(
            "a Fourier transform of 0 points, along axis {axis} of shape {}",
            show_shape(x.shape())
        )));
    }
    let inverse = matches!(transform, Transform::Complex { inverse: true } | Transform::RealInverse);
    let last = x.ndim() - 1;
    let there: Vec<usize> = (0..x.ndim()).filter(|&i| i != axis).chain([axis]).collect();
    let turned = permute(x, &there);
    let mut shape = turned.shape().to_vec();
    shape[last] = transform.points_out(points);
    let operator = LastAxis {
        transform,
        points,
        scale: norm.scale(points, inverse),
        dtype: transform.result(x.dtype()),
        shape,
    };
    let made = Array::block(Arc::new(operator), vec![turned]).remove(0);
    let mut back: Vec<usize> = (0..last).collect();
    back.insert(axis, last);
    Ok(permute(&made, &back))
}

fn permute(x: &Array, axes: &[usize]) -> Array {
    if axes.iter().enumerate().all(|(i, &axis)| i == axis) {
        return x.clone();
    }
    let shape = axes.iter().map(|&axis| x.shape()[axis]).collect();
    Array::new(Op::Permute(axes.to_vec()), vec![x.clone()], x.dtype(), shape)
}

/// In the real type that it is transformed in.
fn real(function: &str, x: &Array) -> Result<Array> {
    match x.dtype() {
        dtype if dtype.is_complex() => {
            Err(Error::dtype(format!("{function} takes real numbers, not {dtype}; fft takes complex ones")))
        }
        DType::F16 | DType::BF16 | DType::F32 => Ok(cast(x, DType::F32)),
        _ => Ok(cast(x, DType::F64)),
    }
}

/// In the complex type that it is transformed in.
fn complex(x: &Array) -> Array {
    match x.dtype() {
        DType::F16 | DType::BF16 | DType::F32 | DType::C64 => cast(x, DType::C64),
        _ => cast(x, DType::C128),
    }
}

fn points(n: Option<i64>) -> Result<Option<usize>> {
    match n {
        Some(n) if n < 1 => Err(Error::value(format!("a Fourier transform of {n} points"))),
        n => Ok(n.map(|n| n as usize)),
    }
}

macro_rules! of_one_axis {
    ($($(#[$doc:meta])* $name:ident($x:ident, $axis:ident, $norm:ident): $transform:expr, $input:expr;)*) => {
        $($(#[$doc])*
        ///
        /// Of `n` points where it is given: of more values the first are taken, of fewer zeros follow.
        ///
        /// # Errors
        /// `Axis` where there is no such axis, `Value` for less than one point, `Type` where real numbers are needed.
        pub fn $name($x: &Array, n: Option<i64>, axis: i64, $norm: Norm) -> Result<Array> {
            let $axis = normalize_axis(axis, $x.ndim())?;
            along(&$input, $transform, points(n)?, $axis, $norm)
        })*
    };
}

of_one_axis! {
    /// The Fourier transform along an axis.
    fft(x, axis, norm): Transform::Complex { inverse: false }, complex(x);
    /// The inverse Fourier transform along an axis.
    ifft(x, axis, norm): Transform::Complex { inverse: true }, complex(x);
    /// The Fourier transform of real numbers along an axis: its first n/2 + 1 values, of which the rest is the mirror image.
    rfft(x, axis, norm): Transform::RealForward, real("rfft", x)?;
    /// The real numbers of which the first n/2 + 1 values of the transform along an axis are given; by default n is even.
    irfft(x, axis, norm): Transform::RealInverse, complex(x);
}

/// The transform, real, of what is Hermitian along an axis, of which the first n/2 + 1 values are given; by default n is
/// even.
///
/// # Errors
/// As [`fft`].
pub fn hfft(x: &Array, n: Option<i64>, axis: i64, norm: Norm) -> Result<Array> {
    let axis = normalize_axis(axis, x.ndim())?;
    let conjugated = unary(UnaryOp::Conj, &complex(x))?;
    along(&conjugated, Transform::RealInverse, points(n)?, axis, norm.turned())
}

/// The inverse of [`hfft`]: the first n/2 + 1 values of what is Hermitian.
///
/// # Errors
/// As [`fft`].
pub fn ihfft(x: &Array, n: Option<i64>, axis: i64, norm: Norm) -> Result<Array> {
    let axis = normalize_axis(axis, x.ndim())?;
    let half = along(&real("ihfft", x)?, Transform::RealForward, points(n)?, axis, norm.turned())?;
    unary(UnaryOp::Conj, &half)
}

/// Each axis with its number of points, in the order that they were given.
fn axes_and_points(
    x: &Array,
    s: Option<&[i64]>,
    axes: Option<&[i64]>,
) -> Result<Vec<(usize, Option<usize>)>> {
    let axes: Vec<usize> = match (axes, s) {
        (Some(axes), _) => axes.iter().map(|&axis| normalize_axis(axis, x.ndim())).collect::<Result<_>>()?,
        (None, Some(s)) if s.len() <= x.ndim() => (x.ndim() - s.len()..x.ndim()).collect(),
        (None, _) => (0..x.ndim()).collect(),
    };
    let Some(s) = s else { return Ok(axes.into_iter().map(|axis| (axis, None)).collect()) };
    if s.len() != axes.len() {
        return Err(Error::value(format!("{} numbers of points for {} axes", s.len(), axes.len())));
    }
    // As NumPy has it, -1 takes as many as there are.
    let one = |(axis, &n): (usize, &i64)| Ok((axis, if n == -1 { None } else { points(Some(n))? }));
    axes.into_iter().zip(s).map(one).collect()
}

fn all_axes(x: Array, axes: &[(usize, Option<usize>)], inverse: bool, norm: Norm) -> Result<Array> {
    let transform = Transform::Complex { inverse };
    axes.iter().rev().try_fold(x, |x, &(axis, n)| along(&x, transform, n, axis, norm))
}

/// The Fourier transform along several axes, all by default; `s` are their numbers of points.
///
/// # Errors
/// As [`fft`]; `Value` where `s` is not as long as `axes`.
pub fn fftn(x: &Array, s: Option<&[i64]>, axes: Option<&[i64]>, norm: Norm) -> Result<Array> {
    all_axes(complex(x), &axes_and_points(x, s, axes)?, false, norm)
}

/// The inverse Fourier transform along several axes, all by default.
///
/// # Errors
/// As [`fftn`].
pub fn ifftn(x: &Array, s: Option<&[i64]>, axes: Option<&[i64]>, norm: Norm) -> Result<Array> {
    all_axes(complex(x), &axes_and_points(x, s, axes)?, true, norm)
}

/// The Fourier transform of real numbers along several axes, all by default, of which the last has n/2 + 1 values.
///
/// # Errors
/// As [`fftn`]; `Value` for no axes.
pub fn rfftn(x: &Array, s: Option<&[i64]>, axes: Option<&[i64]>, norm: Norm) -> Result<Array> {
    let real = real("rfftn", x)?;
    let axes = axes_and_points(x, s, axes)?;
    let Some((&(axis, n), others)) = axes.split_last() else {
        return Err(Error::value("rfftn along no axis"));
    };
    all_axes(along(&real, Transform::RealForward, n, axis, norm)?, others, false, norm)
}

/// The inverse of [`rfftn`]; by default the last axis has an even number of points.
///
/// # Errors
/// As [`rfftn`].
pub fn irfftn(x: &Array, s: Option<&[i64]>, axes: Option<&[i64]>, norm: Norm) -> Result<Array> {
    let axes = axes_and_points(x, s, axes)?;
    let Some((&(axis, n), others)) = axes.split_last() else {
        return Err(Error::value("irfftn along no axis"));
    };
    along(&all_axes(complex(x), others, true, norm)?, Transform::RealInverse, n, axis, norm)
}

/// The numbers of cycles per unit of what [`fft`] gives of `n` samples, `d` apart: first those from 0 on, then the
/// negative ones.
///
/// # Errors
/// `Value` for less than one sample, `Type` for other than real floating-point types.
pub fn fftfreq(n: i64, d: f64, dtype: Option<DType>) -> Result<Array> {
    let (n, dtype) = frequencies("fftfreq", n, dtype)?;
    let from_zero = index(&[n], 0);
    let scalar = |value: usize| Array::new(Op::Full(Scalar::Int(value as i128)), vec![], DType::I64, vec![]);
    let negative = binary(BinaryOp::Subtract, &from_zero, &scalar(n))?;
    let is_first = binary(BinaryOp::Less, &from_zero, &scalar(n.div_ceil(2)))?;
    per_unit(&where_(&is_first, &from_zero, &negative)?, n, d, dtype)
}

/// The numbers of cycles per unit of what [`rfft`] gives of `n` samples, `d` apart.
///
/// # Errors
/// As [`fftfreq`].
pub fn rfftfreq(n: i64, d: f64, dtype: Option<DType>) -> Result<Array> {
    let (n, dtype) = frequencies("rfftfreq", n, dtype)?;
    per_unit(&index(&[n / 2 + 1], 0), n, d, dtype)
}

fn frequencies(function: &str, n: i64, dtype: Option<DType>) -> Result<(usize, DType)> {
    let dtype = dtype.unwrap_or(DType::F64);
    if !dtype.is_float() {
        return Err(Error::dtype(format!("{function} gives real floating-point numbers, not {dtype}")));
    }
    match points(Some(n))? {
        Some(n) => Ok((n, dtype)),
        None => Err(Error::value(format!("{function} of {n} samples"))),
    }
}

fn per_unit(cycles: &Array, n: usize, d: f64, dtype: DType) -> Result<Array> {
    let factor = Array::new(Op::Full(Scalar::Float(1.0 / (n as f64 * d))), vec![], DType::F64, vec![]);
    Ok(cast(&binary(BinaryOp::Multiply, &cast(cycles, DType::F64), &factor)?, dtype))
}

/// Moves zero frequency from the front to the middle of each axis.
///
/// # Errors
/// `Axis` where there is no such axis, `Value` where one is named twice.
pub fn fftshift(x: &Array, axes: Option<&[i64]>) -> Result<Array> {
    shifted(x, axes, |len| len.div_ceil(2))
}

/// The inverse of [`fftshift`].
///
/// # Errors
/// As [`fftshift`].
pub fn ifftshift(x: &Array, axes: Option<&[i64]>) -> Result<Array> {
    shifted(x, axes, |len| len / 2)
}

/// Each axis from an index on, and then what lies before it.
fn shifted(x: &Array, axes: Option<&[i64]>, from: impl Fn(usize) -> usize) -> Result<Array> {
    let axes = normalize_axes(axes, x.ndim())?;
    let one = |x: Array, axis: usize| {
        let (len, first) = (x.shape()[axis], from(x.shape()[axis]));
        if first == 0 || first == len {
            return x;
        }
        let part = |start: usize, count: usize| {
            let mut slices: Vec<Slice> = x.shape().iter().map(|&len| Slice::range(0, len)).collect();
            slices[axis] = Slice::range(start, count);
            let shape = slices.iter().map(|slice| slice.count).collect();
            Array::new(Op::Slice(slices), vec![x.clone()], x.dtype(), shape)
        };
        let parts = vec![part(first, len - first), part(0, first)];
        Array::new(Op::Concat(axis), parts, x.dtype(), x.shape().to_vec())
    };
    Ok(axes.into_iter().fold(x.clone(), one))
}

macro_rules! of_two_axes {
    ($($name:ident: $general:ident;)*) => {
        $(#[doc = concat!("[`", stringify!($general), "`] along the last two axes.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($general), "`].")]
        pub fn $name(x: &Array, s: Option<&[i64]>, axes: Option<&[i64]>, norm: Norm) -> Result<Array> {
            $general(x, s, Some(axes.unwrap_or(&[-2, -1])), norm)
        })*
    };
}

of_two_axes! {
    fft2: fftn;
    ifft2: ifftn;
    rfft2: rfftn;
    irfft2: irfftn;
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;
    use crate::error::ErrorKind;
    use crate::run::Runner;

    type C = Complex<f64>;

    fn sample(shape: &[usize]) -> Result<Array> {
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        let values = (0..shape.iter().product()).map(|i| C::new(value(i), value(3 * i + 5))).collect();
        Ok(Array::from_tensor(Tensor::from_vec::<C>(values, shape)?))
    }

    fn values(x: &Array) -> Result<Vec<C>> {
        let tensor = Runner::new().compute(x)?;
        assert_eq!((tensor.dtype(), tensor.shape()), (x.dtype(), x.shape()));
        let tensor = Runner::new().compute(&cast(&Array::from_tensor(tensor), DType::C128))?;
        tensor.to_vec::<C>()
    }

    #[track_caller]
    fn assert_near(have: &Array, want: &[C], tolerance: f64) -> Result<()> {
        let have = values(have)?;
        assert_eq!(have.len(), want.len());
        for (i, (have, want)) in have.iter().zip(want).enumerate() {
            assert!((have - want).norm() <= tolerance * (1.0 + want.norm()), "{i}: {have} is not {want}");
        }
        Ok(())
    }

    const NORMS: [Norm; 3] = [Norm::Backward, Norm::Ortho, Norm::Forward];

    #[test]
    fn inverses_give_back_what_was_transformed() -> Result<()> {
        for shape in [&[5][..], &[4, 6], &[3, 4, 5], &[2, 1, 8]] {
            let x = sample(shape)?;
            let want = values(&x)?;
            let re = unary(UnaryOp::Real, &x)?;
            let real_want = values(&re)?;
            for norm in NORMS {
                for axis in 0..shape.len() as i64 {
                    assert_near(&ifft(&fft(&x, None, axis, norm)?, None, axis, norm)?, &want, 1e-13)?;
                    let n = Some(shape[axis as usize] as i64);
                    assert_near(&irfft(&rfft(&re, None, axis, norm)?, n, axis, norm)?, &real_want, 1e-13)?;
                    assert_near(&hfft(&ihfft(&re, None, axis, norm)?, n, axis, norm)?, &real_want, 1e-13)?;
                }
                assert_near(&ifftn(&fftn(&x, None, None, norm)?, None, None, norm)?, &want, 1e-13)?;
                let s: Vec<i64> = shape.iter().map(|&len| len as i64).collect();
                let half = rfftn(&re, None, None, norm)?;
                assert_eq!(half.shape()[shape.len() - 1], shape[shape.len() - 1] / 2 + 1);
                assert_near(&irfftn(&half, Some(&s), None, norm)?, &real_want, 1e-13)?;
            }
            assert_near(&ifftshift(&fftshift(&x, None)?, None)?, &want, 0.0)?;
        }
        Ok(())
    }

    #[test]
    fn transforms_of_known_values() -> Result<()> {
        let x = Array::from_tensor(Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &[4])?);
        let want = [C::new(10.0, 0.0), C::new(-2.0, 2.0), C::new(-2.0, 0.0), C::new(-2.0, -2.0)];
        assert_near(&fft(&x, None, -1, Norm::Backward)?, &want, 1e-15)?;
        assert_near(&fft(&x, None, -1, Norm::Forward)?, &want.map(|x| x / 4.0), 1e-15)?;
        assert_near(&fft(&x, None, -1, Norm::Ortho)?, &want.map(|x| x / 2.0), 1e-15)?;
        assert_near(&rfft(&x, None, -1, Norm::Backward)?, &want[..3], 1e-15)?;
        assert_near(&fft(&x, Some(2), -1, Norm::Backward)?, &[C::new(3.0, 0.0), C::new(-1.0, 0.0)], 1e-15)?;
        assert_eq!(fft(&x, Some(7), 0, Norm::Backward)?.shape(), [7]);
        assert_eq!(irfft(&x, None, 0, Norm::Backward)?.shape(), [6]);
        let hermitian = values(&hfft(&x, None, 0, Norm::Backward)?)?;
        let reals: Vec<f64> = hermitian.iter().map(|x| x.re).collect();
        for (have, want) in reals.iter().zip([15.0, -4.0, 0.0, -1.0, 0.0, -4.0]) {
            assert!((have - want).abs() < 1e-14, "{reals:?}");
        }
        let grid = sample(&[3, 4])?;
        let by_hand = fft(&fft(&grid, None, 1, Norm::Backward)?, None, 0, Norm::Backward)?;
        assert_near(&fft2(&grid, None, None, Norm::Backward)?, &values(&by_hand)?, 1e-13)?;
        assert_eq!(fftn(&grid, Some(&[5]), None, Norm::Backward)?.shape(), [3, 5]);
        assert_eq!(fftn(&grid, Some(&[5, -1]), None, Norm::Backward)?.shape(), [5, 4]);
        assert_eq!(irfft2(&grid, None, None, Norm::Backward)?.shape(), [3, 6]);
        Ok(())
    }

    #[test]
    fn types_and_errors() -> Result<()> {
        let x = sample(&[4])?;
        for (dtype, want) in [
            (DType::F32, DType::C64),
            (DType::F16, DType::C64),
            (DType::C64, DType::C64),
            (DType::I32, DType::C128),
            (DType::Bool, DType::C128),
            (DType::F64, DType::C128),
        ] {
            let typed = cast(&x, dtype);
            assert_eq!(fft(&typed, None, 0, Norm::Backward)?.dtype(), want);
            assert_eq!(irfft(&typed, None, 0, Norm::Backward)?.dtype(), want.real());
            values(&fft(&typed, None, 0, Norm::Backward)?)?;
        }
        assert_eq!(rfft(&x, None, 0, Norm::Backward).expect_err("complex").kind(), ErrorKind::Type);
        assert_eq!(fft(&x, Some(0), 0, Norm::Backward).expect_err("0").kind(), ErrorKind::Value);
        assert_eq!(fft(&x, None, 1, Norm::Backward).expect_err("axis 1").kind(), ErrorKind::Axis);
        let empty = sample(&[0, 4])?;
        assert_eq!(fft(&empty, None, 0, Norm::Backward).expect_err("none").kind(), ErrorKind::Value);
        assert_eq!(values(&fft(&empty, None, 1, Norm::Backward)?)?, []);
        assert_near(&fft(&empty, Some(2), 0, Norm::Backward)?, &[C::new(0.0, 0.0); 8], 0.0)?;
        assert_eq!("ortho".parse::<Norm>()?, Norm::Ortho);
        assert_eq!("half".parse::<Norm>().expect_err("half").kind(), ErrorKind::Value);
        Ok(())
    }

    #[test]
    fn frequencies_and_shifts() -> Result<()> {
        let reals = |x: &Array| -> Result<Vec<f64>> { Ok(values(x)?.iter().map(|x| x.re).collect()) };
        assert_eq!(reals(&fftfreq(4, 0.5, None)?)?, [0.0, 0.5, -1.0, -0.5]);
        assert_eq!(reals(&fftfreq(5, 0.2, None)?)?, [0.0, 1.0, 2.0, -2.0, -1.0]);
        assert_eq!(reals(&rfftfreq(5, 0.2, None)?)?, [0.0, 1.0, 2.0]);
        assert_eq!(rfftfreq(4, 1.0, Some(DType::F32))?.dtype(), DType::F32);
        assert_eq!(fftfreq(0, 1.0, None).expect_err("0").kind(), ErrorKind::Value);
        assert_eq!(fftfreq(3, 1.0, Some(DType::I32)).expect_err("integers").kind(), ErrorKind::Type);
        assert_eq!(reals(&fftshift(&fftfreq(5, 0.2, None)?, None)?)?, [-2.0, -1.0, 0.0, 1.0, 2.0]);
        assert_eq!(reals(&fftshift(&fftfreq(4, 0.25, None)?, None)?)?, [-2.0, -1.0, 0.0, 1.0]);
        let grid = Array::from_tensor(Tensor::from_vec((0..6).map(f64::from).collect(), &[2, 3])?);
        assert_eq!(reals(&fftshift(&grid, Some(&[1]))?)?, [2.0, 0.0, 1.0, 5.0, 3.0, 4.0]);
        assert_eq!(reals(&ifftshift(&grid, Some(&[-1]))?)?, [1.0, 2.0, 0.0, 4.0, 5.0, 3.0]);
        assert_eq!(fftshift(&grid, Some(&[2])).expect_err("axis 2").kind(), ErrorKind::Axis);
        Ok(())
    }
}
