//! `analyze` and `report`: the main job, stage by stage.

use super::args;
use super::failure::{Exit, Failure};
use super::ingest;
use super::settings::{self, Settings};
use super::ui::Ui;
use crate::analyze;
use crate::case::Case;
use crate::detect::{self, Rules};
use crate::digest;
use crate::model::{Report, Run, Severity, Timestamp};
use crate::narrate;
use crate::report::{self, Format};
use std::path::Path;
use std::time::SystemTime;

pub(super) fn analyze(args: args::Analyze, argv: Vec<String>, ui: &Ui) -> Result<Exit, Failure> {
    let started = now();
    let settings = Settings::resolve(args.judging, args.narrating)?;
    // Bad rules are told before an hour of reading, not after.
    let rules = Rules::load(&settings.rules)?;
    let pool = settings::threads(args.input.threads)?;
    let dir = args.case.unwrap_or_else(|| args.output.out.join("case"));
    let manifest = ingest::read(&args.input, &dir, &pool, ui)?;
    let job = Job { settings, rules, pool, argv, started, output: args.output };
    job.run(&dir, ui)
        .map(|reached| if reached == Exit::Done { ingest::exit(&manifest) } else { reached })
}

pub(super) fn report(args: args::Report, argv: Vec<String>, ui: &Ui) -> Result<Exit, Failure> {
    let started = now();
    let settings = Settings::resolve(args.judging, args.narrating)?;
    let rules = Rules::load(&settings.rules)?;
    let pool = settings::threads(args.threads)?;
    let job = Job { settings, rules, pool, argv, started, output: args.output };
    let reached = job.run(&args.case, ui)?;
    let manifest = Case::open(&args.case)?.manifest;
    Ok(if reached == Exit::Done { ingest::exit(&manifest) } else { reached })
}

#[expect(clippy::disallowed_methods, reason = "the one look at the clock; it shows in `run` only")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or_default())
}

struct Job {
    settings: Settings,
    rules: Rules,
    pool: rayon::ThreadPool,
    argv: Vec<String>,
    started: Timestamp,
    output: args::Output,
}

impl Job {
    fn run(&self, dir: &Path, ui: &Ui) -> Result<Exit, Failure> {
        let case = Case::open(dir)?;
        let own_accounts = case.accounts()?;
        let step = ui.step("running rules");
        let detections = detect::run(&case, &self.rules, &own_accounts, &self.pool)?;
        drop(step);
        let step = ui.step("computing tables and anomalies");
        let options = analyze::Options { top: self.settings.top };
        let analysis = analyze::run(&case, detections, &options)?;
        drop(step);
        let ledger = case.manifest.ledger.clone();
        ledger.check();
        let digest = self.digest(&analysis, &ledger);
        let step = ui.step("writing the narrative");
        let outcome = narrate::narrate(&digest, &self.settings.narrate);
        drop(step);
        for warning in &outcome.warnings {
            ui.warning(warning);
        }
        let report = Report {
            run: Run {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started: self.started,
                args: self.argv.clone(),
                case: dir.display().to_string(),
                narrator: outcome.used,
                rules_version: self.rules.version().to_owned(),
                settings: self.settings.shown(),
            },
            ledger,
            coverage: analysis.coverage,
            aggregates: analysis.aggregates,
            principals: analysis.principals,
            findings: analysis.findings,
            episodes: analysis.episodes,
            timeline: analysis.timeline,
            narrative: outcome.narrative,
            omitted: analysis.omitted,
        };
        self.write(&report, &digest.json, dir)?;
        ui.summary(&report);
        self.result(&report, ui)
    }

    fn digest(
        &self,
        analysis: &analyze::Analysis,
        ledger: &crate::model::Ledger,
    ) -> digest::Digest {
        let input = digest::Input {
            coverage: &analysis.coverage,
            ledger,
            aggregates: &analysis.aggregates,
            principals: &analysis.principals,
            findings: &analysis.findings,
            episodes: &analysis.episodes,
            timeline: &analysis.timeline,
            omitted: &analysis.omitted,
        };
        let options = digest::Options { tokens: self.settings.digest_tokens, ..Default::default() };
        digest::build(&input, &options)
    }

    fn write(&self, report: &Report, digest: &str, case: &Path) -> Result<(), Failure> {
        let formats: Vec<Format> = self.output.format.iter().map(|f| (*f).into()).collect();
        report::write(report, &self.output.out, &formats)?;
        report::atomically(&self.output.out.join("digest.json"), digest.as_bytes())?;
        // The case keeps its findings, so that they can be queried beside the events.
        let findings = report::render(report, Format::Jsonl);
        report::atomically(&case.join("findings.jsonl"), findings.as_bytes())?;
        Ok(())
    }

    /// The one line on standard output.
    fn result(&self, report: &Report, ui: &Ui) -> Result<Exit, Failure> {
        let count = |severity| report.findings.iter().filter(|f| f.severity == severity).count();
        let words: Vec<String> = Severity::ALL
            .iter()
            .rev()
            .filter(|s| count(**s) > 0)
            .map(|s| format!("{} {s}", count(*s)))
            .collect();
        let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        let first =
            self.output.format.first().map_or("digest.json", |f| Format::from(*f).file_name());
        let path = self.output.out.join(first);
        ui.stdout(
            format!(
                "{}: {} events, findings: {words}\n",
                path.display(),
                report.ledger.records.kept
            )
            .as_bytes(),
        )?;
        let worst = report.findings.iter().map(|f| f.severity).max();
        let reached = self.settings.fail_on.is_some_and(|limit| worst >= Some(limit));
        Ok(if reached { Exit::FindingReached } else { Exit::Done })
    }
}

impl From<args::ReportFormat> for Format {
    fn from(format: args::ReportFormat) -> Self {
        match format {
            args::ReportFormat::Html => Self::Html,
            args::ReportFormat::Md => Self::Markdown,
            args::ReportFormat::Json => Self::Json,
            args::ReportFormat::Jsonl => Self::Jsonl,
            args::ReportFormat::Csv => Self::Csv,
        }
    }
}
