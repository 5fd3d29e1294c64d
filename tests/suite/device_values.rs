//! Arrays in device memory that other libraries read, or own: nothing is copied, and memory lives as long as it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use swath::array::device::{BorrowedValues, DeviceValues, borrower};
use swath::array::{Watch, compute, persist};
use swath::config::{Config, Placement};
use swath::session::Session;
use swath_array::build::{creation, elementwise, reduce};
use swath_array::program::BinaryOp;
use swath_array::{Array, DType, Scalar};

use crate::simulator::{kernel_folder, mode, use_device};

fn session(placement: Placement) -> Session {
    use_device();
    let config = Config { placement, cache_dir: Some(kernel_folder()), ..Config::default() };
    Session::with_config(config).expect("a session opens")
}

/// 1, 2, … in the device's memory.
fn kept(session: &Session, shape: &[usize]) -> Array {
    let count = shape.iter().product::<usize>() as i128;
    let numbers = creation::arange(Scalar::Int(0), Scalar::Int(count), Scalar::Int(1), Some(DType::F64));
    let numbers = swath_array::build::manipulate::reshape(
        &numbers.expect("they are numbered"),
        &shape.iter().map(|&len| len as i64).collect::<Vec<_>>(),
    );
    let one = creation::full(&[], Scalar::Float(1.0), DType::F64, None).expect("it is made");
    let sum = elementwise::binary(BinaryOp::Add, &numbers.expect("they fit"), &one).expect("it is made");
    persist(session, &sum, &Watch::default()).expect("it is computed")
}

fn reserved(session: &Session) -> u64 {
    let worker = session.engine().worker().expect("there is a device");
    worker.reserved_bytes()
}

/// Counts how often it was dropped.
struct Lender(Arc<AtomicUsize>);

impl Drop for Lender {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn borrowed(values: &DeviceValues) -> BorrowedValues {
    BorrowedValues {
        address: values.address().expect("the context lives"),
        dtype: values.dtype(),
        shape: values.shape().to_vec(),
        strides: values.strides().to_vec(),
    }
}

#[test]
fn what_is_lent_and_borrowed_is_not_moved() {
    let session = session(Placement::Device);
    for lazy in [false, true] {
        let _mode = mode(lazy);
        assert_eq!(reserved(&session), 0);
        let x = kept(&session, &[300, 400]);
        let values = DeviceValues::of(&x).expect("it lies on the device");
        assert_eq!((values.ordinal(), values.shape(), values.strides()), (0, &[300, 400][..], &[400, 1][..]));
        let taken = reserved(&session);
        assert_eq!(taken, 300 * 400 * 8);
        let back = Arc::new(AtomicUsize::new(0));
        let borrower = borrower(&session, 0).expect("there is a device");
        // SAFETY: the lender holds the values, which are complete.
        let y = unsafe { borrower.array(borrowed(&values), false, (Lender(Arc::clone(&back)), values)) };
        let y = y.expect("the memory is the device's");
        assert_eq!(reserved(&session), taken, "nothing was allocated");
        let total = reduce::sum(&y, None, None, false).expect("it is made");
        let computed = compute(&session, std::slice::from_ref(&total), &Watch::default()).expect("it runs");
        assert_eq!(computed.values[0].item(), Some(Scalar::Float(120_000.0 * 120_001.0 / 2.0)));
        // A few words about the reduction are all.
        let totals = &computed.receipt.totals;
        assert!(totals.bytes_up <= 64 && totals.bytes_down <= 64, "{}", computed.receipt);
        drop(x);
        assert_eq!((reserved(&session), back.load(Ordering::SeqCst)), (taken, 0), "y reads it still");
        drop((total, y, computed));
        // The worker gives it back when it comes to it.
        compute(&session, &[creation::eye(2, 2, 0, DType::F64).expect("it is made")], &Watch::default())
            .expect("it runs");
        assert_eq!((reserved(&session), back.load(Ordering::SeqCst)), (0, 1));
    }
}

#[test]
fn memory_of_nobody_is_refused_and_given_back() {
    let session = session(Placement::Device);
    let _mode = mode(false);
    let borrower = borrower(&session, 0).expect("there is a device");
    let back = Arc::new(AtomicUsize::new(0));
    let host = [0f64; 4];
    let values = |address: u64, strides: &[isize]| BorrowedValues {
        address,
        dtype: DType::F64,
        shape: vec![2; strides.len()],
        strides: strides.to_vec(),
    };
    for (refused, why) in [
        (values(host.as_ptr() as u64, &[1]), "no memory of device 0"),
        (values(0, &[1]), "no memory of device 0"),
        (values(4, &[1]), "aligned"),
        (values(8, &[isize::MAX, isize::MAX]), "strides"),
    ] {
        // SAFETY: it is refused before it is read.
        let error = unsafe { borrower.array(refused, false, Lender(Arc::clone(&back))) };
        let error = error.expect_err("it is not the device's");
        assert!(error.is_user() && error.to_string().contains(why), "{error}");
    }
    assert_eq!(back.load(Ordering::SeqCst), 4);
}

#[test]
fn arrays_of_the_host_are_not_lent() {
    let session = session(Placement::Host);
    assert!(borrower(&session, 0).is_none());
    assert!(DeviceValues::of(&kept(&session, &[3])).is_none());
}
