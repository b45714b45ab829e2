//! SQL over a case, and its answer batch by batch, so that an answer may be larger than memory.

use super::record::{columns as record_columns, print as print_record};
use super::rows::Rows;
use super::sql::{self, Prepared, RECORD};
use super::{Case, Error};
use crate::model::{Finding, Timestamp};
use polars::prelude::*;
use polars::sql::SQLContext;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Rows of an answer that are held at a time: whole records stay within some ten megabytes.
const BATCH_ROWS: NonZeroUsize = NonZeroUsize::new(8192).expect("8192 is not 0");
/// Longest message of Polars that is passed on; the rest is a plan.
const MESSAGE_CHARS: usize = 240;
/// Columns named to somebody who misspelled one, and how alike they must be.
const LIKELY: usize = 3;
const LIKELY_FROM: f64 = 0.75;

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("{message}")]
    Statement {
        message: String,
        /// Columns that may have been meant.
        likely: Vec<String>,
    },
    #[error(transparent)]
    Case(#[from] Error),
    #[error("cannot write the answer")]
    Output(#[source] PolarsError),
}

/// The rows a statement gives, in batches, as they are computed.
pub struct Answer {
    schema: SchemaRef,
    batches: Receiver<DataFrame>,
    runner: Option<JoinHandle<PolarsResult<()>>>,
    likely: Likely,
}

/// Some rows of an answer.
pub struct Batch(DataFrame);

/// One value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell(serde_json::Value);

impl Case {
    /// Runs one statement on the tables `events`, `aggregated` and `findings`.
    ///
    /// # Errors
    /// When it is no SQL that Polars knows, asks for more than an answer, names what is not there, or
    /// the case cannot be read.
    pub fn query(&self, sql: &str) -> Result<Answer, QueryError> {
        // Its notices are for programmers who call it.
        polars::error::set_warning_function(|text, _| tracing::debug!("polars: {text}"));
        let Prepared { text, names } = sql::prepare(sql)
            .map_err(|message| QueryError::Statement { message, likely: Vec::new() })?;
        let mut events = self.events()?;
        let (mut aggregated, findings) = (self.aggregated()?, self.findings()?);
        let also = aggregated.collect_schema().map_err(Error::table("opened"))?;
        let schema = events.collect_schema().map_err(Error::table("opened"))?;
        let columns = schema.iter_names().chain(also.iter_names());
        let columns = columns.chain(findings.schema().iter_names());
        let likely = Likely { columns: columns.map(ToString::to_string).collect(), names };
        if likely.names.contains(RECORD) {
            events = events.with_column(whole_record());
        }
        let mut context = SQLContext::new();
        context.register("events", events);
        context.register("aggregated", aggregated);
        context.register("findings", findings.lazy());
        let mut planned = || {
            let mut frame = context.execute(&text)?;
            let schema = frame.collect_schema()?;
            PolarsResult::Ok((frame, schema))
        };
        let (frame, schema) = planned().map_err(|e| likely.error(&e))?;
        Answer::start(frame, schema, likely)
    }

    /// Column names and types of the event table, and the virtual one.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn columns(&self) -> Result<Vec<(String, String)>, Error> {
        let schema = self.events()?.collect_schema().map_err(Error::table("opened"))?;
        let columns = schema.iter().map(|(name, dtype)| (name.to_string(), sql_type(dtype)));
        Ok(columns.chain([(RECORD.to_owned(), "JSON (made when asked for)".to_owned())]).collect())
    }

    /// Findings of the last report on this case; none before the first.
    fn findings(&self) -> Result<DataFrame, Error> {
        let path = self.dir().join("findings.jsonl");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        let findings: Result<Vec<Finding>, _> = text.lines().map(serde_json::from_str).collect();
        let findings =
            findings.map_err(|source| Error::BadManifest { path: path.clone(), source })?;
        table(&findings).map_err(Error::table("built"))
    }
}

