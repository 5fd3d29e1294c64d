//! Choosing elements by conditions.

use crate::build::elementwise::cast;
use crate::build::index::gather::{as_i64, check_integers, gather, take};
use crate::build::index::resolve::true_numbers;
use crate::build::manipulate::{broadcast_arrays, ravel, stack};
use crate::build::unique::{nonzero, nonzero_numbers};
use crate::dtype::DType;
use crate::error::{Error, Result, show_shape};
use crate::graph::{Array, Op};
use crate::run::Runner;
use crate::tensor::Tensor;

/// The entries along an axis, or of the array as a vector, whose condition is true. The condition, a vector that may be
/// shorter than the axis, is computed at once.
///
/// # Errors
/// `Axis`; `Value` where the condition is not a vector; `Index` where it is longer than the axis and true behind it.
pub fn compress(condition: &Array, x: &Array, axis: Option<i64>, runner: &Runner) -> Result<Array> {
    if condition.ndim() != 1 {
        let shape = show_shape(condition.shape());
        return Err(Error::value(format!("the condition is a vector, not of shape {shape}")));
    }
    let numbers = true_numbers(&cast(condition, DType::Bool), runner)?;
    take(x, &numbers, axis)
}

/// The elements whose condition is true, as a vector. The condition is computed at once.
///
/// # Errors
/// `Index` where it is true behind the end of the array.
pub fn extract(condition: &Array, x: &Array, runner: &Runner) -> Result<Array> {
    compress(&ravel(condition), &ravel(x), Some(0), runner)
}

/// The numbers of the elements that are not 0, in the array as a vector; computed at once.
///
/// # Errors
/// Those of the array's evaluation.
pub fn flatnonzero(x: &Array, runner: &Runner) -> Result<Array> {
    let numbers = nonzero_numbers(x, runner)?;
    let count = numbers.len();
    Ok(Array::from_tensor(Tensor::from_vec(numbers, &[count])?))
}

/// The indices of the elements that are not 0, one a row; computed at once.
///
/// # Errors
/// Those of the array's evaluation.
pub fn argwhere(x: &Array, runner: &Runner) -> Result<Array> {
    if x.ndim() == 0 {
        let count = nonzero_numbers(x, runner)?.len();
        return Ok(Array::from_tensor(Tensor::from_vec(Vec::<i64>::new(), &[count, 0])?));
    }
    stack(&nonzero(x, runner)?, -1)
}

/// At each index the element of the first choice whose condition is true, else `default`; all broadcast, choices
/// promote.
///
/// # Errors
/// `Value` where there is not a choice for each condition, or shapes do not fit; `Type` where a condition is not boolean.
pub fn select(conditions: &[Array], choices: &[Array], default: &Array) -> Result<Array> {
    if conditions.len() != choices.len() || conditions.is_empty() {
        return Err(Error::value(format!(
            "{} conditions do not go with {} choices",
            conditions.len(),
            choices.len()
        )));
    }
    if let Some(condition) = conditions.iter().find(|condition| !condition.dtype().is_bool()) {
        return Err(Error::dtype(format!("conditions are booleans, not {}", condition.dtype())));
    }
    let dtype = choices.iter().fold(default.dtype(), |dtype, choice| dtype.promote(choice.dtype()));
    let all: Vec<Array> = conditions.iter().chain(choices).chain([default]).cloned().collect();
    let all = broadcast_arrays(&all)?;
    let (conditions, rest) = all.split_at(conditions.len());
    let mut result = cast(&rest[choices.len()], dtype);
    for (condition, choice) in conditions.iter().zip(rest).rev() {
        let inputs = vec![condition.clone(), cast(choice, dtype), result];
        result = Array::new(Op::Where, inputs, dtype, condition.shape().to_vec());
    }
    Ok(result)
}

/// At each index the element of the choice that `numbers` names there; all broadcast, choices promote.
///
/// # Errors
/// `Type` where numbers are not integers; `Value` for no choices and shapes that do not fit; `Index` for a number without
/// a choice, when it is evaluated.
pub fn choose(numbers: &Array, choices: &[Array]) -> Result<Array> {
    check_integers(numbers)?;
    if choices.is_empty() {
        return Err(Error::value("need at least one choice"));
    }
    let all: Vec<Array> = std::iter::once(numbers).chain(choices).cloned().collect();
    let all = broadcast_arrays(&all)?;
    let shape = all[0].shape().to_vec();
    // Each choice is a row; an index takes its number's row at its own place.
    let rows = stack(&all[1..].iter().map(ravel).collect::<Vec<_>>(), 0)?;
    let number = ravel(&as_i64(&all[0]));
    let place = Array::new(Op::Index(0), vec![], DType::I64, number.shape().to_vec());
    let spec = super::gather::Gather { outer: 0, axis_names: vec![0, 1] };
    let flat = gather(&rows, spec, &[number, place])?;
    Ok(crate::build::manipulate::reshape_to(&flat, &shape))
}
