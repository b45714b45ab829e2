//! Rows of an answer as text: tables and blocks for people, CSV for spreadsheets, JSON for programs.
//! All but the table are written as rows come, whatever their number.

use super::failure::Failure;
use super::ui::{self, Ui};
use crate::case::{Answer, Cell};
use crate::model::Timestamp;
use crate::report::escape;
use crate::report::visible;
use comfy_table::ColumnConstraint;
use serde_json::value::RawValue;
use std::io::Write;

/// A cell of a table is cut here; the other formats print all of it.
const CELL_CHARS: usize = 120;
/// A column is readable at this width, or at that of its longest value if that is less.
const READABLE_CHARS: usize = 12;
/// What a table draws around a cell.
const MARGIN_CHARS: usize = 2;
/// The virtual column that holds a whole record; see `case::query`.
const RECORD: &str = "record";

/// A table, or blocks of lines where a table would break its words; at most `limit` rows.
pub(super) fn table(
    answer: Answer,
    limit: usize,
    ui: &Ui,
    out: &mut impl Write,
) -> Result<u64, Failure> {
    let names = answer.names();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut total = 0;
    for batch in answer {
        let batch = batch?;
        let wanted = batch.len().min(limit.saturating_sub(rows.len()));
        rows.extend((0..wanted).map(|n| batch.row(n).iter().map(shown).collect()));
        total += batch.len() as u64;
    }
    let width = ui::width();
    if least_width(&names, &rows) <= width {
        let mut table = ui::table();
        table.set_header(&names);
        table.add_rows(&rows);
        for (at, column) in table.column_iter_mut().enumerate() {
            if is_time(&rows, at) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        writeln!(out, "{table}")?;
    } else {
        blocks(&names, &rows, out)?;
        ui.note(&format!(
            "{} columns do not fit in {width} characters, so each row is printed as a block",
            names.len()
        ));
    }
    if total > rows.len() as u64 {
        ui.note(&format!("{} of {total} rows; --limit shows more, --format csv all", rows.len()));
    }
    Ok(total)
}

fn shown(cell: &Cell) -> String {
    let text = cell.text();
    let mut shown: String = text.chars().take(CELL_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    visible(&shown).into_owned()
}

fn least_width(names: &[String], rows: &[Vec<String>]) -> usize {
    let length = |text: &String| text.chars().count();
    let column = |at: usize| {
        let longest = rows.iter().map(|row| length(&row[at])).max().unwrap_or_default();
        // Names of columns are one word each and must not break; values may, once they are readable.
        let least = if is_time(rows, at) { longest } else { longest.min(READABLE_CHARS) };
        least.max(length(&names[at])) + MARGIN_CHARS
    };
    (0..names.len()).map(column).sum()
}

/// A column of times: one that is broken cannot be read or copied.
fn is_time(rows: &[Vec<String>], at: usize) -> bool {
    let is_time = |text: &String| text.ends_with('Z') && Timestamp::parse(text).is_some();
    rows.iter().all(|row| row[at].is_empty() || is_time(&row[at]))
}

fn blocks(names: &[String], rows: &[Vec<String>], out: &mut impl Write) -> Result<(), Failure> {
    let widest = names.iter().map(|n| n.chars().count()).max().unwrap_or_default();
    for (number, row) in rows.iter().enumerate() {
        writeln!(out, "-- row {}", number + 1)?;
        // Empty values tell nothing here, and most columns of an event are empty.
        for (name, value) in names.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
            writeln!(out, "{name:>widest$}: {value}")?;
        }
    }
    Ok(())
}

/// What acts (controls, line breaks, direction marks) is shown as in a table, and text that a spreadsheet
/// would compute gets an apostrophe in front: CSV ends in spreadsheets and on terminals.
pub(super) fn csv(answer: Answer, out: &mut impl Write) -> Result<u64, Failure> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(answer.names()).map_err(not_written)?;
    let mut total = 0;
    for batch in answer {
        let batch = batch?;
        total += batch.len() as u64;
        for number in 0..batch.len() {
            let cells = batch.row(number).into_iter().map(|cell| {
                let text = cell.text();
                if cell.is_text() { escape::csv_cell(&visible(&text)) } else { text }
            });
            writer.write_record(cells).map_err(not_written)?;
        }
    }
    writer.flush()?;
    Ok(total)
}

/// Keeps the kind: a closed pipe is no failure.
fn not_written(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

pub(super) fn ndjson(answer: Answer, out: &mut impl Write) -> Result<u64, Failure> {
    let objects = Objects::of(&answer);
    let mut total = 0;
    for batch in answer {
        let batch = batch?;
        total += batch.len() as u64;
        for number in 0..batch.len() {
            writeln!(out, "{}", objects.print(batch.row(number)))?;
        }
    }
    Ok(total)
}

pub(super) fn json(answer: Answer, out: &mut impl Write) -> Result<u64, Failure> {
    let objects = Objects::of(&answer);
    let mut total = 0;
    write!(out, "[")?;
    for batch in answer {
        let batch = batch?;
        for number in 0..batch.len() {
            let separator = if total == 0 { "" } else { ",\n" };
            write!(out, "{separator}{}", objects.print(batch.row(number)))?;
            total += 1;
        }
    }
    writeln!(out, "]")?;
    Ok(total)
}

/// Rows as JSON objects of one line. A whole record is JSON already; when nothing else was asked for,
/// the records stand for themselves and can be read again as a trail file.
struct Objects {
    names: Vec<String>,
    bare: bool,
}

impl Objects {
    fn of(answer: &Answer) -> Self {
        let names = answer.names();
        let bare = names == [RECORD];
        Self { names, bare }
    }

    fn print(&self, row: Vec<Cell>) -> String {
        let mut out = String::new();
        for (name, cell) in self.names.iter().zip(row) {
            let record = (name == RECORD).then(|| record(&cell)).flatten();
            let value = record.unwrap_or_else(|| cell.into_json().to_string());
            if self.bare {
                return escape::json(&value).into_owned();
            }
            let key = serde_json::Value::from(name.as_str());
            out += &format!("{}{key}:{value}", if out.is_empty() { '{' } else { ',' });
        }
        escape::json(&format!("{out}}}")).into_owned()
    }
}

/// As it was read, number spelling included, on one line: outside of JSON's strings a break or tab
/// is as good as a blank, and inside they cannot stand.
fn record(cell: &Cell) -> Option<String> {
    let text = cell.is_text().then(|| cell.text())?;
    let raw: &RawValue = serde_json::from_str(&text).ok()?;
    Some(raw.get().replace(['\n', '\r', '\t'], " "))
}
