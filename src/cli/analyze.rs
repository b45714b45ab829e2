//! `analyze` and `report`: the main job, stage by stage.

use super::failure::{Exit, Failure};
use super::place;
use super::settings::{self, Settings};
use super::ui::Ui;
use super::{args, now};
use super::{ingest, select};
use crate::analyze;
use crate::archive;
use crate::case::Case;
use crate::detect::{self, Rules};
use crate::digest;
use crate::model::{Report, RuleLedger, Run, Severity, Timestamp};
use crate::narrate;
use crate::report::{self, Format};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// Where a report goes when nobody says.
const OUT: &str = "trailinsight-report";
/// Skipped or broken rules that are named; the report has them all.
const SHOWN_RULES: usize = 10;

pub(super) fn analyze(args: args::Analyze, argv: Vec<String>, ui: &Ui) -> Result<Exit, Failure> {
    let started = now();
    let mut settings = Settings::resolve(args.judging, args.narrating, args.aws)?;
    let file = std::mem::take(&mut settings.select);
    let selection = select::selection(&args.input.select, file, started)?;
    let aws = settings::aws_settings(&settings.aws, &args.input);
    let (history, stop) = (ingest::history(started), super::stop());
    let options = archive::Options { selection, aws, stop, history };
    // Bad rules are told before an hour of reading, not after.
    let mut rules = load(&settings.rules, ui)?;
    rules.suppress(std::mem::take(&mut settings.suppressions));
    let pool = settings::threads(args.input.threads)?;
    if let Some(stage) = args.input.dry_run {
        return ingest::dry_run(stage, &args.input, &options, &pool, ui);
    }
    let out = args.output.out.clone().unwrap_or_else(|| PathBuf::from(OUT));
    let dir = args.case.unwrap_or_else(|| out.join("case"));
    place::check(&out, &dir, &args.output)?;
    let manifest = ingest::read(&args.input, &dir, (options, &pool), ui)?;
    let job = Job { settings, rules, pool, argv, started, out, output: args.output };
    job.run(&dir, ui)
        .map(|reached| if reached == Exit::Done { ingest::exit(&manifest) } else { reached })
}

pub(super) fn report(args: args::Report, argv: Vec<String>, ui: &Ui) -> Result<Exit, Failure> {
    let started = now();
    let mut settings = Settings::resolve(args.judging, args.narrating, args.aws)?;
    let mut rules = load(&settings.rules, ui)?;
    rules.suppress(std::mem::take(&mut settings.suppressions));
    let pool = settings::threads(args.threads)?;
    Case::open(&args.case)?;
    let around = || place::report_around(&args.case);
    let out = args.output.out.clone().or_else(around).unwrap_or_else(|| PathBuf::from(OUT));
    place::check(&out, &args.case, &args.output)?;
    let job = Job { settings, rules, pool, argv, started, out, output: args.output };
    let reached = job.run(&args.case, ui)?;
    let manifest = Case::open(&args.case)?.manifest;
    Ok(if reached == Exit::Done { ingest::exit(&manifest) } else { reached })
}

/// Our rules and the user's; those for other logs are told, since they cannot find anything here.
/// They are held to the end, when the kernel takes them faster than they could be taken apart.
pub(super) fn load(paths: &[PathBuf], ui: &Ui) -> Result<ManuallyDrop<Rules>, Failure> {
    let rules = Rules::load(paths)?;
    for broken in rules.broken().iter().take(SHOWN_RULES) {
        ui.warning(&format!("rule not used: {broken}"));
    }
    if let Some(more @ 1..) = rules.broken().len().checked_sub(SHOWN_RULES) {
        ui.warning(&format!(
            "rules not used: {more} more; `trailinsight rules check` names them all"
        ));
    }
    let skipped = rules.skipped();
    if !skipped.is_empty() {
        let shown = skipped.iter().take(SHOWN_RULES).cloned().collect::<Vec<_>>().join(", ");
        let more = skipped.len().saturating_sub(SHOWN_RULES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        ui.warning(&format!(
            "rules skipped because their logsource is not CloudTrail: {} ({shown}{more})",
            skipped.len()
        ));
    }
    Ok(ManuallyDrop::new(rules))
}

struct Job {
    settings: Settings,
    rules: ManuallyDrop<Rules>,
    pool: rayon::ThreadPool,
    argv: Vec<String>,
    started: Timestamp,
    out: PathBuf,
    output: args::Output,
}

impl Job {
    fn run(&self, dir: &Path, ui: &Ui) -> Result<Exit, Failure> {
        let case = Case::open(dir)?;
        if case.is_behind() {
            ui.warning("an ingest into this case was stopped; this is what the one before left");
        }
        let own_accounts = case.accounts()?;
        let step = ui.step("running rules");
        let mut detections = detect::find(&case, &self.rules, &own_accounts, &self.pool)?;
        detections.show(&case, &self.pool, analyze::MAX_FINDINGS)?;
        drop(step);
        let step = ui.step("computing tables and anomalies");
        let options = analyze::Options { top: self.settings.top };
        let mut rules = self.rules.ledger();
        rules.not_applied.clone_from(&detections.not_applied);
        for why in &rules.not_applied {
            ui.warning(why);
        }
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
                settings: self.settings.shown(&case.manifest.selection),
            },
            ledger,
            rules: RuleLedger { suppressed: analysis.suppressed, ..rules },
            coverage: analysis.coverage,
            aggregates: analysis.aggregates,
            principals: analysis.principals,
            findings: analysis.findings,
            episodes: analysis.episodes,
            timeline: analysis.timeline,
            controls: analysis.controls,
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
        report::write(report, &self.out, &formats)?;
        report::atomically(&self.out.join("digest.json"), digest.as_bytes())?;
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
        let path = self.out.join(first);
        let kept = report.ledger.records.events();
        ui.result(&format!("{}: {kept} events, findings: {words}", path.display()))?;
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
            args::ReportFormat::Cis => Self::Cis,
        }
    }
}
