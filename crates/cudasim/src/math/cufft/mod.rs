//! The simulated cuFFT: batches of transforms of one dimension.

mod plan;
mod transform;

use std::collections::BTreeMap;
use std::ffi::{c_int, c_longlong, c_void};
use std::sync::{Mutex, MutexGuard};

use super::{Driver, Outcome, Status, math_api};
use plan::{Kind, Layout, Made, Plan, Work};

/// What the library says that it is: version 11.4.1 of nobody's.
const VERSION: c_int = 11_401;

// `cufftResult`
const INVALID_PLAN: Status = 1;
const INVALID_TYPE: Status = 3;
const INVALID_VALUE: Status = 4;
const EXEC_FAILED: Status = 6;
const SETUP_FAILED: Status = 7;
const INVALID_SIZE: Status = 8;
const NO_WORKSPACE: Status = 13;
const NOT_SUPPORTED: Status = 16;

/// `CUFFT_FORWARD` and `CUFFT_INVERSE`: the signs of the exponent.
const FORWARD: c_int = -1;
const INVERSE: c_int = 1;

/// All plans, by their numbers.
static PLANS: Mutex<BTreeMap<c_int, Plan>> = Mutex::new(BTreeMap::new());

fn plans() -> MutexGuard<'static, BTreeMap<c_int, Plan>> {
    PLANS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Does something with a plan.
fn with<T>(plan: c_int, what: impl FnOnce(&mut Plan) -> Outcome<T>) -> Outcome<T> {
    what(plans().get_mut(&plan).ok_or(INVALID_PLAN)?)
}

/// # Safety
/// The plan's work area must stay until it is done.
unsafe fn execute(
    plan: c_int,
    kind: Kind,
    input: *mut c_void,
    output: *mut c_void,
    direction: c_int,
) -> Outcome {
    if ![FORWARD, INVERSE].contains(&direction) {
        return Err(INVALID_VALUE);
    }
    // The others do not have to wait for the work.
    let plan = with(plan, |plan| Ok(*plan))?;
    // SAFETY: as promised by the caller.
    unsafe { plan.execute(kind, input as usize, output as usize, direction) }
}

math_api! {
    fn cufftCreate(plan: *mut c_int) {
        let driver = Driver::find().ok_or(SETUP_FAILED)?;
        let mut plans = plans();
        let number = plans.last_key_value().map_or(1, |(last, _)| last + 1);
        plans.insert(number, Plan { driver, stream: 0, allocates: true, work: None, made: None });
        plan.write(number);
    }

    fn cufftDestroy(plan: c_int) {
        plans().remove(&plan).ok_or(INVALID_PLAN)?;
    }

    fn cufftGetVersion(version: *mut c_int) {
        version.write(VERSION);
    }

    fn cufftSetStream(plan: c_int, stream: *mut c_void) {
        with(plan, |plan| {
            plan.stream = stream as usize;
            Ok(())
        })?;
    }

    fn cufftSetAutoAllocation(plan: c_int, allocates: c_int) {
        with(plan, |plan| {
            if plan.made.is_some() {
                eprintln!("cudasim: cufftSetAutoAllocation comes too late: the plan is made");
                return Err(INVALID_PLAN);
            }
            plan.allocates = allocates != 0;
            Ok(())
        })?;
    }

    fn cufftMakePlanMany64(
        plan: c_int,
        rank: c_int,
        n: *mut c_longlong,
        inembed: *mut c_longlong,
        istride: c_longlong,
        idist: c_longlong,
        onembed: *mut c_longlong,
        ostride: c_longlong,
        odist: c_longlong,
        kind: c_int,
        batch: c_longlong,
        work_bytes: *mut usize,
    ) {
        let kind = Kind::of(kind).ok_or(INVALID_TYPE)?;
        if rank != 1 {
            return Err(if (2..=3).contains(&rank) { NOT_SUPPORTED } else { INVALID_SIZE });
        }
        let size = |value: c_longlong| usize::try_from(value).ok().filter(|&value| value > 0).ok_or(INVALID_SIZE);
        let (n, batch) = (size(n.read())?, size(batch)?);
        let layouts = match inembed.is_null() || onembed.is_null() {
            true => None,
            false => Some((
                Layout { stride: size(istride)?, distance: size(idist)? },
                Layout { stride: size(ostride)?, distance: size(odist)? },
            )),
        };
        with(plan, |plan| {
            if plan.made.is_some() {
                return Err(INVALID_PLAN);
            }
            let made = Made { kind, n, batch, layouts };
            work_bytes.write(made.work_bytes());
            plan.made = Some(made);
            Ok(())
        })?;
    }

    fn cufftSetWorkArea(plan: c_int, area: *mut c_void) {
        with(plan, |plan| {
            plan.work = Some(Work(area as usize));
            Ok(())
        })?;
    }

    fn cufftExecC2C(plan: c_int, input: *mut c_void, output: *mut c_void, direction: c_int) {
        execute(plan, Kind::C2C, input, output, direction)?;
    }

    fn cufftExecZ2Z(plan: c_int, input: *mut c_void, output: *mut c_void, direction: c_int) {
        execute(plan, Kind::Z2Z, input, output, direction)?;
    }

    fn cufftExecR2C(plan: c_int, input: *mut c_void, output: *mut c_void) {
        execute(plan, Kind::R2C, input, output, FORWARD)?;
    }

    fn cufftExecD2Z(plan: c_int, input: *mut c_void, output: *mut c_void) {
        execute(plan, Kind::D2Z, input, output, FORWARD)?;
    }

    fn cufftExecC2R(plan: c_int, input: *mut c_void, output: *mut c_void) {
        execute(plan, Kind::C2R, input, output, INVERSE)?;
    }

    fn cufftExecZ2D(plan: c_int, input: *mut c_void, output: *mut c_void) {
        execute(plan, Kind::Z2D, input, output, INVERSE)?;
    }
}
