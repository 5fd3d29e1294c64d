//! What is computed whole before what: a graph becomes a list of stages whose length does not depend on chunks.
//!
//! Reductions, products and block operators that need whole axes are stages; so is work that several stages would repeat
//! and that fits in memory. Everything else is computed region by region, where it is needed. Each stage computes just
//! the hull of what later ones ask of it: a slice of a product multiplies no more than the slice.

use std::collections::{HashMap, HashSet};

use crate::graph::{Array, Op, Region};
use crate::run::fuse::{is_elementwise, weight};
use crate::run::region::{differ_in_unit_axes, hull, input_regions, whole_tiles};

/// Weight, in the units of [`weight`], from which on work is kept rather than repeated.
const KEPT_WEIGHT_MIN: u32 = 8;

/// The stages of some arrays, in the order in which they run.
#[derive(Debug)]
pub struct Plan {
    pub stages: Vec<Stage>,
}

/// One array that is computed, as far as it is asked for, before those that read it.
#[derive(Clone, Debug)]
pub struct Stage {
    pub array: Array,
    /// What later stages read of it; for a block operator with several outputs, of their shared axes.
    pub region: Region,
    /// The stages that read it, by number; it is dropped behind the last. None for a result.
    pub last_reader: Option<usize>,
    pub is_result: bool,
}

/// Whether a block operator is computed where it is asked for, block by block.
pub fn is_inline(array: &Array) -> bool {
    match array.op() {
        Op::Block(operator) => {
            let outputs = operator.outputs();
            let is_all_cuttable = outputs.len() == 1 && operator.cuttable() == outputs[0].1.len();
            is_all_cuttable && operator.cuttable() > 0 && operator.tile().is_none()
        }
        _ => false,
    }
}

fn is_breaker(array: &Array) -> bool {
    matches!(array.op(), Op::Reduce(..) | Op::MatMul)
        || (matches!(array.op(), Op::Block(_)) && !is_inline(array))
}

/// Cuts the graph of `results` into stages; work that is shared is kept where it has at most `kept_bytes_max` bytes.
/// For an accelerator, elementwise work that something else reads than a program is a stage too, and so are, where they
/// fit, block operators that the CPU computes where they are asked for.
pub fn plan(results: &[Array], kept_bytes_max: u128, is_accelerated: bool) -> Plan {
    let nodes = inputs_first(results);
    let mut shared = shared_work(&nodes, kept_bytes_max);
    shared.extend(reread(&nodes));
    if is_accelerated {
        shared.extend(read_otherwise(&nodes));
        let whole = |node: &&Array| is_inline(node) && node.bytes() <= kept_bytes_max;
        shared.extend(nodes.iter().filter(whole).map(Array::id));
    }
    let is_result: HashSet<u64> = results.iter().map(Array::id).collect();
    let is_stage = |node: &Array| {
        node.value().is_none()
            && (is_result.contains(&node.id()) || is_breaker(node) || shared.contains(&node.id()))
    };

    // From the results down: what each node is asked for.
    let mut asked: HashMap<u64, Region> =
        results.iter().map(|r| (r.id(), Region::whole(r.shape()))).collect();
    for node in nodes.iter().rev() {
        let Some(region) = asked.get_mut(&node.id()) else { continue };
        if node.value().is_some() {
            continue;
        }
        if let Op::Block(operator) = node.op()
            && let Some(tile) = operator.tile()
        {
            *region = whole_tiles(region, tile, node.shape());
        }
        let region = region.clone();
        for (input, part) in node.inputs().iter().zip(input_regions(node, &region)) {
            asked.entry(input.id()).and_modify(|before| *before = hull(before, &part)).or_insert(part);
        }
    }

    let mut stages: Vec<Stage> = Vec::new();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    for node in nodes.iter().filter(|node| is_stage(node)) {
        let Some(region) = asked.get(&node.id()).cloned() else { continue };
        let number = stages.len();
        // Everything between this stage and those below it is computed here.
        let mut pending: Vec<Array> = node.inputs().to_vec();
        let mut seen = HashSet::new();
        while let Some(input) = pending.pop() {
            if !seen.insert(input.id()) || input.value().is_some() {
                continue;
            }
            match numbers.get(&input.id()) {
                Some(&read) => stages[read].last_reader = Some(number),
                None => pending.extend(input.inputs().iter().cloned()),
            }
        }
        numbers.insert(node.id(), number);
        let is_result = is_result.contains(&node.id());
        stages.push(Stage { array: node.clone(), region, last_reader: None, is_result });
    }
    Plan { stages }
}

