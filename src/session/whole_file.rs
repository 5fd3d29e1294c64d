//! Files that appear under their names only once they are whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that is written beside its place and renamed when it is whole. Dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct WholeFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Opens a file beside `path`, as readable as the user's new files are.
    ///
    /// # Errors
    /// A folder that is missing or may not be written to, a path that is a folder.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| failed(path, &error);
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let shown = path.display();
            return Err(Error::io(format!(
                "cannot write '{shown}': there is no folder '{}'",
                folder.display()
            )));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".swath-").suffix(".partial");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder).map_err(failed)?;
        Ok(WholeFile { temporary, path: path.to_path_buf() })
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        self.temporary.as_file()
    }

    /// The path that the file has until it is whole.
    pub fn partial_path(&self) -> &Path {
        self.temporary.path()
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// A full disk and the like.
    pub fn write_all(&self, bytes: &[u8]) -> Result<()> {
        self.file().write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// An error of writing, with the name that the file is to have.
    pub fn failed(&self, error: &io::Error) -> Error {
        failed(&self.path, error)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// A full disk and the like; nothing is left then.
    pub fn finish(self) -> Result<()> {
        self.file().sync_all().map_err(|error| self.failed(&error))?;
        self.temporary.persist(&self.path).map_err(|error| failed(&self.path, &error.error))?;
        Ok(())
    }
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::io(format!("cannot write '{}': {error}", path.display()))
}
