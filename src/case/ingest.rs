//! Archive to case: read, inflate, parse and store every new file once, on every thread.
//!
//! Workers take files in the order of their names, each with buffers and a part of its own; a part
//! is written when it is full and, once on disk, told to the journal with the files that are whole in it. So
//! an ingest can stop anywhere and go on, and a case can grow. Who read what shows nowhere: after
//! the parts, `settle` puts rows where they belong by a rule that knows only names and contents.

use super::Error;
use super::commit::{Step, commit};
use super::filter::{Filter, Filtered};
use super::folder::{self, Folder};
use super::journal::{self, Account, Fate, Journal, Line, Part, PartNames, Reading, State, Table};
use super::manifest::{self, Manifest};
use super::settle::{Settled, settle};
use super::store::{Store, Target};
use crate::archive::{self, Body, Input, Key, Next, Source, Window};
use crate::decode::{Caps, Decoded, Kind, Rejected, Scratch, decode, decode_reader};
use crate::model::{Ledger, ReadError, Reject, RejectReason, Selection, Skip, SkipReason, Stop};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};

/// A part takes about this share of what a worker may hold; the rest is for the file in hand and
/// for the columns while they are written.
const PART_SHARE: usize = 8;
/// Text that is held whole takes some ten times its size while it is read: itself, its structure and what
/// the parser makes room for. What is larger than this share of a worker's memory is read in pieces.
const WINDOW_SHARE: usize = 64;
/// Up to the size of a usual file it may be twice that share: reading in pieces takes nearly twice the time.
const USUAL_BYTES: usize = 4 << 20;
const WINDOW_LEAST: usize = 2 << 20;
/// What is far away is read ahead of the workers, and takes this share of all memory from their parts. An
/// object is held several times on its way: by the connection, in pieces, whole, and as free memory
/// that the next one fills; and the connections have buffers of their own.
const AHEAD_SHARE: usize = 4;
const AHEAD_HELD: usize = 8;

/// Each holds a file open until it is on disk; a part is two of them, its keys and its rows.
const STEPS_WAITING: usize = 8;

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bytes that ingest may hold at a time, over all workers.
    pub memory_bytes: usize,
    pub caps: Caps,
    /// What of the archive the case is about.
    pub selection: Selection,
    /// Make an existing case anew instead of adding to it.
    pub fresh: bool,
    /// Ends the ingest before all is read; what was read is in the case, and the next one goes on.
    pub stop: Stop,
}

/// What there is to do, once that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files that may hold what was asked for.
    pub files: u64,
    /// Of these, already in the case.
    pub done: u64,
    /// In the case, but changed since.
    pub changed: u64,
    /// In the case, but not in the archive any more.
    pub gone: u64,
    /// To read.
    pub bytes: u64,
    /// That reading takes, where the archive is far away.
    pub requests: archive::Requests,
}

/// Told as the work goes on.
pub trait Progress: Sync {
    /// Before the first file is read.
    fn begin(&self, plan: &Plan) {
        let _ = plan;
    }

    /// Called from every worker.
    fn file(&self, compressed_bytes: u64, inflated_bytes: u64, records: u64);
}

/// What an ingest into a new case would read: how much, and the numbers of the inputs.
#[must_use]
pub fn plan(source: &dyn Source, selection: &Selection) -> (Plan, Vec<u32>) {
    let todo = Todo::of(source, selection, &State::default());
    (todo.plan, todo.inputs)
}

