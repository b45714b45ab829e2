//! Rows of one part, by column name: how rules and reports look at single events.

use super::Error;
use super::coded::Coded;
use super::plain::Plain;
use crate::model::{Evidence, Outcome, Timestamp};
use foldhash::fast::FixedState;
use polars::prelude::*;
use polars_arrow::array::{BooleanArray, Utf8ViewArray};
use std::collections::HashMap;
use std::sync::Arc;

/// Columns of [`Row::evidence`] that many events have in common.
pub const EVIDENCE_COMMON: [&str; 9] = [
    "event_name",
    "service",
    "aws_region",
    "recipient_account_id",
    "actor",
    "source_ip_address",
    "user_agent_family",
    "outcome",
    "error_code",
];
/// And those that tell one event from the others, but for its id.
pub const EVIDENCE_OWN: [&str; 3] = ["event_time", "source_file", "source_index"];

/// The columns of a part, held together for random access.
#[derive(Default)]
pub struct Rows {
    places: HashMap<String, usize, FixedState>,
    columns: Vec<Texts>,
    /// Of all rows of the part, where they are of one.
    times: Arc<[i64]>,
    indexes: Arc<[u32]>,
    height: usize,
    /// As [`super::PartFile::has_plain_identities`].
    are_plain: bool,
    /// Where in the part they are.
    places_in_part: Vec<u32>,
}

enum Texts {
    Text(Utf8ViewArray),
    Plain(Plain),
    Flag(BooleanArray),
    /// Of all rows of the part.
    Coded(Arc<Coded>),
}

/// Columns of every row, whatever a rule asks for besides.
pub const ALWAYS: [&str; 2] = ["event_time", "source_index"];

impl Rows {
    /// # Errors
    /// When `event_time` or `source_index` is missing or of another type.
    pub fn new(frame: &DataFrame) -> Result<Self, Error> {
        Self::build(frame).map_err(Error::table("read"))
    }

    fn build(frame: &DataFrame) -> PolarsResult<Self> {
        let times = frame.column(ALWAYS[0])?.cast(&DataType::Int64)?;
        let indexes = frame.column(ALWAYS[1])?.cast(&DataType::UInt32)?;
        let mut rows = Self {
            times: times.i64()?.iter().map(Option::unwrap_or_default).collect(),
            indexes: indexes.u32()?.iter().map(Option::unwrap_or_default).collect(),
            height: frame.height(),
            ..Self::default()
        };
        for column in frame.columns() {
            rows.take(column)?;
        }
        Ok(rows)
    }

