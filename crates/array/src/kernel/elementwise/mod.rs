//! The interpreter of fused programs: it walks an array in tiles that fit the first levels of cache, and within a tile
//! runs one typed loop an instruction over registers of a tile's length.
//!
//! Operands that lie in a tile's order are read in place, constants and axes of stride 0 are held as one short block,
//! everything else is copied into the tile's order first. Half precision is computed in `float32` and rounded after each
//! instruction. Every loop gives the same bits on every machine, with whichever vectors it has.

mod binary;
mod cast;
mod complex;
pub(super) mod functions;
mod integer;
pub(super) mod loops;
mod real;
mod tile;
mod unary;

use std::cell::Cell;

use crate::dtype::{DType, Element};
use crate::error::{Error, Result, show_shape};
use crate::graph::Region;
use crate::program::{Program, Step};
use crate::tensor::{Axis, Target, Tensor, TensorMut, coalesce};
use crate::{dispatch, dispatch_size};

use super::random;
use loops::{BLOCK, Operand};
use tile::{Layout, Tiles};

/// Computes a program over a region: `inputs` have the region's shape (stride 0 where they are broadcast), the region's
/// start is what indices begin from, and `target` has the region's shape, with any strides. On the calling thread.
///
/// # Errors
/// `Bug` where shapes, types or operators do not fit together.
pub fn run(program: &Program, inputs: &[Tensor], region: &Region, target: &Target) -> Result<()> {
    check(program, inputs, region, target)?;
    if region.is_empty() {
        return Ok(());
    }
    Walk::new(program, inputs, region, target)?.run()
}

fn check(program: &Program, inputs: &[Tensor], region: &Region, target: &Target) -> Result<()> {
    let Some(last) = program.instructions.last() else {
        return Err(Error::bug("an elementwise program without instructions"));
    };
    if target.shape != region.shape || target.dtype != last.dtype {
        return Err(Error::bug(format!(
            "an elementwise program of {}{} writes to {}{}",
            last.dtype,
            show_shape(&region.shape),
            target.dtype,
            show_shape(&target.shape)
        )));
    }
    if inputs.len() != program.inputs.len() {
        return Err(Error::bug(format!(
            "an elementwise program of {} operands got {}",
            program.inputs.len(),
            inputs.len()
        )));
    }
    for (input, &dtype) in inputs.iter().zip(&program.inputs) {
        if input.shape() != region.shape || input.dtype() != dtype {
            return Err(Error::bug(format!("an operand {input:?} where {dtype} of {region:?} belongs")));
        }
    }
    for (number, instruction) in program.instructions.iter().enumerate() {
        let earlier = |operand: usize| operand < number;
        let fits = match &instruction.step {
            Step::Input(i) => *i < inputs.len() && program.inputs[*i] == instruction.dtype,
            Step::Constant(_) => true,
            Step::Index(axis) => *axis < region.ndim() && instruction.dtype.size() == 8,
            Step::Unary(_, x) | Step::Cast(x) | Step::Random(_, x) => earlier(*x),
            Step::Binary(_, a, b) => {
                earlier(*a) && earlier(*b) && program.instructions[*a].dtype == program.instructions[*b].dtype
            }
            Step::Where(condition, yes, no) => {
                earlier(*condition)
                    && earlier(*yes)
                    && earlier(*no)
                    && program.instructions[*condition].dtype.is_bool()
                    && program.instructions[*yes].dtype == instruction.dtype
                    && program.instructions[*no].dtype == instruction.dtype
            }
        };
        if !fits {
            return Err(Error::bug(format!(
                "instruction {number} of a program does not fit: {instruction:?}"
            )));
        }
    }
    Ok(())
}

/// A tensor's elements in another type, in row-major order; the tensor itself where it has the type.
///
/// # Errors
/// `OutOfMemory`.
pub(crate) fn convert(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    if tensor.dtype() == dtype {
        return Ok(tensor.clone());
    }
    let from = tensor.contiguous()?;
    let mut to = TensorMut::uninit(dtype, tensor.shape())?;
    let operand = Operand { pointer: from.as_ptr(), spread: false };
    // SAFETY: as many elements lie there, and have room.
    unsafe { cast::run(from.dtype(), dtype, operand, to.as_mut_bytes().as_mut_ptr(), from.len()) };
    Ok(to.freeze())
}

