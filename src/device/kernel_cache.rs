//! Compiled kernels on disk.
//!
//! An entry is found by a hash of everything that decides what the compiler would answer: source, options,
//! architecture, compiler and this file format. It carries a checksum; an entry that does not hold is compiled anew
//! and replaced. Entries are written beside and renamed, so that a reader never sees half of one. A folder that
//! cannot be written is a warning, and kernels are then compiled in every process.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::compile::{Architecture, Image, KernelSource, OPTIONS, compile, nvrtc_version};
use super::library::nvrtc_path;
use crate::Result;

/// First bytes of an entry; the last two count the format.
const MAGIC: &[u8; 8] = b"SWATHK01";
/// Magic, kind, checksum.
const HEADER_BYTES: usize = 8 + 1 + 32;
/// Environment variable that names a folder into which every source used is written.
const DUMP_VARIABLE: &str = "SWATH_KERNEL_DUMP";

/// How [`KernelCache::image`] came by an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// Read from disk.
    Hit,
    /// Compiled, in this time.
    Compiled(Duration),
}

/// The kernels that were compiled on this machine before.
#[derive(Debug)]
pub struct KernelCache {
    folder: Option<PathBuf>,
    dump_folder: Option<PathBuf>,
    /// What went wrong last with the folder; see [`KernelCache::warning`].
    warning: Mutex<Option<String>>,
}

impl KernelCache {
    /// Returns the user's folder for compiled kernels, if there is a home to put it in.
    pub fn default_folder() -> Option<PathBuf> {
        dirs::cache_dir().map(|folder| folder.join("swath").join("kernels"))
    }

    /// Takes `folder`, or the user's folder for `None`. Touches nothing until the first kernel.
    pub fn new(folder: Option<PathBuf>) -> KernelCache {
        KernelCache {
            folder: folder.or_else(Self::default_folder),
            dump_folder: std::env::var_os(DUMP_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from),
            warning: Mutex::new(None),
        }
    }

    /// Where entries are kept.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Returns what last kept an entry from being read or written, if anything did.
    pub fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns `source` compiled for `architecture`, from disk if it is there and whole.
    ///
    /// # Errors
    /// As [`compile`]; never for what is wrong with the folder.
    pub fn image(&self, source: &KernelSource, architecture: Architecture) -> Result<(Image, CacheOutcome)> {
        let path = self.path(source, architecture)?;
        let found = match path.as_deref().and_then(|path| self.read(path)) {
            Some(image) => (image, CacheOutcome::Hit),
            None => self.compile(source, architecture)?,
        };
        // Only what compiled here: a source that a test means to be refused is no kernel of ours.
        self.dump(source);
        Ok(found)
    }

    /// Whether an entry for `source` is there; it may yet prove damaged.
    pub fn contains(&self, source: &KernelSource, architecture: Architecture) -> bool {
        matches!(self.path(source, architecture), Ok(Some(path)) if path.exists())
    }

    /// Compiles `source` whatever the folder holds, and keeps the result: for an entry that the driver refused.
    ///
    /// # Errors
    /// As [`compile`].
    pub fn compile(
        &self,
        source: &KernelSource,
        architecture: Architecture,
    ) -> Result<(Image, CacheOutcome)> {
        let start = Instant::now();
        let image = compile(source, architecture)?;
        let took = start.elapsed();
        if let Some(path) = self.path(source, architecture)? {
            self.write(&path, &image);
        }
        Ok((image, CacheOutcome::Compiled(took)))
    }

