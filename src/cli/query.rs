//! `query`: Polars SQL over a case; its answer as a table for people, or streamed in a format for
//! programs.

use super::args::{self, QueryFormat};
use super::failure::{Exit, Failure};
use super::rows;
use super::ui::{self, Ui};
use crate::case::{Answer, Case};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) fn run(args: &args::Query, ui: &Ui) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    if case.is_behind() {
        ui.note("an ingest into this case was stopped; this is what the one before left");
    }
    let Some(sql) = &args.sql else {
        return schema(&case, ui);
    };
    let format = format(args)?;
    let mut step = Some(ui.step("running the query"));
    let answer = case.query(sql)?;
    let Some(path) = &args.output else {
        let mut out = Answering { out: ui.writer(), step };
        if format == QueryFormat::Table {
            rows::table(answer, args.limit, ui, &mut out)?;
        } else {
            write(answer, format, ui, &mut out)?;
        }
        out.flush()?;
        return Ok(Exit::Done);
    };
    let mut file = Pending::create(path)?;
    let count = write(answer, format, ui, &mut file.out)?;
    file.place()?;
    step.take();
    ui.result(&format!("{}: {count} rows", path.display()))?;
    Ok(Exit::Done)
}

/// What was asked for, else what the name of the file says, else a table.
fn format(args: &args::Query) -> Result<QueryFormat, Failure> {
    let by_name = |path: &PathBuf| {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "csv" => QueryFormat::Csv,
            "json" => QueryFormat::Json,
            "ndjson" | "jsonl" => QueryFormat::Ndjson,
            "parquet" => QueryFormat::Parquet,
            _ => return None,
        })
    };
    match (args.format, &args.output) {
        (Some(QueryFormat::Parquet), None) => {
            Err(Failure::new(Exit::Usage, "parquet is not for a terminal")
                .hint("name a file with --output"))
        }
        (Some(format), _) => Ok(format),
        (None, None) => Ok(QueryFormat::Table),
        (None, Some(path)) => by_name(path).ok_or_else(|| {
            let message = format!("the name {} does not tell a format", path.display());
            Failure::new(Exit::Usage, message)
                .hint("end it in .csv, .json, .ndjson or .parquet, or say --format")
        }),
    }
}

fn write(
    answer: Answer,
    format: QueryFormat,
    ui: &Ui,
    out: &mut impl Write,
) -> Result<u64, Failure> {
    match format {
        QueryFormat::Csv => rows::csv(answer, out),
        QueryFormat::Json => rows::json(answer, out),
        QueryFormat::Ndjson => rows::ndjson(answer, out),
        QueryFormat::Parquet => Ok(answer.write_parquet(out)?),
        // A file has all rows, whatever --limit says of the terminal.
        QueryFormat::Table => rows::table(answer, usize::MAX, ui, out),
    }
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

/// Standard output; the spinner goes when the first byte comes.
struct Answering<W: Write> {
    out: W,
    step: Option<ui::Step>,
}

impl<W: Write> Write for Answering<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.step.take();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.step.take();
        self.out.flush()
    }
}

/// A file that takes its place when it is whole; until then what was there stays.
struct Pending {
    out: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
}

impl Pending {
    fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&beside).map_err(|e| cannot_write(path, &e))?;
        Ok(Self { out: BufWriter::new(file), beside, path: path.to_owned() })
    }

    fn place(mut self) -> Result<(), Failure> {
        let placed = self.out.flush().and_then(|()| fs::rename(&self.beside, &self.path));
        placed.map_err(|e| cannot_write(&self.path, &e))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Not there any more when it took its place.
        let _ = fs::remove_file(&self.beside);
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let mut failure = Failure::new(Exit::Nothing, format!("cannot write {}", path.display()));
    failure.causes.push(error.to_string());
    failure
}
