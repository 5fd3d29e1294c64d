//! Matrices, in device memory and as factorizations work on them.

use std::ffi::c_int;
use std::ops::{Index, IndexMut};

use super::Span;
use super::number::{self, Complex};

/// A matrix, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    values: Vec<Complex>,
}

impl Matrix {
    pub fn from_fn(rows: usize, columns: usize, value: impl Fn(usize, usize) -> Complex) -> Matrix {
        let values = (0..rows * columns).map(|at| value(at % rows, at / rows)).collect();
        Matrix { rows, columns, values }
    }

    pub fn filled(rows: usize, columns: usize, value: Complex) -> Matrix {
        Matrix::from_fn(rows, columns, |_, _| value)
    }

    /// Ones on the diagonal, and zeros.
    pub fn identity(rows: usize, columns: usize) -> Matrix {
        Matrix::from_fn(rows, columns, |i, j| if i == j { Complex::ONE } else { Complex::ZERO })
    }

    pub fn column(&self, column: usize) -> &[Complex] {
        &self.values[column * self.rows..][..self.rows]
    }

    /// As [`rotate`](Matrix::rotate), of rows: what that does to the conjugate transpose.
    pub fn rotate_rows(&mut self, p: usize, q: usize, rotation: &Rotation) {
        for column in 0..self.columns {
            let (a, b) = (self[(p, column)], self[(q, column)] * rotation.phase);
            self[(p, column)] = a * rotation.cos - b * rotation.sin;
            self[(q, column)] = a * rotation.sin + b * rotation.cos;
        }
    }

    pub fn conjugate_transpose(&self) -> Matrix {
        Matrix::from_fn(self.columns, self.rows, |i, j| self[(j, i)].conjugate())
    }

    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// The power of two that the largest element is near to; 1 of zeros. What is divided by it can be squared.
    pub fn scale(&self) -> f64 {
        let largest = self.values.iter().map(|value| value.abs()).fold(0.0, f64::max);
        if largest == 0.0 { 1.0 } else { largest.log2().floor().clamp(-1022.0, 1022.0).exp2() }
    }

    pub fn divided_by(mut self, divisor: f64) -> Matrix {
        self.values.iter_mut().for_each(|value| *value = value.map(|part| part / divisor));
        self
    }

    pub fn swap_rows(&mut self, a: usize, b: usize) {
        (0..self.columns).for_each(|column| self.values.swap(column * self.rows + a, column * self.rows + b));
    }

    /// Keeps the columns of these numbers, in this order.
    pub fn select(&self, columns: &[usize]) -> Matrix {
        Matrix::from_fn(self.rows, columns.len(), |i, j| self[(i, columns[j])])
    }

    /// Rotates columns `p` and `q`, whose scalar product has the phase that is given: they become
    /// `c·p - s·q'` and `s·p + c·q'` for `q'` without that phase.
    pub fn rotate(&mut self, p: usize, q: usize, rotation: &Rotation) {
        for row in 0..self.rows {
            let (a, b) = (self[(row, p)], self[(row, q)] * rotation.phase.conjugate());
            self[(row, p)] = a * rotation.cos - b * rotation.sin;
            self[(row, q)] = a * rotation.sin + b * rotation.cos;
        }
    }
}

/// What makes two columns orthogonal.
pub struct Rotation {
    pub cos: f64,
    pub sin: f64,
    pub phase: Complex,
}

impl Rotation {
    /// The one that makes `[[p, off], [conjugate of off, q]]` diagonal; `off` is not zero.
    pub fn diagonalizing(p: f64, off: Complex, q: f64) -> Rotation {
        let zeta = (q - p) / (2.0 * off.abs());
        let tan = 1f64.copysign(zeta) / (zeta.abs() + zeta.hypot(1.0));
        let cos = 1.0 / tan.hypot(1.0);
        Rotation { cos, sin: cos * tan, phase: off * (1.0 / off.abs()) }
    }
}

impl Index<(usize, usize)> for Matrix {
    type Output = Complex;

    fn index(&self, (row, column): (usize, usize)) -> &Complex {
        &self.values[column * self.rows + row]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut Complex {
        &mut self.values[column * self.rows + row]
    }
}

/// Where a matrix lies, column by column.
#[derive(Clone, Copy)]
pub struct Place {
    pub address: usize,
    pub kind: c_int,
    pub rows: usize,
    pub columns: usize,
    /// Elements from one column to the next.
    pub leading: usize,
}

impl Place {
    /// `None` where the columns would overlap or there are fewer than none.
    pub fn new(address: usize, kind: c_int, rows: i64, columns: i64, leading: i64) -> Option<Place> {
        if leading < rows.max(1) {
            return None;
        }
        let [rows, columns, leading] = [rows, columns, leading].map(usize::try_from);
        Some(Place { address, kind, rows: rows.ok()?, columns: columns.ok()?, leading: leading.ok()? })
    }

    /// One column.
    pub fn vector(address: usize, kind: c_int, len: usize) -> Place {
        Place { address, kind, rows: len, columns: 1, leading: len.max(1) }
    }

    /// The place of matrix `item` of a batch; from one to the next are so many elements.
    pub fn of_batch(self, item: usize, distance: usize) -> Place {
        Place { address: self.address + item * distance * self.size(), ..self }
    }

    fn size(&self) -> usize {
        number::size(self.kind).unwrap_or(1)
    }

    /// What it takes.
    pub fn span(&self, name: &'static str) -> Span {
        self.batch_span(name, 1, 0)
    }

    /// What a batch of them takes; see [`of_batch`](Place::of_batch).
    pub fn batch_span(&self, name: &'static str, batch: usize, distance: usize) -> Span {
        let elements = match self.rows == 0 || self.columns == 0 || batch == 0 {
            true => 0,
            false => (self.columns - 1)
                .saturating_mul(self.leading)
                .saturating_add(self.rows)
                .saturating_add((batch - 1).saturating_mul(distance)),
        };
        let size = self.size();
        Span { name, address: self.address, bytes: elements.saturating_mul(size), alignment: size }
    }

    fn at(&self, row: usize, column: usize) -> usize {
        self.address + (column * self.leading + row) * self.size()
    }

    /// # Safety
    /// The matrix must be there.
    pub unsafe fn read(&self) -> Matrix {
        // SAFETY: as promised by the caller.
        Matrix::from_fn(self.rows, self.columns, |i, j| unsafe { number::read(self.at(i, j), self.kind) })
    }

    /// # Safety
    /// The place must be nobody else's.
    pub unsafe fn write(&self, matrix: &Matrix) {
        // SAFETY: as promised by the caller.
        unsafe { self.write_where(matrix, |_, _| true) };
    }

    /// Writes the elements for which `is_wanted` holds.
    ///
    /// # Safety
    /// The place must be nobody else's.
    pub unsafe fn write_where(&self, matrix: &Matrix, is_wanted: impl Fn(usize, usize) -> bool) {
        for column in 0..self.columns {
            for row in (0..self.rows).filter(|&row| is_wanted(row, column)) {
                // SAFETY: as promised by the caller.
                unsafe { number::write(self.at(row, column), self.kind, matrix[(row, column)]) };
            }
        }
    }

    /// Writes the elements of a vector.
    ///
    /// # Safety
    /// The place must be nobody else's.
    pub unsafe fn write_vector(&self, values: &[Complex]) {
        for (row, &value) in values.iter().enumerate() {
            // SAFETY: as promised by the caller.
            unsafe { number::write(self.at(row, 0), self.kind, value) };
        }
    }
}
