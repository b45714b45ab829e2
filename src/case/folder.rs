//! The folder of a case: what lies where, and what may be swept away.
//!
//! Files of a part are written once and never changed. A part that has to change is written again
//! under another name, so whatever was true stays readable until something else is.

use super::journal::{self, Table};
use super::lock::{self, Lock};
use super::{Error, manifest};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The tables; what anybody may read.
const EVENTS: &str = "events";
const AGGREGATED: &str = "aggregated";
/// Events that were taken out of the table as repeats, in case the one that was kept goes away.
const SPARE: &str = "spare";
const KEYS: &str = "keys";
/// Where parts have files.
const FOLDERS: [&str; 4] = [EVENTS, AGGREGATED, SPARE, KEYS];
pub(super) const FINDINGS: &str = "findings.jsonl";

pub(super) struct Folder {
    dir: PathBuf,
    _lock: Lock,
}

impl Folder {
    /// Takes a folder for writing: a new one, an empty one or a case; `fresh` empties the case.
    pub(super) fn take(dir: &Path, fresh: bool) -> Result<Self, Error> {
        refuse_strangers(dir)?;
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let folder = Self { dir: dir.to_owned(), _lock: Lock::exclusive(dir)? };
        let ours = dir.join(journal::NAME).is_file();
        if fresh {
            folder.empty()?;
        } else if !ours && dir.join(manifest::NAME).is_file() {
            return Err(Error::OtherFormat { path: dir.to_owned() });
        }
        for part in FOLDERS {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        Ok(folder)
    }

    /// The manifest goes first: a case half removed is no case.
    fn empty(&self) -> Result<(), Error> {
        for name in [manifest::NAME, journal::NAME, FINDINGS] {
            self.remove(&self.dir.join(name))?;
        }
        for part in FOLDERS {
            let path = self.dir.join(part);
            found(fs::remove_dir_all(&path)).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, path: &Path) -> Result<(), Error> {
        found(fs::remove_file(path)).map_err(Error::io("remove", path))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn table(&self, table: Table, part: &str) -> PathBuf {
        table_file(&self.dir, table, part)
    }

    pub(super) fn spare(&self, part: &str) -> PathBuf {
        self.dir.join(SPARE).join(format!("{part}.parquet"))
    }

    pub(super) fn keys(&self, part: &str) -> PathBuf {
        self.dir.join(KEYS).join(part)
    }

    /// Returns when the names of files just written are on disk too.
    pub(super) fn sync(&self) -> Result<(), Error> {
        for part in FOLDERS {
            sync(&self.dir.join(part))?;
        }
        Ok(())
    }

    /// Removes the files of parts that are not `living`: of an ingest that was stopped, or of parts
    /// that have been written again.
    pub(super) fn sweep(&self, living: &BTreeSet<String>) -> Result<(), Error> {
        for part in FOLDERS {
            let path = self.dir.join(part);
            for entry in fs::read_dir(&path).map_err(Error::io("read", &path))? {
                let file = entry.map_err(Error::io("read", &path))?.path();
                let name = file.file_stem().map(|n| n.to_string_lossy().into_owned());
                if name.is_none_or(|name| !living.contains(&name)) {
                    self.remove(&file)?;
                }
            }
        }
        Ok(())
    }
}

/// A part of a table.
pub(super) fn table_file(case: &Path, table: Table, part: &str) -> PathBuf {
    let folder = match table {
        Table::Events => EVENTS,
        Table::Aggregated => AGGREGATED,
    };
    case.join(folder).join(format!("{part}.parquet"))
}

pub(super) fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("write", dir))
}

/// Only what is our own may be swept; a folder with anything else in it is somebody's.
fn refuse_strangers(dir: &Path) -> Result<(), Error> {
    if dir.join(manifest::NAME).is_file() || dir.join(journal::NAME).is_file() {
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name != lock::NAME && !FOLDERS.iter().any(|ours| name == *ours) {
            return Err(Error::Occupied { path: dir.to_owned() });
        }
    }
    Ok(())
}

fn found(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
