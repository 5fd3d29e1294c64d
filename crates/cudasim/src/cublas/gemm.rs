//! The product itself, plainly.

use std::ffi::{c_int, c_void};

use super::number::{self, Complex};

/// `CUBLAS_OP_C`
const CONJUGATED: c_int = 2;

/// An operand as it lies, column by column, before its operation.
pub struct Matrix {
    pub address: usize,
    pub op: c_int,
    pub rows: i64,
    pub columns: i64,
    /// Elements from one column to the next.
    pub leading: i64,
    /// Elements from one matrix of the batch to the next.
    pub stride: i64,
}

impl Matrix {
    /// The first byte that a batch takes, and how many there are.
    pub fn span(&self, batch: i64, size: usize) -> (usize, usize) {
        if self.rows == 0 || self.columns == 0 {
            return (self.address, 0);
        }
        let reach = self.stride * (batch - 1);
        let last = (self.columns - 1) * self.leading + self.rows + reach.abs();
        let first = (self.address as i64 + reach.min(0) * size as i64) as usize;
        (first, last as usize * size)
    }

    /// # Safety
    /// The matrices of the batch must be there.
    unsafe fn at(&self, item: i64, row: i64, column: i64, kind: c_int) -> Complex {
        let (row, column) = if self.op == 0 { (row, column) } else { (column, row) };
        // SAFETY: as promised by the caller.
        let [re, im] = unsafe { number::read(self.place(item, row, column, kind), kind) };
        if self.op == CONJUGATED { [re, -im] } else { [re, im] }
    }

    fn place(&self, item: i64, row: i64, column: i64, kind: c_int) -> usize {
        let element = item * self.stride + column * self.leading + row;
        let size = number::size(kind).unwrap_or(1) as i64;
        (self.address as i64 + element * size) as usize
    }
}

/// A product that was asked for.
pub struct Gemm {
    pub kind: c_int,
    pub m: i64,
    pub n: i64,
    pub k: i64,
    pub batch: i64,
    pub a: Matrix,
    pub b: Matrix,
    pub c: Matrix,
    pub alpha: Complex,
    pub beta: Complex,
}

/// Computes the product whose box `data` is: a host function of a stream.
pub extern "C" fn run(data: *mut c_void) {
    // SAFETY: each box is handed to one host function, which runs once.
    let gemm = unsafe { Box::from_raw(data.cast::<Gemm>()) };
    for item in 0..gemm.batch {
        for column in 0..gemm.n {
            for row in 0..gemm.m {
                // SAFETY: the operands were checked when the product was asked for, and live until it is done.
                unsafe { gemm.element(item, row, column) };
            }
        }
    }
}

impl Gemm {
    /// # Safety
    /// The operands must be there.
    unsafe fn element(&self, item: i64, row: i64, column: i64) {
        let mut sum = [0.0, 0.0];
        for step in 0..self.k {
            // SAFETY: as promised by the caller.
            let (a, b) =
                unsafe { (self.a.at(item, row, step, self.kind), self.b.at(item, step, column, self.kind)) };
            let product = multiply(a, b);
            sum = [sum[0] + product[0], sum[1] + product[1]];
            if !number::is_double(self.kind) {
                sum = sum.map(|part| f64::from(part as f32));
            }
        }
        let mut value = multiply(self.alpha, sum);
        let place = self.c.place(item, row, column, self.kind);
        // What is there is not read where it does not count.
        if self.beta != [0.0, 0.0] {
            // SAFETY: as promised by the caller.
            let before = multiply(self.beta, unsafe { number::read(place, self.kind) });
            value = [value[0] + before[0], value[1] + before[1]];
        }
        // SAFETY: as promised by the caller.
        unsafe { number::write(place, self.kind, value) };
    }
}

/// The product; that of two real numbers has no NaN for an imaginary part.
fn multiply([a, b]: Complex, [c, d]: Complex) -> Complex {
    if b == 0.0 && d == 0.0 {
        return [a * c, 0.0];
    }
    [a * c - b * d, a * d + b * c]
}
