//! Files of chunks that no memory has room for.
//!
//! ```text
//! SPILL_DIR/swath-spill-XXXXXX/   one folder for each worker, made with its first file
//!                       lock      locked by the process that it belongs to
//!                       7.chunk   one file for each chunk, removed with it
//! ```
//!
//! The folder goes with its worker. One that a crash left behind is known by its lock, which nobody holds any more, and
//! is removed by whoever makes the next folder beside it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::{Error, Result};

const FOLDER_PREFIX: &str = "swath-spill-";
const LOCK_NAME: &str = "lock";
/// How often a folder is made anew because a cleaner took it before its lock was held.
const FOLDER_ATTEMPTS: usize = 10;

/// Where a worker keeps its files; makes nothing before the first.
#[derive(Debug)]
pub struct SpillFolder {
    parent: PathBuf,
    made: Mutex<Option<Arc<OwnFolder>>>,
    next: AtomicU64,
}

/// A folder on disk, removed when the last file of it is gone.
#[derive(Debug)]
struct OwnFolder {
    folder: TempDir,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl SpillFolder {
    /// Keeps files in a folder of its own below `parent`.
    pub fn new(parent: PathBuf) -> SpillFolder {
        SpillFolder { parent, made: Mutex::new(None), next: AtomicU64::new(0) }
    }

    /// The folder that files are kept below.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// Opens a new file to write a chunk to.
    ///
    /// # Errors
    /// `io` where the folder cannot be made or written to, naming it.
    pub fn create(&self) -> Result<SpillFile> {
        let folder = self.folder().map_err(|error| {
            Error::io(format!(
                "cannot make a folder to spill to in '{}' (swath.spill_dir): {error}",
                self.parent.display()
            ))
        })?;
        let name = format!("{}.chunk", self.next.fetch_add(1, Ordering::Relaxed));
        let path = folder.folder.path().join(name);
        let file = File::create_new(&path).map_err(|error| failed("write", &path, &error))?;
        Ok(SpillFile { path, len: 0, writer: Some(file), _folder: folder })
    }

    fn folder(&self) -> io::Result<Arc<OwnFolder>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*made {
            return Ok(Arc::clone(folder));
        }
        // What cannot be removed is somebody else's to mend.
        let _ = remove_abandoned(&self.parent);
        let folder = Arc::new(OwnFolder::make(&self.parent)?);
        *made = Some(Arc::clone(&folder));
        Ok(folder)
    }
}

impl OwnFolder {
    fn make(parent: &Path) -> io::Result<OwnFolder> {
        for _ in 0..FOLDER_ATTEMPTS {
            let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(parent)?;
            let lock = File::create_new(folder.path().join(LOCK_NAME))?;
            // A cleaner may have found the lock before it was held.
            if lock.try_lock().is_ok() {
                return Ok(OwnFolder { folder, _lock: lock });
            }
        }
        Err(io::Error::other("others keep taking it for abandoned"))
    }
}

/// Removes the folders below `parent` whose process has ended.
fn remove_abandoned(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOLDER_PREFIX));
        if is_ours
            && let Ok(lock) = File::open(path.join(LOCK_NAME))
            && lock.try_lock().is_ok()
        {
            // Another cleaner may be at it too.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// A chunk's bytes on disk; dropping it removes the file. Not kept open, so that there may be many.
#[derive(Debug)]
pub struct SpillFile {
    path: PathBuf,
    len: u64,
    /// Present until the file is whole.
    writer: Option<File>,
    /// Keeps the folder.
    _folder: Arc<OwnFolder>,
}

impl SpillFile {
    /// Adds `bytes` at the end.
    ///
    /// # Errors
    /// `io` for a full disk and the like.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Err(Error::bug("a spilled chunk is written to after its end"));
        };
        writer.write_all(bytes).map_err(|error| failed("write", &self.path, &error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Ends the file, which only reads from here on.
    pub fn finish(&mut self) {
        // Nothing reads it after this process: it need not reach the disk itself.
        self.writer = None;
    }

    /// Fills `target` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `io` where the file is gone, shorter than it was, or cannot be read.
    pub fn read(&self, offset: u64, target: &mut [u8]) -> Result<()> {
        let mut read = || -> io::Result<()> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(target)
        };
        read().map_err(|error| failed("read back", &self.path, &error))
    }

    /// Bytes that were written.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.writer = None;
        // Somebody removed it before, or the folder goes with all that is in it.
        let _ = fs::remove_file(&self.path);
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot {what} the spilled chunk '{}': {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_is_read_back_in_parts_and_goes_with_its_holder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = SpillFolder::new(parent.path().to_path_buf());
        assert_eq!(count(parent.path()), 0, "nothing is made before the first file");
        let mut file = folder.create().unwrap();
        file.write(b"device ").unwrap();
        file.write(b"layout").unwrap();
        file.finish();
        assert!(file.write(b"!").unwrap_err().is_bug());
        assert_eq!(file.len(), 13);
        let mut part = [0; 6];
        file.read(7, &mut part).unwrap();
        assert_eq!(&part, b"layout");
        assert!(file.read(8, &mut part).is_err(), "too short");
        let own = file.path.parent().unwrap().to_path_buf();
        assert_eq!(count(&own), 2);
        drop(file);
        assert_eq!(count(&own), 1, "the lock is left");
        drop(folder);
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn what_a_crash_left_is_removed_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let alive = SpillFolder::new(parent.path().to_path_buf());
        let mut kept = alive.create().unwrap();
        kept.write(b"kept").unwrap();
        // A process that ended without a chance to clean up leaves its folder, and a lock that nobody holds.
        let abandoned = parent.path().join("swath-spill-abandoned");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join(LOCK_NAME), b"").unwrap();
        fs::write(abandoned.join("0.chunk"), b"left").unwrap();
        let unrelated = parent.path().join("swath-spillover");
        fs::create_dir(&unrelated).unwrap();
        let beginning = parent.path().join("swath-spill-beginning");
        fs::create_dir(&beginning).unwrap();
        let next = SpillFolder::new(parent.path().to_path_buf());
        let _file = next.create().unwrap();
        assert!(!abandoned.exists());
        assert!(unrelated.exists() && beginning.exists());
        let mut back = [0; 4];
        kept.read(0, &mut back).unwrap();
        assert_eq!(&back, b"kept");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let error = SpillFolder::new(missing.clone()).create().unwrap_err();
        assert!(error.to_string().contains("missing") && error.to_string().contains("swath.spill_dir"));
    }
}
