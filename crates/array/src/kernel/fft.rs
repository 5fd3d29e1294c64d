//! Fourier transforms along the last axis, with rustfft's plans.
//!
//! Rows are copied to where their transform is to lie, as many at a time as the cache holds, and transformed there. A row
//! that is long, where there are fewer than threads, is transformed by all of them.

use std::f64::consts::TAU;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use num_complex::Complex;
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftDirection, FftNum, FftPlanner};

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::{Slice, Target, Tensor, TensorMut, copy};

/// What is transformed to what; of `n` points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Complex to complex, `n` to `n`.
    Complex { inverse: bool },
    /// Real to the first half of what is Hermitian, `n` to n/2 + 1.
    RealForward,
    /// The first half of what is Hermitian to real, n/2 + 1 to `n`. Imaginary parts that have to be 0 are taken so.
    RealInverse,
}

impl Transform {
    /// Elements along the last axis of what goes in.
    pub fn points_in(self, n: usize) -> usize {
        if self == Transform::RealInverse { n / 2 + 1 } else { n }
    }

    /// Elements along the last axis of what comes out.
    pub fn points_out(self, n: usize) -> usize {
        if self == Transform::RealForward { n / 2 + 1 } else { n }
    }

    /// The type of what comes out.
    pub fn result(self, dtype: DType) -> DType {
        match self {
            Transform::Complex { .. } => dtype,
            Transform::RealForward => dtype.complex(),
            Transform::RealInverse => dtype.real(),
        }
    }

    /// Transforms every row, of which there is as much as there is, or as much as is needed; the rest is 0.
    ///
    /// The sums are not divided by anything, but multiplied with `scale`.
    ///
    /// # Shape
    /// x […, m] → […, points out]; any strides.
    /// # Errors
    /// Out of memory; `Bug` for types that are not transformed.
    pub fn compute(self, x: &Tensor, n: usize, scale: f64) -> Result<Tensor> {
        match (self, x.dtype()) {
            (Transform::Complex { .. } | Transform::RealInverse, DType::C64)
            | (Transform::RealForward, DType::F32) => Rows::<f32>::new(self, n, scale).run(x),
            (Transform::Complex { .. } | Transform::RealInverse, DType::C128)
            | (Transform::RealForward, DType::F64) => Rows::<f64>::new(self, n, scale).run(x),
            (_, other) => Err(Error::bug(format!("{self:?} transform of {other}"))),
        }
    }
}

/// A type that transforms are made in.
trait Part: Element + FftNum {
    type Pair: Element;
    fn of(value: f64) -> Self;
    fn planners() -> &'static Mutex<Planners<Self>>;
}

/// Plans that were made are kept by these.
struct Planners<T: FftNum> {
    complex: FftPlanner<T>,
    real: RealFftPlanner<T>,
}

macro_rules! part {
    ($($type:ty)*) => {
        $(impl Part for $type {
            type Pair = Complex<$type>;
            fn of(value: f64) -> Self {
                value as $type
            }
            fn planners() -> &'static Mutex<Planners<Self>> {
                static PLANNERS: LazyLock<Mutex<Planners<$type>>> = LazyLock::new(|| {
                    Mutex::new(Planners { complex: FftPlanner::new(), real: RealFftPlanner::new() })
                });
                &PLANNERS
            }
        })*
    };
}

part!(f32 f64);

fn complex_plan<T: Part>(n: usize, inverse: bool) -> Arc<dyn Fft<T>> {
    let direction = if inverse { FftDirection::Inverse } else { FftDirection::Forward };
    T::planners().lock().unwrap_or_else(PoisonError::into_inner).complex.plan_fft(n, direction)
}

/// How a row is transformed.
enum Plan<T: Part> {
    Complex(Arc<dyn Fft<T>>),
    RealForward(Arc<dyn RealToComplex<T>>),
    RealInverse(Arc<dyn ComplexToReal<T>>),
    /// By all threads.
    Long(Long<T>),
}

struct Rows<T: Part> {
    transform: Transform,
    n: usize,
    scale: f64,
    of: std::marker::PhantomData<T>,
}

/// Elements that are copied and transformed at a time.
const CHUNK_ELEMENTS: usize = 16 << 10;
/// Points from which a row is worth more than one thread.
const LONG_POINTS: usize = 1 << 16;

impl<T: Part> Rows<T> {
    fn new(transform: Transform, n: usize, scale: f64) -> Self {
        Rows { transform, n, scale, of: std::marker::PhantomData }
    }

