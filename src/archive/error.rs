//! Why an archive cannot be read at all.

use crate::model::ReadError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}", path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("{} is empty", path.display())]
    EmptyFolder { path: PathBuf },
    #[error("no trail files in {}", path.display())]
    NoTrailFiles { path: PathBuf, files: u64 },
    #[error("no trail files below {place}")]
    NoObjects { place: String, skipped: u64, pruned: u64 },
    #[error("stopped while listing")]
    Stopped,
    #[error("{what}")]
    Usage { what: String, hint: String },
    #[error("cannot read {place}")]
    Remote { place: String, source: ReadError },
}
