//! Where trail files are, and how to read one: the order and the names of everything after.

#[cfg(any(feature = "s3", feature = "lookup"))]
mod aws;
mod combined;
mod disk;
mod error;
mod inputs;
mod key;
mod location;
#[cfg(feature = "lookup")]
mod lookup;
mod open;
mod reading;
#[cfg(feature = "s3")]
mod s3;
mod select;

pub use disk::Disk;
pub use error::Error;
pub use inputs::Inputs;
pub use key::{Key, KeyKind};
pub use location::Location;
pub use open::{AwsSettings, Covered, History, Keys, Options, open};
pub use reading::{Body, Next, Reading, Window, in_order};
pub use select::prunes;

use crate::model::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// How reports name it: relative to the SOURCE it was found under.
    pub name: String,
    /// Size as stored, in bytes; 0 where only reading tells.
    pub bytes: u64,
    /// Changes when the content may have changed: on disk, the time of the last change in
    /// nanoseconds since the epoch; in S3, what [`stamp_of`] makes of the ETag.
    pub stamp: i64,
    /// The user named this very file, so it is meant to be a trail file.
    pub named: bool,
    /// Which of several sources it is of.
    pub(crate) origin: u16,
    /// Where it is on disk, if its name does not say.
    pub(crate) path: Option<Box<std::path::Path>>,
}

/// Requests that a source far away takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Made already: whoever has the inputs has listed them.
    pub list: u64,
    pub get: u64,
}

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub etag: String,
    pub modified: Option<Timestamp>,
    /// As whoever wrote it has set it; CloudTrail signs its digest files there.
    pub user: BTreeMap<String, String>,
}

/// A stamp of any text that changes with the content.
#[must_use]
pub fn stamp_of(text: &str) -> i64 {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(text.as_bytes());
    i64::from_le_bytes(std::array::from_fn(|at| hash[at]))
}

/// A listed archive. Inputs are sorted by name, so equal archives are read alike; no two have the
/// same name.
pub trait Source: Send + Sync {
    fn inputs(&self) -> &Inputs;

    /// Hands the inputs over, to be merged with those of other sources. What else the source is
    /// asked for, it answers by what an [`Input`] holds.
    fn take_inputs(&mut self) -> Inputs;

    /// Files that were seen and left out because of their name (digests, texts, ...).
    fn skipped(&self) -> u64;

    /// Of these, integrity digests.
    fn digests(&self) -> u64 {
        0
    }

    /// What the user should know of how it was listed.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// The whole key or path of an input, also the part above the SOURCE.
    fn key<'a>(&'a self, input: &'a Input) -> Cow<'a, str>;

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

    /// What reading these inputs takes besides their bytes; nothing where they are near.
    fn requests(&self, inputs: &Inputs, todo: &[u32]) -> Requests {
        let _ = (inputs, todo);
        Requests::default()
    }

    /// What the place knows of an input besides its bytes; `None` where files have no such thing.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn metadata(&self, input: &Input) -> io::Result<Option<Metadata>> {
        let _ = input;
        Ok(None)
    }

    /// Begins to read the inputs that `todo` numbers, for workers to take. What is far away reads
    /// ahead of them; what is near opens each when it is asked for.
    fn reading<'a>(
        &'a self,
        inputs: &'a Inputs,
        todo: Vec<u32>,
        window: Window,
    ) -> Box<dyn Reading + 'a>;
}
