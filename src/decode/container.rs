//! What a file holds: the shapes in which CloudTrail records travel.

use super::record::Record;
use super::scratch::Scratch;
use super::walk::{Cursor, Value};
use super::{Caps, Decoded, Kind, Sink};
use crate::model::RejectReason;
use simd_json::INPUT_PADDING;

/// Decodes the inflated file in `scratch.raw`. `damaged`: its end is known to be missing.
pub(super) fn decode(
    scratch: &mut Scratch,
    caps: &Caps,
    sink: &mut impl Sink,
    damaged: bool,
) -> Decoded {
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
    match whole(scratch, sink, &mut decoded) {
        Ok(()) => {}
        Err(error) => {
            let (reason, detail) = explain(&error);
            if damaged || looks_like_records(&scratch.raw) {
                super::salvage::records(scratch, caps, sink, &mut decoded);
            }
            if decoded.pushed > 0 {
                decoded.kind = Kind::Records;
            } else {
                decoded.kind = Kind::Broken;
            }
            if !damaged {
                decoded.reject(reason, 0, &detail);
            }
        }
    }
    decoded
}

fn explain(error: &simd_json::Error) -> (RejectReason, String) {
    use simd_json::ErrorType;
    let reason = match error.error() {
        ErrorType::InvalidUtf8 => RejectReason::InvalidUtf8,
        ErrorType::DepthLimitExceeded => RejectReason::TooDeep,
        _ => RejectReason::InvalidJson,
    };
    (reason, format!("{:?} near byte {}", error.error(), error.index()))
}

fn looks_like_records(raw: &[u8]) -> bool {
    let head = &raw[..raw.len().min(4096)];
    memchr::memmem::find(head, b"eventVersion").is_some()
        || memchr::memmem::find(head, b"\"Records\"").is_some()
}

/// The fast way: the file is one JSON document.
fn whole(
    scratch: &mut Scratch,
    sink: &mut impl Sink,
    decoded: &mut Decoded,
) -> Result<(), simd_json::Error> {
    let Scratch { raw, parse, buffers, tape } = scratch;
    let len = raw.len();
    parse.clear();
    parse.extend_from_slice(raw);
    parse.resize(len + INPUT_PADDING, b' ');
    let mut nodes = tape.take().unwrap_or_else(simd_json::Tape::null).reset();
    let parsed = simd_json::fill_tape_padded(parse, len, buffers, &mut nodes);
    if parsed.is_ok() {
        let mut cursor = Cursor::new(&nodes.0, buffers.structural_indexes(), raw);
        document(&mut cursor, sink, decoded);
    }
    *tape = Some(nodes.reset());
    parsed
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
