//! LU factorization with partial pivoting: determinants, inverses, solutions.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::lu::partial_pivoting::{factor, inverse, solve};
use faer::perm::PermRef;
use faer::{Mat, MatMut, MatRef, Par};
use num_complex::Complex;

use super::matrices::{Filling, Matrices, all_finite, for_each};
use super::{Decomposition, Failure, Fault, Field, Place, scratch};
use crate::dtype::{DType, Element, Scalar};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

const SINGULAR: Failure = Failure::Matrix(Fault::Singular);

/// Scratch of one thread: the factors and the rows' order.
struct Factors<T> {
    lu: Mat<T>,
    order: Vec<usize>,
    inverse_order: Vec<usize>,
    exchanges: usize,
    memory: MemBuffer,
}

impl<T: Field> Factors<T> {
    fn new(n: usize, par: Par, more: StackReq) -> Result<Factors<T>> {
        let need = factor::lu_in_place_scratch::<usize, T>(n, n, par, Default::default());
        let order = vec![0; n];
        let memory = scratch(need.or(more))?;
        Ok(Factors { lu: Mat::zeros(n, n), order: order.clone(), inverse_order: order, exchanges: 0, memory })
    }

    fn factor(&mut self, a: MatRef<'_, T>, par: Par) {
        self.lu.as_mut().copy_from(a);
        let stack = MemStack::new(&mut self.memory);
        let (lu, order, inverse) = (self.lu.as_mut(), &mut self.order[..], &mut self.inverse_order[..]);
        let (info, _) = factor::lu_in_place(lu, order, inverse, par, stack, Default::default());
        self.exchanges = info.transposition_count;
    }

    fn pivots(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.lu.nrows()).map(|i| self.lu[(i, i)])
    }

    /// A pivot of 0 means that no row below had another one. What comes behind it is undefined.
    fn is_singular(&self) -> bool {
        self.pivots().any(|pivot| pivot == T::zero_impl())
    }
}

/// A number as mantissa times a power of 2, so that a product of many does not overflow where the result does not.
struct Product {
    mantissa: Complex<f64>,
    exponent: i64,
}

impl Product {
    fn of<T: Field>(factors: &Factors<T>) -> Product {
        Product::of_pivots(factors.pivots(), !factors.exchanges.is_multiple_of(2))
    }

    fn of_pivots<T: Field>(pivots: impl Iterator<Item = T>, is_odd: bool) -> Product {
        let sign = if is_odd { -1.0 } else { 1.0 };
        let mut product = Product { mantissa: Complex::new(sign, 0.0), exponent: 0 };
        for pivot in pivots {
            product.mantissa *= pivot.widened();
            product.normalize();
        }
        product
    }

    /// 0, or NaN where there is one.
    fn of_singular(is_finite: bool) -> Product {
        let value = if is_finite { 0.0 } else { f64::NAN };
        Product { mantissa: Complex::new(value, 0.0), exponent: 0 }
    }

    /// Brings the magnitude near 1.
    fn normalize(&mut self) {
        let size = self.mantissa.re.abs().max(self.mantissa.im.abs());
        if size.is_normal() {
            let exponent = (size.to_bits() >> 52) as i64 - 1023;
            let half = exponent / 2;
            // In two steps, because 2 to the power of the exponent may be out of range.
            self.mantissa = self.mantissa * power_of_two(-half) * power_of_two(half - exponent);
            self.exponent += exponent;
        }
    }

    fn value(&self) -> Complex<f64> {
        let exponent = self.exponent.clamp(-2200, 2200);
        let third = exponent / 3;
        self.mantissa * power_of_two(third) * power_of_two(third) * power_of_two(exponent - 2 * third)
    }

    fn sign(&self) -> Complex<f64> {
        let size = self.mantissa.norm();
        if size == 0.0 { Complex::new(0.0, 0.0) } else { self.mantissa / size }
    }

    fn logarithm(&self) -> f64 {
        self.mantissa.norm().ln() + self.exponent as f64 * std::f64::consts::LN_2
    }
}

/// Of exponents that normal numbers have.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// What another library's factorization left of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Triangular {
    /// Whether rows were exchanged an odd number of times.
    pub is_odd: bool,
    /// Whether the matrix has neither NaN nor infinities.
    pub is_finite: bool,
}

/// What `decomposition`, a determinant or its sign and logarithm, is of matrices that were factored elsewhere.
///
/// # Shape      pivots […, n], one `Triangular` for each index of the axes in front → as the decomposition says.
/// # Errors     `Bug` for other decompositions, types or numbers of matrices.
pub fn determinants(
    decomposition: Decomposition,
    pivots: &Tensor,
    factored: &[Triangular],
) -> Result<Vec<Tensor>> {
    match pivots.dtype() {
        DType::F32 => determinants_of::<f32>(decomposition, pivots, factored),
        DType::F64 => determinants_of::<f64>(decomposition, pivots, factored),
        DType::C64 => determinants_of::<Complex<f32>>(decomposition, pivots, factored),
        DType::C128 => determinants_of::<Complex<f64>>(decomposition, pivots, factored),
        other => Err(Error::bug(format!("{decomposition:?} of {other}"))),
    }
}

