//! SQL over a case, and its answer cell by cell.

use super::{Case, Error};
use crate::model::{Finding, Timestamp};
use polars::prelude::*;
use polars::sql::SQLContext;
use std::path::Path;

/// The rows a statement gave.
pub struct Answer(DataFrame);

/// One value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell(serde_json::Value);

impl Case {
    /// Runs one statement on the tables `events` and `findings`.
    ///
    /// # Errors
    /// When it is no SQL that Polars knows, names what is not there, or cannot be read.
    pub fn query(&self, sql: &str) -> Result<Answer, Error> {
        let mut context = SQLContext::new();
        context.register("events", self.events()?);
        context.register("findings", self.findings()?.lazy());
        let mut run = || context.execute(sql)?.collect();
        run().map(Answer).map_err(Error::table("queried"))
    }

    /// Column names and types of the event table.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn columns(&self) -> Result<Vec<(String, String)>, Error> {
        let schema = self.events()?.collect_schema().map_err(Error::table("opened"))?;
        Ok(schema.iter().map(|(name, dtype)| (name.to_string(), sql_type(dtype))).collect())
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

impl Answer {
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.height()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.get_column_names().iter().map(ToString::to_string).collect()
    }

    #[must_use]
    pub fn row(&self, number: usize) -> Vec<Cell> {
        let cell = |column: &Column| {
            Cell(column.get(number).map_or(serde_json::Value::Null, |v| json(&v)))
        };
        self.0.columns().iter().map(cell).collect()
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_parquet(&self, path: &Path) -> Result<(), Error> {
        let file = std::fs::File::create(path).map_err(Error::io("create", path))?;
        let writer = ParquetWriter::new(std::io::BufWriter::new(file));
        writer.finish(&mut self.0.clone()).map(|_| ()).map_err(Error::table("written"))
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