/// Reads what is new in `source` into the case at `dir`, on the threads of `pool`.
///
/// # Errors
/// When the case cannot be written, or is of something else: bad input is in the ledger.
pub fn ingest(
    source: &dyn Source,
    dir: &Path,
    options: &Options,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Manifest, Error> {
    let folder = Folder::take(dir, options.fresh)?;
    let mut journal = Journal::open(dir, &options.selection)?;
    let selection = journal.state.selection.clone();
    let before = Manifest::read(dir).ok();
    let mut todo = Todo::of(source, &selection, &journal.state);
    if todo.is_another_archive() {
        let files = todo.plan.gone;
        return Err(Error::OtherArchive { path: dir.to_owned(), files });
    }
    let files = std::mem::take(&mut todo.forgotten);
    if !files.is_empty() {
        journal.append(Line::Forget { files })?;
    }
    let mut living: BTreeSet<String> = journal.state.parts.keys().cloned().collect();
    let of_manifest = before.iter().flat_map(|m| m.parts.iter().chain(&m.aggregated));
    living.extend(of_manifest.map(|part| part.name.clone()));
    folder.sweep(&living)?;
    let first_reading = journal.state.next_reading();
    journal.let_go();
    progress.begin(&todo.plan);
    let is_far = todo.plan.requests != archive::Requests::default();
    let ahead_bytes = if is_far { options.memory_bytes / AHEAD_SHARE } else { 0 };
    let threads = pool.current_num_threads().max(1);
    let part_bytes = (options.memory_bytes - ahead_bytes) / threads / PART_SHARE;
    // The same for archives near and far: what is read whole here is read whole there.
    let whole_bytes = share(options.memory_bytes / threads);
    let window_bytes = options.caps.window_bytes.min(whole_bytes).max(WINDOW_LEAST);
    let inputs = std::mem::take(&mut todo.inputs);
    let ahead_bytes = (ahead_bytes / AHEAD_HELD) as u64;
    let window = Window { file_bytes: window_bytes as u64, ahead_bytes };
    let reading = source.reading(source.inputs(), inputs, window);
    let run = Run {
        source,
        options,
        caps: Caps { window_bytes, ..options.caps },
        progress,
        folder,
        selection: &selection,
        first_reading,
        part_bytes,
        reading: &*reading,
        failed: AtomicBool::new(false),
        names: journal.part_names(),
    };
    run.read(pool, &mut journal)?;
    if options.stop.is_asked() {
        return Err(Error::Stopped);
    }
    pool.install(|| run.finish(journal, before.as_ref(), &todo))
}

/// How much text a worker may hold whole.
fn share(worker_bytes: usize) -> usize {
    let share = worker_bytes / WINDOW_SHARE;
    share.max(USUAL_BYTES.min(2 * share))
}

/// Which inputs are to be read.
struct Todo {
    inputs: Vec<u32>,
    pruned: u64,
    /// Files of the case that hold events and are as they were.
    unchanged: u64,
    /// Files of the case that are gone and left nothing in the table: nobody need hear of them.
    forgotten: Vec<String>,
    plan: Plan,
}

impl Todo {
    fn of(source: &dyn Source, selection: &Selection, state: &State) -> Self {
        let (inputs, forgotten) = (Vec::new(), Vec::new());
        let mut todo = Self { inputs, pruned: 0, unchanged: 0, forgotten, plan: Plan::default() };
        let inputs = source.inputs();
        for (number, input) in inputs.iter().enumerate() {
            if !input.named && archive::prunes(selection, &Key::parse(&source.key(&input))) {
                todo.pruned += 1;
                continue;
            }
            todo.plan.files += 1;
            let account = state.accounts.get(input.name.as_str()).map(Box::as_ref);
            let same = account.is_some_and(|a| (a.bytes, a.stamp) == (input.bytes, input.stamp));
            if same && account.is_some_and(Account::is_final) {
                todo.plan.done += 1;
                todo.unchanged += u64::from(account.is_some_and(|a| a.stored > 0));
                continue;
            }
            todo.plan.changed += u64::from(account.is_some() && !same);
            todo.plan.bytes += input.bytes;
            todo.inputs.push(u32::try_from(number).expect("an archive has fewer than 2^32 files"));
        }
        todo.plan.requests = source.requests(source.inputs(), &todo.inputs);
        for account in state.accounts.values().filter(|a| !inputs.contains(&a.name)) {
            if account.stored > 0 {
                todo.plan.gone += 1;
            } else {
                todo.forgotten.push(account.name.to_string());
            }
        }
        todo
    }

    /// Files come and go in an archive, but not all at once: where none is as it was and some are
    /// missing, two archives would be mixed.
    fn is_another_archive(&self) -> bool {
        self.plan.gone > 0 && self.unchanged == 0
    }
}

struct Run<'a> {
    source: &'a dyn Source,
    options: &'a Options,
    caps: Caps,
    progress: &'a dyn Progress,
    folder: Folder,
    selection: &'a Selection,
    first_reading: Reading,
    part_bytes: usize,
    reading: &'a dyn archive::Reading,
    /// A worker could not write: the others stop too.
    failed: AtomicBool,
    names: PartNames,
}

