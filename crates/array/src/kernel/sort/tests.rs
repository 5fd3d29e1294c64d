use std::cmp::Ordering;

use num_complex::Complex;

use super::*;

fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The order of the rules: NaN last.
fn compare<T: PartialOrd + Copy>(a: T, b: T) -> Ordering {
    let nan = |x: T| x.partial_cmp(&x).is_none();
    a.partial_cmp(&b).unwrap_or_else(|| nan(a).cmp(&nan(b)))
}

fn check<T: Element + PartialOrd>(values: Vec<T>, what: &str) -> Result<()> {
    let n = values.len();
    let x = Tensor::from_vec(values.clone(), &[n])?;
    for descending in [false, true] {
        let mut numbers: Vec<i64> = (0..n as i64).collect();
        numbers.sort_by(|&a, &b| turned(compare(values[a as usize], values[b as usize]), descending));
        let given = argsort_rows(&x, descending)?.to_vec::<i64>()?;
        assert!(given == numbers, "{what}: argsort of {n} {}, descending {descending}", T::DTYPE);
        let sorted = sort_rows(&x, descending)?.to_vec::<T>()?;
        // Written out, so that the sign of a zero counts.
        let differs =
            (0..n).find(|&i| format!("{:?}", sorted[i]) != format!("{:?}", values[numbers[i] as usize]));
        assert_eq!(differs, None, "{what}: sort of {n} {}, descending {descending}", T::DTYPE);
    }
    Ok(())
}

const LENGTHS: [usize; 14] = [0, 1, 2, 7, 16, 31, 64, 65, 129, 300, 1000, 5000, 70_000, 200_001];

#[test]
fn sorts_every_type_like_a_stable_comparison_sort() -> Result<()> {
    let mut state = 7;
    for n in LENGTHS {
        let bits: Vec<u64> = (0..n).map(|_| draw(&mut state)).collect();
        check(bits.iter().map(|b| b & 1 == 0).collect::<Vec<bool>>(), "bits")?;
        check(bits.iter().map(|&b| b as i8).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| b as u8).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| b as i16).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| b as u16).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| b as i32).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| b as u32).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| b as i64).collect::<Vec<_>>(), "bits")?;
        check(bits.to_vec(), "bits")?;
        check(bits.iter().map(|&b| half::f16::from_bits(b as u16)).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| half::bf16::from_bits(b as u16)).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| f32::from_bits(b as u32)).collect::<Vec<_>>(), "bits")?;
        check(bits.iter().map(|&b| f64::from_bits(b)).collect::<Vec<_>>(), "bits")?;
    }
    Ok(())
}

#[test]
fn sorts_whatever_the_distribution() -> Result<()> {
    let mut state = 11;
    for n in LENGTHS {
        let bits: Vec<u64> = (0..n).map(|_| draw(&mut state)).collect();
        let unit = |b: u64| (b >> 11) as f64 / (1u64 << 53) as f64;
        check(bits.iter().map(|&b| unit(b)).collect::<Vec<_>>(), "uniform")?;
        check(bits.iter().map(|&b| (unit(b) * 300.0 - 150.0).exp()).collect::<Vec<_>>(), "exponential")?;
        check(bits.iter().map(|&b| (b % 5) as i64 - 2).collect::<Vec<_>>(), "five values")?;
        check((0..n as i64).collect::<Vec<_>>(), "ascending")?;
        check((0..n as i64).rev().collect::<Vec<_>>(), "descending")?;
        check(
            bits.iter().map(|&b| if b % 97 == 0 { u64::MAX } else { b % 1000 }).collect::<Vec<_>>(),
            "outliers",
        )?;
        check(vec![3.5f64; n], "one value")?;
        let special = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, -1.0, 5e-324];
        check(bits.iter().map(|&b| special[(b % 9) as usize]).collect::<Vec<_>>(), "special values")?;
        check(bits.iter().map(|&b| special[(b % 9) as usize] as f32).collect::<Vec<_>>(), "special values")?;
        check(
            bits.iter().map(|&b| half::f16::from_f64(special[(b % 9) as usize])).collect::<Vec<_>>(),
            "special",
        )?;
        // Each value half of the one before: a digit tells few apart.
        check(bits.iter().map(|&b| 1u64 << (b % 64)).collect::<Vec<_>>(), "powers")?;
    }
    Ok(())
}

#[test]
fn radix_alone_sorts_too() {
    let mut state = 3;
    for n in LENGTHS {
        let mut keys: Vec<u64> = (0..n).map(|_| draw(&mut state) >> (n % 50)).collect();
        let mut expected = keys.clone();
        expected.sort_unstable();
        radix::sort(&mut keys, &mut Vec::new());
        assert_eq!(keys, expected, "{n}");
    }
}

#[test]
fn complex_numbers_go_by_their_parts() -> Result<()> {
    let nan = f64::NAN;
    let c = Complex::new;
    let values =
        vec![c(nan, nan), c(1.0, nan), c(2.0, 1.0), c(nan, 0.0), c(1.0, 5.0), c(1.0, -5.0), c(0.0, nan)];
    let x = Tensor::from_vec(values, &[7])?;
    assert_eq!(argsort_rows(&x, false)?.to_vec::<i64>()?, [5, 4, 2, 6, 1, 3, 0]);
    assert_eq!(argsort_rows(&x, true)?.to_vec::<i64>()?, [0, 3, 1, 6, 2, 4, 5]);
    let sorted = sort_rows(&x, false)?;
    assert_eq!(sorted.get::<Complex<f64>>(&[0]), c(1.0, -5.0));
    Ok(())
}

#[test]
fn rows_are_sorted_apart() -> Result<()> {
    let x = Tensor::from_vec(vec![3i32, 1, 2, 9, 8, 7], &[2, 3])?;
    assert_eq!(sort_rows(&x, false)?.to_vec::<i32>()?, [1, 2, 3, 7, 8, 9]);
    assert_eq!(sort_rows(&x.permute(&[1, 0]), true)?.to_vec::<i32>()?, [9, 3, 8, 1, 7, 2]);
    assert_eq!(sort_rows(&Tensor::from_vec(Vec::<f32>::new(), &[3, 0])?, false)?.shape(), [3, 0]);
    Ok(())
}