/// What an instruction's register is, for one walk.
enum Source<'a> {
    /// Read from a tensor: its place among the operands of the walk.
    Input(&'a Tensor, usize),
    /// The index along an axis: its place among the operands, and where the axis starts.
    Index(usize, usize),
    /// Computed once, before the first tile: it has one value everywhere.
    Once,
    Computed,
}

thread_local! {
    /// The registers of this thread's last walk: fresh memory of the system's costs more than a walk over a block.
    static SCRATCH: Cell<Option<TensorMut>> = const { Cell::new(None) };
}

fn take_scratch(bytes: usize) -> Result<TensorMut> {
    let kept = SCRATCH.take().filter(|scratch| scratch.len() >= bytes);
    kept.map_or_else(|| TensorMut::uninit(DType::U8, &[bytes]), Ok)
}

/// One program over one region.
struct Walk<'a> {
    program: &'a Program,
    target: &'a Target,
    axes: Vec<Axis>,
    tiles: Tiles,
    sources: Vec<Source<'a>>,
    /// How each operand of the walk lies within a tile: inputs, indices, the target.
    layouts: Vec<Layout>,
    /// Where each instruction's register begins in the scratch memory.
    registers: Vec<usize>,
    scratch: TensorMut,
}

impl<'a> Walk<'a> {
    fn new(
        program: &'a Program,
        inputs: &'a [Tensor],
        region: &Region,
        target: &'a Target,
    ) -> Result<Walk<'a>> {
        let ndim = region.ndim();
        // The target's quickest axis is innermost.
        let mut order: Vec<usize> = (0..ndim).collect();
        order.sort_by_key(|&axis| std::cmp::Reverse(target.strides[axis].unsigned_abs()));
        let ordered = |strides: &[isize]| -> Vec<isize> { order.iter().map(|&axis| strides[axis]).collect() };
        let shape: Vec<usize> = order.iter().map(|&axis| region.shape[axis]).collect();

        let mut strides: Vec<Vec<isize>> = Vec::new();
        let mut sources = Vec::new();
        for instruction in &program.instructions {
            let once = |operands: &[usize], sources: &[Source]| {
                let constant = |&operand: &usize| matches!(sources[operand], Source::Once);
                if operands.iter().all(constant) { Source::Once } else { Source::Computed }
            };
            let source = match &instruction.step {
                Step::Input(i) => {
                    strides.push(ordered(inputs[*i].strides()));
                    Source::Input(&inputs[*i], strides.len() - 1)
                }
                Step::Index(axis) => {
                    let mut along = vec![0; ndim];
                    along[*axis] = 1;
                    strides.push(ordered(&along));
                    Source::Index(strides.len() - 1, region.start[*axis])
                }
                Step::Constant(_) => Source::Once,
                Step::Unary(_, x) | Step::Cast(x) | Step::Random(_, x) => once(&[*x], &sources),
                Step::Binary(_, a, b) => once(&[*a, *b], &sources),
                Step::Where(condition, yes, no) => once(&[*condition, *yes, *no], &sources),
            };
            sources.push(source);
        }
        strides.push(ordered(&target.strides));

