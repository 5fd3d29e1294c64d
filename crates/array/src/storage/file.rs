//! Files that arrays lie in: positional reads of one that is there, and a new one that appears whole or not at all.

use std::fmt::Display;
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// `cannot <doing> '<path>': <why>`.
pub(super) fn failed(doing: &str, path: &Path, why: impl Display) -> Error {
    Error::io(format!("cannot {doing} '{}': {why}", path.display()))
}

/// A file that is read at any position, by many threads.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    /// Held open, unless there are so many files that it is opened for each read.
    kept: Option<File>,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl DataFile {
    /// Opens a file and looks how long it is.
    pub(super) fn open(path: &Path) -> Result<DataFile> {
        let file = File::open(path).map_err(|error| failed("open", path, error))?;
        DataFile::of(file, path)
    }

    /// A file that is open already; `path` is what errors call it.
    pub(super) fn of(file: File, path: &Path) -> Result<DataFile> {
        let metadata = file.metadata().map_err(|error| failed("open", path, error))?;
        if metadata.is_dir() {
            return Err(failed("open", path, "it is a folder"));
        }
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        Ok(DataFile { path: path.to_path_buf(), kept: Some(file), bytes, modified })
    }

    /// Closes the file between reads; each read then opens it and sees to it that it is still the same.
    pub(super) fn close_between_reads(&mut self) {
        self.kept = None;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that it had when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.bytes
    }

    /// Fills `bytes` from `offset` on.
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let result = match &self.kept {
            Some(file) => file.read_exact_at(bytes, offset),
            None => self.reopen()?.read_exact_at(bytes, offset),
        };
        result.map_err(|error| {
            let end = offset.saturating_add(bytes.len() as u64);
            failed("read", &self.path, format!("bytes {offset} to {end}: {error}"))
        })
    }

    fn reopen(&self) -> Result<File> {
        let now = DataFile::open(&self.path)?;
        if (now.bytes, now.modified) != (self.bytes, self.modified) {
            return Err(failed("read", &self.path, "it was changed since the array was opened"));
        }
        now.kept.ok_or_else(|| Error::bug("a file that was just opened is closed"))
    }
}

/// A file that is being written next to where it shall be, under another name; it takes its name when it is whole, and
/// is removed where it never is.
#[derive(Debug)]
pub(super) struct NewFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Creates it, `bytes` long.
    pub(super) fn create(path: &Path, bytes: u64) -> Result<NewFile> {
        if path.is_dir() {
            return Err(failed("write", path, "it is a folder"));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(failed("write", path, format!("there is no folder '{}'", folder.display())));
        }
        let temporary = tempfile::Builder::new()
            .prefix(".swath-")
            .suffix(".partial")
            // What the user's umask leaves of it, as with any new file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| failed("write", path, error))?;
        temporary.as_file().set_len(bytes).map_err(|error| failed("write", path, error))?;
        Ok(NewFile { temporary, path: path.to_path_buf() })
    }

    pub(super) fn file(&self) -> &File {
        self.temporary.as_file()
    }

    /// Writes `bytes` from `offset` on.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file().write_all_at(bytes, offset).map_err(|error| failed("write", &self.path, error))
    }

    /// Gives it its name; a file that has it is replaced.
    pub(super) fn finish(self) -> Result<()> {
        let NewFile { temporary, path } = self;
        temporary.as_file().sync_all().map_err(|error| failed("write", &path, error))?;
        temporary.persist(&path).map_err(|error| failed("write", &path, error.error))?;
        Ok(())
    }
}

/// The folder that a path is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