    /// Rows of a part, without columns yet.
    pub(super) fn at(
        rows: Vec<u32>,
        (times, indexes): (Arc<[i64]>, Arc<[u32]>),
        are_plain: bool,
    ) -> Self {
        Self {
            times,
            indexes,
            are_plain,
            height: rows.len(),
            places_in_part: rows,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, column: &Column) -> Result<(), Error> {
        self.take(column).map_err(Error::table("read"))
    }

    pub(super) fn add_plain(&mut self, name: &str) {
        self.places.insert(name.to_owned(), self.columns.len());
        self.columns.push(Texts::Plain(Plain::default()));
    }

    pub(super) fn plain(&mut self, name: &str) -> &mut Plain {
        match &mut self.columns[self.places[name]] {
            Texts::Plain(plain) => plain,
            _ => unreachable!("what is read as plain texts was added as such"),
        }
    }

    /// Numbers of some of the rows of these numbers; both rise.
    pub(super) fn numbers<'r>(
        &'r self,
        of: std::ops::Range<usize>,
        rows: &'r [u32],
    ) -> impl Iterator<Item = usize> + 'r {
        let mut ahead = of.clone().zip(&self.places_in_part[of]);
        rows.iter().filter_map(move |row| Some(ahead.find(|(_, place)| *place == row)?.0))
    }

    pub(super) fn add_coded(&mut self, name: &str, column: Arc<Coded>) {
        self.places.insert(name.to_owned(), self.columns.len());
        self.columns.push(Texts::Coded(column));
    }

    /// Takes over a column of texts or flags.
    fn take(&mut self, column: &Column) -> PolarsResult<()> {
        let series = column.as_materialized_series();
        self.columns.push(match series.dtype() {
            DataType::String => Texts::Text(series.str()?.rechunk().downcast_as_array().clone()),
            DataType::Boolean => Texts::Flag(series.bool()?.rechunk().downcast_as_array().clone()),
            _ => return Ok(()),
        });
        self.places.insert(column.name().to_string(), self.columns.len() - 1);
        Ok(())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.height
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.height == 0
    }

    fn column(&self, name: &str) -> Option<&Texts> {
        Some(&self.columns[self.place(name)?.0])
    }

    /// Where a column is, for those who ask for it row by row.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<ColumnAt> {
        self.places.get(name).map(|place| ColumnAt(*place))
    }

    /// Where in the part they are; nothing when they are of no part.
    #[must_use]
    pub fn places(&self) -> &[u32] {
        &self.places_in_part
    }

    /// Of all rows of the part.
    #[must_use]
    pub fn times(&self) -> &Arc<[i64]> {
        &self.times
    }

    /// A column of codes, of all rows of the part.
    #[must_use]
    pub fn coded(&self, name: &str) -> Option<&Arc<Coded>> {
        match self.column(name)? {
            Texts::Coded(coded) => Some(coded),
            _ => None,
        }
    }

    #[must_use]
    pub fn row(&self, number: usize) -> Row<'_> {
        Row { rows: self, number }
    }
}

/// Place of a column in [`Rows`].
#[derive(Debug, Clone, Copy)]
pub struct ColumnAt(usize);

/// One event.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    rows: &'r Rows,
    number: usize,
}

impl<'r> Row<'r> {
    #[must_use]
    pub fn text(self, column: &str) -> Option<&'r str> {
        self.text_at(self.rows.place(column)?)
    }

    #[must_use]
    pub fn text_at(self, column: ColumnAt) -> Option<&'r str> {
        match &self.rows.columns[column.0] {
            Texts::Text(texts) => texts.get(self.number),
            Texts::Plain(plain) => plain.get(self.number),
            Texts::Coded(coded) => coded.at(self.rows.places_in_part[self.number]),
            Texts::Flag(_) => None,
        }
    }

    #[must_use]
    pub fn flag(self, column: &str) -> Option<bool> {
        match self.rows.column(column)? {
            Texts::Flag(flags) => flags.get(self.number),
            Texts::Text(_) | Texts::Plain(_) | Texts::Coded(_) => None,
        }
    }

    /// Where it is among all rows.
    fn place(self) -> usize {
        self.rows.places_in_part.get(self.number).map_or(self.number, |place| *place as usize)
    }

    /// Whether columns of the identity say the same as the whole of it.
    #[must_use]
    pub fn has_plain_identity(self) -> bool {
        self.rows.are_plain
    }

    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp(self.rows.times[self.place()])
    }

    /// Place of the record in its file.
    #[must_use]
    pub fn index(self) -> u32 {
        self.rows.indexes[self.place()]
    }

    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.text("outcome").and_then(Outcome::parse).unwrap_or(Outcome::Failed)
    }

    /// How a finding shows this event. `target` is the finding's own idea of what was acted on.
    #[must_use]
    pub fn evidence(self, target: Option<String>) -> Evidence {
        let text = |column| self.text(column).unwrap_or_default().to_owned();
        Evidence {
            event_id: text("event_id"),
            time: self.time(),
            file: text("source_file"),
            index: self.index(),
            event_name: text("event_name"),
            service: text("service"),
            region: text("aws_region"),
            account: text("recipient_account_id"),
            principal: text("actor"),
            source_ip: text("source_ip_address"),
            user_agent_family: text("user_agent_family"),
            outcome: self.outcome(),
            error_code: self.text("error_code").map(str::to_owned),
            target,
            views: Vec::new(),
        }
    }
}
