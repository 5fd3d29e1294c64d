//! Kernels that run to their end and compute what they should.

use crate::harness::{Harness, address, function, harness, load, shape};
use crate::launch;
use cudarc::driver::{CudaSlice, DeviceRepr, LaunchConfig};
use std::collections::BTreeMap;

const BASICS: &str = include_str!("kernels/basics.cu");
const INTRINSICS: &str = include_str!("kernels/intrinsics.cu");

/// A generator for inputs that is the same everywhere.
fn pseudo_random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    }
}

#[test]
fn adds_vectors() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let add = function(&context, BASICS, "vector_add");
    for n in [1usize, 31, 32, 33, 255, 1000, 100_000] {
        let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let b: Vec<f32> = (0..n).map(|i| 2.0 * i as f32).collect();
        let (a, b) = (stream.clone_htod(&a).unwrap(), stream.clone_htod(&b).unwrap());
        let mut c = stream.alloc_zeros::<f32>(n).unwrap();
        launch!(stream, add, shape(n.div_ceil(256) as u32, 256), &a, &b, &mut c, &n).unwrap();
        let c = stream.clone_dtoh(&c).unwrap();
        assert!((0..n).all(|i| c[i] == 3.0 * i as f32), "n = {n}");
    }
    assert_eq!(harness.simulator.launches(0), 7);
}

#[test]
fn loads_vectors_of_128_bits() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let add = function(&context, BASICS, "vector_add4");
    let a = stream.clone_htod(&vec![1.5f32; 4096]).unwrap();
    let mut c = stream.alloc_zeros::<f32>(4096).unwrap();
    launch!(stream, add, shape(3, 128), &a, &a, &mut c, &1024u32).unwrap();
    assert_eq!(stream.clone_dtoh(&c).unwrap(), vec![3.0; 4096]);
}

#[test]
fn reduces_blocks() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let module = load(&context, BASICS);
    let n = 100_003u64;
    let values: Vec<u32> = (0..n as u32).collect();
    let input = stream.clone_htod(&values).unwrap();
    let mut sum = stream.alloc_zeros::<u64>(1).unwrap();
    let kernel = module.load_function("sum_u32").unwrap();
    launch!(stream, kernel, shape(8, 256), &input, &mut sum, &n).unwrap();
    assert_eq!(stream.clone_dtoh(&sum).unwrap(), [n * (n - 1) / 2]);

    let input = stream.clone_htod(&vec![1.0f32; 1000]).unwrap();
    let mut partial = stream.alloc_zeros::<f32>(4).unwrap();
    let dynamic = LaunchConfig { shared_mem_bytes: 256 * 4, ..shape(4, 256) };
    let kernel = module.load_function("sum_dynamic").unwrap();
    launch!(stream, kernel, dynamic, &input, &mut partial, &1000i32).unwrap();
    assert_eq!(stream.clone_dtoh(&partial).unwrap(), [256.0, 256.0, 256.0, 232.0]);
}

#[repr(C)]
struct ScanParameters {
    input: u64,
    output: u64,
    ticket: u64,
    state: u64,
    n: u32,
}
// SAFETY: laid out as in the kernel.
unsafe impl DeviceRepr for ScanParameters {}

