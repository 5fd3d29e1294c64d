//! Sums of products by Einstein's notation.

use std::collections::BTreeMap;

use super::diagonal::diagonal;
use super::nodes::{cast, multiply, permute, reshape, sum};
use super::products::matrices;
use crate::error::{Error, Result, show_shape};
use crate::graph::Array;

/// An axis's name: a letter, or the number of an axis that an ellipsis stands for, counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

#[derive(Clone)]
struct Operand {
    array: Array,
    labels: Vec<Label>,
}

/// Sums products of operands' elements, as a specification such as `"ij,jk->ik"` says: axes of the same letter go
/// together, those that the result does not name are summed.
///
/// `...` stands for any number of axes, which are broadcast. Without `->`, the result has what `...` stands for, then the
/// letters that occur once, in alphabetical order. A letter that an operand has twice means its diagonal. Operands' types
/// promote; sums and products are those of [`matmul`](super::matmul).
///
/// Pairs of operands are multiplied in an order found greedily: next the pair whose result is the least larger than they
/// are.
///
/// # Errors
/// `Value` for a specification that cannot be read, operands that do not fit it, lengths that differ.
pub fn einsum(spec: &str, operands: &[Array]) -> Result<Array> {
    let (inputs, output) = parse(spec, operands)?;
    let dtype = operands.iter().skip(1).fold(operands[0].dtype(), |dtype, x| dtype.promote(x.dtype()));
    let mut lens: BTreeMap<Label, usize> = BTreeMap::new();
    for (x, labels) in operands.iter().zip(&inputs) {
        for (&label, &len) in labels.iter().zip(x.shape()) {
            let known = lens.entry(label).or_insert(len);
            if *known == 1 {
                *known = len;
            } else if len != *known && len != 1 {
                return Err(Error::value(format!(
                    "einsum '{spec}': {} has both {known} and {len} elements",
                    show(label)
                )));
            }
        }
    }
    if let Some(&label) = output.iter().find(|label| !lens.contains_key(label)) {
        return Err(Error::value(format!("einsum '{spec}': no operand has {} of the result", show(label))));
    }
    let mut rest = Vec::new();
    for (x, labels) in operands.iter().zip(inputs) {
        rest.push(distinct(Operand { array: cast(x, dtype), labels }, &lens)?);
    }
    while rest.len() > 1 {
        // What only one operand has, and the result does not, is summed before it is multiplied.
        for i in 0..rest.len() {
            let kept = |label: &Label| {
                output.contains(label)
                    || rest.iter().enumerate().any(|(j, other)| j != i && other.labels.contains(label))
            };
            rest[i] = summed(&rest[i], kept);
        }
        let (i, j) = cheapest(&rest, &output, &lens);
        let right = rest.remove(j);
        let left = rest.remove(i);
        let kept =
            |label: &Label| output.contains(label) || rest.iter().any(|other| other.labels.contains(label));
        let product = product(left, right, kept)?;
        rest.push(product);
    }
    let Some(last) = rest.pop() else {
        return Err(Error::bug("einsum without operands".to_string()));
    };
    let last = summed(&last, |label| output.contains(label));
    // What all operands that had it had once, and was left out, has one element.
    let mut shape: Vec<usize> = last.array.shape().to_vec();
    let mut labels = last.labels.clone();
    for &label in output.iter().filter(|label| !last.labels.contains(label)) {
        labels.push(label);
        shape.push(lens[&label]);
    }
    let array = reshape(&last.array, &shape);
    let axes: Vec<usize> = output.iter().filter_map(|label| labels.iter().position(|l| l == label)).collect();
    Ok(permute(&array, &axes))
}

fn show(label: Label) -> String {
    match label {
        Label::Letter(letter) => format!("axis '{letter}'"),
        Label::Ellipsis(number) => format!("axis {number} from the end of '...'"),
    }
}

