//! The simulated cuFFT: what transforms are, and what is refused.

use crate::harness::{address, harness};
use cudarc::cufft::sys::{self, cufftResult_t as Result, cufftType_t as Type};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, CudaStream};
use std::f64::consts::TAU;
use std::ptr::null_mut;
use std::sync::Arc;

const FORWARD: i32 = -1;
const INVERSE: i32 = 1;

/// A plan with a work area.
struct Plan {
    plan: i32,
    _work: CudaSlice<u8>,
}

impl Plan {
    fn new(stream: &Arc<CudaStream>, kind: Type, n: usize, batch: usize) -> Plan {
        let (plan, bytes) = made(stream, kind, n, batch, None);
        let work = stream.alloc_zeros::<u8>(bytes).unwrap();
        // SAFETY: the area lives as long as the plan.
        unsafe {
            sys::cufftSetStream(plan, stream.cu_stream().cast()).result().unwrap();
            sys::cufftSetWorkArea(plan, address(&work, stream) as *mut _).result().unwrap();
        }
        Plan { plan, _work: work }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: made once, and destroyed once.
        unsafe { sys::cufftDestroy(self.plan).result().unwrap() };
    }
}

/// A plan that allocates nothing, and the bytes that it works with; of strides and distances, if they are given.
fn made(
    stream: &Arc<CudaStream>,
    kind: Type,
    n: usize,
    batch: usize,
    layout: Option<[i64; 4]>,
) -> (i32, usize) {
    let (mut plan, mut bytes) = (0, 0);
    let mut lengths = [n as i64];
    let embed = if layout.is_some() { (&raw mut lengths).cast() } else { null_mut() };
    let [istride, idist, ostride, odist] = layout.unwrap_or([0; 4]);
    stream.context().bind_to_thread().unwrap();
    // SAFETY: writes a plan and its bytes.
    unsafe {
        sys::cufftCreate(&mut plan).result().unwrap();
        sys::cufftSetAutoAllocation(plan, 0).result().unwrap();
        let batch = batch as i64;
        let n = (&raw mut lengths).cast();
        sys::cufftMakePlanMany64(
            plan, 1, n, embed, istride, idist, embed, ostride, odist, kind, batch, &mut bytes,
        )
        .result()
        .unwrap();
    }
    assert!(bytes > 0);
    (plan, bytes)
}

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        })
        .collect()
}

/// The transform as it is defined.
fn defined(values: &[[f64; 2]], direction: i32) -> Vec<[f64; 2]> {
    let n = values.len();
    (0..n)
        .map(|k| {
            values.iter().enumerate().fold([0.0; 2], |[re, im], (j, [x, y])| {
                let (sin, cos) = (f64::from(direction) * TAU * (j * k % n) as f64 / n as f64).sin_cos();
                [re + x * cos - y * sin, im + x * sin + y * cos]
            })
        })
        .collect()
}

#[track_caller]
fn assert_close(found: &[[f64; 2]], expected: &[[f64; 2]], bound: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let far = (0..2).any(|part| (found[part] - expected[part]).abs() > bound);
        assert!(!far, "{found:?} where {expected:?} was expected, at {i}");
    }
}

fn pairs(values: &[f64]) -> Vec<[f64; 2]> {
    values.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
}

