//! Bytes to records. Pure, and it never fails: what cannot be read is rejected, with a reason and a
//! count, and the run goes on.
//!
//! A file is unpacked (`unpack`, `inflate`), its text is put in order (`text`), and its records are
//! found whatever shape they travel in (`container`). A plain trail file is inflated once, its structure
//! is found once (`structurals`, into buffers that are reused), and each record is pushed into a [`Sink`] while
//! those buffers live. Scalars are borrowed from the parsed text; nested values are borrowed as the
//! very bytes that stood in the file, so nothing is printed back and no spelling is lost. What is
//! no single document, or too large to be held, goes through in pieces (`pieces`, `cut`); what is
//! damaged, record by record (`salvage`).

mod aggregated;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod container;
mod cut;
mod elements;
mod envelope;
mod grammar;
mod inflate;
mod parser;
mod pieces;
mod record;
mod salvage;
mod scratch;
mod structurals;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod unpack;
mod walk;

pub use inflate::is_gzip;
pub use record::Record;
pub use scratch::Scratch;

use crate::model::RejectReason;
use std::io::Read;

/// Limits on what one file may cost.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Inflated size of one file, over all members of an archive, in bytes.
    pub inflated_bytes: usize,
    /// Nesting of JSON, in levels.
    pub depth: usize,
    /// Size of one record, in bytes.
    pub record_bytes: usize,
    /// Text that is held at a time: a file that is larger is read in pieces.
    pub window_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { inflated_bytes: 4 << 30, depth: 128, record_bytes: 4 << 20, window_bytes: 64 << 20 }
    }
}

/// Takes records as they are decoded.
pub trait Sink {
    fn record(&mut self, record: &Record<'_>);

    /// The records that follow stand in this member of an archive (`zip`, `tar`).
    fn member(&mut self, name: &str) {
        let _ = name;
    }

    /// No record is in hand, and more of the file is to come: a good moment to put away what is held.
    fn pause(&mut self) {}
}

/// Why something in a file was not read, and how many records that cost (0: cannot be known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub reason: RejectReason,
    pub count: u64,
    pub detail: String,
    /// What the user can do about it, where that is known.
    pub remedy: Option<String>,
    /// The member it stood in, where the file is an archive of several.
    pub member: Option<String>,
}

impl Rejected {
    /// The file as reports name it: `archive!member` where it is one of several.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.member.as_ref().map_or_else(|| name.to_owned(), |member| format!("{name}!{member}"))
    }
}

/// What kind of file it turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CloudTrail records, perhaps none.
    Records,
    /// Readable, but not CloudTrail events (digest files, labels, settings, ...).
    Foreign,
    /// An integrity digest of CloudTrail: no events.
    Digest,
    /// Could not be read at all.
    Broken,
}

/// The account of one file.
#[must_use]
#[derive(Debug, Clone)]
pub struct Decoded {
    pub kind: Kind,
    pub inflated_bytes: u64,
    /// Records seen: pushed to the sink or rejected.
    pub seen: u64,
    pub pushed: u64,
    /// Keys that stood in a pushed record more than once.
    pub duplicate_keys: u64,
    pub rejected: Vec<Rejected>,
}

impl Decoded {
    fn empty() -> Self {
        Self {
            kind: Kind::Foreign,
            inflated_bytes: 0,
            seen: 0,
            pushed: 0,
            duplicate_keys: 0,
            rejected: Vec::new(),
        }
    }

    /// Whether some of the file could not be read at all.
    pub(crate) fn is_unread(&self) -> bool {
        self.rejected.iter().any(|r| r.reason == RejectReason::Unreadable)
    }

    pub(crate) fn broken(
        inflated_bytes: usize,
        reason: RejectReason,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        let rejected = vec![Rejected { reason, count: 0, detail, remedy: None, member: None }];
        let inflated_bytes = inflated_bytes as u64;
        Self { kind: Kind::Broken, inflated_bytes, rejected, ..Self::empty() }
    }
}

/// Inflates the bytes of one file and does nothing with them; returns how many there are.
pub fn inflate_only(bytes: &[u8], caps: &Caps, scratch: &mut Scratch) -> u64 {
    if !is_gzip(bytes) {
        return bytes.len() as u64;
    }
    // A damaged file counts as far as it could be read.
    let _ = inflate::gunzip(bytes, caps.inflated_bytes, &mut scratch.raw);
    scratch.raw.len() as u64
}

/// Decodes the bytes of one file, packed or plain, into `sink`.
pub fn decode(bytes: &[u8], caps: &Caps, scratch: &mut Scratch, sink: &mut impl Sink) -> Decoded {
    let mut pass = unpack::Pass::new(caps, scratch, sink);
    pass.bytes(bytes);
    pass.finish()
}

/// Decodes a file that is too large to be read whole; the account is that of [`decode`].
pub fn decode_reader(
    reader: &mut dyn Read,
    caps: &Caps,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Decoded {
    let mut pass = unpack::Pass::new(caps, scratch, sink);
    pass.reader(reader);
    pass.finish()
}
