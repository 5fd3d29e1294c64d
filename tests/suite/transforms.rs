//! Fourier transforms by cuFFT against the CPU's. The library is the simulated one: what is tested is how it is called, not
//! what the real one answers.

use swath_array::build::fft::{self, Norm};
use swath_array::build::index::{self, Index};
use swath_array::build::manipulate::{broadcast_to, flip, permute_dims};
use swath_array::run::Runner;
use swath_array::{Array, DType, Result};

use crate::array_stages::{Case, array, case, compare};
use crate::tensor::{Bound, numbers};

/// How far a transform of a few hundred of [`numbers`] may be.
fn bound(dtype: DType) -> Bound {
    Bound::Distance(if dtype.real() == DType::F64 { 1e-10 } else { 2e-2 })
}

type OneAxis = fn(&Array, Option<i64>, i64, Norm) -> Result<Array>;

const OF_COMPLEX: [(&str, OneAxis); 4] =
    [("fft", fft::fft), ("ifft", fft::ifft), ("irfft", fft::irfft), ("hfft", fft::hfft)];
const OF_REAL: [(&str, OneAxis); 2] = [("rfft", fft::rfft), ("ihfft", fft::ihfft)];

fn functions(dtype: DType) -> impl Iterator<Item = (&'static str, OneAxis)> {
    let real = if dtype.is_complex() { &[][..] } else { &OF_REAL[..] };
    OF_COMPLEX.into_iter().chain(real.iter().copied())
}

#[test]
fn every_transform_of_every_type() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in [DType::F32, DType::F64, DType::C64, DType::C128, DType::F16, DType::I32] {
            let x = array(numbers(dtype, &[3, 12], 1));
            for (name, function) in functions(dtype) {
                let made = function(&x, None, -1, Norm::Backward);
                cases.push(case(format!("{name} of {dtype}"), made, bound(dtype.inexact()))?);
            }
        }
        Ok(cases)
    });
}

#[test]
fn every_number_of_points_and_norm() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in [DType::F64, DType::C64] {
            for n in [1, 2, 3, 7, 8, 9, 16, 30] {
                let x = array(numbers(dtype, &[2, 9], n as u64));
                for (name, function) in functions(dtype) {
                    for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
                        let made = function(&x, Some(n), 1, norm);
                        cases.push(case(
                            format!("{name} of {n} points, {dtype}, {norm:?}"),
                            made,
                            bound(dtype),
                        )?);
                    }
                }
            }
        }
        Ok(cases)
    });
}

#[test]
fn every_axis_and_layout() {
    compare(|| {
        let mut cases: Vec<Case> = Vec::new();
        for dtype in [DType::F32, DType::C128] {
            let x = array(numbers(dtype, &[4, 5, 6], 1));
            let every_second = Index::Slice { start: None, stop: None, step: Some(2) };
            let views = [
                ("plain", x.clone()),
                ("turned", permute_dims(&x, &[2, 0, 1])?),
                ("backwards", flip(&x, Some(&[2]))?),
                (
                    "every second",
                    index::get(&x, &[every_second.clone(), Index::Ellipsis, every_second], &Runner::new())?,
                ),
                ("repeated", broadcast_to(&array(numbers(dtype, &[5, 1], 2)), &[4, 5, 6])?),
                ("from an odd element on", index::get(&x, &[Index::Int(1), Index::Int(1)], &Runner::new())?),
            ];
            for (what, view) in views {
                for (name, function) in functions(dtype) {
                    for axis in 0..view.ndim() as i64 {
                        let made = function(&view, None, axis, Norm::Backward);
                        cases.push(case(
                            format!("{name} of {what} {dtype} along {axis}"),
                            made,
                            bound(dtype),
                        )?);
                    }
                }
            }
            cases.push(case("fftn", fft::fftn(&x, None, None, Norm::Ortho), bound(dtype))?);
            cases.push(case("ifftn", fft::ifftn(&x, Some(&[3, 8]), None, Norm::Backward), bound(dtype))?);
            cases.push(case("irfftn", fft::irfftn(&x, None, None, Norm::Backward), bound(dtype))?);
        }
        Ok(cases)
    });
}

#[test]
fn what_is_empty_is_transformed() {
    compare(|| {
        let x = array(numbers(DType::C64, &[0, 4], 1));
        Ok(vec![
            case("no rows", fft::fft(&x, None, 1, Norm::Backward), Bound::Exact)?,
            case("no values", fft::fft(&x, Some(3), 0, Norm::Backward), Bound::Exact)?,
        ])
    });
}

#[test]
fn a_long_row_and_many_plans() {
    compare(|| {
        let mut cases = vec![case(
            "long",
            fft::fft(&array(numbers(DType::C128, &[1 << 14], 1)), None, 0, Norm::Ortho),
            Bound::Distance(1e-9),
        )?];
        // More than are kept, some of them twice.
        for n in (3..15).chain(3..6) {
            let x = array(numbers(DType::F64, &[2, n], n as u64));
            cases.push(case(
                format!("{n} points"),
                fft::rfft(&x, None, 1, Norm::Backward),
                bound(DType::F64),
            )?);
        }
        Ok(cases)
    });
}
