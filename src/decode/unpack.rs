//! What a file is packed in, by its first bytes and never by its name: gzip, zstd, bzip2, tar, zip,
//! one in another; and the account of the whole file.
//!
//! What inflates to no more than the window is held whole and read at once. Larger members go
//! through readers, piece by piece. Nothing makes more bytes than the cap, all layers and members
//! together.

use super::container::{self, Reader};
use super::elements::{self, Stop};
use super::inflate::{self, Damage};
use super::record::Record;
use super::{Caps, Decoded, Kind, Rejected, Scratch, Sink, pieces, salvage, table, text};
use crate::model::{ReadError, RejectReason};
use std::io::{self, BufReader, Cursor, Read};

/// Packings in one another: `tar.gz` of `json.gz` is three.
const LAYERS_MAX: usize = 5;
/// Where tar says that it is tar.
const TAR_MAGIC_AT: usize = 257;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Bzip2,
    Tar,
    Zip,
    None,
}

impl Packing {
    fn of(head: &[u8]) -> Self {
        match head {
            _ if inflate::is_gzip(head) => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Self::Bzip2,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ if head.get(TAR_MAGIC_AT..).is_some_and(|at| at.starts_with(b"ustar")) => Self::Tar,
            _ => Self::None,
        }
    }
}

/// The decoding of one file.
pub(super) struct Pass<'p, S> {
    scratch: &'p mut Scratch,
    reader: Reader<'p, S>,
    /// Text up to this size is held whole.
    held_bytes: usize,
    /// What may still be inflated.
    left_bytes: usize,
    layers: usize,
    /// Over all members so far.
    recognized: bool,
    faulty: bool,
}

impl<'p, S: Sink> Pass<'p, S> {
    pub(super) fn new(caps: &Caps, scratch: &'p mut Scratch, sink: &'p mut S) -> Self {
        let held_bytes = caps.window_bytes;
        // A record of legal size must fit the window.
        let caps = Caps { window_bytes: caps.window_bytes.max(caps.record_bytes), ..*caps };
        let (left_bytes, reader) = (caps.inflated_bytes, Reader::new(&caps, sink));
        Self {
            scratch,
            reader,
            held_bytes,
            left_bytes,
            layers: 0,
            recognized: false,
            faulty: false,
        }
    }

    pub(super) fn finish(mut self) -> Decoded {
        self.end_member();
        let (mut decoded, is_digest) = (self.reader.decoded, self.reader.digest);
        decoded.kind = match (decoded.pushed, self.faulty, self.recognized) {
            (1.., _, _) | (0, false, true) => Kind::Records,
            (0, true, _) => Kind::Broken,
            (0, false, false) if is_digest => Kind::Digest,
            (0, false, false) => Kind::Foreign,
        };
        if decoded.kind == Kind::Broken && decoded.rejected.is_empty() {
            decoded.rejected.push(Rejected {
                reason: RejectReason::InvalidJson,
                count: 0,
                detail: "nothing in it could be read".to_owned(),
                remedy: None,
                member: None,
            });
        }
        decoded
    }

    /// Values of what turned out to hold no record at all are no records that were lost.
    fn end_member(&mut self) {
        let Reader { decoded, member, recognized, faulty, seen_before, .. } = &mut self.reader;
        if !*recognized {
            decoded.rejected.retain(|r| {
                let is_foreign = r.reason == RejectReason::NotARecord && r.member == *member;
                decoded.seen -= if is_foreign { r.count } else { 0 };
                !is_foreign
            });
        }
        *seen_before = decoded.seen;
        self.recognized |= std::mem::take(recognized);
        self.faulty |= std::mem::take(faulty);
    }

