//! Rows on their way to disk: one worker's parts while they grow, and what the journal is to hear
//! when they are written.
//!
//! A part ends when it is full, be it in the middle of a file: its rows count when the journal hears
//! that the file was read to its end, and are dropped when it never does.

use super::aggregated::Aggregated;
use super::builder::{Builder, Taken};
use super::commit::{Step, Written};
use super::dedupe::Keys;
use super::folder::Folder;
use super::journal::{Account, Line, Part, PartFile, PartNames, Reading, Table};
use super::{Error, part};
use crate::decode::{Record, Sink};
use crate::model::Timestamp;
use std::sync::mpsc::SyncSender;

/// Rows of a part when memory does not end it sooner. Twice as many took a quarter more memory, which two threads paid for
/// with more page faults and cache misses than one, and made the case 0.3 % smaller; fewer gained nothing.
const PART_ROWS: usize = 50_000;

/// Where parts go.
#[derive(Clone, Copy)]
pub(super) struct Target<'r> {
    pub(super) folder: &'r Folder,
    pub(super) names: &'r PartNames,
    pub(super) steps: &'r SyncSender<Step>,
}

pub(super) struct Store<'r> {
    target: Target<'r>,
    /// Bytes that the rows in hand may take.
    part_bytes: usize,
    events: Builder,
    aggregated: Aggregated,
    /// By the codes that rows have, for each table.
    event_files: Vec<PartFile>,
    aggregated_files: Vec<PartFile>,
    /// Files read to their end since the last line of the journal.
    accounts: Vec<Account>,
    failed: Option<Error>,
}

impl<'r> Store<'r> {
    pub(super) fn new(target: Target<'r>, part_bytes: usize) -> Self {
        Self {
            target,
            part_bytes,
            events: Builder::default(),
            aggregated: Aggregated::default(),
            event_files: Vec::new(),
            aggregated_files: Vec::new(),
            accounts: Vec::new(),
            failed: None,
        }
    }

    /// The sink for the records of one file.
    pub(super) fn file<'s>(&'s mut self, name: &'s str, reading: Reading) -> FileSink<'s, 'r> {
        FileSink { store: self, name, reading, member: None, file: None }
    }

    /// The file was read to its end.
    pub(super) fn end_file(&mut self, account: Account) -> Result<(), Error> {
        self.accounts.push(account);
        if self.failed.is_some() || self.is_full() { self.write() } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        let bytes = || self.events.heap_bytes() + self.aggregated.heap_bytes();
        self.events.rows() >= PART_ROWS || bytes() >= self.part_bytes
    }

    /// Writes the rows and hands on what the journal is to hear when they are on disk.
    pub(super) fn write(&mut self) -> Result<(), Error> {
        if let Some(error) = self.failed.take() {
            // Rows of files that ended before are lost with it: no line may name them.
            return Err(error);
        }
        let (mut parts, mut written) = (Vec::new(), Vec::new());
        if self.events.rows() > 0 {
            let taken = self.events.take();
            let files = std::mem::take(&mut self.event_files);
            let taken = (taken, self.events.keys());
            parts.push(self.target.part(Table::Events, taken, files, &mut written)?);
        }
        if self.aggregated.rows() > 0 {
            let taken = self.aggregated.take();
            let files = std::mem::take(&mut self.aggregated_files);
            let taken = (taken, self.aggregated.keys());
            parts.push(self.target.part(Table::Aggregated, taken, files, &mut written)?);
        }
        let files = std::mem::take(&mut self.accounts);
        if parts.is_empty() && files.is_empty() {
            return Ok(());
        }
        self.target.step(written, Some(Line::Read { parts, files }))
    }
}

impl Target<'_> {
    fn step(self, written: Vec<Written>, line: Option<Line>) -> Result<(), Error> {
        // Where nobody takes it, an earlier one failed and that is told.
        self.steps.send(Step { written, line }).map_err(|_| Error::Stopped)
    }

    /// Writes a part and its keys, which are on their way to the disk before the part is written.
    fn part(
        self,
        table: Table,
        (taken, keys): (Taken, &mut Keys),
        files: Vec<PartFile>,
        written: &mut Vec<Written>,
    ) -> Result<Part, Error> {
        let name = self.names.next();
        let ((first, last), rows) = (taken.span(), taken.rows);
        let path = self.folder.keys(&name);
        self.step(vec![Written { file: keys.write(&path)?, path }], None)?;
        let path = self.folder.table(table, &name);
        written.push(Written { file: part::write(&path, taken)?, path });
        Ok(Part { name, table, rows: rows as u64, spare: 0, first, last, files })
    }
}

/// Pushes the records of one file.
pub(super) struct FileSink<'s, 'r> {
    store: &'s mut Store<'r>,
    name: &'s str,
    reading: Reading,
    /// The name in the table, for a member of an archive.
    member: Option<String>,
    /// The code of this file or member in the part in hand, once it has a row.
    file: Option<u32>,
}

impl FileSink<'_, '_> {
    fn code(&mut self, table: Table) -> u32 {
        let name = self.member.as_deref().unwrap_or(self.name);
        let (code, files) = match table {
            Table::Events => (self.store.events.file(name), &mut self.store.event_files),
            Table::Aggregated => {
                (self.store.aggregated.file(name), &mut self.store.aggregated_files)
            }
        };
        if code as usize == files.len() {
            files.push(PartFile {
                reading: self.reading,
                member: self.member.as_deref().map(Box::from),
            });
        }
        code
    }
}

impl Sink for FileSink<'_, '_> {
    fn record(&mut self, record: &Record<'_>) {
        if record.is_aggregated {
            let file = self.code(Table::Aggregated);
            return self.store.aggregated.push(record, file);
        }
        let file = self.file.unwrap_or_else(|| self.code(Table::Events));
        self.file = Some(file);
        self.store.events.push(record, file);
    }

    fn member(&mut self, name: &str) {
        self.member = Some(format!("{}!{name}", self.name));
        self.file = None;
    }

    fn pause(&mut self) {
        if self.store.failed.is_none() && self.store.is_full() {
            self.store.failed = self.store.write().err();
            self.file = None;
        }
    }
}

impl Taken {
    /// The first and the last moment; the first column is that of time.
    fn span(&self) -> (Timestamp, Timestamp) {
        let times = match self.columns.first() {
            Some((_, super::builder::Column::Time(times))) => &times[..],
            _ => &[],
        };
        let bound = |time: Option<&i64>| Timestamp(time.copied().unwrap_or_default());
        (bound(times.iter().min()), bound(times.iter().max()))
    }
}
