//! `manifest.json`: what the case holds and what became of the input, as the last ingest left it.

use super::{Error, folder, journal};
use crate::model::{Ledger, Selection, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) const NAME: &str = "manifest.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// File name under `events/` or `aggregated/`.
    pub name: String,
    pub rows: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub version: String,
    pub selection: Selection,
    /// Length of the journal this was made from: a longer one tells of an ingest that was stopped.
    pub journal_bytes: u64,
    pub parts: Vec<Part>,
    pub aggregated: Vec<Part>,
    pub ledger: Ledger,
}

impl Manifest {
    pub(super) fn read(case: &Path) -> Result<Self, Error> {
        let path = case.join(NAME);
        let text = fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound if case.join(journal::NAME).is_file() => {
                Error::Unfinished { path: case.to_owned() }
            }
            std::io::ErrorKind::NotFound => Error::NotACase { path: case.to_owned() },
            _ => Error::Io { action: "read", path: path.clone(), source },
        })?;
        serde_json::from_slice(&text)
            .map_err(|source| Error::BadManifest { path: case.to_owned(), source })
    }

    /// Written beside and renamed, so that a reader finds the old one or the new one.
    pub(super) fn write(&self, case: &Path) -> Result<(), Error> {
        let path = case.join(NAME);
        let beside: PathBuf = case.join(".manifest.json.new");
        let text = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        let mut file = File::create(&beside).map_err(Error::io("create", &beside))?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", &beside))?;
        fs::rename(&beside, &path).map_err(Error::io("write", &path))?;
        folder::sync(case)
    }

    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|p| p.rows).sum()
    }
}
