//! The slow path: every whole record before and after damage, one by one.
//!
//! It runs only on files that are not one valid JSON document. Records are found by their brackets;
//! where the brackets cannot be trusted any more, the search goes on at the next place that looks
//! like the beginning of a record.

use super::parser::Parser;
use super::record::Record;
use super::{Decoded, Sink};
use crate::model::RejectReason;
use memchr::memmem;

/// Pushes what can be saved of `raw` into `sink`.
pub(super) fn records(
    raw: &[u8],
    parser: &mut Parser,
    sink: &mut impl Sink,
    decoded: &mut Decoded,
) {
    let mut at = memmem::find(raw, b"\"Records\"").map_or(0, |i| i + 9);
    at += memchr::memchr(b'[', &raw[at..]).map_or(0, |i| i + 1);
    let mut index = 0u32;
    while let Some(start) = memchr::memchr(b'{', &raw[at..]).map(|i| at + i) {
        let object = if let Some(len) = balanced(&raw[start..]) {
            &raw[start..start + len]
        } else {
            // Cut off, or a quote was lost and the rest is inside out.
            decoded.reject(RejectReason::InvalidJson, 1, "record without an end");
            index += 1;
            match next_start(raw, start + 1) {
                Some(next) => at = next,
                None => return,
            }
            continue;
        };
        at = if read(parser, index, object, sink, decoded) {
            start + object.len()
        } else {
            resync(raw, start, object.len())
        };
        index += 1;
    }
}

/// Behind a bad object: at a record that begins inside of it, if there is one.
fn resync(raw: &[u8], start: usize, len: usize) -> usize {
    match next_start(raw, start + 1) {
        Some(next) if next < start + len => next,
        _ => start + len,
    }
}

fn next_start(raw: &[u8], from: usize) -> Option<usize> {
    memmem::find(&raw[from..], b"{\"eventVersion\"").map(|i| from + i)
}

/// Length of the object that begins at `text[0]`, by brackets outside of strings.
fn balanced(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (i, &byte) in text.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the object is sound JSON (it may still be no record).
fn read(
    parser: &mut Parser,
    index: u32,
    object: &[u8],
    sink: &mut impl Sink,
    decoded: &mut Decoded,
) -> bool {
    let parsed = parser.parse(object, |cursor| {
        let mut record = Record::default();
        match record.read(index, cursor) {
            Ok(()) => {
                record.raw_bytes = u32::try_from(object.len()).unwrap_or(u32::MAX);
                decoded.seen += 1;
                decoded.pushed += 1;
                sink.record(&record);
            }
            Err(reason) => decoded.reject(reason, 1, &format!("record {index}")),
        }
    });
    if let Err(fault) = &parsed {
        decoded.reject(fault.reason, 1, &format!("record {index}: {}", fault.detail));
    }
    parsed.is_ok()
}