impl Run<'_> {
    /// Reads all files; what was read is on disk and in the journal when this returns.
    fn read(&self, pool: &rayon::ThreadPool, journal: &mut Journal) -> Result<(), Error> {
        let (steps, waiting) = mpsc::sync_channel(STEPS_WAITING);
        let results = Mutex::new(Vec::new());
        // The workers read, this thread waits for the disk.
        let committed = pool.in_place_scope(|scope| {
            let results = &results;
            scope.spawn_broadcast(move |_, _| {
                let result = self.work(&steps);
                results.lock().expect("no worker panics with the lock").push(result);
            });
            let failed = |_: &Error| self.failed.store(true, Ordering::Relaxed);
            commit(journal, waiting).inspect_err(failed)
        });
        committed?;
        results.into_inner().expect("no worker panics with the lock").into_iter().collect()
    }

    fn work(&self, steps: &SyncSender<Step>) -> Result<(), Error> {
        let result = self.take_files(steps);
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn take_files(&self, steps: &SyncSender<Step>) -> Result<(), Error> {
        let inputs = self.source.inputs();
        let mut scratch = Scratch::new(self.caps.depth);
        let mut filter = Filter::new(self.selection);
        let mut bytes = Vec::new();
        let target = Target { folder: &self.folder, names: &self.names, steps };
        let mut store = Store::new(target, self.part_bytes);
        let mut given_up = Ok(());
        while !self.failed.load(Ordering::Relaxed) && !self.options.stop.is_asked() {
            let Some(Next { number, body }) = self.reading.next(&mut bytes) else { break };
            let input = inputs.get(number);
            let reading = self.first_reading + Reading::from(number);
            let mut sink = Filtered::new(store.file(&input.name, reading), &mut filter);
            let decoded = match body {
                Ok(Body::Whole) => decode(&bytes, &self.caps, &mut scratch, &mut sink),
                Ok(Body::Stream(mut file)) => {
                    decode_reader(&mut file, &self.caps, &mut scratch, &mut sink)
                }
                Err(error) => match unreadable(error, &input.name) {
                    Ok(decoded) => decoded,
                    Err(error) => {
                        self.failed.store(true, Ordering::Relaxed);
                        given_up = Err(error);
                        break;
                    }
                },
            };
            if self.options.stop.is_asked() && decoded.is_unread() {
                // Cut off by the wish to stop: it will be read again.
                break;
            }
            let filtered = sink.left_out;
            self.progress.file(input.bytes, decoded.inflated_bytes, decoded.seen);
            store.end_file(account(&input, reading, decoded, filtered))?;
        }
        store.write()?;
        given_up
    }

    fn finish(
        self,
        mut journal: Journal,
        before: Option<&Manifest>,
        todo: &Todo,
    ) -> Result<Manifest, Error> {
        journal.read_again()?;
        let memory_bytes = self.options.memory_bytes as u64;
        let unchanged = before.filter(|m| m.journal_bytes == journal.bytes());
        let settled = match unchanged.map(|m| &m.ledger.records) {
            Some(r) => Settled { duplicate: r.duplicate, conflict: r.conflict, amended: r.amended },
            None => settle((&self.folder, &self.names), &mut journal, memory_bytes)?,
        };
        let manifest = Manifest {
            format: journal::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            selection: journal.state.selection.clone(),
            journal_bytes: journal.bytes(),
            parts: journal.state.parts_of(Table::Events).map(table_part).collect(),
            aggregated: journal.state.parts_of(Table::Aggregated).map(table_part).collect(),
            ledger: ledger(self.source, todo, &journal.state, settled),
        };
        manifest.ledger.check();
        assert_eq!(
            manifest.rows(),
            manifest.ledger.records.events(),
            "the table and the ledger differ"
        );
        let dir = self.folder.dir();
        if before.is_some_and(|before| before.parts != manifest.parts) {
            // They are of the events as they were.
            self.folder.remove(&dir.join(folder::FINDINGS))?;
        }
        if before != Some(&manifest) {
            manifest.write(dir)?;
        }
        self.folder.sweep(&journal.state.parts.keys().cloned().collect())?;
        Ok(manifest)
    }
}

fn table_part(part: &Part) -> manifest::Part {
    manifest::Part { name: part.name.clone(), rows: part.rows, first: part.first, last: part.last }
}

