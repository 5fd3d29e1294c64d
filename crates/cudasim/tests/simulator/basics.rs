//! Kernels that run to their end and compute what they should.

use crate::harness::{function, harness, shape};
use cudarc::driver::PushKernelArg;

const BASICS: &str = include_str!("kernels/basics.cu");

#[test]
fn adds_vectors() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let add = function(&context, BASICS, "vector_add");
    for n in [0usize, 1, 31, 32, 33, 255, 1000, 100_000] {
        let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let b: Vec<f32> = (0..n).map(|i| 2.0 * i as f32).collect();
        let (on_a, on_b) = (stream.clone_htod(&padded(&a)).unwrap(), stream.clone_htod(&padded(&b)).unwrap());
        let mut on_c = stream.alloc_zeros::<f32>(n.max(1)).unwrap();
        let blocks = n.div_ceil(256).max(1) as u32;
        let mut launch = stream.launch_builder(&add);
        launch.arg(&on_a).arg(&on_b).arg(&mut on_c).arg(&n);
        unsafe { launch.launch(shape(blocks, 256)) }.unwrap();
        let c = stream.clone_dtoh(&on_c).unwrap();
        assert!((0..n).all(|i| c[i] == 3.0 * i as f32), "n = {n}");
    }
    assert_eq!(harness.simulator.launches(0), 8);
}

/// A copy with at least one element, as the driver refuses empty allocations.
fn padded(values: &[f32]) -> Vec<f32> {
    if values.is_empty() { vec![0.0] } else { values.to_vec() }
}
