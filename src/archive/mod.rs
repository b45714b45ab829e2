//! Where trail files are, and how to read one: the order and the names of everything after.

mod disk;
mod key;

pub use disk::{Disk, Error};
pub use key::{Key, KeyKind};

use std::io;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// How reports name it: relative to the SOURCE it was found under.
    pub name: String,
    /// Size as stored, in bytes.
    pub bytes: u64,
    /// The user named this very file, so it is meant to be a trail file.
    pub named: bool,
    pub(crate) path: std::path::PathBuf,
}

/// A listed archive. Inputs are sorted by name, so equal archives are read alike.
pub trait Source: Sync {
    fn inputs(&self) -> &[Input];

    /// Files that were seen and left out because of their name (digests, texts, ...).
    fn skipped(&self) -> u64;

    /// Reads one input whole into `buffer`, which is cleared first.
    ///
    /// # Errors
    /// When the file cannot be read; the run goes on without it.
    fn read(&self, input: &Input, buffer: &mut Vec<u8>) -> io::Result<()>;
}