fn sql_type(dtype: &DataType) -> String {
    match dtype {
        DataType::String => "VARCHAR".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Datetime(..) => "TIMESTAMP (UTC)".to_owned(),
        DataType::UInt32 => "UINTEGER".to_owned(),
        DataType::List(_) => "VARCHAR[]".to_owned(),
        other => other.to_string().to_uppercase(),
    }
}

fn table(findings: &[Finding]) -> PolarsResult<DataFrame> {
    type Text = fn(&Finding) -> String;
    let texts: [(&str, Text); 12] = [
        ("id", |f| f.id.clone()),
        ("rule", |f| f.rule.clone()),
        ("title", |f| f.title.clone()),
        ("kind", |f| f.kind.to_string()),
        ("severity", |f| f.severity.to_string()),
        ("principal", |f| f.principal.clone()),
        ("account", |f| f.account.clone()),
        ("region", |f| f.region.clone()),
        ("outcome", |f| f.outcome.to_string()),
        ("attack", |f| f.attack.join(" ")),
        ("summary", |f| f.summary.clone()),
        ("remediation", |f| f.remediation.clone()),
    ];
    let number: Vec<u32> = findings.iter().map(|f| f.number).collect();
    let mut columns = vec![Column::new("number".into(), number)];
    for (name, text) in texts {
        let values: Vec<String> = findings.iter().map(text).collect();
        columns.push(Column::new(name.into(), values));
    }
    for (name, time) in
        [("first", (|f| f.first) as fn(&Finding) -> Timestamp), ("last", |f| f.last)]
    {
        let values: Vec<i64> = findings.iter().map(|f| time(f).0).collect();
        let column = Column::new(name.into(), values);
        columns.push(column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?);
    }
    let count: Vec<u64> = findings.iter().map(|f| f.count).collect();
    columns.push(Column::new("count".into(), count));
    DataFrame::new(findings.len(), columns)
}

/// The row as the record it was read from. Computed for the rows that are left after filters, and
/// only for a statement that names it.
fn whole_record() -> Expr {
    let print = |column: Column| {
        let frame = column.as_materialized_series().struct_()?.clone().unnest();
        let rows = Rows::new(&frame)
            .map_err(|e| polars_err!(ComputeError: "cannot print records: {e}"))?;
        let records: Vec<String> = (0..rows.len()).map(|n| print_record(rows.row(n))).collect();
        Ok(Column::new(column.name().clone(), records))
    };
    let fields: Vec<Expr> = record_columns().into_iter().map(col).collect();
    as_struct(fields)
        .map(print, |_, field| Ok(Field::new(field.name().clone(), DataType::String)))
        .alias(RECORD)
}

/// What an error may say: which names the statement used, and which there are.
struct Likely {
    columns: Vec<String>,
    names: std::collections::BTreeSet<String>,
}

impl Likely {
    fn error(&self, error: &PolarsError) -> QueryError {
        let mut root = error;
        while let PolarsError::Context { error, .. } = root {
            root = error;
        }
        let text = root.to_string();
        let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("the statement failed");
        let line = line.split("; valid columns").next().unwrap_or(line).trim_end_matches(':');
        let mut message: String = line.chars().take(MESSAGE_CHARS).collect();
        if message.len() < line.len() {
            message.push('…');
        }
        let unknown = self.names.iter().find(|name| {
            let told = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == *name);
            told && !self.columns.contains(name)
        });
        let likely = unknown.map(|name| self.like(name)).unwrap_or_default();
        QueryError::Statement { message, likely }
    }

    /// Columns most like a name, the likeliest first.
    fn like(&self, name: &str) -> Vec<String> {
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let name = plain(name);
        let mut scored: Vec<(f64, &String)> = self
            .columns
            .iter()
            .map(|column| (strsim::jaro_winkler(&name, &plain(column)), column))
            .filter(|(score, column)| *score >= LIKELY_FROM || plain(column).contains(&name))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        scored.dedup_by(|a, b| a.1 == b.1);
        scored.into_iter().take(LIKELY).map(|(_, column)| column.clone()).collect()
    }
}