        let slices: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
        let mut axes = coalesce(&shape, &slices);
        if axes.is_empty() {
            axes.push(Axis { len: 1, strides: vec![0; strides.len()] });
        }
        let tiles = Tiles::new(&axes);
        let layouts: Vec<Layout> = (0..strides.len()).map(|operand| tiles.layout(&axes, operand)).collect();
        let (registers, bytes) = assign_registers(program, &sources, &layouts, tiles.capacity());
        let scratch = take_scratch(bytes)?;
        Ok(Walk { program, target, axes, tiles, sources, layouts, registers, scratch })
    }

    fn run(mut self) -> Result<()> {
        let scratch = self.scratch.as_mut_bytes().as_mut_ptr();
        let instructions = &self.program.instructions;
        let last = instructions.len() - 1;
        let target_operand = self.layouts.len() - 1;
        let mut values: Vec<Operand> = vec![Operand::none(); instructions.len()];
        for (number, source) in self.sources.iter().enumerate() {
            if matches!(source, Source::Once) {
                // SAFETY: the register is this instruction's alone, and holds a block.
                let register = unsafe { scratch.add(self.registers[number]) };
                self.compute(number, &values, register, BLOCK)?;
                values[number] = Operand { pointer: register, spread: true };
            }
        }
        let tiles = self.tiles.clone();
        let done = tiles.for_each(&self.axes, |offsets, lens| {
            let n: usize = lens.iter().product();
            // SAFETY: offsets of a tile are within the target.
            let out = unsafe {
                self.target.pointer.offset(offsets[target_operand] * self.target.dtype.size() as isize)
            };
            let in_place = matches!(self.layouts[target_operand], Layout::InOrder);
            for (number, source) in self.sources.iter().enumerate() {
                // SAFETY: registers are within the scratch memory.
                let register = unsafe { scratch.add(self.registers[number]) };
                values[number] = match source {
                    Source::Once => continue,
                    Source::Input(tensor, operand) => {
                        self.read(tensor, *operand, offsets[*operand], lens, register)
                    }
                    Source::Index(operand, start) => {
                        let first = *start as i64 + offsets[*operand] as i64;
                        self.count(*operand, first, lens, register)
                    }
                    Source::Computed => {
                        let spread = self.operands(number).iter().all(|&operand| values[operand].spread);
                        let n = if spread { n.min(BLOCK) } else { n };
                        let place = if number == last && in_place && !spread { out } else { register };
                        self.compute(number, &values, place, n)?;
                        Operand { pointer: place, spread }
                    }
                };
            }
            let result = values[last];
            if !std::ptr::eq(result.pointer, out) {
                self.write(result, out, lens);
            }
            Ok(())
        });
        SCRATCH.set(Some(self.scratch));
        done
    }

    fn operands(&self, number: usize) -> Vec<usize> {
        match &self.program.instructions[number].step {
            Step::Input(_) | Step::Constant(_) | Step::Index(_) => vec![],
            Step::Unary(_, x) | Step::Cast(x) | Step::Random(_, x) => vec![*x],
            Step::Binary(_, a, b) => vec![*a, *b],
            Step::Where(condition, yes, no) => vec![*condition, *yes, *no],
        }
    }

    /// Computes `n` elements of an instruction's value to `register`.
    fn compute(&self, number: usize, values: &[Operand], register: *mut u8, n: usize) -> Result<()> {
        let instructions = &self.program.instructions;
        let instruction = &instructions[number];
        let dtype = instruction.dtype;
        // SAFETY: operands hold as many elements of their types, or a block of them; the register is another one's
        // memory than theirs, and has room for a tile.
        unsafe {
            match &instruction.step {
                Step::Constant(value) => dispatch!(dtype, T => {
                    std::slice::from_raw_parts_mut(register.cast::<T>(), n).fill(T::from_scalar(*value));
                }),
                Step::Unary(op, x) => unary::run(*op, instructions[*x].dtype, values[*x], register, n)?,
                Step::Binary(op, a, b) => {
                    binary::run(*op, instructions[*a].dtype, values[*a], values[*b], register, n)?;
                }
                Step::Where(condition, yes, no) => {
                    loops::select(dtype, values[*condition], values[*yes], values[*no], register, n);
                }
                Step::Cast(x) => cast::run(instructions[*x].dtype, dtype, values[*x], register, n),
                Step::Random(how, x) => random::fill(how, dtype, values[*x].slice::<u64>(n), register)?,
                Step::Input(_) | Step::Index(_) => {
                    return Err(Error::bug("an operand is read, not computed"));
                }
            }
        }
        Ok(())
    }

    /// An input's elements of a tile: where they lie if they lie in order, else copied.
    fn read(
        &self,
        tensor: &Tensor,
        operand: usize,
        offset: isize,
        lens: &[usize],
        register: *mut u8,
    ) -> Operand {
        // SAFETY: offsets of a tile are within the tensor, the register has room for a tile.
        unsafe {
            let first = tensor.as_ptr().offset(offset * tensor.dtype().size() as isize);
            match &self.layouts[operand] {
                Layout::InOrder => Operand { pointer: first, spread: false },
                Layout::One => {
                    dispatch_size!(tensor.dtype(), T => {
                        let block = std::slice::from_raw_parts_mut(register.cast::<T>(), BLOCK);
                        block.fill(*first.cast::<T>());
                    });
                    Operand { pointer: register, spread: true }
                }
                Layout::Strided(strides) => {
                    dispatch_size!(tensor.dtype(), T => tile::gather(first.cast::<T>(), strides, lens, register.cast::<T>()));
                    Operand { pointer: register, spread: false }
                }
            }
        }
    }

    /// The indices of a tile along an axis.
    fn count(&self, operand: usize, first: i64, lens: &[usize], register: *mut u8) -> Operand {
        // SAFETY: the register has room for a tile.
        unsafe {
            match &self.layouts[operand] {
                Layout::One => {
                    std::slice::from_raw_parts_mut(register.cast::<i64>(), BLOCK).fill(first);
                    Operand { pointer: register, spread: true }
                }
                Layout::InOrder => {
                    tile::count(first, &[1], &[lens.iter().product()], register.cast());
                    Operand { pointer: register, spread: false }
                }
                Layout::Strided(strides) => {
                    tile::count(first, strides, lens, register.cast());
                    Operand { pointer: register, spread: false }
                }
            }
        }
    }

    /// Writes a tile's result to the target.
    fn write(&self, result: Operand, out: *mut u8, lens: &[usize]) {
        let n: usize = lens.iter().product();
        let dtype = self.target.dtype;
        // SAFETY: `out` is where the tile begins in the target, whose layout this is.
        unsafe {
            match self.layouts.last() {
                Some(Layout::Strided(strides)) => dispatch_size!(dtype, T => {
                    let from = result.pointer.cast::<T>();
                    if result.spread {
                        tile::scatter_one(*from, out.cast::<T>(), strides, lens);
                    } else {
                        tile::scatter(from, out.cast::<T>(), strides, lens);
                    }
                }),
                _ => dispatch_size!(dtype, T => {
                    let from = result.pointer.cast::<T>();
                    if result.spread {
                        std::slice::from_raw_parts_mut(out.cast::<T>(), n).fill(*from);
                    } else {
                        std::ptr::copy_nonoverlapping(from, out.cast::<T>(), n);
                    }
                }),
            }
        }
    }
}

