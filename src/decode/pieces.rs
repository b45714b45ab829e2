//! Text that is no single document, or too large to be held: cut into values, put together again to
//! documents of some MiB, and read like any other.
//!
//! The list of a large `{"Records":[...]}` is entered, so that its elements are the pieces. How much
//! is held at a time changes nothing in what is read.

use super::container::{Reader, looks_like_records};
use super::cut::{self, End, Piece, Scanner};
use super::parser::{Fault, Parser};
use super::{Scratch, Sink, salvage, text};
use crate::model::RejectReason;
use std::io::{self, Read};

/// Text parsed at a time: large enough to be fast, small enough to stay in the cache that counts.
const BATCH_BYTES: usize = 1 << 20;
/// The beginning of a record is looked for in this much text that was looked at before.
const SEAM_BYTES: usize = 256;

/// Values that are parsed together, as one list.
pub(super) struct Batch<'x, 's, S> {
    pub(super) reader: &'x mut Reader<'s, S>,
    parser: &'x mut Parser,
    nested: &'x mut [Parser],
    text: &'x mut Vec<u8>,
    limit_bytes: usize,
}

impl<'x, 's, S: Sink> Batch<'x, 's, S> {
    /// The batch, and the buffer for what is cut from.
    pub(super) fn new(
        reader: &'x mut Reader<'s, S>,
        scratch: &'x mut Scratch,
    ) -> (Self, &'x mut Vec<u8>) {
        let limit_bytes = BATCH_BYTES.min(reader.caps.window_bytes);
        let Scratch { parser, nested, batch: text, window, .. } = scratch;
        text.clear();
        window.clear();
        (Self { reader, parser, nested, text, limit_bytes }, window)
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        if self.text.len() + value.len() > self.limit_bytes {
            self.flush();
        }
        self.text.push(if self.text.is_empty() { b'[' } else { b',' });
        self.text.extend_from_slice(value);
    }

    pub(super) fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        self.text.push(b']');
        let text = std::mem::take(self.text);
        self.read(&text);
        *self.text = text;
        self.text.clear();
        self.reader.pause();
    }

    fn read(&mut self, list: &[u8]) {
        match self.parse(list) {
            Ok(()) => {}
            Err(fault) if fault.reason == RejectReason::InvalidUtf8 => {
                if let Some((repaired, damaged)) = text::repair(list) {
                    self.reader.reject(fault.reason, 0, &text::repaired(damaged));
                    if let Err(fault) = self.parse(repaired.as_bytes()) {
                        self.salvage(repaired.as_bytes(), &fault);
                    }
                }
            }
            Err(fault) => self.salvage(list, &fault),
        }
    }

    fn parse(&mut self, list: &[u8]) -> Result<(), Fault> {
        let Self { reader, parser, nested, .. } = self;
        parser.parse(list, |cursor| reader.document(cursor, nested))
    }

    /// Reads what cannot be parsed record by record, and tells that it was so.
    fn salvage(&mut self, text: &[u8], fault: &Fault) {
        let Self { reader, parser, nested, .. } = self;
        salvage::records(text, None, Some(fault), reader, (parser, nested));
    }

    /// Whether several records may be in what was cut as one value, since the first lost a bracket or quote:
    /// it is larger than a record, or another begins within as it does itself.
    fn is_doubtful(&self, value: &[u8]) -> bool {
        let key = self.reader.first_key();
        let is_several =
            || cut::first_key(value) == Some(key) && cut::last_start(value, key).is_some();
        value.len() > self.reader.caps.record_bytes || is_several()
    }

    /// Reads such a value by itself. How much of its end is to be read again: if it is broken, its end may
    /// be the beginning of a sound record.
    fn doubtful(&mut self, value: &[u8]) -> usize {
        self.flush();
        self.push(value);
        self.text.push(b']');
        let text = std::mem::take(self.text);
        let last = match self.parse(&text) {
            Ok(()) => None,
            Err(fault) if fault.reason == RejectReason::InvalidJson => {
                let last = cut::last_start(value, self.reader.first_key());
                self.salvage(&value[..last.unwrap_or(value.len())], &fault);
                last
            }
            Err(_) => {
                self.read(&text);
                None
            }
        };
        *self.text = text;
        self.text.clear();
        self.reader.pause();
        last.map_or(0, |last| value.len() - last)
    }

    fn broken(&mut self, text: &[u8]) {
        self.flush();
        let (reason, detail) = (RejectReason::InvalidJson, "value without an end".to_owned());
        self.salvage(text, &Fault { reason, detail });
    }
}

/// Where the reading of a text stands.
#[derive(Default)]
struct Place {
    /// Offset in the window.
    at: usize,
    /// Nothing follows the window.
    whole: bool,
    /// What has to be left when the list ends that was entered.
    list: Option<Scanner>,
    /// What is stepped over without being held.
    skip: Option<Skip>,
}

enum Skip {
    /// The rest of a value.
    Value(Scanner),
    /// Everything up to the next record.
    ToRecord,
}

