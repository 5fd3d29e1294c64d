//! What a plan says, and doing it.

use std::ffi::{c_int, c_void};

use super::transform::Transform;
use super::{EXEC_FAILED, INVALID_PLAN, INVALID_TYPE, INVALID_VALUE, NO_WORKSPACE};
use crate::math::number::{self, Complex};
use crate::math::{Driver, Outcome, Refusal, SCRIBBLE, Span};

/// What goes in and what comes out: `cufftType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    C2C = 41,
    R2C = 42,
    C2R = 44,
    Z2Z = 105,
    D2Z = 106,
    Z2D = 108,
}

impl Kind {
    pub fn of(code: c_int) -> Option<Kind> {
        [Kind::C2C, Kind::R2C, Kind::C2R, Kind::Z2Z, Kind::D2Z, Kind::Z2D]
            .into_iter()
            .find(|&kind| kind as c_int == code)
    }

    fn is_double(self) -> bool {
        matches!(self, Kind::Z2Z | Kind::D2Z | Kind::Z2D)
    }

    fn takes_real(self) -> bool {
        matches!(self, Kind::R2C | Kind::D2Z)
    }

    fn gives_real(self) -> bool {
        matches!(self, Kind::C2R | Kind::Z2D)
    }
}

/// Where elements are.
#[derive(Clone, Copy)]
pub struct Layout {
    /// From one element to the next.
    pub stride: usize,
    /// From one sequence to the next.
    pub distance: usize,
}

/// A plan. The stream is a handle of the driver.
#[derive(Clone, Copy)]
pub struct Plan {
    pub driver: Driver,
    pub stream: usize,
    /// Whether it has a work area of its own.
    pub allocates: bool,
    pub work: Option<Work>,
    pub made: Option<Made>,
}

/// The address of a work area.
#[derive(Clone, Copy)]
pub struct Work(pub usize);

/// What a plan was made for.
#[derive(Clone, Copy)]
pub struct Made {
    pub kind: Kind,
    pub n: usize,
    pub batch: usize,
    /// Those of the input and the output; without them, both are contiguous.
    pub layouts: Option<(Layout, Layout)>,
}

/// The sequences of one side, as they lie in memory.
#[derive(Clone, Copy)]
struct Side {
    address: usize,
    kind: c_int,
    /// Elements of a sequence.
    len: usize,
    batch: usize,
    layout: Layout,
}

impl Made {
    /// Bytes of the work area.
    pub fn work_bytes(&self) -> usize {
        16usize.saturating_mul(self.n).saturating_mul(self.batch)
    }

    /// The input and the output. Of real numbers that are transformed in place there is room for two to each complex
    /// number, where no layout says otherwise.
    fn sides(&self, input: usize, output: usize) -> (Side, Side) {
        let Made { kind, n, batch, layouts } = *self;
        let (real, complex) =
            if kind.is_double() { (number::R_64F, number::C_64F) } else { (number::R_32F, number::C_32F) };
        let half = n / 2 + 1;
        let side = |address, is_real, other_is_real, layout: Option<Layout>| {
            let (kind, len) = match (is_real, other_is_real) {
                (true, _) => (real, n),
                (false, true) => (complex, half),
                (false, false) => (complex, n),
            };
            let distance = if is_real && input == output { 2 * half } else { len };
            let layout = layout.unwrap_or(Layout { stride: 1, distance });
            Side { address, kind, len, batch, layout }
        };
        let (takes, gives) = (kind.takes_real(), kind.gives_real());
        let (from, to) = layouts.unzip();
        (side(input, takes, gives, from), side(output, gives, takes, to))
    }

    /// # Safety
    /// The sides must be there, and nobody else's.
    unsafe fn run(&self, input: &Side, output: &Side, direction: c_int) {
        let transform = Transform::new(self.n, f64::from(direction));
        // All is read before anything is written, which may be in its place.
        // SAFETY: as promised by the caller.
        let sequences: Vec<Vec<Complex>> = (0..self.batch).map(|item| unsafe { input.read(item) }).collect();
        if self.kind.gives_real() && input.address != output.address {
            // The real library may overwrite its input then.
            let garbage = vec![Complex::NAN; input.len];
            // SAFETY: as promised by the caller.
            (0..self.batch).for_each(|item| unsafe { input.write(item, &garbage) });
        }
        for (item, values) in sequences.into_iter().enumerate() {
            let values = if self.kind.gives_real() { whole(&values, self.n) } else { values };
            let mut result = transform.run(&values);
            result.truncate(output.len);
            if self.kind.takes_real() {
                // A real sequence's are real there.
                self_conjugate(self.n).for_each(|k| result[k].im = 0.0);
            }
            // SAFETY: as promised by the caller.
            unsafe { output.write(item, &result) };
        }
    }
}

