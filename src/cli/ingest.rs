//! `ingest`, and the reading half of `analyze`.

use super::args;
use super::failure::{Exit, Failure};
use super::{now, select, settings, ui};
use crate::archive::{Disk, Source};
use crate::case::{self, Manifest, Progress};
use crate::decode::Caps;
use crate::model::Selection;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &args::Ingest, ui: &ui::Ui) -> Result<Exit, Failure> {
    let pool = settings::threads(args.input.threads)?;
    let Some(case) = &args.case else { return inflate(&args.input, &pool, ui) };
    let selection = select::selection(&args.input.select, settings::select()?, now())?;
    let manifest = read(&args.input, case, (selection, &pool), ui)?;
    let (rows, parts) = (manifest.rows(), manifest.parts.len());
    ui.result(&format!("{}: {rows} events in {parts} parts", case.display()))?;
    Ok(exit(&manifest))
}

/// The dry run.
fn inflate(input: &args::Input, pool: &rayon::ThreadPool, ui: &ui::Ui) -> Result<Exit, Failure> {
    let source = list(&input.sources)?;
    let total: u64 = source.inputs().iter().map(|i| i.bytes).sum();
    let files = source.inputs().len();
    let reading = ui.reading();
    reading.begin(&case::Plan { files: files as u64, bytes: total, ..case::Plan::default() });
    let inflated = case::inflate_only(&source, &Caps::default(), pool, &reading);
    reading.finish();
    ui.stdout(format!("{files} files, {total} bytes, {inflated} inflated\n").as_bytes())?;
    Ok(Exit::Done)
}

/// Whole, or some input lost.
pub(super) fn exit(manifest: &Manifest) -> Exit {
    if manifest.ledger.is_whole() { Exit::Done } else { Exit::InputLost }
}

/// Reads the archive into a case and says what became of every file.
pub(super) fn read(
    input: &args::Input,
    case: &Path,
    (selection, pool): (Selection, &rayon::ThreadPool),
    ui: &ui::Ui,
) -> Result<Manifest, Failure> {
    let memory_bytes = settings::memory(input.memory.as_deref())?;
    let listing = ui.step("listing files");
    let source = list(&input.sources)?;
    drop(listing);
    tracing::info!(files = source.inputs().len(), "ingest");
    let reading = ui.reading();
    let (caps, fresh) = (Caps::default(), input.fresh);
    let options = case::Options { memory_bytes, caps, selection, fresh };
    let result = case::ingest(&source, case, &options, pool, &reading);
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

fn list(sources: &[String]) -> Result<Disk, Failure> {
    if let Some(remote) =
        sources.iter().find(|s| s.starts_with("s3://") || s.starts_with("cloudtrail:"))
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("{remote}: only folders and files can be read"),
        )
        .hint("copy the archive first, as in `aws s3 sync s3://bucket/AWSLogs ./AWSLogs`"));
    }
    let paths: Vec<PathBuf> = sources.iter().map(PathBuf::from).collect();
    Ok(Disk::list(&paths)?)
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