fn account(input: &Input, reading: Reading, decoded: Decoded, filtered: u64) -> Account {
    let mut rejected = decoded.rejected;
    let fate = match decoded.kind {
        Kind::Records => Fate::Ingested,
        Kind::Digest => Fate::Digest,
        Kind::Foreign if !input.named => Fate::Skipped,
        Kind::Foreign => {
            rejected.push(not_cloudtrail());
            Fate::Failed
        }
        Kind::Broken => Fate::Failed,
    };
    let rejected = rejected.into_iter().map(|r| journal::Rejected {
        file: r.member.as_ref().map(|_| r.file(&input.name)),
        reason: r.reason,
        count: r.count,
        detail: r.detail,
        remedy: r.remedy,
    });
    Account {
        reading,
        name: Arc::from(input.name.as_str()),
        bytes: input.bytes,
        stamp: input.stamp,
        fate,
        inflated: decoded.inflated_bytes,
        seen: decoded.seen,
        stored: decoded.pushed - filtered,
        filtered,
        duplicate_keys: decoded.duplicate_keys,
        rejected: rejected.collect(),
    }
}

fn ledger(source: &dyn Source, todo: &Todo, state: &State, settled: Settled) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.files.pruned = todo.pruned;
    let mut skips = Skips::new();
    skips.add(SkipReason::Name, source.skipped() - source.digests());
    skips.add(SkipReason::Digest, source.digests());
    skips.add(SkipReason::Pruned, todo.pruned);
    let mut stored = 0;
    for account in state.accounts.values() {
        ledger.bytes.compressed += account.bytes;
        ledger.bytes.inflated += account.inflated;
        ledger.records.seen += account.seen;
        ledger.records.filtered += account.filtered;
        ledger.records.duplicate_keys += account.duplicate_keys;
        stored += account.stored;
        match account.fate {
            Fate::Ingested => ledger.files.ingested += 1,
            Fate::Skipped => skips.file(SkipReason::NoRecords, &account.name),
            Fate::Digest => skips.file(SkipReason::Digest, &account.name),
            Fate::Failed => ledger.files.failed += 1,
        }
        for r in &account.rejected {
            ledger.records.rejected += r.count;
            ledger.rejects.push(Reject {
                file: r.file.clone().unwrap_or_else(|| account.name.to_string()),
                reason: r.reason,
                count: r.count,
                detail: r.detail.clone(),
                remedy: r.remedy.clone(),
            });
        }
    }
    ledger.skips = skips.0.into_values().filter(|skip| skip.count > 0).collect();
    let files = &mut ledger.files;
    files.skipped = ledger.skips.iter().map(|skip| skip.count).sum();
    files.seen = files.ingested + files.skipped + files.failed;
    ledger.records.duplicate = settled.duplicate;
    ledger.records.conflict = settled.conflict;
    ledger.records.amended = settled.amended;
    ledger.records.kept = stored - settled.duplicate;
    ledger.records.aggregated = state.parts_of(Table::Aggregated).map(|part| part.rows).sum();
    ledger
}

/// Names that are kept of files skipped for one reason.
const SKIPPED_NAMES: usize = 20;

struct Skips(BTreeMap<SkipReason, Skip>);

impl Skips {
    fn new() -> Self {
        let empty = |&reason| (reason, Skip { reason, count: 0, files: Vec::new() });
        Self(SkipReason::ALL.iter().map(empty).collect())
    }

    fn add(&mut self, reason: SkipReason, count: u64) {
        self.0.get_mut(&reason).expect("every reason is there").count += count;
    }

    fn file(&mut self, reason: SkipReason, name: &str) {
        self.add(reason, 1);
        let files = &mut self.0.get_mut(&reason).expect("every reason is there").files;
        if files.len() < SKIPPED_NAMES {
            files.push(name.to_owned());
        }
    }
}

fn unreadable(error: std::io::Error, name: &str) -> Result<Decoded, Error> {
    let mut broken = Decoded::broken(0, RejectReason::Unreadable, error.to_string());
    if let Ok(source) = error.downcast::<ReadError>() {
        if source.fatal {
            return Err(Error::GivenUp { name: name.to_owned(), source });
        }
        broken.rejected[0].remedy = source.remedy;
    }
    Ok(broken)
}

fn not_cloudtrail() -> Rejected {
    Rejected {
        reason: RejectReason::NotCloudTrail,
        count: 0,
        detail: "valid JSON, but no CloudTrail records in it".to_owned(),
        remedy: None,
        member: None,
    }
}
