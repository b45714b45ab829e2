//! Steps of an ingest on their way to the disk. Waiting until a file is there took a twentieth of an ingest, so
//! that one thread does it while the workers read on.

use super::journal::{Journal, Line};
use super::{Error, folder};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

/// Files, and what is true once they and those of earlier steps of the same worker are on disk.
pub(super) struct Step {
    pub(super) written: Vec<Written>,
    pub(super) line: Option<Line>,
}

/// A file that may not be on disk yet.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Written {
    /// Returns when it is on disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// Brings to disk what comes and then tells the journal, so that a line never promises too much.
pub(super) fn commit(journal: &mut Journal, steps: Receiver<Step>) -> Result<(), Error> {
    for Step { written, line } in steps {
        written.iter().try_for_each(Written::sync)?;
        let folders: BTreeSet<&Path> = written.iter().filter_map(|w| w.path.parent()).collect();
        folders.into_iter().try_for_each(folder::sync)?;
        line.iter().try_for_each(|line| journal.tell(line))?;
    }
    Ok(())
}
