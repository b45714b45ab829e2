//! Steps of an ingest on their way to the disk. Waiting until a file is there took a twentieth of an ingest, so
//! that one thread does it while the workers read on.

use super::Error;
use super::folder::Folder;
use super::journal::{Journal, Line};
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

/// What is true once its files are on disk.
pub(super) struct Step {
    pub(super) written: Vec<Written>,
    pub(super) line: Line,
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
pub(super) fn commit(
    folder: &Folder,
    journal: &mut Journal,
    steps: Receiver<Step>,
) -> Result<(), Error> {
    for Step { written, line } in steps {
        written.iter().try_for_each(Written::sync)?;
        if !written.is_empty() {
            folder.sync()?;
        }
        journal.tell(&line)?;
    }
    Ok(())
}