    fn plan(&self, rows: usize) -> Plan<T> {
        let threads = rayon::current_num_threads();
        if threads > 1
            && rows < threads
            && self.n >= LONG_POINTS
            && let Some(long) = Long::new(self)
        {
            return Plan::Long(long);
        }
        let mut planners = T::planners().lock().unwrap_or_else(PoisonError::into_inner);
        match self.transform {
            Transform::Complex { inverse: false } => Plan::Complex(planners.complex.plan_fft_forward(self.n)),
            Transform::Complex { inverse: true } => Plan::Complex(planners.complex.plan_fft_inverse(self.n)),
            Transform::RealForward => Plan::RealForward(planners.real.plan_fft_forward(self.n)),
            Transform::RealInverse => Plan::RealInverse(planners.real.plan_fft_inverse(self.n)),
        }
    }

    fn run(&self, x: &Tensor) -> Result<Tensor> {
        let given = x.shape()[x.ndim() - 1];
        let taken = given.min(self.transform.points_in(self.n));
        let front = &x.shape()[..x.ndim() - 1];
        let rows: usize = front.iter().product();
        let points = self.transform.points_out(self.n);
        let dtype = self.transform.result(x.dtype());
        let shape = [front, &[points]].concat();
        if rows == 0 {
            return Ok(TensorMut::zeroed(dtype, &shape)?.freeze());
        }
        let mut slices: Vec<Slice> = x.shape().iter().map(|&len| Slice::range(0, len)).collect();
        slices[x.ndim() - 1] = Slice::range(0, taken);
        let cropped = x.slice(&slices);
        // Rows lie along the longest axis in front, the others are walked.
        let (source, order) = if cropped.is_contiguous() || x.ndim() < 2 {
            (cropped.reshape(&[1, rows, taken])?, None)
        } else {
            let longest = (0..front.len()).max_by_key(|&axis| front[axis]).unwrap_or(0);
            let order: Vec<usize> =
                (0..front.len()).filter(|&axis| axis != longest).chain([longest]).collect();
            (cropped.permute(&[&order[..], &[front.len()]].concat()), Some(order))
        };
        let outer = &source.shape()[..source.ndim() - 2];
        let length = source.shape()[source.ndim() - 2];
        let mut out = TensorMut::uninit(dtype, &[outer, &[length, points]].concat())?;
        let target = Pointer(out.target().pointer);
        let plan = self.plan(rows);
        let step = match plan {
            Plan::Long(_) => 1,
            _ => (CHUNK_ELEMENTS / self.n).clamp(1, length),
        };
        let pieces = length.div_ceil(step);
        let task = |number: usize| -> Result<()> {
            let (outside, piece) = (number / pieces, number % pieces);
            let first = piece * step;
            let count = step.min(length - first);
            let mut rest = outside;
            let mut slices = vec![Slice::range(0, 0); outer.len()];
            for (axis, &len) in outer.iter().enumerate().rev() {
                slices[axis] = Slice::range(rest % len, 1);
                rest /= len;
            }
            slices.extend([Slice::range(first, count), Slice::range(0, taken)]);
            let rows = source.slice(&slices);
            let rows = rows.with_strides(&[count, taken], rows.strides()[outer.len()..].to_vec());
            let place = (outside * length + first) * points * dtype.size();
            self.transform_rows(&plan, &rows, target.at(place))
        };
        let tasks = pieces * outer.iter().product::<usize>();
        if tasks == 1 || matches!(plan, Plan::Long(_)) {
            (0..tasks).try_for_each(task)?;
        } else {
            (0..tasks).into_par_iter().try_for_each(task)?;
        }
        let out = out.freeze();
        let Some(order) = order else { return out.reshape(&shape) };
        let mut axes = vec![0; shape.len()];
        order.iter().enumerate().for_each(|(at, &axis)| axes[axis] = at);
        axes[front.len()] = front.len();
        Ok(out.permute(&axes))
    }

