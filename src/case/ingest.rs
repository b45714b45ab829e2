//! Archive to case: read, inflate, parse and store every file once, on every thread.
//!
//! Workers take files in the order of their names, each with buffers and a part of its own; a part
//! is written when it is full. Who read what shows nowhere: after the parts, duplicates are taken
//! out by a rule that knows only names and contents.

use super::builder::Builder;
use super::manifest::{self, Manifest, Part};
use super::{Error, dedupe, part, scan};
use crate::archive::{Input, Source};
use crate::decode::{Caps, Decoded, Kind, Scratch, decode};
use crate::model::{Ledger, Reject, RejectReason, Timestamp};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Rows of a part when memory does not end it sooner.
const PART_ROWS: usize = 250_000;
/// A part takes about this share of what a worker may hold; the rest is for the file in hand and
/// for the columns while they are written.
const PART_SHARE: usize = 3;

#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes that ingest may hold at a time, over all workers.
    pub memory_bytes: usize,
    pub caps: Caps,
}

/// Told as the work goes on; called from every worker.
pub trait Progress: Sync {
    fn file(&self, compressed_bytes: u64, inflated_bytes: u64, records: u64);
}

/// Reads all of `source` into a new case at `dir`, on the threads of `pool`.
///
/// # Errors
/// Only when the case cannot be written: bad input is in the ledger.
pub fn ingest(
    source: &dyn Source,
    dir: &Path,
    options: &Options,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> Result<Manifest, Error> {
    prepare(dir)?;
    let run = Run {
        source,
        dir,
        options,
        progress,
        part_bytes: options.memory_bytes / pool.current_num_threads().max(1) / PART_SHARE,
        next_input: AtomicUsize::new(0),
        next_part: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        written: Mutex::new(Vec::new()),
        accounts: Mutex::new(Vec::new()),
    };
    let results: Vec<Result<(), Error>> = pool.broadcast(|_| run.work());
    results.into_iter().collect::<Result<(), Error>>()?;
    run.finish()
}

/// Makes room for a case: in a new folder, an empty one, or in place of an older case.
fn prepare(dir: &Path) -> Result<(), Error> {
    let occupied = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let ours = dir.join(manifest::NAME).is_file() || dir.join("events").is_dir();
        if !ours {
            return Err(Error::Occupied { path: dir.to_owned() });
        }
        for name in [manifest::NAME, "files.ndjson"] {
            remove(fs::remove_file(dir.join(name)), &dir.join(name))?;
        }
        for name in ["events", "keys"] {
            remove(fs::remove_dir_all(dir.join(name)), &dir.join(name))?;
        }
    }
    for name in ["events", "keys"] {
        let path = dir.join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
    }
    Ok(())
}

fn remove(result: std::io::Result<()>, path: &Path) -> Result<(), Error> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

struct Written {
    part: Part,
    files: Vec<String>,
}

/// What became of one input.
struct Account {
    input: usize,
    decoded: Decoded,
}

struct Run<'a> {
    source: &'a dyn Source,
    dir: &'a Path,
    options: &'a Options,
    progress: &'a dyn Progress,
    part_bytes: usize,
    next_input: AtomicUsize,
    next_part: AtomicUsize,
    /// A worker could not write: the others stop too.
    failed: AtomicBool,
    written: Mutex<Vec<Written>>,
    accounts: Mutex<Vec<Account>>,
}