/// The frequencies that are their own opposites: zero, and of an even length the one in the middle.
fn self_conjugate(n: usize) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(n.is_multiple_of(2).then_some(n / 2))
}

/// All `n` frequencies of a real sequence from the first half. Those that are their own opposites must be real: what the
/// real library makes of others is not defined, and NaN here.
fn whole(half: &[Complex], n: usize) -> Vec<Complex> {
    let mut all: Vec<Complex> =
        (0..n).map(|k| if k < half.len() { half[k] } else { half[n - k].conjugate() }).collect();
    if self_conjugate(n).any(|k| all[k].im != 0.0) {
        all.fill(Complex::NAN);
    }
    all
}

impl Side {
    fn span(&self, name: &'static str) -> Span {
        let size = number::size(self.kind).unwrap_or(1);
        let Layout { stride, distance } = self.layout;
        let elements = (self.batch - 1)
            .saturating_mul(distance)
            .saturating_add((self.len - 1).saturating_mul(stride))
            .saturating_add(1);
        // Real numbers too have to lie where complex ones could.
        let alignment = if matches!(self.kind, number::R_32F | number::R_64F) { 2 * size } else { size };
        Span { name, address: self.address, bytes: elements.saturating_mul(size), alignment }
    }

    fn place(&self, item: usize, index: usize) -> usize {
        let element = item * self.layout.distance + index * self.layout.stride;
        self.address + element * number::size(self.kind).unwrap_or(1)
    }

    /// # Safety
    /// The side must be there.
    unsafe fn read(&self, item: usize) -> Vec<Complex> {
        // SAFETY: as promised by the caller.
        (0..self.len).map(|index| unsafe { number::read(self.place(item, index), self.kind) }).collect()
    }

    /// # Safety
    /// The side must be there.
    unsafe fn write(&self, item: usize, values: &[Complex]) {
        for (index, &value) in values.iter().enumerate() {
            // SAFETY: as promised by the caller.
            unsafe { number::write(self.place(item, index), self.kind, value) };
        }
    }
}

impl Plan {
    /// Enqueues the transform of a batch.
    ///
    /// # Safety
    /// The input, the output and the work area must be nobody else's until it is done.
    pub unsafe fn execute(&self, kind: Kind, input: usize, output: usize, direction: c_int) -> Outcome {
        let made = self.made.ok_or_else(|| {
            eprintln!("cudasim: cufftExec{kind:?}: no plan is made");
            INVALID_PLAN
        })?;
        if made.kind != kind {
            eprintln!("cudasim: cufftExec{kind:?}: the plan is for {:?}", made.kind);
            return Err(INVALID_TYPE);
        }
        let (input, output) = made.sides(input, output);
        let mut operands = vec![input.span("the input"), output.span("the output")];
        let work = match self.work {
            Some(Work(address)) => {
                Some(Span { name: "the work area", address, bytes: made.work_bytes(), alignment: 16 })
            }
            None if self.allocates => None,
            None => {
                eprintln!("cudasim: cufftExec{kind:?}: no work area is set");
                return Err(NO_WORKSPACE);
            }
        };
        operands.extend(work);
        if !operands.iter().all(|operand| self.driver.accepts("cufftExec", operand)) {
            return Err(INVALID_VALUE);
        }
        let may_share = |a: usize, b: usize| input.address == output.address && (a, b) == (0, 1);
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            if b < operands.len() && !may_share(a, b) && operands[a].overlaps(&operands[b]) {
                eprintln!(
                    "cudasim: cufftExec{kind:?}: {} and {} overlap",
                    operands[a].name, operands[b].name
                );
                return Err(INVALID_VALUE);
            }
        }
        let run = move || {
            // SAFETY: the driver holds all of it, and the caller vouches for the rest.
            unsafe {
                if let Some(work) = work {
                    std::ptr::write_bytes(work.address as *mut u8, SCRIBBLE, work.bytes);
                }
                made.run(&input, &output, direction);
            }
        };
        self.driver.enqueue(self.stream as *mut c_void, "cufftExec", operands, run).map_err(|refusal| {
            match refusal {
                Refusal::Operand => INVALID_VALUE,
                Refusal::Driver => EXEC_FAILED,
            }
        })
    }
}
