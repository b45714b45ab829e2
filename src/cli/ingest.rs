//! `ingest`, and the reading half of `analyze`.

use super::args;
use super::failure::{Exit, Failure};
use super::{now, price, select, settings, ui};
use crate::archive::{self, Location, Source};
use crate::case::{self, Manifest, Progress};
use crate::decode::Caps;
use crate::model::Timestamp;
use std::path::Path;

pub(super) fn run(args: &args::Ingest, ui: &ui::Ui) -> Result<Exit, Failure> {
    let pool = settings::threads(args.input.threads)?;
    let (select, aws) = settings::for_reading(&args.aws, &args.input)?;
    let now = now();
    let selection = select::selection(&args.input.select, select, now)?;
    let (history, stop) = (history(now), super::stop());
    let options = archive::Options { selection, aws, stop, history };
    if let Some(stage) = args.input.dry_run {
        return dry_run(stage, &args.input, &options, &pool, ui);
    }
    let case = args.case.as_ref().expect("required without --dry-run");
    let manifest = read(&args.input, case, (options, &pool), ui)?;
    let (rows, parts) = (manifest.rows(), manifest.parts.len());
    ui.result(&format!("{}: {rows} events in {parts} parts", case.display()))?;
    Ok(exit(&manifest))
}

/// Goes only so far and keeps nothing.
pub(super) fn dry_run(
    stage: args::Stage,
    input: &args::Input,
    options: &archive::Options,
    pool: &rayon::ThreadPool,
    ui: &ui::Ui,
) -> Result<Exit, Failure> {
    let listing = ui.step("listing files");
    let source = pool.install(|| open(&input.sources, options))?;
    drop(listing);
    if stage == args::Stage::Plan {
        let (plan, _) = case::plan(&*source, &options.selection);
        ui.stdout(price::estimate(&plan).as_bytes())?;
        return Ok(Exit::Done);
    }
    let total: u64 = source.inputs().iter().map(|i| i.bytes).sum();
    let files = source.inputs().len();
    let reading = ui.reading(&options.history.covered);
    reading.begin(&case::Plan { files: files as u64, bytes: total, ..case::Plan::default() });
    let inflated = case::inflate_only(&*source, &Caps::default(), pool, &reading);
    reading.finish();
    ui.stdout(format!("{files} files, {total} bytes, {inflated} inflated\n").as_bytes())?;
    Ok(Exit::Done)
}

/// How an event history is asked: it ends now.
pub(super) fn history(now: Timestamp) -> archive::History {
    archive::History { now, ..Default::default() }
}

/// Whole, or some input lost.
pub(super) fn exit(manifest: &Manifest) -> Exit {
    if manifest.ledger.is_whole() { Exit::Done } else { Exit::InputLost }
}

/// Reads the archive into a case and says what became of every file.
pub(super) fn read(
    input: &args::Input,
    case: &Path,
    (mut options, pool): (archive::Options, &rayon::ThreadPool),
    ui: &ui::Ui,
) -> Result<Manifest, Failure> {
    let memory_bytes = settings::memory(input.memory.as_deref())?;
    // The last 30 days of a case are those of the day on which it was begun.
    let begun = case::selection(case).filter(|begun| !input.fresh && *begun == options.selection);
    options.selection = begun.unwrap_or(options.selection);
    let listing = ui.step("listing files");
    let source = pool.install(|| open(&input.sources, &options))?;
    drop(listing);
    for note in source.notes() {
        ui.note(note);
    }
    tracing::info!(files = source.inputs().len(), "ingest");
    let reading = ui.reading(&options.history.covered);
    let (caps, fresh) = (Caps::default(), input.fresh);
    let archive::Options { selection, stop, .. } = options;
    let options = case::Options { memory_bytes, caps, selection, fresh, stop };
    let result = case::ingest(&*source, case, &options, pool, &reading);
    reading.finish();
    let manifest = result?;
    ui.ledger(&manifest.ledger, case);
    let files = &manifest.ledger.files;
    if files.ingested == 0 {
        return Err(nothing(&manifest));
    }
    tracing::info!(kept = manifest.ledger.records.kept, inflated = %ui::bytes(manifest.ledger.bytes.inflated), "ingested");
    Ok(manifest)
}

fn open(sources: &[String], options: &archive::Options) -> Result<Box<dyn Source>, Failure> {
    let locations: Result<Vec<Location>, _> = sources.iter().map(|s| Location::parse(s)).collect();
    Ok(archive::open(&locations?, options)?)
}

fn nothing(manifest: &Manifest) -> Failure {
    let files = &manifest.ledger.files;
    if files.failed == 0 {
        return Failure::new(
            Exit::Nothing,
            format!("none of the {} files holds CloudTrail records", files.seen),
        )
        .hint("trail files hold {\"Records\":[...]}; is this the right folder?");
    }
    Failure::new(Exit::Nothing, format!("none of the {} files could be read", files.seen))
        .hint("the reasons are above; a file cut off in transfer is best copied again")
}