    fn path(&self, source: &KernelSource, architecture: Architecture) -> Result<Option<PathBuf>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let mut hash = Sha256::new();
        hash.update(source.digest());
        hash.update(compiler_identity()?);
        hash.update(architecture.to_string());
        let key: [u8; 32] = hash.finalize().into();
        Ok(Some(folder.join(format!("{}.kernel", hex(&key)))))
    }

    fn read(&self, path: &Path) -> Option<Image> {
        match std::fs::read(path) {
            Ok(bytes) => decode(&bytes).or_else(|| {
                self.warn(format!("'{}' was damaged; the kernel was compiled again", path.display()));
                None
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.warn(format!("cannot read '{}': {error}", path.display()));
                None
            }
        }
    }

    fn write(&self, path: &Path, image: &Image) {
        if let Err(error) = write_whole(path, &encode(image)) {
            self.warn(format!("cannot keep a compiled kernel in '{}': {error}", path.display()));
        }
    }

    /// Writes the source where the project's tests pick it up to compile it with the real compiler too.
    fn dump(&self, source: &KernelSource) {
        let Some(folder) = &self.dump_folder else { return };
        let path = folder.join(format!("{}.cu", hex(source.digest())));
        if !path.exists()
            && let Err(error) = write_whole(&path, source.text().as_bytes())
        {
            self.warn(format!("cannot write '{}' ({DUMP_VARIABLE}): {error}", path.display()));
        }
    }

    fn warn(&self, message: String) {
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
    }
}

/// What tells compilers apart: version, library and options. Two of one version may still differ (a simulated one).
fn compiler_identity() -> Result<&'static str> {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    if let Some(identity) = IDENTITY.get() {
        return Ok(identity);
    }
    let (major, minor) = nvrtc_version()?;
    let path = nvrtc_path().unwrap_or_default();
    Ok(IDENTITY.get_or_init(|| format!("\0{major}.{minor}\0{}\0{OPTIONS}\0", path.display())))
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

fn encode(image: &Image) -> Vec<u8> {
    let kind = match image {
        Image::Cubin(_) => 0u8,
        Image::Ptx(_) => 1,
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + image.bytes().len());
    bytes.extend_from_slice(MAGIC);
    bytes.push(kind);
    bytes.extend_from_slice(&checksum(kind, image.bytes()));
    bytes.extend_from_slice(image.bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Image> {
    let (header, image) = bytes.split_at_checked(HEADER_BYTES)?;
    let (magic, header) = header.split_at(MAGIC.len());
    let kind = header[0];
    if magic != MAGIC || header[1..] != checksum(kind, image) {
        return None;
    }
    match kind {
        0 => Some(Image::Cubin(image.to_vec())),
        1 => Some(Image::Ptx(image.to_vec())),
        _ => None,
    }
}

fn checksum(kind: u8, image: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([kind]);
    hash.update(image);
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was() {
        for image in
            [Image::Cubin(vec![1, 2, 3, 0]), Image::Ptx(b".version 8.0".to_vec()), Image::Cubin(vec![])]
        {
            assert_eq!(decode(&encode(&image)), Some(image));
        }
    }

    #[test]
    fn any_damage_is_noticed() {
        let whole = encode(&Image::Cubin((0..100).collect()));
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x10;
            assert_eq!(decode(&damaged), None, "byte {position} flipped");
            assert_eq!(decode(&whole[..position]), None, "cut at {position}");
        }
    }

    #[test]
    fn an_entry_on_disk_is_read_and_a_damaged_one_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let cache = KernelCache::new(Some(folder.path().to_path_buf()));
        let path = folder.path().join("deeper/entry.kernel");
        assert_eq!(cache.read(&path), None);
        cache.write(&path, &Image::Ptx(b"code".to_vec()));
        assert_eq!(cache.read(&path), Some(Image::Ptx(b"code".to_vec())));
        assert_eq!(cache.warning(), None);
        std::fs::write(&path, b"SWATHK01 but no more").unwrap();
        assert_eq!(cache.read(&path), None);
        assert!(cache.warning().unwrap().contains("damaged"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"not a folder").unwrap();
        let cache = KernelCache::new(Some(file.clone()));
        cache.write(&file.join("entry.kernel"), &Image::Ptx(vec![1]));
        assert!(cache.warning().unwrap().contains("cannot keep"), "{:?}", cache.warning());
    }
}