    /// Transforms rows into memory for as many of all points.
    fn transform_rows(&self, plan: &Plan<T>, rows: &Tensor, place: *mut u8) -> Result<()> {
        let count = rows.shape()[0];
        let points = self.transform.points_out(self.n);
        let failed =
            |error: realfft::FftError| Error::bug(format!("a transform of {} points: {error}", self.n));
        // SAFETY: the rows' own part of the result, of elements for which every pattern of bits is a value.
        let complex = |place: *mut u8| unsafe {
            std::slice::from_raw_parts_mut(place.cast::<Complex<T>>(), count * points)
        };
        // SAFETY: the same, of a real result.
        let real =
            |place: *mut u8| unsafe { std::slice::from_raw_parts_mut(place.cast::<T>(), count * points) };
        match plan {
            Plan::Complex(fft) => {
                let out = complex(place);
                self.load::<Complex<T>>(rows, out, T::Pair::DTYPE);
                fft.process(out);
                self.scale_complex(out);
            }
            Plan::RealForward(fft) => {
                let out = complex(place);
                let mut input = vec![T::default(); count * self.n];
                self.load::<T>(rows, &mut input, T::DTYPE);
                let mut scratch = fft.make_scratch_vec();
                for (input, out) in input.chunks_exact_mut(self.n).zip(out.chunks_exact_mut(points)) {
                    fft.process_with_scratch(input, out, &mut scratch).map_err(failed)?;
                }
                self.scale_complex(out);
            }
            Plan::RealInverse(fft) => {
                let out = real(place);
                let half = self.n / 2 + 1;
                let mut input = vec![Complex::new(T::default(), T::default()); count * half];
                self.load::<Complex<T>>(rows, &mut input, T::Pair::DTYPE);
                let mut scratch = fft.make_scratch_vec();
                for (input, out) in input.chunks_exact_mut(half).zip(out.chunks_exact_mut(self.n)) {
                    self.make_hermitian(input);
                    fft.process_with_scratch(input, out, &mut scratch).map_err(failed)?;
                }
                let scale = T::of(self.scale);
                if self.scale != 1.0 {
                    out.iter_mut().for_each(|x| *x = *x * scale);
                }
            }
            Plan::Long(long) => match self.transform {
                Transform::Complex { .. } => {
                    let out = complex(place);
                    self.load::<Complex<T>>(rows, out, T::Pair::DTYPE);
                    long.run(out, self.scale)?;
                }
                Transform::RealForward => {
                    // Neighbours are taken for a real and an imaginary part.
                    let mut input = vec![Complex::new(T::default(), T::default()); self.n / 2];
                    // SAFETY: a complex number is two parts in a row.
                    let parts = unsafe { std::slice::from_raw_parts_mut(input.as_mut_ptr().cast(), self.n) };
                    self.load::<T>(rows, parts, T::DTYPE);
                    long.run(&mut input, 1.0)?;
                    long.untangle(&input, complex(place), self.scale);
                }
                Transform::RealInverse => {
                    let mut input = vec![Complex::new(T::default(), T::default()); self.n / 2 + 1];
                    self.load::<Complex<T>>(rows, &mut input, T::Pair::DTYPE);
                    self.make_hermitian(&mut input);
                    // SAFETY: as many parts as n/2 complex numbers have.
                    let out =
                        unsafe { std::slice::from_raw_parts_mut(place.cast::<Complex<T>>(), self.n / 2) };
                    long.tangle(&input, out);
                    long.run(out, self.scale)?;
                }
            },
        }
        Ok(())
    }

    /// Copies rows to memory for longer ones, and fills up with zeros.
    fn load<E>(&self, rows: &Tensor, to: &mut [E], dtype: DType) {
        let (count, taken) = (rows.shape()[0], rows.shape()[1]);
        let points = self.transform.points_in(self.n);
        assert_eq!(to.len(), count * points);
        let mut target = Target {
            pointer: to.as_mut_ptr().cast(),
            dtype,
            shape: vec![count, taken],
            strides: vec![points as isize, 1],
        };
        copy(rows, &mut target);
        if taken < points {
            for row in to.chunks_exact_mut(points) {
                // SAFETY: all bits 0 is the number 0.
                unsafe { std::ptr::write_bytes(row[taken..].as_mut_ptr(), 0, points - taken) };
            }
        }
    }

    fn scale_complex(&self, values: &mut [Complex<T>]) {
        let scale = T::of(self.scale);
        if self.scale != 1.0 {
            values.iter_mut().for_each(|x| *x = Complex::new(x.re * scale, x.im * scale));
        }
    }

    fn make_hermitian(&self, half: &mut [Complex<T>]) {
        half[0].im = T::default();
        if self.n.is_multiple_of(2) {
            half[self.n / 2].im = T::default();
        }
    }
}

/// The address of memory of which each task writes its own part.
#[derive(Clone, Copy)]
struct Pointer(*mut u8);

