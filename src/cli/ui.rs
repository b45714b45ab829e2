//! What a person sees: progress, warnings, the summary, failures. Text of the log is made visible
//! before it reaches a terminal.

use super::args;
use super::failure::Failure;
use crate::archive::Covered;
use crate::case::{Plan, Progress};
use crate::model::{Ledger, Report, Severity};
use crate::report::visible;
use comfy_table::{ContentArrangement, Table, TableComponent, presets};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressState, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Findings and principals named in the summary.
const SUMMARY_ROWS: usize = 12;
const SUMMARY_PRINCIPALS: usize = 3;
/// Rejects named before the reader is sent to the report.
const SHOWN_REJECTS: usize = 5;
/// Where output is no terminal, tables are as wide as the narrowest we promise to fit.
const PLAIN_WIDTH: u16 = 80;
const REDRAW: std::time::Duration = std::time::Duration::from_millis(500);

/// Where logs of the command line come from; always let through, since they are what a person would see.
const TARGET: &str = "trailinsight::ui";

pub(super) struct Ui {
    quiet: bool,
    live: bool,
    /// All that goes to standard error is JSON lines.
    json: bool,
}

impl Ui {
    pub(super) fn new(args: &args::Ui) -> Self {
        let live = !args.quiet && !args.json_log && io::stderr().is_terminal();
        Self { quiet: args.quiet, live, json: args.json_log }
    }

    fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            tracing::info!(target: TARGET, "{text}");
        } else {
            // Nobody to tell when standard error is gone.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    pub(super) fn note(&self, text: &str) {
        self.say(&visible(text));
    }

    /// Always shown: something the user counts on did not happen.
    pub(super) fn warning(&self, text: &str) {
        let text = visible(text);
        if self.json {
            tracing::warn!(target: TARGET, "{text}");
        } else {
            let _ = writeln!(io::stderr().lock(), "Warning: {text}");
        }
    }

    pub(super) fn failure(&self, failure: &Failure) {
        if self.json {
            let causes = failure.causes.join("; ");
            let (causes, hint) = (visible(&causes), failure.hint.as_deref().unwrap_or_default());
            let exit = failure.exit as u8;
            tracing::error!(target: TARGET, exit, %causes, hint, "{}", visible(&failure.message));
            return;
        }
        let mut out = io::stderr().lock();
        let _ = writeln!(out, "Error: {}", visible(&failure.message));
        for cause in &failure.causes {
            // Causes are our own and libraries' text, and some (TOML) point with several lines.
            let _ = writeln!(
                out,
                "Caused by: {}",
                cause.lines().map(visible).collect::<Vec<_>>().join("\n  ")
            );
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(out, "Hint: {}", visible(hint));
        }
    }

    pub(super) fn stdout(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// Standard output for what comes piece by piece.
    pub(super) fn writer(&self) -> impl Write {
        io::BufWriter::new(io::stdout().lock())
    }

    /// Bars on a terminal, a note of what is in the case already anywhere.
    pub(super) fn reading(&self, covered: &Arc<Covered>) -> Reading<'_> {
        let bar = if self.live { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style =
            ProgressStyle::with_template("reading {bar:14} {percent:>3}%  {days}{msg}  ETA {eta}");
        let of_days = covered.clone();
        let days = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let days = |seconds: &AtomicU64| seconds.load(Ordering::Relaxed) as f64 / 86_400.0;
            let (done, all) = (days(&of_days.seconds), days(&of_days.of_seconds));
            if all > 0.0 {
                // Nobody to tell when there is no room.
                let _ = write!(out, "{done:.1}/{all:.0} days  ");
            }
        };
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("days", days));
        Reading {
            ui: self,
            bar,
            files: AtomicU64::new(0),
            by_days: AtomicBool::new(false),
            covered: covered.clone(),
            done: AtomicU64::new(0),
            records: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// A step whose length nobody knows.
    pub(super) fn step(&self, what: &'static str) -> Step {
        let bar = if self.live { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_message(what);
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Step { bar }
    }

    /// What became of the input; `case` is where all of it can be looked up.
    pub(super) fn ledger(&self, ledger: &Ledger, case: &Path) {
        if self.json && !self.quiet {
            let (files, records) = (&ledger.files, &ledger.records);
            tracing::info!(
                target: TARGET,
                seen = files.seen, ingested = files.ingested, skipped = files.skipped, failed = files.failed, "files"
            );
            tracing::info!(
                target: TARGET,
                seen = records.seen, kept = records.kept, duplicate = records.duplicate,
                filtered = records.filtered, rejected = records.rejected,
                conflict = records.conflict, amended = records.amended,
                aggregated = records.aggregated, duplicate_keys = records.duplicate_keys, "records"
            );
        } else {
            self.say(&counts(ledger));
        }
        if ledger.is_whole() {
            return;
        }
        let total = ledger.rejects.len();
        self.warning(&format!(
            "not everything could be read (rejects: {total}, all in {}):",
            case.join("manifest.json").display()
        ));
        for reject in ledger.rejects.iter().take(SHOWN_REJECTS) {
            let lost = if reject.count > 0 {
                format!(", {}", counted(reject.count, "record"))
            } else {
                String::new()
            };
            self.warning(&format!("  {}: {}{lost}: {}", reject.file, reject.reason, reject.detail));
            if let Some(remedy) = &reject.remedy {
                self.warning(&format!("    {remedy}"));
            }
        }
    }

    /// The one line on standard output, which logs tell too.
    pub(super) fn result(&self, line: &str) -> Result<(), Failure> {
        if self.json && !self.quiet {
            tracing::info!(target: TARGET, "{}", visible(line));
        }
        self.stdout(format!("{line}\n").as_bytes())
    }

    /// The end of the main job: what was found and who it was.
    pub(super) fn summary(&self, report: &Report) {
        if self.quiet {
            return;
        }
        if self.json {
            return log_findings(report);
        }
        let mut table = table();
        table.set_header(["#", "severity", "finding", "principal", "count", "outcome"]);
        let shown: Vec<_> =
            report.findings.iter().filter(|f| f.severity > Severity::Informational).collect();
        for finding in shown.iter().take(SUMMARY_ROWS) {
            table.add_row([
                finding.number.to_string(),
                finding.severity.to_string(),
                visible(&finding.title).into_owned(),
                visible(short(&finding.principal)).into_owned(),
                finding.count.to_string(),
                finding.outcome.to_string(),
            ]);
        }
        if shown.is_empty() {
            self.say("Nothing was found.");
        } else {
            self.say(&table.to_string());
        }
        if shown.len() > SUMMARY_ROWS {
            self.say(&format!(
                "... and {} more findings in the report",
                shown.len() - SUMMARY_ROWS
            ));
        }
        let risky = report.principals.iter().filter(|p| p.risk > 0.0).take(SUMMARY_PRINCIPALS);
        for principal in risky {
            self.note(&format!(
                "risk {:>5.1}  {} ({})",
                principal.risk,
                principal.id,
                counted(principal.events, "event")
            ));
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

/// Files and records, on one line where that fits.
fn counts(ledger: &Ledger) -> String {
    let (f, r) = (&ledger.files, &ledger.records);
    let some = |pairs: &[(u64, &str)]| {
        let pairs = pairs.iter().filter(|(count, _)| *count > 0);
        pairs.fold(String::new(), |all, (count, what)| {
            all + &format!(", {} {what}", HumanCount(*count))
        })
    };
    let files = format!(
        "{} of {} files read{}",
        HumanCount(f.ingested),
        HumanCount(f.seen),
        some(&[
            (f.failed, "failed"),
            (f.skipped - f.pruned, "skipped (no records)"),
            (f.pruned, "left out by the selection"),
        ])
    );
    let records = format!(
        "{} records kept{}",
        HumanCount(r.kept),
        some(&[
            (r.aggregated, "of them counts of events (table `aggregated`)"),
            (r.duplicate, "duplicate"),
            (r.filtered, "filtered"),
            (r.rejected, "rejected"),
            (r.duplicate_keys, "repeated keys (the last one counts)"),
        ])
    );
    let fits = files.len() + 2 + records.len() <= usize::from(PLAIN_WIDTH);
    format!("{files}{}{records}", if fits { "; " } else { "\n" })
}

fn log_findings(report: &Report) {
    let shown = report.findings.iter().filter(|f| f.severity > Severity::Informational);
    for finding in shown.take(SUMMARY_ROWS) {
        tracing::info!(
            target: TARGET,
            id = %visible(&finding.id), severity = %finding.severity, principal = %visible(&finding.principal),
            count = finding.count, outcome = %finding.outcome, "{}", visible(&finding.title)
        );
    }
}

/// The name in an ARN, as people say it: without partition, account and path.
pub(super) fn short(principal: &str) -> &str {
    match principal.splitn(6, ':').nth(5) {
        Some("root") => "root",
        Some(resource) => resource.rsplit('/').next().unwrap_or(resource),
        None => principal,
    }
}

/// Characters to a line: what COLUMNS says, else the terminal, else the narrowest we promise to fit.
pub(super) fn width() -> usize {
    #[expect(clippy::disallowed_methods, reason = "this is the command line")]
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse::<u16>().ok());
    let terminal = || Table::new().width().or_else(|| Table::new().use_stderr().width());
    usize::from(columns.filter(|c| *c > 0).or_else(terminal).unwrap_or(PLAIN_WIDTH))
}

/// A table that fits the terminal.
pub(super) fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    // Lines between rows double the height and tell nothing.
    for line in [TableComponent::HorizontalLines, TableComponent::MiddleIntersections] {
        table.remove_style(line);
    }
    table.set_width(u16::try_from(width()).unwrap_or(u16::MAX));
    table
}

pub(super) struct Reading<'u> {
    ui: &'u Ui,
    bar: ProgressBar,
    /// To read in this run; what was done before counts neither here nor in the rate.
    files: AtomicU64,
    by_days: AtomicBool,
    covered: Arc<Covered>,
    done: AtomicU64,
    records: AtomicU64,
    began: Instant,
}

impl Reading<'_> {
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Reading<'_> {
    fn begin(&self, plan: &Plan) {
        let count = HumanCount;
        self.files.store(plan.files - plan.done, Ordering::Relaxed);
        self.bar.set_length(plan.bytes);
        self.bar.reset_eta();
        if plan.requests.get > 0 {
            let (objects, bytes) = (count(plan.files - plan.done), bytes(plan.bytes));
            let requests = count(plan.requests.get);
            self.ui.note(&format!("to read: {objects} objects, {bytes}, in {requests} requests"));
        }
        // Of days of an event history nobody knows the size; how much of them is read is known.
        if plan.bytes == 0 && !self.bar.is_hidden() {
            self.by_days.store(true, Ordering::Relaxed);
            let (bar, covered) = (self.bar.clone(), self.covered.clone());
            std::thread::spawn(move || {
                while !bar.is_finished() {
                    bar.set_length(covered.of_seconds.load(Ordering::Relaxed));
                    bar.set_position(covered.seconds.load(Ordering::Relaxed));
                    std::thread::sleep(REDRAW);
                }
            });
        }
        if plan.done > 0 {
            let (done, files) = (count(plan.done), count(plan.files));
            self.ui.note(&format!("resuming: {done} of {files} files are already in the case"));
        }
        if plan.changed > 0 {
            let changed = count(plan.changed);
            self.ui.note(&format!("{changed} files of the case have changed and are read again"));
        }
        if plan.gone > 0 {
            let gone = count(plan.gone);
            self.ui.note(&format!(
                "{gone} files of the case are not in the archive any more; their events are kept"
            ));
        }
    }

    fn file(&self, compressed_bytes: u64, _: u64, records: u64) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let records = self.records.fetch_add(records, Ordering::Relaxed) + records;
        let by_days = self.by_days.load(Ordering::Relaxed);
        if !by_days {
            self.bar.inc(compressed_bytes);
        }
        if self.bar.is_hidden() {
            return;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for eyes"
        )]
        let rate = (records as f64 / self.began.elapsed().as_secs_f64().max(0.001)) as u64;
        let (done, files) = (HumanCount(done), HumanCount(self.files.load(Ordering::Relaxed)));
        let read = if by_days { String::new() } else { format!("{done}/{files} files ") };
        self.bar.set_message(format!("{read}{} events/s", HumanCount(rate)));
    }
}

/// Cleared when it goes out of scope.
pub(super) struct Step {
    bar: ProgressBar,
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

pub(super) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// Crates that log the requests they sign and send, with what signs them; never let through.
const SECRETIVE: [&str; 8] = [
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk",
    "aws_sigv4",
    "aws_smithy",
    "hyper",
    "rustls",
];

/// Logs go to standard error: as JSON lines when asked for, else only by `RUST_LOG`.
pub(super) fn logging(args: &args::Ui) {
    use tracing_subscriber::EnvFilter;
    let default = if args.json_log { "trailinsight=info" } else { "off" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let ours = format!("{TARGET}=info").parse().expect("a target and a level");
    let mut filter = filter.add_directive(ours);
    for crate_name in SECRETIVE {
        let off = format!("{crate_name}=off").parse().expect("a target and a level");
        filter = filter.add_directive(off);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second subscriber in one process (tests) is refused; the first one stays.
    let _ =
        if args.json_log { builder.json().try_init() } else { builder.with_ansi(false).try_init() };
}
