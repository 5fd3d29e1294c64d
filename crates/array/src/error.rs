//! The one error type of the crate. Kinds follow the exceptions that NumPy's users expect.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What went wrong, opaque but for its [`ErrorKind`].
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    cause: Option<Cause>,
}

/// What a function of the user's failed with.
pub type Cause = Arc<dyn Any + Send + Sync>;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The classes that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Shapes that do not fit, a value out of range: `ValueError`.
    Value,
    /// A data type that the operation does not take: `TypeError`.
    Type,
    /// An index or an axis out of range: `IndexError`.
    Index,
    /// An axis that the array does not have: NumPy's `AxisError`, both a `ValueError` and an `IndexError`.
    Axis,
    /// A singular matrix, or an iteration that does not converge: `LinAlgError`.
    LinearAlgebra,
    /// No memory left within the limit: `MemoryError`.
    OutOfMemory,
    /// Reading or writing failed, or a file is damaged: `OSError`.
    Io,
    /// What is asked is not there: `NotImplementedError`.
    Unsupported,
    /// The user stopped the work: `KeyboardInterrupt`.
    Cancelled,
    /// An invariant of ours does not hold.
    Bug,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
            Error(Box::new(Inner { kind: ErrorKind::$kind, message: message.into(), cause: None }))
        })*
    };
}

impl Error {
    constructors! {
        /// Shapes that do not fit, a value out of range.
        value => Value;
        /// A data type that the operation does not take.
        dtype => Type;
        /// An index out of range.
        index => Index;
        /// An axis that the array does not have.
        axis => Axis;
        /// A singular matrix, or an iteration that does not converge.
        linear_algebra => LinearAlgebra;
        /// No memory left within the limit; names the bytes asked, the limit and the remedy.
        out_of_memory => OutOfMemory;
        /// Reading or writing failed, or a file is damaged; names the file.
        io => Io;
        /// What is asked is not there.
        unsupported => Unsupported;
        /// An invariant of ours does not hold.
        bug => Bug;
    }

    /// The user stopped the work.
    pub fn cancelled() -> Self {
        Error(Box::new(Inner { kind: ErrorKind::Cancelled, message: "cancelled".to_string(), cause: None }))
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Puts where it happened in front of the message: `context: message`.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Adds what a function of the user's failed with, for who called it.
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// What a function of the user's failed with, where that is why.
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}

/// A shape as Python writes it: `(2, 3)`, `(4,)`, `()`.
pub fn show_shape(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}
