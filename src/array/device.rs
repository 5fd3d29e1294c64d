//! Arrays in device memory that other libraries of this process read, or own.

pub use crate::plan::array::{BorrowedValues, Borrower, DeviceValues};

use crate::config::Placement;
use crate::session::Session;

/// What takes memory of a device, by the driver's number, where arrays of the session may run there.
pub fn borrower(session: &Session, ordinal: usize) -> Option<Borrower> {
    match super::placement(session) {
        Placement::Host => None,
        Placement::Auto | Placement::Device => Borrower::of(session.engine(), ordinal),
    }
}
