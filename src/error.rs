//! The one error type of the crate.
//!
//! Callers decide by the predicates, never by the text.

use std::fmt;

/// What went wrong, opaque; ask it with [`Error::is_user`] and its siblings.
#[derive(Clone)]
pub struct Error(Box<Inner>);

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
}

/// The classes that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    /// A user error: a name that leads to nothing.
    MissingName,
    /// A user error: a path that leads to no file.
    MissingFile,
    OutOfMemory,
    Unsupported,
    Device,
    Cancelled,
    Io,
    Bug,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into() }))
    }

    /// Reports bad input: a query, a file, an option. The message names it and says what would be accepted.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(Kind::User, message)
    }

    /// Reports a table or column that there is not; a user error. The message names what there is.
    pub fn missing_name(message: impl Into<String>) -> Self {
        Self::new(Kind::MissingName, message)
    }

    /// Reports a path that leads to no file; a user error.
    pub fn missing_file(message: impl Into<String>) -> Self {
        Self::new(Kind::MissingFile, message)
    }

    /// Reports that a memory tier is full. The message names device, tier, bytes asked, bytes free and the remedy.
    pub fn out_of_memory(message: impl Into<String>) -> Self {
        Self::new(Kind::OutOfMemory, message)
    }

    /// Reports that the device cannot do this; the CPU can.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// Reports a fault of the device or its driver: a failed launch, a lost context.
    pub fn device(message: impl Into<String>) -> Self {
        Self::new(Kind::Device, message)
    }

    /// Reports that the user stopped the work.
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "cancelled")
    }

    /// Reports that reading or writing failed for a reason outside the data.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(Kind::Io, message)
    }

    /// Reports that an invariant of ours does not hold.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// Puts where it happened in front of the message: `context: message`.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Writes the message anew, for a caller that knows better names; the kind stays.
    pub(crate) fn reword(mut self, reword: impl FnOnce(&str) -> String) -> Self {
        self.0.message = reword(&self.0.message);
        self
    }

    /// Bad input: the user can mend it.
    pub fn is_user(&self) -> bool {
        matches!(self.0.kind, Kind::User | Kind::MissingName | Kind::MissingFile)
    }

    /// Bad input: a table or column that there is not.
    pub fn is_missing_name(&self) -> bool {
        self.0.kind == Kind::MissingName
    }

    /// Bad input: a path that leads to no file.
    pub fn is_missing_file(&self) -> bool {
        self.0.kind == Kind::MissingFile
    }

    /// A memory tier is full.
    pub fn is_out_of_memory(&self) -> bool {
        self.0.kind == Kind::OutOfMemory
    }

    /// The device cannot do this, the CPU can.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// The device or its driver failed.
    pub fn is_device_fault(&self) -> bool {
        self.0.kind == Kind::Device
    }

    /// Reading or writing failed for a reason outside the data.
    pub fn is_io(&self) -> bool {
        self.0.kind == Kind::Io
    }

    /// The user stopped the work.
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == Kind::Cancelled
    }

    /// The same work may succeed on another try or elsewhere.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, Kind::OutOfMemory | Kind::Device | Kind::Unsupported)
    }

    /// An invariant of ours is broken: please report it.
    pub fn is_bug(&self) -> bool {
        self.0.kind == Kind::Bug
    }
}

/// What the array crate refuses.
impl From<swath_array::Error> for Error {
    fn from(error: swath_array::Error) -> Error {
        use swath_array::ErrorKind;
        let message = error.to_string();
        match error.kind() {
            ErrorKind::OutOfMemory => Error::out_of_memory(message),
            ErrorKind::Io => Error::io(message),
            ErrorKind::Unsupported => Error::unsupported(message),
            ErrorKind::Cancelled => Error::cancelled(),
            ErrorKind::Bug => Error::bug(message),
            _ => Error::user(message),
        }
    }
}

/// What the engine refuses, in the terms of arrays.
impl From<Error> for swath_array::Error {
    fn from(error: Error) -> swath_array::Error {
        use swath_array::Error as ArrayError;
        let message = error.to_string();
        match () {
            () if error.is_out_of_memory() => ArrayError::out_of_memory(message),
            () if error.is_unsupported() => ArrayError::unsupported(message),
            () if error.is_io() => ArrayError::io(message),
            () if error.is_cancelled() => ArrayError::cancelled(),
            () if error.is_bug() => ArrayError::bug(message),
            () => ArrayError::value(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}