// SAFETY: tasks write parts that do not overlap, while the memory is alive.
unsafe impl Send for Pointer {}
unsafe impl Sync for Pointer {}

impl Pointer {
    fn at(self, bytes: usize) -> *mut u8 {
        self.0.wrapping_add(bytes)
    }
}

/// Rows or columns that are transformed at a time, so that whole cache lines are read and written.
const GROUP: usize = 16;

/// A transform of n = rows · columns points as transforms of columns and of rows, each by all threads (Bailey, FFTs in
/// external or hierarchical memory, 1990). Of real rows, that of half as many complex points.
struct Long<T: Part> {
    rows: usize,
    columns: usize,
    of_columns: Arc<dyn Fft<T>>,
    of_rows: Arc<dyn Fft<T>>,
    roots: Roots,
    /// Of twice as many, for real rows.
    real_roots: Roots,
}

impl<T: Part> Long<T> {
    /// `None` where the number of points has no divisors that are worth it.
    fn new(of: &Rows<T>) -> Option<Long<T>> {
        let real = !matches!(of.transform, Transform::Complex { .. });
        if real && !of.n.is_multiple_of(2) {
            return None;
        }
        let n = if real { of.n / 2 } else { of.n };
        let rows = (1..=n.isqrt()).rev().find(|&d| n.is_multiple_of(d))?;
        if rows < 4 * GROUP {
            return None;
        }
        let columns = n / rows;
        let inverse = matches!(of.transform, Transform::Complex { inverse: true } | Transform::RealInverse);
        Some(Long {
            rows,
            columns,
            of_columns: complex_plan(rows, inverse),
            of_rows: complex_plan(columns, inverse),
            roots: Roots::new(n, inverse),
            real_roots: Roots::new(2 * n, inverse),
        })
    }

    fn run(&self, data: &mut [Complex<T>], scale: f64) -> Result<()> {
        let (rows, columns) = (self.rows, self.columns);
        let zero = Complex::new(T::default(), T::default());
        let mut between = TensorMut::uninit(T::Pair::DTYPE, &[rows, columns])?;
        let middle = Pointer(between.target().pointer);
        let source: &[Complex<T>] = data;
        let scratch = self.of_columns.get_inplace_scratch_len();
        (0..columns.div_ceil(GROUP)).into_par_iter().for_each_init(
            || (vec![zero; rows * GROUP], vec![zero; scratch]),
            |(buffer, scratch), group| {
                let first = group * GROUP;
                let width = GROUP.min(columns - first);
                for (j, line) in source.chunks_exact(columns).enumerate() {
                    for (g, &value) in line[first..first + width].iter().enumerate() {
                        buffer[g * rows + j] = value;
                    }
                }
                self.of_columns.process_with_scratch(&mut buffer[..width * rows], scratch);
                for k in 0..rows {
                    for g in 0..width {
                        let turned = self.roots.times(buffer[g * rows + k], (first + g) * k);
                        // SAFETY: columns of this group alone.
                        unsafe { *middle.at(0).cast::<Complex<T>>().add(k * columns + first + g) = turned };
                    }
                }
            },
        );
        // SAFETY: all of it has just been written.
        let lines =
            unsafe { std::slice::from_raw_parts_mut(middle.at(0).cast::<Complex<T>>(), rows * columns) };
        let target = Pointer(data.as_mut_ptr().cast());
        let scale = T::of(scale);
        let scratch = self.of_rows.get_inplace_scratch_len();
        lines.par_chunks_mut(GROUP * columns).enumerate().for_each_init(
            || vec![zero; scratch],
            |scratch, (group, lines)| {
                self.of_rows.process_with_scratch(lines, scratch);
                let width = lines.len() / columns;
                for k in 0..columns {
                    for g in 0..width {
                        let value = lines[g * columns + k];
                        let value = Complex::new(value.re * scale, value.im * scale);
                        // SAFETY: places of this group alone.
                        unsafe {
                            *target.at(0).cast::<Complex<T>>().add(k * rows + group * GROUP + g) = value;
                        }
                    }
                }
            },
        );
        Ok(())
    }

    /// The half spectrum of real values from the spectrum of them taken by pairs.
    fn untangle(&self, pairs: &[Complex<T>], half: &mut [Complex<T>], scale: f64) {
        let n = pairs.len();
        let scale = T::of(scale / 2.0);
        half.par_iter_mut().with_min_len(1 << 12).enumerate().for_each(|(k, out)| {
            let (one, other) = (pairs[k % n], pairs[(n - k) % n].conj());
            let (sum, difference) = (one + other, one - other);
            let turned = self.real_roots.times(difference, k);
            // -i times what is turned.
            *out = Complex::new((sum.re + turned.im) * scale, (sum.im - turned.re) * scale);
        });
    }

