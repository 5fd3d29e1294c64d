//! Numbers do not depend on chunks, and keep within their bounds.

use super::*;
use crate::dtype::Element;
use crate::run::Runner;

const SEQUENCE: Sequence = Sequence { seed: 42, stream: 1 };

fn values<T: Element>(array: &Array) -> Result<Vec<T>> {
    Runner::new().compute(array)?.to_vec::<T>()
}

#[test]
fn chunks_change_nothing() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let whole = normal(SEQUENCE, &[50, 41], dtype, 1.0, 2.0)?;
        let cut = whole.with_chunks(vec![7, 3]);
        let runner = Runner::new();
        assert_eq!(runner.compute(&whole)?.as_bytes(), runner.compute(&cut)?.as_bytes());
        let other = normal(Sequence { stream: 2, ..SEQUENCE }, &[50, 41], dtype, 1.0, 2.0)?;
        assert_ne!(runner.compute(&whole)?.as_bytes(), runner.compute(&other)?.as_bytes());
    }
    // The number of an element is its place in row-major order, whatever the shape.
    let flat = values::<u64>(&bits(SEQUENCE, &[12])?)?;
    assert_eq!(values::<u64>(&bits(SEQUENCE, &[3, 4])?)?, flat);
    Ok(())
}

#[test]
fn integers_fill_their_range() -> Result<()> {
    let dice = values::<i8>(&integers(SEQUENCE, &[6000], DType::I8, -3, 3)?)?;
    for side in -3..3 {
        let count = dice.iter().filter(|&&x| x == side).count();
        assert!((850..1150).contains(&count), "{side}: {count}");
    }
    assert!(dice.iter().all(|x| (-3..3).contains(x)));
    let wide = values::<u64>(&integers(SEQUENCE, &[1000], DType::U64, 0, 1 << 64)?)?;
    assert!(wide.iter().any(|&x| x > 1 << 63));
    let some = values::<i64>(&integers(SEQUENCE, &[1000], DType::I64, -(1 << 62), 1 << 62)?)?;
    assert!(some.iter().all(|&x| (-(1 << 62)..1 << 62).contains(&x)));
    assert!(some.iter().any(|&x| x < 0) && some.iter().any(|&x| x > 1 << 60));
    assert!(integers(SEQUENCE, &[1], DType::I8, 0, 300).is_err());
    assert!(integers(SEQUENCE, &[1], DType::I8, 3, 3).is_err());
    Ok(())
}

#[test]
fn draws_within_bounds() -> Result<()> {
    let x = values::<f32>(&uniform(SEQUENCE, &[3000], DType::F32, -2.0, 4.0)?)?;
    assert!(x.iter().all(|x| (-2.0..4.0).contains(x)));
    assert!((x.iter().sum::<f32>() / 3000.0 - 1.0).abs() < 0.15);
    assert!(values::<f64>(&exponential(SEQUENCE, &[3000], DType::F64, 2.0)?)?.iter().all(|&x| x >= 0.0));
    let share = values::<bool>(&bernoulli(SEQUENCE, &[3000], 0.25)?)?.into_iter().filter(|&x| x).count();
    assert!((650..850).contains(&share));
    assert!(uniform(SEQUENCE, &[1], DType::I8, 0.0, 1.0).is_err());
    assert!(normal(SEQUENCE, &[1], DType::F64, 0.0, -1.0).is_err());
    assert!(bernoulli(SEQUENCE, &[1], 1.5).is_err());
    Ok(())
}