fn determinants_of<T: Field>(
    decomposition: Decomposition,
    pivots: &Tensor,
    factored: &[Triangular],
) -> Result<Vec<Tensor>> {
    let (front, n) = match pivots.shape() {
        [front @ .., n] if front.iter().product::<usize>() == factored.len() => (front, *n),
        shape => return Err(Error::bug(format!("{} factored matrices of pivots {shape:?}", factored.len()))),
    };
    let values = pivots.to_vec::<T>()?;
    let products: Vec<Product> = factored
        .iter()
        .enumerate()
        .map(|(i, factored)| {
            let own = &values[i * n..(i + 1) * n];
            match own.contains(&T::zero_impl()) {
                true => Product::of_singular(factored.is_finite),
                false => Product::of_pivots(own.iter().copied(), factored.is_odd),
            }
        })
        .collect();
    let numbers = |value: fn(&Product) -> Complex<f64>| {
        Tensor::from_vec::<T>(products.iter().map(|product| T::rounded(value(product))).collect(), front)
    };
    match decomposition {
        Decomposition::Determinant => Ok(vec![numbers(Product::value)?]),
        Decomposition::SignAndLogarithm => {
            let logarithm = |product: &Product| T::Part::from_scalar(Scalar::Float(product.logarithm()));
            let logarithms = products.iter().map(logarithm).collect();
            Ok(vec![numbers(Product::sign)?, Tensor::from_vec::<T::Part>(logarithms, front)?])
        }
        other => Err(Error::bug(format!("{other:?} of pivots"))),
    }
}

/// The determinants as products; 0 for singular matrices, NaN where there is one.
fn products<T: Field>(a: &Tensor, place: &Place<'_>, write: impl Fn(usize, Product) + Sync) -> Result<()> {
    let a = Matrices::<T>::of(a, place.front.len());
    let n = a.rows;
    for_each(
        place,
        n * n * n * 2 / 3 + 1,
        |par| Factors::<T>::new(n, par, StackReq::EMPTY),
        |factors, i, par| {
            factors.factor(a.matrix(i), par);
            write(
                i,
                match factors.is_singular() {
                    true => Product::of_singular(all_finite(a.matrix(i))),
                    false => Product::of(factors),
                },
            );
            Ok(())
        },
    )
}

pub(super) fn determinant<T: Field>(a: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let filling = Filling::scalars(T::DTYPE, place.front)?;
    let values = Matrices::<T>::to_fill(&filling.target, front);
    products::<T>(a, place, |i, product| {
        // SAFETY: the loop comes by each index once.
        let mut value = unsafe { values.matrix_mut(i) };
        value[(0, 0)] = T::rounded(product.value());
    })?;
    Ok(filling.finish())
}

pub(super) fn sign_and_logarithm<T: Field>(a: &Tensor, place: &Place<'_>) -> Result<Vec<Tensor>> {
    let front = place.front.len();
    let (sign, logarithm) =
        (Filling::scalars(T::DTYPE, place.front)?, Filling::scalars(T::Part::DTYPE, place.front)?);
    let signs = Matrices::<T>::to_fill(&sign.target, front);
    let logarithms = Matrices::<T::Part>::to_fill(&logarithm.target, front);
    products::<T>(a, place, |i, product| {
        // SAFETY: the loop comes by each index once.
        unsafe {
            signs.matrix_mut(i)[(0, 0)] = T::rounded(product.sign());
            logarithms.matrix_mut(i)[(0, 0)] = Element::from_scalar(Scalar::Float(product.logarithm()));
        }
    })?;
    Ok(vec![sign.finish(), logarithm.finish()])
}

pub(super) fn inverse<T: Field>(a: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let a = Matrices::<T>::of(a, front);
    let n = a.rows;
    let filling = Filling::columns(T::DTYPE, place.front, n, n)?;
    let inverses = Matrices::<T>::to_fill(&filling.target, front);
    for_each(
        place,
        2 * n * n * n + 1,
        |par| Factors::<T>::new(n, par, inverse::inverse_scratch::<usize, T>(n, par)),
        |factors, i, par| {
            factors.factor(a.matrix(i), par);
            if factors.is_singular() {
                return Err(SINGULAR);
            }
            // SAFETY: the loop comes by each index once.
            let target = unsafe { inverses.matrix_mut(i) };
            // SAFETY: they are each other's inverse, by the factorization.
            let rows = unsafe { PermRef::new_unchecked(&factors.order, &factors.inverse_order, n) };
            let lu = factors.lu.as_ref();
            inverse::inverse(target, lu, lu, rows, par, MemStack::new(&mut factors.memory));
            Ok(())
        },
    )?;
    Ok(filling.finish())
}

pub(super) fn solve<T: Field>(a: &Tensor, b: &Tensor, place: &Place<'_>) -> Result<Tensor> {
    let front = place.front.len();
    let (a, b) = (Matrices::<T>::of(a, front), Matrices::<T>::of(b, front));
    let (n, k) = (a.rows, b.columns);
    let filling = Filling::columns(T::DTYPE, place.front, n, k)?;
    let solutions = Matrices::<T>::to_fill(&filling.target, front);
    for_each(
        place,
        n * n * n * 2 / 3 + 2 * n * n * k + 1,
        |par| Factors::<T>::new(n, par, solve::solve_in_place_scratch::<usize, T>(n, k, par)),
        |factors, i, par| {
            factors.factor(a.matrix(i), par);
            if factors.is_singular() {
                return Err(SINGULAR);
            }
            // SAFETY: the loop comes by each index once.
            let mut target: MatMut<'_, T> = unsafe { solutions.matrix_mut(i) };
            target.copy_from(b.matrix(i));
            // SAFETY: they are each other's inverse, by the factorization.
            let rows = unsafe { PermRef::new_unchecked(&factors.order, &factors.inverse_order, n) };
            let lu = factors.lu.as_ref();
            solve::solve_in_place(lu, lu, rows, target, par, MemStack::new(&mut factors.memory));
            Ok(())
        },
    )?;
    Ok(filling.finish())
}