    /// The spectrum of pairs from the half spectrum of real values.
    fn tangle(&self, half: &[Complex<T>], pairs: &mut [Complex<T>]) {
        let n = pairs.len();
        pairs.par_iter_mut().with_min_len(1 << 12).enumerate().for_each(|(k, out)| {
            let (one, other) = (half[k], half[n - k].conj());
            let (sum, difference) = (one + other, one - other);
            let turned = self.real_roots.times(difference, k);
            // i times what is turned.
            *out = Complex::new(sum.re - turned.im, sum.im + turned.re);
        });
    }
}

/// The n-th roots of 1, as products of two from short tables, exact to the last bits.
struct Roots {
    coarse: Vec<Complex<f64>>,
    fine: Vec<Complex<f64>>,
    shift: u32,
    n: usize,
}

impl Roots {
    fn new(n: usize, inverse: bool) -> Roots {
        let shift = n.next_power_of_two().trailing_zeros().div_ceil(2);
        let turn = if inverse { TAU } else { -TAU } / n as f64;
        let root = |m: usize| {
            let (sin, cos) = (turn * m as f64).sin_cos();
            Complex::new(cos, sin)
        };
        Roots {
            coarse: (0..=n >> shift).map(|m| root(m << shift)).collect(),
            fine: (0..1 << shift).map(root).collect(),
            shift,
            n,
        }
    }

