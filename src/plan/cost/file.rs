//! Constants that were measured on a machine, in a file, and which constants a process uses.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::constants::{DeviceCosts, HostCosts};
use super::{CostModel, constants};
use crate::error::{Error, Result};

/// The version of the file's format; another one's is not read.
const VERSION: u32 = 1;

/// What `swath calibrate` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostFile {
    pub version: u32,
    /// The cores of the machine that it was measured on.
    pub cores: usize,
    pub host: HostCosts,
    /// The name of the device that was measured, with its constants.
    pub device: Option<(String, DeviceCosts)>,
}

/// Where constants in use come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Measured on this machine.
    Measured,
    /// Those of the card's data sheet.
    Card,
    /// The defaults.
    Default,
    /// There is no device; its constants decide nothing.
    Absent,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Measured => "measured",
            Origin::Card => "the card's data sheet",
            Origin::Default => "defaults",
            Origin::Absent => "none",
        })
    }
}

/// The constants in use, where they come from, and what is wrong with the file that should have them.
#[derive(Clone, Debug)]
pub struct Costs {
    pub model: CostModel,
    pub host: Origin,
    pub device: Origin,
    /// The file that was looked for.
    pub path: Option<PathBuf>,
    /// What is wrong with it, or why it is not this machine's.
    pub notes: Vec<String>,
    /// Whether the file is there and cannot be used: the user is told.
    pub damaged: bool,
}

impl CostFile {
    pub fn new(cores: usize, host: HostCosts, device: Option<(String, DeviceCosts)>) -> CostFile {
        CostFile { version: VERSION, cores, host, device }
    }

    /// Returns the user's file, if there is a home to put it in.
    pub fn default_path() -> Option<PathBuf> {
        dirs::cache_dir().map(|folder| folder.join("swath").join("costs.json"))
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, is no such file, is of another version, or holds what no machine has. It is named.
    pub fn load(path: &Path) -> Result<Option<CostFile>> {
        let damaged = |what: String| {
            Error::user(format!(
                "'{}' has no cost constants that can be used: {what}; measure them again with `swath calibrate`, or \
                 remove the file",
                path.display()
            ))
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let file: CostFile = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if file.version != VERSION {
            return Err(damaged(format!("it is of version {}, not {VERSION}", file.version)));
        }
        file.host.check().map_err(&damaged)?;
        if let Some((_, device)) = &file.device {
            device.check().map_err(&damaged)?;
        }
        Ok(Some(file))
    }

    /// Writes the file: whole, or not at all.
    ///
    /// # Errors
    /// A folder that cannot be written to, a full disk.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: std::io::Error| Error::io(format!("cannot write '{}': {error}", path.display()));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut text = serde_json::to_string_pretty(self).map_err(|error| Error::bug(error.to_string()))?;
        text.push('\n');
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

impl Costs {
    /// Finds the constants for a machine with so many cores and the device of that name: what was measured on it, else
    /// what is known of the card, else the defaults. A damaged file is reported in the result, never used.
    pub fn find(path: Option<&Path>, device: Option<&str>, cores: usize) -> Costs {
        let mut costs = Costs {
            model: CostModel::default(),
            host: Origin::Default,
            device: if device.is_some() { Origin::Default } else { Origin::Absent },
            path: path.map(Path::to_path_buf),
            notes: vec![],
            damaged: false,
        };
        if let Some(card) = device.and_then(constants::DeviceCosts::of_card) {
            (costs.model.device, costs.device) = (card, Origin::Card);
        }
        let file = match path.map(CostFile::load) {
            Some(Ok(Some(file))) => file,
            Some(Ok(None)) | None => return costs,
            Some(Err(error)) => {
                costs.notes.push(error.to_string());
                costs.damaged = true;
                return costs;
            }
        };
        if file.cores == cores {
            (costs.model.host, costs.host) = (file.host, Origin::Measured);
        } else {
            costs.notes.push(format!("measured on {} cores, and here are {cores}", file.cores));
        }
        match (file.device, device) {
            (Some((name, measured)), Some(here)) if name == here => {
                (costs.model.device, costs.device) = (measured, Origin::Measured);
            }
            (Some((name, _)), Some(here)) => {
                costs.notes.push(format!("measured on {name}, and here is {here}"));
            }
            _ => {}
        }
        costs
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host: {}; device: {}", self.host, self.device)?;
        match &self.path {
            Some(path) if self.host == Origin::Measured || self.device == Origin::Measured => {
                write!(f, " ({})", path.display())
            }
            _ => f.write_str(" (swath calibrate measures them)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> CostFile {
        let host = HostCosts { nodes_per_s: 3e9, ..HostCosts::default() };
        let device = DeviceCosts { launch_s: 9e-6, ..DeviceCosts::default() };
        CostFile::new(8, host, Some(("Card A".to_string(), device)))
    }

    #[test]
    fn what_was_saved_is_found_on_the_same_machine_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below").join("costs.json");
        assert_eq!(CostFile::load(&path).expect("no file is no fault"), None);
        measured().save(&path).expect("saves");
        assert_eq!(CostFile::load(&path).expect("loads"), Some(measured()));
        let same = Costs::find(Some(&path), Some("Card A"), 8);
        assert_eq!((same.host, same.device), (Origin::Measured, Origin::Measured));
        assert_eq!((same.model.host.nodes_per_s, same.model.device.launch_s), (3e9, 9e-6));
        let other = Costs::find(Some(&path), Some("NVIDIA L4"), 4);
        assert_eq!((&other.host, &other.device), (&Origin::Default, &Origin::Card));
        assert_eq!(other.model.host, HostCosts::default());
        assert!(!other.damaged && other.notes.len() == 2, "{:?}", other.notes);
    }

    #[test]
    fn a_damaged_file_is_named_and_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("costs.json");
        let good = serde_json::to_string(&measured()).expect("serializes");
        let broken = [
            String::new(),
            good[..good.len() / 2].to_string(),
            good.replace("3000000000.0", "-1.0"),
            good.replace("3000000000.0", "null"),
            good.replace("\"version\":1", "\"version\":2"),
            good.replace("nodes_per_s", "knots_per_s"),
        ];
        for text in broken {
            assert_ne!(text, good);
            std::fs::write(&path, &text).expect("writes");
            let costs = Costs::find(Some(&path), Some("Card A"), 8);
            assert!(costs.damaged, "{text}");
            assert!(costs.notes[0].contains("costs.json") && costs.notes[0].contains("calibrate"));
            assert_eq!(costs.model, CostModel::default());
        }
    }
}