#[test]
fn complex_transforms_are_as_defined() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    for lazy in [false, true] {
        harness.simulator.set_lazy(lazy);
        for n in [1, 2, 3, 8, 12, 30, 49, 101, 128] {
            let batch = 3;
            let values = numbers(2 * n * batch, n as u64);
            let plan = Plan::new(&stream, Type::CUFFT_Z2Z, n, batch);
            let input = stream.clone_htod(&values).unwrap();
            let output = stream.alloc_zeros::<f64>(2 * n * batch).unwrap();
            let (from, to) = (address(&input, &stream), address(&output, &stream));
            // SAFETY: both have room.
            unsafe { sys::cufftExecZ2Z(plan.plan, from as *mut _, to as *mut _, FORWARD) }.result().unwrap();
            let expected: Vec<_> =
                pairs(&values).chunks(n).flat_map(|values| defined(values, FORWARD)).collect();
            assert_close(&pairs(&stream.clone_dtoh(&output).unwrap()), &expected, 1e-12 * n as f64);
            assert_eq!(stream.clone_dtoh(&input).unwrap(), values);
            // And back, in its place.
            // SAFETY: as above.
            unsafe { sys::cufftExecZ2Z(plan.plan, to as *mut _, to as *mut _, INVERSE) }.result().unwrap();
            let back: Vec<f64> =
                stream.clone_dtoh(&output).unwrap().iter().map(|value| value / n as f64).collect();
            assert_close(&pairs(&back), &pairs(&values), 1e-13);
        }
    }
}

#[test]
fn real_transforms_give_half_and_take_it_back() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    for n in [1, 2, 5, 8, 31, 64] {
        let (batch, half) = (2, n / 2 + 1);
        let values: Vec<f32> = numbers(n * batch, n as u64).iter().map(|value| *value as f32).collect();
        let forward = Plan::new(&stream, Type::CUFFT_R2C, n, batch);
        let inverse = Plan::new(&stream, Type::CUFFT_C2R, n, batch);
        let real = stream.clone_htod(&values).unwrap();
        let complex = stream.alloc_zeros::<f32>(2 * half * batch).unwrap();
        let (reals, complexes) = (address(&real, &stream), address(&complex, &stream));
        // SAFETY: both have room.
        unsafe { sys::cufftExecR2C(forward.plan, reals as *mut _, complexes as *mut _) }.result().unwrap();
        let found: Vec<f64> = stream.clone_dtoh(&complex).unwrap().iter().map(|v| f64::from(*v)).collect();
        let expected: Vec<[f64; 2]> = values
            .chunks(n)
            .flat_map(|values| {
                let values: Vec<[f64; 2]> = values.iter().map(|value| [f64::from(*value), 0.0]).collect();
                defined(&values, FORWARD).into_iter().take(half)
            })
            .collect();
        assert_close(&pairs(&found), &expected, 1e-5);
        // SAFETY: as above.
        unsafe { sys::cufftExecC2R(inverse.plan, complexes as *mut _, reals as *mut _) }.result().unwrap();
        for (back, value) in stream.clone_dtoh(&real).unwrap().iter().zip(&values) {
            assert!((back / n as f32 - value).abs() < 1e-6, "{back} is not {n} times {value}");
        }
        // The input is not needed any more.
        assert!(stream.clone_dtoh(&complex).unwrap().iter().all(|value| value.is_nan()));
    }
}