/// All nodes that have to be looked at, each behind its inputs; a loop, because graphs may be deep.
fn inputs_first(results: &[Array]) -> Vec<Array> {
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    let mut pending: Vec<(Array, bool)> = results.iter().rev().map(|array| (array.clone(), false)).collect();
    while let Some((array, done)) = pending.pop() {
        if done {
            order.push(array);
        } else if seen.insert(array.id()) {
            pending.push((array.clone(), true));
            if array.value().is_none() {
                pending.extend(array.inputs().iter().rev().map(|input| (input.clone(), false)));
            }
        }
    }
    order
}

/// Nodes that block operators read again and again, and that do not lie in memory.
fn reread(nodes: &[Array]) -> Vec<u64> {
    let mut found = Vec::new();
    for node in nodes.iter().filter(|node| node.value().is_none() && is_inline(node)) {
        let Op::Block(operator) = node.op() else { continue };
        let inputs = node.inputs().iter().enumerate().filter(|&(i, _)| operator.rereads(i));
        found.extend(inputs.filter(|(_, input)| !shows_memory(input)).map(|(_, input)| input.id()));
    }
    found
}

/// Whether an array is a view of values that lie in memory, or one value.
fn shows_memory(array: &Array) -> bool {
    let mut array = array;
    loop {
        match array.op() {
            _ if array.value().is_some() => return true,
            Op::Full(_) => return true,
            Op::Slice(_) | Op::Permute(_) | Op::Broadcast => array = &array.inputs()[0],
            Op::Reshape => match array.inputs()[0].value() {
                Some(value) => return value.is_contiguous(),
                None => return false,
            },
            _ => return false,
        }
    }
}

/// Elementwise nodes that no program reads: what joins, turns into other shapes, multiplies or works on blocks.
fn read_otherwise(nodes: &[Array]) -> impl Iterator<Item = u64> {
    let readers = nodes.iter().filter(|node| match node.op() {
        Op::Reshape => !differ_in_unit_axes(node.shape(), node.inputs()[0].shape()),
        Op::Concat(_) | Op::MatMul | Op::Block(_) | Op::Broadcast => true,
        _ => false,
    });
    let is_work =
        |input: &&Array| is_elementwise(input.op()) && input.value().is_none() && weight(input.op()) > 0;
    readers.flat_map(move |node| node.inputs().iter().filter(is_work).map(Array::id))
}

/// Nodes whose work several readers would repeat: read otherwise than by elementwise neighbours, more than once, and not
/// cheap.
fn shared_work(nodes: &[Array], kept_bytes_max: u128) -> HashSet<u64> {
    let mut readers: HashMap<u64, (u32, u32)> = HashMap::new();
    for node in nodes.iter().filter(|node| node.value().is_none()) {
        for input in node.inputs() {
            let (elementwise, others) = readers.entry(input.id()).or_default();
            *(if is_elementwise(node.op()) { elementwise } else { others }) += 1;
        }
    }
    let mut weights: HashMap<u64, u32> = HashMap::new();
    let mut shared = HashSet::new();
    for node in nodes {
        if node.value().is_some() || is_breaker(node) {
            continue;
        }
        let below = node.inputs().iter().map(|input| weights.get(&input.id()).copied().unwrap_or(0));
        let inline = if is_inline(node) { KEPT_WEIGHT_MIN } else { 0 };
        let total = below.fold(weight(node.op()) + inline, u32::saturating_add);
        let (elementwise, others) = readers.get(&node.id()).copied().unwrap_or_default();
        let is_work = is_elementwise(node.op()) || is_inline(node) || matches!(node.op(), Op::Concat(_));
        let repeats = others + elementwise.min(1) > 1;
        if is_work && repeats && total >= KEPT_WEIGHT_MIN && node.bytes() <= kept_bytes_max {
            shared.insert(node.id());
        } else {
            weights.insert(node.id(), total);
        }
    }
    shared
}
