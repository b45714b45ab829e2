//! The slow path: every whole record before and after damage, one by one.
//!
//! It runs only on text that is no valid JSON. Records are found by their brackets; where the
//! brackets cannot be trusted any more, the search goes on at the next place that looks like the
//! beginning of a record.

use super::container::Reader;
use super::cut::{self, End};
use super::parser::{Fault, Parser};
use super::record::Record;
use super::{Sink, text};
use crate::model::RejectReason;

/// Searching for ends that are not there may cost this many times the text before it is cut short,
/// and as much again before it is given up, so that no text takes quadratic time.
const SEARCHES: usize = 16;
/// How far is searched then: a record of a usual size.
const SHORT_SEARCH_BYTES: usize = 4 << 10;

struct Search<'r> {
    raw: &'r [u8],
    cap_bytes: usize,
    budget_bytes: usize,
    short_budget_bytes: usize,
}

/// Pushes what can be saved of `raw`, from `at` or else the beginning of its list of records on, and
/// tells of the `fault` in it where nothing else was told; none if that is told already.
pub(super) fn records<S: Sink>(
    raw: &[u8],
    at: Option<usize>,
    fault: Option<&Fault>,
    reader: &mut Reader<'_, S>,
    (parser, nested): (&mut Parser, &mut [Parser]),
) {
    let before = reader.told();
    let at = at.or_else(|| cut::list_start(raw)).unwrap_or(0);
    records_from(at, raw, reader, parser, nested);
    reader.faulty = true;
    let untold = fault.filter(|f| reader.told() == before && f.reason != RejectReason::TooDeep);
    if let Some(fault) = untold {
        reader.fault(fault.reason, &fault.detail);
    }
}

fn records_from<S: Sink>(
    mut at: usize,
    raw: &[u8],
    reader: &mut Reader<'_, S>,
    parser: &mut Parser,
    nested: &mut [Parser],
) {
    let mut search = Search {
        raw,
        cap_bytes: reader.caps.record_bytes,
        budget_bytes: raw.len().saturating_mul(SEARCHES),
        short_budget_bytes: raw.len().saturating_mul(SEARCHES),
    };
    while let Some(start) = memchr::memchr(b'{', &raw[at..]).map(|i| at + i) {
        if search.short_budget_bytes == 0 {
            let detail = format!("given up {} bytes before the end", raw.len() - start);
            return reader.reject(RejectReason::TooDamaged, 0, &detail);
        }
        let (reason, detail) = match search.end(start) {
            Ok(end) => match read(&raw[start..end], reader, parser, nested) {
                Ok(()) => {
                    at = end;
                    continue;
                }
                Err(fault) if fault.reason == RejectReason::TooDeep => {
                    reader.reject(fault.reason, 1, &fault.detail);
                    at = end;
                    continue;
                }
                // Inside of a bad object another may begin: a quote or bracket was lost before it.
                Err(fault) => {
                    search.spend(end - start);
                    // Not a record but a whole list of them, which is gone through one by one.
                    if let Some(list) = cut::list_start(&raw[start..end]) {
                        reader.reject(fault.reason, 0, &fault.detail);
                        at = start + list;
                        continue;
                    }
                    at = next(raw, start, reader).filter(|next| *next < end).unwrap_or(end);
                    (fault.reason, fault.detail)
                }
            },
            Err(reason) => {
                if let Some(end) = search.end_across_lines(start)
                    && read(&raw[start..end], reader, parser, nested).is_ok()
                {
                    at = end;
                    continue;
                }
                let next = next(raw, start, reader);
                // A list of records that lost its end, whose first record is known by nothing else.
                let head = &raw[start..raw.len().min(start + SHORT_SEARCH_BYTES)];
                if let Some(list) = cut::list_start(head)
                    && next.is_none_or(|next| start + list <= next)
                {
                    reader.reject(reason, 0, "list without an end");
                    at = start + list;
                    continue;
                }
                at = next.unwrap_or(raw.len());
                (reason, "record without an end".to_owned())
            }
        };
        let detail = format!("record {}: {detail}", reader.index());
        reader.reject(reason, 1, &detail);
    }
}

impl Search<'_> {
    /// Behind the object at `start`.
    fn end(&mut self, start: usize) -> Result<usize, RejectReason> {
        let limit = self.cap_bytes.min(self.budget_bytes.max(SHORT_SEARCH_BYTES));
        let rest = &self.raw[start..];
        let within = &rest[..rest.len().min(limit)];
        match cut::value_end(within) {
            End::At(len) => Ok(start + len),
            End::Lost(at) => {
                self.spend(at);
                Err(RejectReason::InvalidJson)
            }
            End::Open => {
                self.spend(within.len());
                let over = within.len() == self.cap_bytes && rest.len() > within.len();
                Err(if over { RejectReason::OverRecordCap } else { RejectReason::InvalidJson })
            }
        }
    }

    fn spend(&mut self, bytes: usize) {
        let budget = match self.budget_bytes {
            0 => &mut self.short_budget_bytes,
            _ => &mut self.budget_bytes,
        };
        *budget = budget.saturating_sub(bytes);
    }

    /// The same for records with line breaks in their strings, which have to be mended.
    fn end_across_lines(&mut self, start: usize) -> Option<usize> {
        let rest = &self.raw[start..];
        let limit = self.cap_bytes.min(self.budget_bytes.max(SHORT_SEARCH_BYTES)).min(rest.len());
        self.spend(limit);
        match cut::value_end_across_lines(&rest[..limit]) {
            End::At(len) => Some(start + len),
            _ => None,
        }
    }
}

/// Where the next record may begin behind the bracket at `start`.
fn next<S: Sink>(raw: &[u8], start: usize, reader: &Reader<'_, S>) -> Option<usize> {
    Some(start + cut::next_start(&raw[start..], reader.first_key())?)
}

/// Reads one object; what is merely badly spelled is put right first.
fn read<S: Sink>(
    object: &[u8],
    reader: &mut Reader<'_, S>,
    parser: &mut Parser,
    nested: &mut [Parser],
) -> Result<(), Fault> {
    let mut unit = |object: &[u8], reader: &mut Reader<'_, S>| {
        parser.parse(object, |cursor| reader.unit(cursor, &mut Record::default(), nested))
    };
    let Err(fault) = unit(object, reader) else { return Ok(()) };
    if fault.reason == RejectReason::InvalidUtf8
        && let Some((repaired, damaged)) = text::repair(object)
    {
        reader.reject(fault.reason, 0, &text::repaired(damaged));
        return read(repaired.as_bytes(), reader, parser, nested);
    }
    match text::mend(object) {
        Some(mended) if fault.reason == RejectReason::InvalidJson => unit(&mended, reader),
        _ => Err(fault),
    }
}