#[test]
fn real_transforms_work_in_place_and_with_strides() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    let (n, batch, half) = (6, 2, 4);
    // There is room for the complex numbers of each sequence.
    let values = numbers(2 * half * batch, 1);
    let forward = Plan::new(&stream, Type::CUFFT_D2Z, n, batch);
    let inverse = Plan::new(&stream, Type::CUFFT_Z2D, n, batch);
    let memory = stream.clone_htod(&values).unwrap();
    let at = address(&memory, &stream);
    // SAFETY: there is room.
    unsafe { sys::cufftExecD2Z(forward.plan, at as *mut _, at as *mut _) }.result().unwrap();
    let found = pairs(&stream.clone_dtoh(&memory).unwrap());
    for (item, sequence) in values.chunks(2 * half).enumerate() {
        let sequence: Vec<[f64; 2]> = sequence[..n].iter().map(|value| [*value, 0.0]).collect();
        assert_close(&found[item * half..][..half], &defined(&sequence, FORWARD)[..half], 1e-14);
    }
    // SAFETY: there is room.
    unsafe { sys::cufftExecZ2D(inverse.plan, at as *mut _, at as *mut _) }.result().unwrap();
    let back = stream.clone_dtoh(&memory).unwrap();
    for (back, value) in back.chunks(2 * half).zip(values.chunks(2 * half)) {
        assert!(back[..n].iter().zip(value).all(|(back, value)| (back / n as f64 - value).abs() < 1e-14));
    }

    // Columns of a matrix that lies row by row go to rows.
    let (plan, bytes) = made(&stream, Type::CUFFT_Z2Z, n, batch, Some([batch as i64, 1, 1, n as i64]));
    let values = numbers(2 * n * batch, 2);
    let input = stream.clone_htod(&values).unwrap();
    let output = stream.alloc_zeros::<f64>(2 * n * batch).unwrap();
    let work = stream.alloc_zeros::<u8>(bytes).unwrap();
    // SAFETY: there is room.
    unsafe {
        sys::cufftSetStream(plan, stream.cu_stream().cast()).result().unwrap();
        sys::cufftSetWorkArea(plan, address(&work, &stream) as *mut _).result().unwrap();
        let (from, to) = (address(&input, &stream), address(&output, &stream));
        sys::cufftExecZ2Z(plan, from as *mut _, to as *mut _, INVERSE).result().unwrap();
        sys::cufftDestroy(plan).result().unwrap();
    }
    let found = pairs(&stream.clone_dtoh(&output).unwrap());
    for item in 0..batch {
        let column: Vec<_> = pairs(&values).into_iter().skip(item).step_by(batch).collect();
        assert_close(&found[item * n..][..n], &defined(&column, INVERSE), 1e-13);
    }
}

#[test]
fn frequencies_that_must_be_real_and_are_not_give_nan() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    let output = stream.alloc_zeros::<f64>(4).unwrap();
    for (place, gives_nan) in [(1, true), (3, false), (5, true)] {
        let mut values = [0.0; 6];
        values[place] = 1.0;
        let input = stream.clone_htod(&values).unwrap();
        let plan = Plan::new(&stream, Type::CUFFT_Z2D, 4, 1);
        let (from, to) = (address(&input, &stream), address(&output, &stream));
        // SAFETY: there is room.
        unsafe { sys::cufftExecZ2D(plan.plan, from as *mut _, to as *mut _) }.result().unwrap();
        let found = stream.clone_dtoh(&output).unwrap();
        assert!(found.iter().all(|value| value.is_nan() == gives_nan), "{place}: {found:?}");
    }
}