/// The labels of each operand's axes, and of the result's.
fn parse(spec: &str, operands: &[Array]) -> Result<(Vec<Vec<Label>>, Vec<Label>)> {
    let fail = |why: String| Err(Error::value(format!("einsum '{spec}': {why}")));
    let plain: String = spec.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match plain.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (plain.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() || operands.is_empty() {
        return fail(format!("it names {} operands, and there are {}", terms.len(), operands.len()));
    }
    let mut inputs = Vec::new();
    let mut widest = 0;
    for (number, (term, x)) in terms.iter().zip(operands).enumerate() {
        let letters = term.replacen("...", "", 1);
        let named = letters.chars().count();
        let hidden = match x.ndim().checked_sub(named) {
            Some(hidden) if hidden == 0 || term.contains("...") => hidden,
            _ => {
                return fail(format!(
                    "operand {number} has {} axes (shape {}), '{term}' says otherwise",
                    x.ndim(),
                    show_shape(x.shape())
                ));
            }
        };
        widest = widest.max(hidden);
        inputs.push(labels(spec, term, hidden)?);
    }
    let output = match right {
        Some(term) => labels(spec, term, if term.contains("...") { widest } else { 0 })?,
        None => {
            let all: Vec<Label> = inputs.iter().flatten().copied().collect();
            let mut once: Vec<Label> = (0..widest).rev().map(Label::Ellipsis).collect();
            let mut letters: Vec<Label> = all
                .iter()
                .filter(|&label| {
                    matches!(label, Label::Letter(_)) && all.iter().filter(|l| *l == label).count() == 1
                })
                .copied()
                .collect();
            letters.sort_unstable();
            once.append(&mut letters);
            once
        }
    };
    if let Some((_, &label)) = output.iter().enumerate().find(|(i, label)| output[..*i].contains(label)) {
        return fail(format!("the result has {} twice", show(label)));
    }
    Ok((inputs, output))
}

/// A term's labels, with as many for `...` as it hides.
fn labels(spec: &str, term: &str, hidden: usize) -> Result<Vec<Label>> {
    let letters = |part: &str| -> Result<Vec<Label>> {
        let one = |c: char| match c {
            c if c.is_ascii_alphabetic() => Ok(Label::Letter(c)),
            c => Err(Error::value(format!(
                "einsum '{spec}': '{c}' in '{term}' is neither a letter nor a single '...'"
            ))),
        };
        part.chars().map(one).collect()
    };
    match term.split_once("...") {
        None => letters(term),
        Some((before, after)) => {
            let hidden = (0..hidden).rev().map(Label::Ellipsis);
            Ok(letters(before)?.into_iter().chain(hidden).chain(letters(after)?).collect())
        }
    }
}

/// The operand with each label once: diagonals taken, and axes of one element left out where others have more.
fn distinct(mut operand: Operand, lens: &BTreeMap<Label, usize>) -> Result<Operand> {
    let kept: Vec<usize> = (0..operand.labels.len())
        .filter(|&axis| operand.array.shape()[axis] == lens[&operand.labels[axis]])
        .collect();
    if kept.len() < operand.labels.len() {
        let shape: Vec<usize> = kept.iter().map(|&axis| operand.array.shape()[axis]).collect();
        operand.array = reshape(&operand.array, &shape);
        operand.labels = kept.iter().map(|&axis| operand.labels[axis]).collect();
    }
    loop {
        let pair = operand.labels.iter().enumerate().find_map(|(second, label)| {
            operand.labels[..second].iter().position(|other| other == label).map(|first| (first, second))
        });
        let Some((first, second)) = pair else { return Ok(operand) };
        let others = (0..operand.labels.len()).filter(|&axis| axis != first && axis != second);
        let axes: Vec<usize> = others.chain([first, second]).collect();
        operand.array = diagonal(&permute(&operand.array, &axes), 0)?;
        operand.labels = axes[..axes.len() - 1].iter().map(|&axis| operand.labels[axis]).collect();
    }
}

fn summed(operand: &Operand, kept: impl Fn(&Label) -> bool) -> Operand {
    let gone: Vec<usize> = (0..operand.labels.len()).filter(|&axis| !kept(&operand.labels[axis])).collect();
    if gone.is_empty() {
        return operand.clone();
    }
    let labels = operand.labels.iter().filter(|label| kept(label)).copied().collect();
    Operand { array: sum(&operand.array, &gone), labels }
}

/// The pair whose product is the least larger than both; of equals the one that takes the fewest operations.
fn cheapest(rest: &[Operand], output: &[Label], lens: &BTreeMap<Label, usize>) -> (usize, usize) {
    let mut best = (0, 1);
    let mut least = (f64::INFINITY, f64::INFINITY);
    let size = |labels: &[Label]| labels.iter().map(|label| lens[label] as f64).product::<f64>();
    for i in 0..rest.len() {
        for j in i + 1..rest.len() {
            let mut all = rest[i].labels.clone();
            all.extend(rest[j].labels.iter().filter(|label| !rest[i].labels.contains(label)));
            let left: Vec<Label> = all
                .iter()
                .filter(|label| {
                    output.contains(label)
                        || rest.iter().enumerate().any(|(k, o)| k != i && k != j && o.labels.contains(label))
                })
                .copied()
                .collect();
            let growth = size(&left) - size(&rest[i].labels) - size(&rest[j].labels);
            let cost = (growth, size(&all));
            if cost < least {
                (least, best) = (cost, (i, j));
            }
        }
    }
    best
}

/// Multiplies two operands, and sums what is not kept.
fn product(left: Operand, right: Operand, kept: impl Fn(&Label) -> bool) -> Result<Operand> {
    let in_both = |label: &&Label| right.labels.contains(label);
    let batch: Vec<Label> = left.labels.iter().filter(in_both).filter(|l| kept(l)).copied().collect();
    let inner: Vec<Label> = left.labels.iter().filter(in_both).filter(|l| !kept(l)).copied().collect();
    let outside = |of: &Operand, other: &Operand| -> Vec<Label> {
        of.labels.iter().filter(|label| !other.labels.contains(label)).copied().collect()
    };
    let (rows, columns) = (outside(&left, &right), outside(&right, &left));
    let labels = [&batch[..], &rows, &columns].concat();
    if inner.is_empty() || (rows.is_empty() && columns.is_empty()) {
        let all = [&labels[..], &inner].concat();
        let product = multiply(&spread(&left, &all), &spread(&right, &all))?;
        let gone: Vec<usize> = (labels.len()..all.len()).collect();
        let array = if gone.is_empty() { product } else { sum(&product, &gone) };
        return Ok(Operand { array, labels });
    }
    let lens = |of: &Operand, labels: &[Label]| -> Vec<usize> {
        let len = |label| of.labels.iter().position(|l| l == label).map_or(1, |axis| of.array.shape()[axis]);
        labels.iter().map(len).collect()
    };
    let arranged = |of: &Operand, first: &[Label], second: &[Label]| {
        let turned = spread(of, &[&batch[..], first, second].concat());
        let sides = [lens(of, first).iter().product(), lens(of, second).iter().product()];
        reshape(&turned, &[&lens(of, &batch)[..], &sides].concat())
    };
    let product = matrices(&arranged(&left, &rows, &inner), &arranged(&right, &inner, &columns))?;
    let shape = [lens(&left, &batch), lens(&left, &rows), lens(&right, &columns)].concat();
    Ok(Operand { array: reshape(&product, &shape), labels })
}

/// The operand's axes in this order, of one element where it has none.
fn spread(operand: &Operand, order: &[Label]) -> Array {
    let position = |label: &Label| operand.labels.iter().position(|l| l == label);
    let axes: Vec<usize> = order.iter().filter_map(position).collect();
    let shape: Vec<usize> =
        order.iter().map(|label| position(label).map_or(1, |axis| operand.array.shape()[axis])).collect();
    reshape(&permute(&operand.array, &axes), &shape)
}