impl Run<'_> {
    fn work(&self) -> Result<(), Error> {
        let result = self.take_files();
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn take_files(&self) -> Result<(), Error> {
        let inputs = self.source.inputs();
        let mut scratch = Scratch::new(self.options.caps.depth);
        let (mut bytes, mut builder, mut accounts) = (Vec::new(), Builder::default(), Vec::new());
        while !self.failed.load(Ordering::Relaxed) {
            let number = self.next_input.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(number) else { break };
            let decoded = self.one(input, &mut bytes, &mut scratch, &mut builder);
            self.progress.file(input.bytes, decoded.inflated_bytes, decoded.seen);
            accounts.push(Account { input: number, decoded });
            if builder.rows() >= PART_ROWS || builder.heap_bytes() >= self.part_bytes {
                self.write_part(&mut builder)?;
            }
        }
        if builder.rows() > 0 {
            self.write_part(&mut builder)?;
        }
        self.accounts.lock().expect("no worker panics with the lock").extend(accounts);
        Ok(())
    }

    fn one(
        &self,
        input: &Input,
        bytes: &mut Vec<u8>,
        scratch: &mut Scratch,
        builder: &mut Builder,
    ) -> Decoded {
        match self.source.read(input, bytes) {
            Ok(()) => decode(bytes, &self.options.caps, scratch, &mut builder.file(&input.name)),
            Err(error) => Decoded::broken(0, RejectReason::Unreadable, error.to_string()),
        }
    }

    fn write_part(&self, builder: &mut Builder) -> Result<(), Error> {
        let number = self.next_part.fetch_add(1, Ordering::Relaxed);
        let taken = builder.take();
        let name = format!("part-{number:05}");
        dedupe::write_keys(&self.dir.join("keys").join(&name), &taken.keys)?;
        let (first, last) = taken.span();
        let path = self.dir.join("events").join(format!("{name}.parquet"));
        part::write(&path, taken.rows, taken.columns)?;
        let part = Part { name, rows: taken.rows as u64, first, last };
        let written = Written { part, files: taken.files };
        self.written.lock().expect("no worker panics with the lock").push(written);
        Ok(())
    }

    fn finish(self) -> Result<Manifest, Error> {
        let mut written = self.written.into_inner().expect("no worker panics with the lock");
        if written.is_empty() {
            // No record at all is still a case: a table of no rows that can be queried.
            let taken = Builder::default().take();
            let path = self.dir.join("events/part-00000.parquet");
            part::write(&path, 0, taken.columns)?;
        }
        written.sort_by(|a, b| a.part.name.cmp(&b.part.name));
        let duplicates = drop_duplicates(self.dir, &mut written, self.options.memory_bytes as u64)?;
        let mut accounts = self.accounts.into_inner().expect("no worker panics with the lock");
        accounts.sort_by_key(|a| a.input);
        let ledger = ledger(self.source, &accounts, duplicates);
        ledger.check();
        let manifest = Manifest {
            format: manifest::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            parts: written.into_iter().map(|w| w.part).collect(),
            ledger,
        };
        manifest.write(self.dir)?;
        Ok(manifest)
    }
}

/// Takes repeated events out of the parts that hold them; returns how many there were.
fn drop_duplicates(dir: &Path, written: &mut [Written], memory: u64) -> Result<u64, Error> {
    let mut names: Vec<&str> =
        written.iter().flat_map(|w| w.files.iter().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    let rank =
        |file: &String| names.binary_search(&file.as_str()).expect("every name is listed") as u32;
    let keys: Vec<dedupe::PartKeys> = written
        .iter()
        .map(|w| dedupe::PartKeys {
            path: dir.join("keys").join(&w.part.name),
            file_ranks: w.files.iter().map(rank).collect(),
        })
        .collect();
    let losers = dedupe::losers(&keys, memory)?;
    let mut duplicates = 0;
    for (number, rows) in losers {
        let part = &mut written[number].part;
        let path = dir.join("events").join(format!("{}.parquet", part.name));
        scan::drop_rows(&path, &rows)?;
        part.rows -= rows.len() as u64;
        duplicates += rows.len() as u64;
    }
    Ok(duplicates)
}

fn ledger(source: &dyn Source, accounts: &[Account], duplicates: u64) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.files.seen = source.skipped() + accounts.len() as u64;
    ledger.files.skipped = source.skipped();
    let mut pushed = 0;
    for Account { input, decoded } in accounts {
        let input = &source.inputs()[*input];
        ledger.bytes.compressed += input.bytes;
        ledger.bytes.inflated += decoded.inflated_bytes;
        ledger.records.seen += decoded.seen;
        pushed += decoded.pushed;
        let mut rejected = decoded.rejected.clone();
        match decoded.kind {
            Kind::Records => ledger.files.ingested += 1,
            Kind::Foreign if !input.named => ledger.files.skipped += 1,
            Kind::Foreign => {
                ledger.files.failed += 1;
                rejected.push(not_cloudtrail());
            }
            Kind::Broken => ledger.files.failed += 1,
        }
        for r in rejected {
            ledger.records.rejected += r.count;
            ledger.rejects.push(Reject {
                file: r.file(&input.name),
                reason: r.reason,
                count: r.count,
                detail: r.detail,
            });
        }
    }
    ledger.records.duplicate = duplicates;
    ledger.records.kept = pushed - duplicates;
    ledger
}

fn not_cloudtrail() -> crate::decode::Rejected {
    crate::decode::Rejected {
        reason: RejectReason::NotCloudTrail,
        count: 0,
        detail: "valid JSON, but no CloudTrail records in it".to_owned(),
        member: None,
    }
}

impl super::builder::Taken {
    fn span(&self) -> (Timestamp, Timestamp) {
        let times = self.columns.iter().find_map(|(_, column)| match column {
            super::builder::Column::Time(times) => Some(times),
            _ => None,
        });
        let times = times.map_or(&[][..], Vec::as_slice);
        let bound = |time: Option<&i64>| Timestamp(time.copied().unwrap_or_default());
        (bound(times.iter().min()), bound(times.iter().max()))
    }
}