/// Reads `input` to its end. An error of `input` ends it like the end does, and is given back.
pub(super) fn read<S: Sink>(
    input: &mut dyn Read,
    reader: &mut Reader<'_, S>,
    scratch: &mut Scratch,
) -> io::Result<()> {
    let (mut batch, window) = Batch::new(reader, scratch);
    let (mut place, mut outcome) = (Place::default(), Ok(()));
    loop {
        if place.skip.is_some() && !skip(&mut place, window, batch.reader.first_key()) {
            refill(input, &mut batch, window, &mut place, &mut outcome);
            continue;
        }
        let in_list = place.list.is_some();
        match cut::next(window, &mut place.at, in_list, place.whole) {
            // No record, or several of which one lost a bracket.
            Piece::Value(value) if in_list && value.len() > batch.reader.caps.record_bytes => {
                let last = cut::last_start(value, batch.reader.first_key()).unwrap_or(value.len());
                batch.broken(&value[..last]);
                place.at -= value.len() - last;
            }
            Piece::Value(value) if batch.is_doubtful(value) => place.at -= batch.doubtful(value),
            Piece::Value(value) => batch.push(value),
            Piece::Junk(line) => {
                batch.flush();
                let line = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
                batch.reader.reject(RejectReason::NotARecord, 1, &format!("a line: {line}"));
            }
            Piece::Broken(text) => {
                place.at -= text.len();
                if !past_damage(&mut batch, window, &mut place) {
                    refill(input, &mut batch, window, &mut place, &mut outcome);
                }
            }
            Piece::ListEnd => {
                let rest = place.list.take().filter(|rest| !rest.is_at_top());
                place.skip = rest.map(Skip::Value);
            }
            Piece::Nothing if place.whole => break,
            Piece::Unfinished if place.whole => {
                let rest = &window[place.at..];
                batch.broken(rest);
                break;
            }
            Piece::Nothing => refill(input, &mut batch, window, &mut place, &mut outcome),
            Piece::Unfinished => {
                if !step_into(&mut batch, window, &mut place) {
                    refill(input, &mut batch, window, &mut place, &mut outcome);
                }
            }
        }
    }
    batch.flush();
    outcome
}

/// Goes on over what is stepped over; whether its end is reached. Where a record begins before that,
/// a bracket or quote was lost, and it is the end.
fn skip(place: &mut Place, window: &[u8], first_key: &[u8]) -> bool {
    let Some(skip) = &mut place.skip else { return true };
    let rest = &window[place.at..];
    let next = cut::next_start(rest, first_key);
    // A beginning that is cut in two is seen when there is more.
    let seam = if place.whole { 0 } else { SEAM_BYTES.min(rest.len()) };
    let rest = &rest[..next.unwrap_or(rest.len() - seam)];
    let end = match skip {
        Skip::Value(scanner) => scanner.feed(rest),
        Skip::ToRecord => End::Open,
    };
    place.at += match end {
        End::At(len) | End::Lost(len) => len,
        End::Open => rest.len(),
    };
    if end == End::Open && next.is_none() && !place.whole {
        return false;
    }
    place.skip = None;
    true
}

/// A value that does not end within the window: enters the list in it, or gets past it. Whether
/// more can be read before more is held.
fn step_into<S: Sink>(batch: &mut Batch<'_, '_, S>, window: &[u8], place: &mut Place) -> bool {
    let rest = &window[place.at..];
    if place.list.is_none()
        && rest.len() >= batch.limit_bytes
        && let Some(start) = cut::list_start(rest)
    {
        batch.flush();
        batch.reader.recognized |= memchr::memmem::find(&rest[..start], b"\"Records\"").is_some();
        place.list = Some(Scanner::behind_list(&rest[..start]));
        place.at += start;
        return true;
    }
    let caps = &batch.reader.caps;
    let most_bytes = if place.list.is_some() { caps.record_bytes } else { caps.window_bytes };
    if rest.len() <= most_bytes {
        return false;
    }
    // A bracket was lost: all that may hold records is gone through one by one, and not begin by
    // begin, each of which might be followed to the end of the window.
    if let Some(last) = cut::last_start(rest, batch.reader.first_key()) {
        batch.broken(&rest[..last]);
        place.at += last;
        return true;
    }
    if rest.len() <= batch.reader.caps.window_bytes {
        return false;
    }
    batch.flush();
    let detail = format!("more than {} bytes in one value", rest.len());
    batch.reader.recognized |= looks_like_records(rest);
    batch.reader.reject(RejectReason::OverRecordCap, 1, &detail);
    place.skip = Some(Skip::Value(Scanner::default()));
    true
}

/// Gets past a value that cannot end, up to where the next record begins: what is in between may be
/// mended. Whether that is within the window.
fn past_damage<S: Sink>(batch: &mut Batch<'_, '_, S>, window: &[u8], place: &mut Place) -> bool {
    let rest = &window[place.at..];
    match cut::next_start(rest, batch.reader.first_key()) {
        Some(next) => {
            batch.broken(&rest[..next]);
            place.at += next;
        }
        None if place.whole => {
            batch.broken(rest);
            place.at = window.len();
        }
        None if rest.len() <= batch.reader.caps.record_bytes => return false,
        None => {
            let seen = rest.len() - SEAM_BYTES.min(rest.len());
            batch.broken(&rest[..seen]);
            place.at += seen;
            place.skip = Some(Skip::ToRecord);
        }
    }
    true
}

/// Drops what has been read from the window and reads on behind the rest.
fn refill<S: Sink>(
    input: &mut dyn Read,
    batch: &mut Batch<'_, '_, S>,
    window: &mut Vec<u8>,
    place: &mut Place,
    outcome: &mut io::Result<()>,
) {
    window.drain(..place.at);
    place.at = 0;
    let room = batch.limit_bytes as u64;
    let before = window.len();
    if let Err(error) = input.take(room).read_to_end(window) {
        *outcome = Err(error);
        place.whole = true;
    }
    let read = window.len() - before;
    batch.reader.decoded.inflated_bytes += read as u64;
    place.whole |= read == 0;
}