    /// A value times the `power`-th root; powers below n.
    fn times<T: Part>(&self, value: Complex<T>, power: usize) -> Complex<T> {
        debug_assert!(power <= self.n);
        let root = self.coarse[power >> self.shift] * self.fine[power & ((1 << self.shift) - 1)];
        let root = Complex::new(T::of(root.re), T::of(root.im));
        value * root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<Complex<f64>> {
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 500.0 - 1.0;
        (0..n).map(|i| Complex::new(value(i), value(3 * i + 5))).collect()
    }

    fn by_definition(x: &[Complex<f64>], inverse: bool) -> Vec<Complex<f64>> {
        let n = x.len();
        let turn = if inverse { TAU } else { -TAU } / n as f64;
        let one = |k: usize| {
            let term = |(j, &x): (usize, &Complex<f64>)| x * Complex::cis(turn * ((j * k) % n) as f64);
            x.iter().enumerate().map(term).sum()
        };
        (0..n).map(one).collect()
    }

    #[track_caller]
    fn assert_near(have: &[Complex<f64>], want: &[Complex<f64>], tolerance: f64) {
        assert_eq!(have.len(), want.len());
        let scale = want.iter().map(|x| x.norm()).fold(1.0, f64::max);
        for (k, (have, want)) in have.iter().zip(want).enumerate() {
            assert!((have - want).norm() <= tolerance * scale, "{k}: {have} is not {want}");
        }
    }

    fn narrow(x: &[Complex<f64>]) -> Vec<Complex<f32>> {
        x.iter().map(|x| Complex::new(x.re as f32, x.im as f32)).collect()
    }

    fn wide(x: Vec<Complex<f32>>) -> Vec<Complex<f64>> {
        x.into_iter().map(|x| Complex::new(f64::from(x.re), f64::from(x.im))).collect()
    }

    #[test]
    fn transforms_follow_the_definition() -> Result<()> {
        for n in [1, 2, 3, 4, 5, 7, 8, 12, 31, 64, 90, 97, 128, 1000] {
            let x = noise(3 * n);
            for inverse in [false, true] {
                let want: Vec<_> = x.chunks(n).flat_map(|row| by_definition(row, inverse)).collect();
                let transform = Transform::Complex { inverse };
                let have = transform.compute(&Tensor::from_vec(x.clone(), &[3, n])?, n, 1.0)?;
                assert_near(&have.to_vec::<Complex<f64>>()?, &want, 1e-13);
                let have = transform.compute(&Tensor::from_vec(narrow(&x), &[3, n])?, n, 1.0)?;
                assert_near(&wide(have.to_vec::<Complex<f32>>()?), &want, 1e-5);
            }
            let real: Vec<f64> = x.iter().map(|x| x.re).collect();
            let full: Vec<_> = real.iter().map(|&x| Complex::new(x, 0.0)).collect();
            let want: Vec<_> =
                full.chunks(n).flat_map(|row| by_definition(row, false)[..n / 2 + 1].to_vec()).collect();
            let have = Transform::RealForward.compute(&Tensor::from_vec(real.clone(), &[3, n])?, n, 1.0)?;
            assert_eq!(have.shape(), [3, n / 2 + 1]);
            assert_near(&have.to_vec::<Complex<f64>>()?, &want, 1e-13);
            let back = Transform::RealInverse.compute(&have, n, 1.0 / n as f64)?.to_vec::<f64>()?;
            assert!(back.iter().zip(&real).all(|(a, b)| (a - b).abs() < 1e-13));
        }
        Ok(())
    }

    #[test]
    fn crops_pads_and_reads_any_strides() -> Result<()> {
        let (a, n, b) = (4, 6, 5);
        let x = noise(a * n * b);
        let tensor = Tensor::from_vec(x.clone(), &[a, n, b])?.permute(&[2, 0, 1]);
        for points in [4, 6, 9] {
            let have = Transform::Complex { inverse: false }.compute(&tensor, points, 2.0)?;
            assert_eq!(have.shape(), [b, a, points]);
            for i in 0..b {
                for j in 0..a {
                    let zero = Complex::new(0.0, 0.0);
                    let row: Vec<_> =
                        (0..points).map(|k| if k < n { x[(j * n + k) * b + i] } else { zero }).collect();
                    let want: Vec<_> = by_definition(&row, false).iter().map(|x| x * 2.0).collect();
                    let row = have.slice(&[Slice::range(i, 1), Slice::range(j, 1), Slice::range(0, points)]);
                    assert_near(&row.to_vec::<Complex<f64>>()?, &want, 1e-13);
                }
            }
        }
        let back = Slice { start: n - 1, count: n, step: -1 };
        let reversed = Tensor::from_vec(x[..n].to_vec(), &[n])?.slice(&[back]);
        let have = Transform::Complex { inverse: false }.compute(&reversed, n, 1.0)?;
        let row: Vec<_> = x[..n].iter().rev().copied().collect();
        assert_near(&have.to_vec::<Complex<f64>>()?, &by_definition(&row, false), 1e-13);
        let none = Transform::RealForward.compute(&Tensor::from_vec::<f64>(vec![], &[0, 4])?, 4, 1.0)?;
        assert_eq!((none.dtype(), none.shape()), (DType::C128, &[0, 3][..]));
        Ok(())
    }

    #[test]
    fn long_rows_by_all_threads() -> Result<()> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(2).build().map_err(|e| Error::bug(e.to_string()))?;
        for n in [1 << 16, 65_536 * 3, 100_000, 2 * 65_537] {
            let x = noise(n);
            let tensor = Tensor::from_vec(x.clone(), &[n])?;
            for inverse in [false, true] {
                let transform = Transform::Complex { inverse };
                let mut want = x.clone();
                complex_plan::<f64>(n, inverse).process(&mut want);
                let have = pool.install(|| transform.compute(&tensor, n, 1.0))?;
                assert_near(&have.to_vec::<Complex<f64>>()?, &want, 1e-14);
            }
            let real: Vec<f64> = x.iter().map(|x| x.re).collect();
            let mut want: Vec<_> = real.iter().map(|&x| Complex::new(x, 0.0)).collect();
            complex_plan::<f64>(n, false).process(&mut want);
            let tensor = Tensor::from_vec(real.clone(), &[n])?;
            let have = pool.install(|| Transform::RealForward.compute(&tensor, n, 1.0))?;
            assert_near(&have.to_vec::<Complex<f64>>()?, &want[..n / 2 + 1], 1e-14);
            let back = pool.install(|| Transform::RealInverse.compute(&have, n, 1.0 / n as f64))?;
            assert!(back.to_vec::<f64>()?.iter().zip(&real).all(|(a, b)| (a - b).abs() < 1e-13));
        }
        Ok(())
    }

    #[test]
    fn nan_spreads_over_its_row_alone() -> Result<()> {
        let mut x = noise(32);
        x[20].re = f64::NAN;
        let have = Transform::Complex { inverse: false }.compute(&Tensor::from_vec(x, &[2, 16])?, 16, 1.0)?;
        let have = have.to_vec::<Complex<f64>>()?;
        assert!(have[..16].iter().all(|x| x.re.is_finite()) && have[16..].iter().all(|x| x.re.is_nan()));
        Ok(())
    }
}
