//! The table of aggregated events: calls of five minutes, counted by CloudTrail. They are no events
//! (nobody did them at one moment), so they stand in a table of their own, one row a record.

use super::builder::{Column, Taken};
use super::dedupe::{KEY_BYTES, Key, Keys};
use super::intern::Dict;
use super::pages::{self, TextPages};
use crate::decode::Record;
use crate::model::Timestamp;
use polars::prelude::{DataFrame, DataType, Schema, TimeUnit};
use serde_json::Value;

/// Column, and where it stands in the record.
const TEXTS: [(&str, &str); 9] = [
    ("event_id", "/eventId"),
    ("account_id", "/accountId"),
    ("aws_region", "/awsRegion"),
    ("event_source", "/eventSource"),
    ("event_type", "/eventType"),
    ("event_version", "/eventVersion"),
    ("window_size", "/timeWindow/windowSize"),
    ("dimension", "/summary/primaryDimension/dimension"),
    // What was counted: JSON, as all that is no text.
    ("statistics", "/summary/primaryDimension/statistics"),
];
pub(super) const TIMES: [&str; 2] = ["window_start", "window_end"];
/// All of it, as it was read.
pub(super) const RECORD: &str = "record";
const PLACE: [&str; 2] = ["source_file", "source_index"];

/// Rows of one part while it grows.
#[derive(Default)]
pub(super) struct Aggregated {
    starts: Vec<i64>,
    ends: Vec<i64>,
    texts: [TextPages; TEXTS.len()],
    records: TextPages,
    files: Dict,
    indexes: Vec<u32>,
    keys: Keys,
}

impl Aggregated {
    pub(super) fn rows(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(TextPages::heap_bytes).sum();
        texts + self.records.heap_bytes() + self.rows() * (2 * 8 + 4 + KEY_BYTES)
    }

    pub(super) fn file(&mut self, name: &str) -> u32 {
        self.files.values.code(name.as_bytes())
    }

    pub(super) fn push(&mut self, record: &Record<'_>, file: u32) {
        let value: Value = serde_json::from_slice(record.raw).unwrap_or_default();
        let end = value.pointer("/timeWindow/windowEnd").and_then(Value::as_str);
        let end = end.and_then(Timestamp::parse).map_or(record.event_time, |end| end.0);
        self.starts.push(record.event_time);
        self.ends.push(end);
        for (column, (_, place)) in self.texts.iter_mut().zip(TEXTS) {
            let text = match value.pointer(place) {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            };
            column.push(text.as_deref().map(str::as_bytes));
        }
        self.records.push(Some(record.raw));
        self.files.codes.push(file);
        self.indexes.push(record.index);
        self.keys.push(Key::of(record, file));
    }

    /// By which duplicates are found: to be written before the next row comes.
    pub(super) fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// The finished columns; there are no rows afterwards, but for the keys.
    pub(super) fn take(&mut self) -> Taken {
        let mut done = std::mem::take(self);
        self.keys = std::mem::take(&mut done.keys);
        let rows = done.rows();
        let times = TIMES.into_iter().zip([done.starts, done.ends]);
        let mut columns: Vec<_> = times.map(|(name, at)| (name, Column::Time(at))).collect();
        for (column, (name, _)) in done.texts.iter_mut().zip(TEXTS) {
            columns.push((name, Column::Pages(column.take())));
        }
        columns.push((RECORD, Column::Pages(done.records.take())));
        columns.push((PLACE[0], Column::Pages(pages::of_dict(&done.files))));
        columns.push((PLACE[1], Column::Index(done.indexes)));
        Taken { rows, columns, has_plain_identities: false }
    }
}

/// The table of a case without any.
pub(super) fn empty() -> DataFrame {
    let time = DataType::Datetime(TimeUnit::Microseconds, None);
    let times = TIMES.map(|name| (name, time.clone()));
    let texts = TEXTS.map(|(name, _)| name).into_iter().chain([RECORD, PLACE[0]]);
    let columns = times.into_iter().chain(texts.map(|name| (name, DataType::String)));
    let columns = columns.chain([(PLACE[1], DataType::UInt32)]);
    let schema: Schema = columns.map(|(name, dtype)| (name.into(), dtype)).collect();
    DataFrame::empty_with_schema(&schema)
}
