//! The product itself, plainly.

use std::ffi::c_int;

use crate::math::number::{self, Complex};

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
        let value = unsafe { number::read(self.place(item, row, column, kind), kind) };
        if self.op == CONJUGATED { value.conjugate() } else { value }
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

impl Gemm {
    /// Computes the product.
    ///
    /// # Safety
    /// The operands must be there.
    pub unsafe fn run(&self) {
        for item in 0..self.batch {
            for column in 0..self.n {
                for row in 0..self.m {
                    // SAFETY: as promised by the caller.
                    unsafe { self.element(item, row, column) };
                }
            }
        }
    }

    /// # Safety
    /// The operands must be there.
    unsafe fn element(&self, item: i64, row: i64, column: i64) {
        let mut sum = Complex::ZERO;
        for step in 0..self.k {
            // SAFETY: as promised by the caller.
            let (a, b) =
                unsafe { (self.a.at(item, row, step, self.kind), self.b.at(item, step, column, self.kind)) };
            sum = sum + a * b;
            if !number::is_double(self.kind) {
                sum = sum.map(|part| f64::from(part as f32));
            }
        }
        let mut value = self.alpha * sum;
        let place = self.c.place(item, row, column, self.kind);
        // What is there is not read where it does not count.
        if self.beta != Complex::ZERO {
            // SAFETY: as promised by the caller.
            value = value + self.beta * unsafe { number::read(place, self.kind) };
        }
        // SAFETY: as promised by the caller.
        unsafe { number::write(place, self.kind, value) };
    }
}
