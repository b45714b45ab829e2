//! Bytes to records. Pure, and it never fails: what cannot be read is rejected, with a reason and a
//! count, and the run goes on.
//!
//! A file is inflated once, parsed once (simd-json, into buffers that are reused), and each record
//! is pushed into a [`Sink`] while those buffers live. Scalars are borrowed from the parsed text;
//! nested values are borrowed as the very bytes that stood in the file, so nothing is printed back
//! and no spelling is lost.

mod container;
mod inflate;
mod parser;
mod record;
mod salvage;
mod scratch;
mod walk;

pub use inflate::is_gzip;
pub use record::Record;
pub use scratch::Scratch;

use crate::model::RejectReason;

/// Limits on what one file may cost.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Inflated size of one file, in bytes.
    pub inflated_bytes: usize,
    /// Nesting of JSON, in levels.
    pub depth: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { inflated_bytes: 4 << 30, depth: 128 }
    }
}

/// Takes records as they are decoded.
pub trait Sink {
    fn record(&mut self, record: &Record<'_>);
}

/// Why something in a file was not read, and how many records that cost (0: cannot be known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub reason: RejectReason,
    pub count: u64,
    pub detail: String,
}

/// What kind of file it turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CloudTrail records, perhaps none.
    Records,
    /// Readable, but not CloudTrail events (digest files, labels, settings, ...).
    Foreign,
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
    pub rejected: Vec<Rejected>,
}

impl Decoded {
    pub(crate) fn broken(
        inflated_bytes: usize,
        reason: RejectReason,
        detail: impl Into<String>,
    ) -> Self {
        let rejected = vec![Rejected { reason, count: 0, detail: detail.into() }];
        let inflated_bytes = inflated_bytes as u64;
        Self { kind: Kind::Broken, inflated_bytes, seen: 0, pushed: 0, rejected }
    }

    fn reject(&mut self, reason: RejectReason, count: u64, detail: &str) {
        self.seen += count;
        match self.rejected.iter_mut().find(|r| r.reason == reason) {
            Some(same) => same.count += count,
            None => self.rejected.push(Rejected { reason, count, detail: detail.to_owned() }),
        }
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

/// Decodes the bytes of one file, compressed or plain, into `sink`.
pub fn decode(bytes: &[u8], caps: &Caps, scratch: &mut Scratch, sink: &mut impl Sink) -> Decoded {
    if bytes.is_empty() {
        return Decoded::broken(0, RejectReason::Empty, "file of zero bytes");
    }
    let mut damage = None;
    if is_gzip(bytes) {
        match inflate::gunzip(bytes, caps.inflated_bytes, &mut scratch.raw) {
            Ok(()) => {}
            Err(fault) if fault.salvaged => damage = Some(fault),
            Err(fault) => return Decoded::broken(scratch.raw.len(), fault.reason, fault.detail),
        }
    } else {
        scratch.raw.clear();
        scratch.raw.extend_from_slice(bytes);
    }
    let mut decoded = container::decode(scratch, sink, damage.is_some());
    if let Some(fault) = damage {
        decoded.rejected.push(Rejected { reason: fault.reason, count: 0, detail: fault.detail });
        if decoded.pushed == 0 {
            decoded.kind = Kind::Broken;
        }
    }
    decoded
}
