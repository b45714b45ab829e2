//! Why one file cannot be read, and what helps.

use std::fmt;
use std::io;

/// One file or prefix cannot be read. Travels inside an [`io::Error`], so that a stream can fail
/// with it half way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    pub detail: String,
    /// What the user can do, such as the permission that is missing.
    pub remedy: Option<String>,
    /// Every other file would fail alike, so that going on makes no sense.
    pub fatal: bool,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ReadError {}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        Self::other(error)
    }
}

impl ReadError {
    /// What helps against `error`, where it says.
    #[must_use]
    pub fn remedy_of(error: &io::Error) -> Option<&str> {
        error.get_ref()?.downcast_ref::<Self>()?.remedy.as_deref()
    }
}