impl Answer {
    /// Polars works on a thread of its own, one batch ahead of whoever reads.
    fn start(frame: LazyFrame, schema: SchemaRef, likely: Likely) -> Result<Self, QueryError> {
        let (send, batches) = sync_channel(1);
        // True stops the query: nobody reads any more.
        let sink = PlanCallback::new(move |frame| Ok(send.send(frame).is_err()));
        let frame =
            frame.sink_batches(sink, true, Some(BATCH_ROWS)).map_err(|e| likely.error(&e))?;
        let runner =
            std::thread::spawn(move || frame.collect_with_engine(Engine::Streaming).map(|_| ()));
        Ok(Self { schema, batches, runner: Some(runner), likely })
    }

    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.schema.iter_names().map(ToString::to_string).collect()
    }

    /// Writes all rows as Parquet and says how many they were.
    ///
    /// # Errors
    /// When the rows cannot be computed or not be written.
    pub fn write_parquet(self, out: impl Write) -> Result<u64, QueryError> {
        let writer = ParquetWriter::new(out).batched(&self.schema);
        let mut writer = writer.map_err(QueryError::Output)?;
        let mut rows = 0;
        for batch in self {
            let Batch(frame) = batch?;
            rows += frame.height() as u64;
            writer.write_batch(&frame).map_err(QueryError::Output)?;
        }
        writer.finish().map_err(QueryError::Output)?;
        Ok(rows)
    }
}

impl Iterator for Answer {
    type Item = Result<Batch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(frame) = self.batches.recv() {
            return Some(Ok(Batch(frame)));
        }
        // The sender is gone: the query has ended, one way or another.
        match self.runner.take()?.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(self.likely.error(&error))),
            Err(_) => Some(Err(QueryError::Statement {
                message: "Polars cannot run this statement".to_owned(),
                likely: Vec::new(),
            })),
        }
    }
}

impl Batch {
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.height()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn row(&self, number: usize) -> Vec<Cell> {
        let cell = |column: &Column| {
            Cell(column.get(number).map_or(serde_json::Value::Null, |v| json(&v)))
        };
        self.0.columns().iter().map(cell).collect()
    }
}

impl Cell {
    /// As a person or a spreadsheet wants it: null is empty, text has no quotes.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0 {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Whether it is text, which may hold anything; numbers, times and flags cannot.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.0.is_string()
    }

    #[must_use]
    pub fn into_json(self) -> serde_json::Value {
        self.0
    }
}

fn json(value: &AnyValue<'_>) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        AnyValue::Null => Json::Null,
        AnyValue::Boolean(b) => Json::Bool(*b),
        AnyValue::String(s) => Json::String((*s).to_owned()),
        AnyValue::StringOwned(s) => Json::String(s.to_string()),
        AnyValue::Float64(f) => Json::from(*f),
        AnyValue::Float32(f) => Json::from(*f),
        AnyValue::UInt64(n) => Json::from(*n),
        AnyValue::Datetime(t, unit, _) | AnyValue::DatetimeOwned(t, unit, _) => {
            Json::String(time(*t, *unit))
        }
        AnyValue::List(series) => {
            let items = (0..series.len()).map(|i| series.get(i).map_or(Json::Null, |v| json(&v)));
            Json::Array(items.collect())
        }
        other => match other.try_extract::<i64>() {
            Ok(n) => Json::from(n),
            Err(_) => Json::String(other.to_string()),
        },
    }
}

fn time(value: i64, unit: TimeUnit) -> String {
    let micros = match unit {
        TimeUnit::Nanoseconds => value / 1000,
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1000),
    };
    Timestamp(micros).to_string()
}