    /// A file, or a member of one, that is held whole.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.layer(Packing::of(bytes), |pass, packing| match packing {
            Packing::None => pass.text(bytes, false),
            Packing::Gzip => pass.gzip(bytes),
            Packing::Zip => pass.zip(bytes),
            Packing::Tar => pass.tar(&mut &bytes[..]),
            packing => pass.stream(packing, &mut &bytes[..]),
        });
    }

    /// A file, or a member of one, of unknown size.
    pub(super) fn reader(&mut self, input: &mut dyn Read) {
        let window = self.held_bytes;
        let mut head = Vec::new();
        let outcome = input.take(window as u64 + 1).read_to_end(&mut head);
        if let Err(error) = outcome {
            if Packing::of(&head) == Packing::None {
                self.text(&head, true);
            } else {
                self.bytes(&head);
            }
            self.damage(&error);
        } else if head.len() <= window {
            self.bytes(&head);
        } else {
            self.layer(Packing::of(&head), |pass, packing| match packing {
                Packing::None => pass.long_text(&head, input),
                Packing::Tar => pass.tar(&mut head.chain(input)),
                Packing::Zip => {
                    // Its table stands at its end.
                    let room = pass.left_bytes.saturating_sub(window) as u64;
                    match input.take(room).read_to_end(&mut head) {
                        Ok(_) => pass.zip(&head),
                        Err(error) => pass.damage(&error),
                    }
                }
                packing => pass.stream(packing, &mut head.chain(input)),
            });
        }
    }

    fn layer(&mut self, packing: Packing, read: impl FnOnce(&mut Self, Packing)) {
        if packing != Packing::None && self.layers == LAYERS_MAX {
            let detail = format!("packed more than {LAYERS_MAX} times");
            return self.reader.fault(RejectReason::TooDeep, &detail);
        }
        self.layers += 1;
        read(self, packing);
        self.layers -= 1;
    }

    fn gzip(&mut self, bytes: &[u8]) {
        let mut raw = std::mem::take(&mut self.scratch.raw);
        let room = self.left_bytes.min(self.held_bytes);
        let outcome = inflate::gunzip(bytes, room, &mut raw);
        match outcome {
            Err(fault) if fault.reason == RejectReason::OverInflateCap => {
                self.scratch.raw = raw;
                return self.stream(Packing::Gzip, &mut &bytes[..]);
            }
            outcome => {
                self.left_bytes = self.left_bytes.saturating_sub(raw.len());
                let packing = Packing::of(&raw);
                match (&outcome, packing) {
                    (Err(_), Packing::None) if raw.is_empty() => {}
                    (Ok(()), Packing::None) if self.trail(&mut raw) => {}
                    (_, Packing::None) => self.text(&raw, outcome.is_err()),
                    _ => self.bytes(&raw),
                }
                if let Err(fault) = outcome {
                    self.reader.fault(fault.reason, &fault.detail);
                }
            }
        }
        if raw.capacity() > self.scratch.raw.capacity() {
            self.scratch.raw = raw;
        }
    }

    /// Unpacks piece by piece.
    fn stream(&mut self, packing: Packing, input: &mut dyn Read) {
        let input = BufReader::new(input);
        let unpacked: io::Result<Box<dyn Read + '_>> = match packing {
            Packing::Gzip => Ok(Box::new(inflate::Members::new(input))),
            Packing::Bzip2 => {
                Ok(Box::new(Named { inner: bzip2::bufread::MultiBzDecoder::new(input) }))
            }
            _ => zstd::stream::read::Decoder::with_buffer(input)
                .map(|inner| Box::new(Named { inner }) as Box<dyn Read>),
        };
        match unpacked {
            Ok(inner) => self.capped(inner),
            Err(error) => self.damage(&error),
        }
    }

    /// What is made of packed bytes counts against the cap.
    fn capped(&mut self, inner: impl Read) {
        let before = self.left_bytes;
        let mut capped = Capped { inner, left: before };
        self.reader(&mut capped);
        let used = before - capped.left;
        self.left_bytes = self.left_bytes.saturating_sub(used);
    }

    fn zip(&mut self, bytes: &[u8]) {
        let mut archive = match zip::ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => archive,
            Err(error) => {
                let detail = format!("zip: {error}");
                return self.reader.fault(RejectReason::CorruptArchive, &detail);
            }
        };
        for number in 0..archive.len() {
            match archive.by_index(number) {
                Ok(member) if !member.is_file() => {}
                Ok(member) => {
                    let name = member.name().to_owned();
                    self.member(&name, |pass| pass.capped(Named { inner: member }));
                }
                Err(error) => {
                    let detail = format!("zip: member {number}: {error}");
                    self.reader.fault(RejectReason::CorruptArchive, &detail);
                }
            }
            if self.left_bytes == 0 {
                return;
            }
        }
    }

    fn tar(&mut self, input: &mut dyn Read) {
        let mut archive = tar::Archive::new(input);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.damage(&error),
        };
        for entry in entries {
            match entry {
                Ok(entry) if !entry.header().entry_type().is_file() => {}
                Ok(mut entry) => {
                    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                    self.member(&name, |pass| pass.reader(&mut entry));
                }
                Err(error) => return self.damage(&error),
            }
        }
    }

    fn member(&mut self, name: &str, read: impl FnOnce(&mut Self)) {
        self.end_member();
        let outer = self.reader.member.clone();
        let path =
            outer.as_ref().map_or_else(|| name.to_owned(), |outer| format!("{outer}!{name}"));
        self.reader.member(&path);
        read(self);
        self.end_member();
        self.reader.member = outer;
    }

    /// An error of a reader, as a reject.
    fn damage(&mut self, error: &io::Error) {
        if error.get_ref().and_then(|inner| inner.downcast_ref::<ReadError>()).is_some() {
            // Whoever reads failed, whatever it was unpacked from.
            self.reader.fault(RejectReason::Unreadable, &error.to_string());
            let told = self.reader.decoded.rejected.last_mut();
            told.expect("just told").remedy = ReadError::remedy_of(error).map(str::to_owned);
            return;
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>()) {
            Some(damage) => self.reader.fault(damage.reason, &damage.detail),
            None if self.layers == 0 => {
                self.reader.fault(RejectReason::Unreadable, &error.to_string());
            }
            None => self.reader.fault(RejectReason::CorruptArchive, &error.to_string()),
        }
    }

    /// The fast way: a plain trail file, record by record. Whether it was one.
    fn trail(&mut self, raw: &mut Vec<u8>) -> bool {
        if !raw.starts_with(elements::HEAD) {
            return false;
        }
        let Scratch { parser, nested, .. } = &mut *self.scratch;
        let reader = &mut self.reader;
        let read = parser.elements(raw, |elements| {
            let mut record = Record::default();
            while elements.step()? {
                reader.element(elements, &mut record, nested)?;
            }
            Ok(())
        });
        // What is wrong with the text as a whole is dealt with where all texts are.
        let Ok(outcome) = read else { return false };
        reader.recognized = true;
        reader.decoded.inflated_bytes += raw.len() as u64;
        if let Err(Stop { fault, at }) = outcome {
            salvage::records(raw, Some(at), Some(&fault), reader, (parser, nested));
        }
        true
    }

    /// Text that is held whole. `damaged`: its end is known to be missing, and will be told.
    fn text(&mut self, raw: &[u8], damaged: bool) {
        let before = self.reader.decoded.inflated_bytes;
        if let Some(order) = text::utf16(raw) {
            let mut utf8 = Vec::new();
            let converted = text::FromUtf16::new(raw, order).read_to_end(&mut utf8);
            converted.expect("reading from memory cannot fail");
            self.json(text::trim(&utf8), damaged);
        } else {
            match text::trim(raw) {
                [] if self.reader.member.is_some() => {}
                [] => self.reader.fault(RejectReason::Empty, "no text, or nothing but white space"),
                text => self.json(text, damaged),
            }
        }
        // As it stands here, however it was read.
        self.reader.decoded.inflated_bytes = before + raw.len() as u64;
    }

    fn json(&mut self, raw: &[u8], damaged: bool) {
        if let Some(packed) = text::gzip_in_base64(raw) {
            return self.bytes(&packed);
        }
        if !raw.starts_with(b"{") && !raw.starts_with(b"[") {
            return self.other(raw, &mut io::empty());
        }
        if !is_single(raw) {
            return self.pieces(raw, &mut io::empty());
        }
        let Scratch { parser, nested, .. } = &mut *self.scratch;
        let reader = &mut self.reader;
        let Err(fault) = parser.parse(raw, |cursor| reader.document(cursor, nested)) else {
            return;
        };
        if fault.reason == RejectReason::InvalidUtf8
            && let Some((repaired, damaged_places)) = text::repair(raw)
        {
            self.json(repaired.as_bytes(), damaged);
            self.reader.reject(fault.reason, 0, &text::repaired(damaged_places));
            return;
        }
        if is_sequence(raw) {
            return self.pieces(raw, &mut io::empty());
        }
        if damaged || container::looks_like_records(raw) {
            let Scratch { parser, nested, .. } = &mut *self.scratch;
            let untold = (!damaged).then_some(&fault);
            salvage::records(raw, None, untold, &mut self.reader, (parser, nested));
        } else if self.reader.member.is_none() && fault.reason != RejectReason::TooDeep {
            self.reader.fault(fault.reason, &fault.detail);
        }
    }

    /// Text that is too large to be held, beginning with `head`.
    fn long_text(&mut self, head: &[u8], rest: &mut dyn Read) {
        if let Some(order) = text::utf16(head) {
            let mut utf8 = text::FromUtf16::new(head.chain(rest), order);
            return self.pieces(&[], &mut utf8);
        }
        let head = text::trim_start(head);
        if head.starts_with(b"{") || head.starts_with(b"[") {
            self.pieces(head, rest);
        } else {
            self.other(head, rest);
        }
    }

    /// Text that does not begin like JSON.
    fn other(&mut self, head: &[u8], rest: &mut dyn Read) {
        if head.starts_with(b"PAR1") {
            let detail = "this is Parquet (OCSF?), not CloudTrail JSON";
            return self.reader.fault(RejectReason::Parquet, detail);
        }
        if table::is_table(head) {
            let outcome = table::read(&mut head.chain(rest), &mut self.reader, self.scratch);
            return outcome.unwrap_or_else(|error| self.damage(&error));
        }
        self.pieces(head, rest);
        if !self.reader.recognized && self.reader.member.is_none() {
            self.reader.fault(RejectReason::InvalidJson, "neither JSON nor a table of records");
        }
    }

    fn pieces(&mut self, head: &[u8], rest: &mut dyn Read) {
        let outcome = pieces::read(&mut head.chain(rest), &mut self.reader, self.scratch);
        outcome.unwrap_or_else(|error| self.damage(&error));
    }
}

