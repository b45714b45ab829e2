//! `query`: Polars SQL over a case, printed in the format asked for.

use super::args::{self, QueryFormat};
use super::failure::{Exit, Failure};
use super::ui::{self, Ui};
use crate::case::{self, Case, Cell};
use crate::report::visible;
use std::fmt::Write as _;

/// A cell of a table is cut here; the other formats print all of it.
const CELL_CHARS: usize = 120;

pub(super) fn run(args: &args::Query, ui: &Ui) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    if case.is_behind() {
        ui.note("an ingest into this case was stopped; this is what the one before left");
    }
    let Some(sql) = &args.sql else {
        return schema(&case, ui);
    };
    if let (QueryFormat::Parquet, None) = (args.format, &args.output) {
        return Err(Failure::new(Exit::Usage, "parquet is not for a terminal")
            .hint("name a file with --output"));
    }
    let step = ui.step("running the query");
    let answer = case.query(sql).map_err(|e| bad_sql(&e))?;
    drop(step);
    if let (QueryFormat::Parquet, Some(path)) = (args.format, &args.output) {
        answer.write_parquet(path)?;
        ui.stdout(format!("{}: {} rows\n", path.display(), answer.len()).as_bytes())?;
        return Ok(Exit::Done);
    }
    let text = match args.format {
        QueryFormat::Csv => csv(&answer)?,
        QueryFormat::Json => json(&answer),
        QueryFormat::Ndjson => ndjson(&answer),
        QueryFormat::Table | QueryFormat::Parquet => table(&answer, args.limit, ui),
    };
    match &args.output {
        Some(path) => crate::report::atomically(path, text.as_bytes())?,
        None => ui.stdout(text.as_bytes())?,
    }
    Ok(Exit::Done)
}

fn bad_sql(error: &case::Error) -> Failure {
    Failure::from_error(Exit::Usage, error)
        .hint("tables are `events` and `findings`; `trailinsight query --case DIR --schema` lists the columns")
}

fn schema(case: &Case, ui: &Ui) -> Result<Exit, Failure> {
    let mut table = ui::table();
    table.set_header(["column", "type"]);
    for (name, dtype) in case.columns()? {
        table.add_row([name, dtype]);
    }
    ui.stdout(format!("{table}\n").as_bytes())?;
    Ok(Exit::Done)
}

fn table(answer: &case::Answer, limit: usize, ui: &Ui) -> String {
    let mut table = ui::table();
    table.set_header(answer.names());
    for number in 0..answer.len().min(limit) {
        let cells = answer.row(number).into_iter().map(|cell| {
            let text = cell.text();
            let mut shown: String = text.chars().take(CELL_CHARS).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            visible(&shown).into_owned()
        });
        table.add_row(cells);
    }
    if answer.len() > limit {
        ui.note(&format!("{limit} of {} rows; --limit shows more, --format csv all", answer.len()));
    }
    format!("{table}\n")
}

fn csv(answer: &case::Answer) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let broken = |e: csv::Error| Failure::from_error(Exit::Nothing, &e);
    writer.write_record(answer.names()).map_err(broken)?;
    for number in 0..answer.len() {
        let cells =
            answer.row(number).into_iter().map(|c| crate::report::escape::csv_cell(&c.text()));
        writer.write_record(cells).map_err(broken)?;
    }
    let bytes = writer.into_inner().map_err(|e| Failure::new(Exit::Nothing, e.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn object(names: &[String], row: Vec<Cell>) -> String {
    let fields = names.iter().cloned().zip(row.into_iter().map(Cell::into_json));
    let text = serde_json::Value::Object(fields.collect()).to_string();
    crate::report::escape::json(&text).into_owned()
}

fn ndjson(answer: &case::Answer) -> String {
    let names = answer.names();
    (0..answer.len()).fold(String::new(), |mut out, number| {
        let _ = writeln!(out, "{}", object(&names, answer.row(number)));
        out
    })
}

fn json(answer: &case::Answer) -> String {
    let names = answer.names();
    let rows: Vec<String> = (0..answer.len()).map(|n| object(&names, answer.row(n))).collect();
    format!("[{}]\n", rows.join(",\n"))
}
