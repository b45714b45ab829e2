//! Where trail files are, and how to read one: the order and the names of everything after.

mod disk;
mod key;
mod select;

pub use disk::{Disk, Error};
pub use key::{Key, KeyKind};
pub use select::prunes;

use std::io::{self, Read};

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// How reports name it: relative to the SOURCE it was found under.
    pub name: String,
    /// Size as stored, in bytes.
    pub bytes: u64,
    /// Changes when the content may have changed: on disk, the time of the last change in
    /// nanoseconds since the epoch.
    pub stamp: i64,
    /// The user named this very file, so it is meant to be a trail file.
    pub named: bool,
    pub(crate) path: std::path::PathBuf,
}

impl Input {
    /// What its whole path says, also the part above the SOURCE.
    #[must_use]
    pub fn key_text(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }
}

/// A listed archive. Inputs are sorted by name, so equal archives are read alike; no two have the
/// same name.
pub trait Source: Sync {
    fn inputs(&self) -> &[Input];

    /// Files that were seen and left out because of their name (digests, texts, ...).
    fn skipped(&self) -> u64;

    /// Of these, integrity digests.
    fn digests(&self) -> u64 {
        0
    }

    /// Opens one input, to be read from its beginning.
    ///
    /// # Errors
    /// When the file cannot be read; the run goes on without it.
    fn open(&self, input: &Input) -> io::Result<Box<dyn Read + '_>>;

    /// Reads one input whole into `buffer`, which is cleared first.
    ///
    /// # Errors
    /// When the file cannot be read; the run goes on without it.
    fn read(&self, input: &Input, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        // One byte more, so that the end is seen without growing.
        buffer.reserve(usize::try_from(input.bytes).unwrap_or(0) + 1);
        self.open(input)?.read_to_end(buffer)?;
        Ok(())
    }
}