/// Whether the text is worth trying as one document: it begins as a list of records does, or its
/// first value reaches to its end.
fn is_single(text: &[u8]) -> bool {
    use super::cut::{End, list_start, value_end};
    let head = &text[..text.len().min(256)];
    list_start(head).is_some() || value_end(text) == End::At(text.len())
}

/// Whether another value stands behind the first.
fn is_sequence(text: &[u8]) -> bool {
    let super::cut::End::At(end) = super::cut::value_end(text) else { return false };
    let rest = text[end..].iter().find(|b| !b.is_ascii_whitespace() && **b != b',');
    matches!(rest, Some(b'{' | b'['))
}

/// Stops at the cap.
struct Capped<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut one = [0];
            return match self.inner.read(&mut one)? {
                0 => Ok(0),
                _ => Err(io::Error::other(Damage {
                    reason: RejectReason::OverInflateCap,
                    detail: "inflates to more than the cap".to_owned(),
                })),
            };
        }
        let room = out.len().min(self.left);
        let count = self.inner.read(&mut out[..room])?;
        self.left -= count;
        Ok(count)
    }
}

/// Errors of a foreign reader, told as damage of the archive.
struct Named<R> {
    inner: R,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.inner.read(out).map_err(|error| {
            if inflate::is_told(&error) {
                return error;
            }
            let (reason, detail) = (RejectReason::CorruptArchive, error.to_string());
            io::Error::other(Damage { reason, detail })
        })
    }
}
