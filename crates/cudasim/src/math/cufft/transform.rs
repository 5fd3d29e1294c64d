//! The transform itself, plainly: by the prime factors of its length, each factor as it is defined.

use std::f64::consts::TAU;

use crate::math::number::Complex;

/// Sums of a sequence's elements times roots of unity, not normalised.
pub struct Transform {
    /// The powers of the root of unity, of which there are as many as elements.
    roots: Vec<Complex>,
}

impl Transform {
    /// One of sequences of `n`; a `direction` of -1 or 1 is the exponent's sign.
    pub fn new(n: usize, direction: f64) -> Transform {
        Transform { roots: (0..n).map(|power| root(power, n, direction)).collect() }
    }

    pub fn run(&self, values: &[Complex]) -> Vec<Complex> {
        self.part(values, 0, 1)
    }

    /// The transform of the elements from `first` on that are `step` apart.
    fn part(&self, values: &[Complex], first: usize, step: usize) -> Vec<Complex> {
        let n = self.roots.len() / step;
        if n == 1 {
            return vec![values[first]];
        }
        let factor = (2..).take_while(|p| p * p <= n).find(|&p| n.is_multiple_of(p)).unwrap_or(n);
        let parts: Vec<Vec<Complex>> =
            (0..factor).map(|part| self.part(values, first + part * step, step * factor)).collect();
        let sum = |k: usize| {
            let term = |(number, part): (usize, &Vec<Complex>)| {
                part[k % part.len()] * self.roots[number * k % n * step]
            };
            parts.iter().enumerate().map(term).fold(Complex::ZERO, |sum, term| sum + term)
        };
        (0..n).map(sum).collect()
    }
}

/// A power of the root of unity; quarters of the circle are exact.
fn root(power: usize, n: usize, direction: f64) -> Complex {
    let (quarter, rest) = (4 * power / n, 4 * power % n);
    let angle = TAU / 4.0 * (rest as f64 / n as f64);
    let (im, re) = if rest == 0 { (0.0, 1.0) } else { angle.sin_cos() };
    let (re, im) = match quarter {
        0 => (re, im),
        1 => (-im, re),
        2 => (-re, -im),
        _ => (im, -re),
    };
    Complex { re, im: direction * im }
}