#[test]
fn scans_by_looking_back() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let scan = function(&context, BASICS, "scan_lookback");
    for n in [1u32, 256, 257, 50_000] {
        let mut next = pseudo_random(n as u64);
        let values: Vec<u32> = (0..n).map(|_| next() as u32 % 100).collect();
        let tiles = n.div_ceil(256);
        let input = stream.clone_htod(&values).unwrap();
        let output = stream.alloc_zeros::<u32>(n as usize).unwrap();
        let ticket = stream.alloc_zeros::<u32>(1).unwrap();
        let state = stream.alloc_zeros::<u64>(tiles as usize).unwrap();
        let parameters = ScanParameters {
            input: address(&input, &stream),
            output: address(&output, &stream),
            ticket: address(&ticket, &stream),
            state: address(&state, &stream),
            n,
        };
        launch!(stream, scan, shape(tiles, 256), &parameters).unwrap();
        let expected: Vec<u32> = values
            .iter()
            .scan(0, |sum, value| {
                let before = *sum;
                *sum += value;
                Some(before)
            })
            .collect();
        assert_eq!(stream.clone_dtoh(&output).unwrap(), expected, "n = {n}");
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Aggregate {
    sum: f64,
    count: u64,
    exact: i128,
    lock: u32,
}
// SAFETY: laid out as in the kernel.
unsafe impl DeviceRepr for Aggregate {}
// SAFETY: all fields may be zero.
unsafe impl cudarc::driver::ValidAsZeroBits for Aggregate {}

#[repr(C)]
struct GroupByParameters {
    keys: u64,
    values: u64,
    n: u64,
    slots: u64,
    aggregates: u64,
    capacity: u64,
    overflow: u64,
}
// SAFETY: laid out as in the kernel.
unsafe impl DeviceRepr for GroupByParameters {}

#[test]
fn groups_by_key_with_a_lock_for_each_slot() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, BASICS, "group_by");
    let mut next = pseudo_random(7);
    let (n, capacity) = (20_000usize, 256usize);
    let keys: Vec<u64> = (0..n).map(|_| next() % 100).collect();
    let values: Vec<f64> = (0..n).map(|_| (next() % 1000) as f64).collect();
    let on_device: (CudaSlice<u64>, CudaSlice<f64>) =
        (stream.clone_htod(&keys).unwrap(), stream.clone_htod(&values).unwrap());
    let slots = stream.clone_htod(&vec![u64::MAX; capacity]).unwrap();
    let aggregates = stream.alloc_zeros::<Aggregate>(capacity).unwrap();
    let overflow = stream.alloc_zeros::<u32>(1).unwrap();
    let parameters = GroupByParameters {
        keys: address(&on_device.0, &stream),
        values: address(&on_device.1, &stream),
        n: n as u64,
        slots: address(&slots, &stream),
        aggregates: address(&aggregates, &stream),
        capacity: capacity as u64,
        overflow: address(&overflow, &stream),
    };
    launch!(stream, kernel, shape(8, 128), &parameters).unwrap();

    let mut expected: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for (key, value) in keys.iter().zip(&values) {
        let group = expected.entry(*key).or_default();
        *group = (group.0 + value, group.1 + 1);
    }
    let (slots, aggregates) = (stream.clone_dtoh(&slots).unwrap(), stream.clone_dtoh(&aggregates).unwrap());
    let found: BTreeMap<u64, (f64, u64)> = slots
        .iter()
        .zip(&aggregates)
        .filter(|(key, _)| **key != u64::MAX)
        .map(|(key, group)| {
            assert_eq!(group.exact, (((*key as i128) << 64) + 1) * group.count as i128);
            (*key, (group.sum, group.count))
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(stream.clone_dtoh(&overflow).unwrap(), [0]);
}

#[repr(C)]
struct LargeParameters {
    out: u64,
    weights: [u32; 1023],
    n: u32,
}
// SAFETY: laid out as in the kernel.
unsafe impl DeviceRepr for LargeParameters {}

#[test]
fn takes_a_structure_of_4_kib_by_value() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, BASICS, "sum_large");
    let out = stream.alloc_zeros::<u32>(1).unwrap();
    let mut parameters = LargeParameters { out: address(&out, &stream), weights: [0; 1023], n: 1023 };
    for (i, weight) in parameters.weights.iter_mut().enumerate() {
        *weight = i as u32;
    }
    launch!(stream, kernel, shape(1, 1024), &parameters).unwrap();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), [1023 * 1022 / 2]);
}

#[test]
fn takes_a_structure_of_32_kib_by_value() {
    #[repr(C)]
    struct Huge {
        values: [u64; 4095],
        out: u64,
    }
    // SAFETY: laid out as in the kernel.
    unsafe impl DeviceRepr for Huge {}
    let source = "struct Huge { unsigned long long values[4095]; unsigned long long* out; };\n\
                  extern \"C\" __global__ void last(Huge h) { h.out[0] = h.values[4094]; }";
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, source, "last");
    let out = stream.alloc_zeros::<u64>(1).unwrap();
    let mut huge = Box::new(Huge { values: [0; 4095], out: address(&out, &stream) });
    huge.values[4094] = 42;
    launch!(stream, kernel, shape(1, 1), &*huge).unwrap();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), [42]);
}

