//! Matrices as tests compute with them, and their bytes in each type.

use cudarc::cusolver::sys::cudaDataType as Kind;

pub const KINDS: [Kind; 4] = [Kind::CUDA_R_32F, Kind::CUDA_R_64F, Kind::CUDA_C_32F, Kind::CUDA_C_64F];

pub fn is_complex(kind: Kind) -> bool {
    matches!(kind, Kind::CUDA_C_32F | Kind::CUDA_C_64F)
}

pub fn real(kind: Kind) -> Kind {
    if matches!(kind, Kind::CUDA_R_32F | Kind::CUDA_C_32F) { Kind::CUDA_R_32F } else { Kind::CUDA_R_64F }
}

/// What is close enough.
pub fn bound(kind: Kind) -> f64 {
    if real(kind) == Kind::CUDA_R_32F { 1e-4 } else { 1e-11 }
}

/// A matrix, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<[f64; 2]>,
}

impl Matrix {
    pub fn from_fn(rows: usize, columns: usize, value: impl Fn(usize, usize) -> [f64; 2]) -> Matrix {
        Matrix { rows, columns, values: (0..rows * columns).map(|at| value(at % rows, at / rows)).collect() }
    }

    pub fn random(kind: Kind, rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut state = seed + 1;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        let values =
            (0..rows * columns).map(|_| [next(), if is_complex(kind) { next() } else { 0.0 }]).collect();
        Matrix { rows, columns, values }
    }

    pub fn identity(n: usize) -> Matrix {
        Matrix::from_fn(n, n, |i, j| [f64::from(i == j), 0.0])
    }

    pub fn at(&self, row: usize, column: usize) -> [f64; 2] {
        self.values[column * self.rows + row]
    }

    pub fn filter(&self, is_wanted: impl Fn(usize, usize) -> bool) -> Matrix {
        Matrix::from_fn(
            self.rows,
            self.columns,
            |i, j| if is_wanted(i, j) { self.at(i, j) } else { [0.0; 2] },
        )
    }

    pub fn top(&self, rows: usize, columns: usize) -> Matrix {
        Matrix::from_fn(rows, columns, |i, j| self.at(i, j))
    }

    pub fn transpose(&self) -> Matrix {
        Matrix::from_fn(self.columns, self.rows, |i, j| self.at(j, i))
    }

    pub fn adjoint(&self) -> Matrix {
        Matrix::from_fn(self.columns, self.rows, |i, j| [self.at(j, i)[0], -self.at(j, i)[1]])
    }

    pub fn times(&self, other: &Matrix) -> Matrix {
        assert_eq!(self.columns, other.rows);
        Matrix::from_fn(self.rows, other.columns, |i, j| {
            (0..self.columns).fold([0.0; 2], |[re, im], k| {
                let ([a, b], [c, d]) = (self.at(i, k), other.at(k, j));
                [re + a * c - b * d, im + a * d + b * c]
            })
        })
    }

    /// Times a diagonal matrix.
    pub fn scaled(&self, diagonal: &[f64]) -> Matrix {
        Matrix::from_fn(self.rows, self.columns, |i, j| self.at(i, j).map(|part| part * diagonal[j]))
    }

    #[track_caller]
    pub fn assert_close(&self, expected: &Matrix, kind: Kind) {
        assert_eq!((self.rows, self.columns), (expected.rows, expected.columns));
        for (at, (found, wanted)) in self.values.iter().zip(&expected.values).enumerate() {
            for part in 0..2 {
                let is_close = (found[part] - wanted[part]).abs() <= bound(kind);
                assert!(is_close, "{kind:?}: {found:?} where {wanted:?} was expected, at {at}");
            }
        }
    }

    #[track_caller]
    pub fn assert_orthonormal(&self, kind: Kind) {
        self.adjoint().times(self).assert_close(&Matrix::identity(self.columns), kind);
    }

    pub fn is_nan(&self) -> bool {
        self.values.iter().all(|value| value[0].is_nan())
    }
}

pub fn encode(kind: Kind, values: &[[f64; 2]]) -> Vec<u8> {
    let part = |value: f64| match real(kind) {
        Kind::CUDA_R_32F => (value as f32).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    values
        .iter()
        .flat_map(|value| value[..1 + usize::from(is_complex(kind))].iter().flat_map(|v| part(*v)))
        .collect()
}

pub fn decode(kind: Kind, bytes: &[u8]) -> Vec<[f64; 2]> {
    let parts: Vec<f64> = match real(kind) {
        Kind::CUDA_R_32F => {
            bytes.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
        }
        _ => bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
    };
    match is_complex(kind) {
        true => parts.chunks(2).map(|pair| [pair[0], pair[1]]).collect(),
        false => parts.into_iter().map(|re| [re, 0.0]).collect(),
    }
}