#[test]
fn what_a_plan_is_not_for_is_refused() {
    let harness = harness();
    let context = harness.context(0);
    let stream = context.new_stream().unwrap();
    let n = 8;
    let (input, output) =
        (stream.alloc_zeros::<f32>(2 * n).unwrap(), stream.alloc_zeros::<f32>(2 * n).unwrap());
    let (from, to) = (address(&input, &stream), address(&output, &stream));
    // SAFETY: what is refused is not done.
    unsafe {
        let c2c = |plan, from: u64, to: u64, direction| {
            sys::cufftExecC2C(plan, from as *mut _, to as *mut _, direction)
        };
        let (bare, _) = made(&stream, Type::CUFFT_C2C, n, 1, None);
        assert_eq!(c2c(bare, from, to, FORWARD), Result::CUFFT_NO_WORKSPACE);
        sys::cufftSetWorkArea(bare, to as *mut _).result().unwrap();
        assert_eq!(c2c(bare, from, to, FORWARD), Result::CUFFT_INVALID_VALUE, "the work area is small");
        sys::cufftDestroy(bare).result().unwrap();
        assert_eq!(c2c(bare, from, to, FORWARD), Result::CUFFT_INVALID_PLAN);

        let plan = Plan::new(&stream, Type::CUFFT_C2C, n, 1);
        let other = Plan::new(&stream, Type::CUFFT_R2C, n, 1);
        assert_eq!(c2c(other.plan, from, to, FORWARD), Result::CUFFT_INVALID_TYPE);
        assert_eq!(c2c(plan.plan, from, to, 2), Result::CUFFT_INVALID_VALUE);
        assert_eq!(c2c(plan.plan, from + 8, to, FORWARD), Result::CUFFT_INVALID_VALUE, "past the end");
        assert_eq!(c2c(plan.plan, from, 0, FORWARD), Result::CUFFT_INVALID_VALUE);
        assert_eq!(c2c(plan.plan, from + 4, to, FORWARD), Result::CUFFT_INVALID_VALUE, "misaligned");
        assert_eq!(c2c(plan.plan, from, to, FORWARD), Result::CUFFT_SUCCESS);

        let (mut unmade, mut bytes) = (0, 0);
        sys::cufftCreate(&mut unmade).result().unwrap();
        assert_eq!(c2c(unmade, from, to, FORWARD), Result::CUFFT_INVALID_PLAN);
        let mut make = |rank, mut n: i64, batch| {
            let none = null_mut();
            let kind = Type::CUFFT_C2C;
            sys::cufftMakePlanMany64(unmade, rank, &mut n, none, 0, 0, none, 0, 0, kind, batch, &mut bytes)
        };
        assert_eq!(make(1, 0, 1), Result::CUFFT_INVALID_SIZE);
        assert_eq!(make(1, 1, 0), Result::CUFFT_INVALID_SIZE);
        assert_eq!(make(2, 1, 1), Result::CUFFT_NOT_SUPPORTED);
        assert_eq!(make(1, 8, 1), Result::CUFFT_SUCCESS);
        assert_eq!(make(1, 8, 1), Result::CUFFT_INVALID_PLAN);
        // It has a work area of its own.
        assert_eq!(c2c(unmade, from, to, FORWARD), Result::CUFFT_SUCCESS);
        sys::cufftDestroy(unmade).result().unwrap();
        let mut version = 0;
        sys::cufftGetVersion(&mut version).result().unwrap();
        assert_eq!(version, 11_401);
    }
}

#[test]
fn transforms_run_in_the_order_of_their_stream() {
    let harness = harness();
    let context = harness.context(0);
    let (stream, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    harness.simulator.set_lazy(true);
    let n = 65_536;
    let plan = Plan::new(&stream, Type::CUFFT_C2C, n, 1);
    let mut memory = stream.alloc_zeros::<f32>(2 * n).unwrap();
    let at = address(&memory, &stream);
    stream.memcpy_htod(&[1f32, 0.0], &mut memory).unwrap();
    // SAFETY: there is room.
    unsafe { sys::cufftExecC2C(plan.plan, at as *mut _, at as *mut _, FORWARD) }.result().unwrap();
    // Whoever does not wait for it does not see it.
    assert_ne!(other.clone_dtoh(&memory).unwrap()[2 * n - 2], 1.0);
    let found = stream.clone_dtoh(&memory).unwrap();
    assert!(found.chunks(2).all(|value| value == [1.0, 0.0]));
}

#[test]
fn memory_freed_before_a_transform_uses_it_is_a_fault() {
    let harness = harness();
    let context = harness.context(1);
    let (user, owner) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    harness.simulator.set_lazy(true);
    let plan = Plan::new(&user, Type::CUFFT_C2C, 4, 1);
    let memory = owner.alloc_zeros::<f32>(8).unwrap();
    owner.synchronize().unwrap();
    let at = address(&memory, &owner);
    // SAFETY: there is room, until it is freed.
    unsafe { sys::cufftExecC2C(plan.plan, at as *mut _, at as *mut _, FORWARD) }.result().unwrap();
    drop(memory);
    owner.synchronize().unwrap();
    crate::harness::assert_fails(user.synchronize(), CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    harness.assert_reported("which was freed");
}