#[test]
fn multiplies_in_128_bits() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, BASICS, "multiply_wide");
    let (a, b) = ([i64::MAX, -7, i64::MIN], [i64::MAX, 9, i64::MIN]);
    let (on_a, on_b) = (stream.clone_htod(&a).unwrap(), stream.clone_htod(&b).unwrap());
    let mut out = stream.alloc_zeros::<u128>(3).unwrap();
    launch!(stream, kernel, shape(1, 32), &on_a, &on_b, &mut out, &3i32).unwrap();
    let expected: Vec<u128> = a.iter().zip(&b).map(|(a, b)| (*a as i128 * *b as i128) as u128).collect();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), expected);
}

#[test]
fn constant_memory_is_set_through_its_symbol() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let module = load(&context, BASICS);
    let mut symbol = module.get_global("coefficients", &stream).unwrap();
    assert_eq!(symbol.len(), 16);
    let bytes: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    stream.memcpy_htod(&bytes, &mut symbol).unwrap();
    let mut out = stream.alloc_zeros::<f32>(8).unwrap();
    let kernel = module.load_function("use_constant").unwrap();
    launch!(stream, kernel, shape(1, 8), &mut out).unwrap();
    assert_eq!(stream.clone_dtoh(&out).unwrap(), [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn intrinsics_compute_what_the_device_computes() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, INTRINSICS, "integers");
    let (a, b, c, d) = (0x0012_3456u32, 0x89ab_cdefu32, 0x0000_1234_5678_9abcu64, 0x7fff_0000_1111_2222u64);
    let mut out = stream.alloc_zeros::<u64>(21).unwrap();
    launch!(stream, kernel, shape(1, 1), &mut out, &a, &b, &c, &d).unwrap();
    let wide = (b as u64) << 32 | a as u64;
    let expected = [
        a.count_ones() as u64,
        c.count_ones() as u64,
        a.leading_zeros() as u64,
        c.leading_zeros() as u64,
        a.trailing_zeros() as u64 + 1,
        c.trailing_zeros() as u64 + 1,
        a.reverse_bits() as u64,
        c.reverse_bits(),
        0x89cd_0034,
        (a as u64 * b as u64) >> 32,
        ((c as u128 * d as u128) >> 64) as u64,
        ((c as i128 * -(d as i64) as i128) >> 64) as u64,
        (wide << 8 >> 32) as u32 as u64,
        (wide >> 8) as u32 as u64,
        a as u64,
        c,
        1.0f64.to_bits(),
        15.25f64.to_bits(),
        i64::MAX as u64,
        2,
        2.0f32.sqrt().to_bits() as u64,
    ];
    assert_eq!(stream.clone_dtoh(&out).unwrap(), expected);
}

#[test]
fn atomics_of_every_width() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.default_stream();
    let kernel = function(&context, INTRINSICS, "atomics");
    let words = stream.clone_htod(&[0u32, 1000, 50, 0, u32::MAX, 0, 0, 0]).unwrap();
    let longs = stream.clone_htod(&[0u64, 0, 0]).unwrap();
    let reals = stream.clone_htod(&[0.0f64]).unwrap();
    let halves = stream.clone_htod(&[7u16, 0, 7, 7]).unwrap();
    launch!(stream, kernel, shape(1, 256), &words, &longs, &reals, &halves).unwrap();
    assert_eq!(stream.clone_dtoh(&words).unwrap(), [256, 744, 0, 255, 0, u32::MAX, 0, 256 % 10]);
    assert_eq!(stream.clone_dtoh(&longs).unwrap(), [255 * 256 / 2, 255 << 32, -255i64 as u64]);
    assert_eq!(stream.clone_dtoh(&reals).unwrap(), [128.0]);
    assert_eq!(stream.clone_dtoh(&halves).unwrap(), [7, 256, 7, 7]);
}

#[test]
fn a_source_that_does_not_compile_gives_the_compilers_messages() {
    let _harness: Harness = harness();
    let error =
        cudarc::nvrtc::compile_ptx("extern \"C\" __global__ void k() { undeclared = 1; }").unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("undeclared") && text.contains("default_program"), "{text}");
    let error = cudarc::nvrtc::compile_ptx("#include <vector>\n").unwrap_err();
    assert!(format!("{error:?}").contains("vector"), "{error:?}");
}
