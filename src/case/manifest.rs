//! `manifest.json`: what the case holds and what became of the input.

use super::Error;
use crate::model::{Ledger, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const NAME: &str = "manifest.json";
/// Raised when parts written before cannot be read any more.
pub(super) const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// File name under `events/`.
    pub name: String,
    pub rows: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub version: String,
    pub parts: Vec<Part>,
    pub ledger: Ledger,
}

impl Manifest {
    pub(super) fn read(case: &Path) -> Result<Self, Error> {
        let path = case.join(NAME);
        let text = fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotACase { path: case.to_owned() },
            _ => Error::Io { action: "read", path: path.clone(), source },
        })?;
        serde_json::from_slice(&text)
            .map_err(|source| Error::BadManifest { path: case.to_owned(), source })
    }

    /// Written beside and renamed, so that a case is either complete or not there.
    pub(super) fn write(&self, case: &Path) -> Result<(), Error> {
        let path = case.join(NAME);
        let beside: PathBuf = case.join(".manifest.json.new");
        let text = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        fs::write(&beside, text).map_err(Error::io("write", &beside))?;
        fs::rename(&beside, &path).map_err(Error::io("write", &path))
    }

    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|p| p.rows).sum()
    }
}
