//! What a file holds: the shapes in which CloudTrail records travel.

use super::record::Record;
use super::scratch::Scratch;
use super::walk::{Cursor, Value};
use super::{Decoded, Kind, Sink};
use crate::model::RejectReason;

/// Decodes the inflated file in `scratch.raw`. `damaged`: its end is known to be missing.
pub(super) fn decode(scratch: &mut Scratch, sink: &mut impl Sink, damaged: bool) -> Decoded {
    let mut decoded = Decoded {
        kind: Kind::Foreign,
        inflated_bytes: scratch.raw.len() as u64,
        seen: 0,
        pushed: 0,
        rejected: Vec::new(),
    };
    if scratch.raw.trim_ascii().is_empty() {
        decoded.kind = Kind::Broken;
        decoded.reject(RejectReason::Empty, 0, "nothing but white space");
        return decoded;
    }
    let Scratch { raw, parser } = scratch;
    if let Err(fault) = parser.parse_in_place(raw, |cursor| document(cursor, sink, &mut decoded)) {
        if damaged || looks_like_records(raw) {
            super::salvage::records(raw, parser, sink, &mut decoded);
        }
        if decoded.pushed > 0 {
            decoded.kind = Kind::Records;
        } else {
            decoded.kind = Kind::Broken;
        }
        if !damaged {
            decoded.reject(fault.reason, 0, &fault.detail);
        }
    }
    decoded
}

fn looks_like_records(raw: &[u8]) -> bool {
    let head = &raw[..raw.len().min(4096)];
    memchr::memmem::find(head, b"eventVersion").is_some()
        || memchr::memmem::find(head, b"\"Records\"").is_some()
}

fn document(cursor: &mut Cursor<'_>, sink: &mut impl Sink, decoded: &mut Decoded) {
    match cursor.peek() {
        Value::Object { len } => object(len, cursor, sink, decoded),
        Value::Array { len } => array(len, cursor, sink, decoded),
        _ => decoded.kind = Kind::Foreign,
    }
}

/// `{"Records":[...]}` whatever else stands beside the list, or one bare record.
fn object(len: usize, cursor: &mut Cursor<'_>, sink: &mut impl Sink, decoded: &mut Decoded) {
    let start = cursor.clone();
    let mut bare = 0;
    cursor.enter();
    for _ in 0..len {
        let key = cursor.key();
        match (key, cursor.peek()) {
            ("Records", Value::Array { len }) => {
                decoded.kind = Kind::Records;
                list(len, cursor, sink, decoded);
            }
            ("eventTime" | "eventSource" | "eventName", Value::String(_)) => {
                bare += 1;
                cursor.skip_scalar();
            }
            _ => {
                cursor.raw_value();
            }
        }
        cursor.separator();
    }
    if decoded.kind == Kind::Foreign && bare == 3 {
        *cursor = start;
        decoded.kind = Kind::Records;
        one(0, cursor, &mut Record::default(), sink, decoded);
    }
}

/// A bare list: of records, or of something else altogether.
fn array(len: usize, cursor: &mut Cursor<'_>, sink: &mut impl Sink, decoded: &mut Decoded) {
    list(len, cursor, sink, decoded);
    if decoded.pushed > 0 {
        decoded.kind = Kind::Records;
    } else {
        (decoded.seen, decoded.rejected) = (0, Vec::new());
    }
}

/// The cursor stands on the bracket of a list of records.
fn list(len: usize, cursor: &mut Cursor<'_>, sink: &mut impl Sink, decoded: &mut Decoded) {
    cursor.enter();
    if len == 0 {
        cursor.leave_empty();
    }
    let mut record = Record::default();
    for index in 0..len {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        one(index, cursor, &mut record, sink, decoded);
        cursor.separator();
    }
}

fn one<'a>(
    index: u32,
    cursor: &mut Cursor<'a>,
    record: &mut Record<'a>,
    sink: &mut impl Sink,
    decoded: &mut Decoded,
) {
    let start = cursor.mark();
    match record.read(index, cursor) {
        Ok(()) => {
            record.raw_bytes = u32::try_from(cursor.since(start).len()).unwrap_or(u32::MAX);
            decoded.seen += 1;
            decoded.pushed += 1;
            sink.record(record);
        }
        Err(reason) => decoded.reject(reason, 1, &format!("first at record {index}")),
    }
}