/// Gives each instruction that needs memory a register of a tile's length: registers of values that nobody reads any
/// more are used again. Returns where they begin, and how many bytes they take.
fn assign_registers(
    program: &Program,
    sources: &[Source],
    layouts: &[Layout],
    capacity: usize,
) -> (Vec<usize>, usize) {
    let instructions = &program.instructions;
    let mut last_use: Vec<usize> = (0..instructions.len()).collect();
    for (number, instruction) in instructions.iter().enumerate() {
        let mut uses = |operand: usize| last_use[operand] = number;
        match &instruction.step {
            Step::Input(_) | Step::Constant(_) | Step::Index(_) => {}
            Step::Unary(_, x) | Step::Cast(x) | Step::Random(_, x) => uses(*x),
            Step::Binary(_, a, b) => [*a, *b].into_iter().for_each(uses),
            Step::Where(condition, yes, no) => [*condition, *yes, *no].into_iter().for_each(uses),
        }
    }
    // What is computed once is read in every tile.
    let lasts = |number: usize| matches!(sources[number], Source::Once);
    let mut registers = vec![0; instructions.len()];
    let mut bytes = 0;
    let mut free: Vec<(usize, usize)> = Vec::new();
    for (number, instruction) in instructions.iter().enumerate() {
        let elements = match &sources[number] {
            Source::Once => Some(BLOCK),
            Source::Input(_, operand) => match layouts[*operand] {
                Layout::InOrder => None,
                Layout::One => Some(BLOCK),
                Layout::Strided(_) => Some(capacity.max(BLOCK)),
            },
            Source::Index(..) | Source::Computed => Some(capacity.max(BLOCK)),
        };
        if let Some(elements) = elements {
            let size = (elements * instruction.dtype.size()).next_multiple_of(64);
            registers[number] = match free.iter().position(|&(_, room)| room == size && !lasts(number)) {
                Some(position) => free.swap_remove(position).0,
                None => {
                    bytes += size;
                    bytes - size
                }
            };
        }
        for (operand, _) in last_use.iter().enumerate().filter(|&(_, &last)| last == number) {
            let own = match &sources[operand] {
                Source::Input(_, place) => !matches!(layouts[*place], Layout::InOrder),
                _ => !lasts(operand),
            };
            if own && operand + 1 < instructions.len() {
                let input_block = matches!(&sources[operand], Source::Input(_, place) if matches!(layouts[*place], Layout::One));
                let elements = if input_block { BLOCK } else { capacity.max(BLOCK) };
                let size = (elements * instructions[operand].dtype.size()).next_multiple_of(64);
                free.push((registers[operand], size));
            }
        }
    }
    (registers, bytes)
}

#[cfg(test)]
mod tests;
