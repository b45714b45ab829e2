//! `journal.ndjson`: what is in the case so far, one line for every step that is safely on disk.
//!
//! A step's files are on disk before its line is. So whatever the last whole line says is true,
//! whenever the process or the machine stops, and files that no line names are leftovers. The
//! manifest is what the journal came to when an ingest ended.

use super::Error;
use crate::model::{RejectReason, Selection, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const NAME: &str = "journal.ndjson";
/// Raised when what was written before cannot be gone on with.
pub(super) const FORMAT: u32 = 3;

/// One reading of one file. A file that changed is read again under a new number, and only the
/// last reading of a file counts.
pub(super) type Reading = u64;

/// Which table rows are of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Table {
    #[default]
    Events,
    /// Records that count events (`aggregated`).
    Aggregated,
}

/// A part of a table and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    #[serde(default)]
    pub(super) table: Table,
    /// Rows in the table.
    pub(super) rows: u64,
    /// Repeats of some in `spare/`.
    pub(super) spare: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// By the number that keys hold.
    pub(super) files: Vec<PartFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartFile {
    #[serde(rename = "r")]
    pub(super) reading: Reading,
    /// The name in the table where it is another than the file's: a member of an archive.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(super) member: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Ingested,
    Skipped,
    /// Skipped: an integrity digest.
    Digest,
    Failed,
}

/// What became of one file that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) reading: Reading,
    #[serde(with = "shared_text")]
    pub(super) name: Arc<str>,
    pub(super) bytes: u64,
    pub(super) stamp: i64,
    pub(super) fate: Fate,
    pub(super) inflated: u64,
    pub(super) seen: u64,
    pub(super) stored: u64,
    pub(super) filtered: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) duplicate_keys: u64,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub(super) rejected: Box<[Rejected]>,
}

/// Serde's own way to share texts would be a feature of it that nothing else here wants.
mod shared_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rejected {
    /// Where it is another name than the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    pub(super) reason: RejectReason,
    pub(super) count: u64,
    pub(super) detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Account {
    /// A file that could not be opened may be readable next time, and nothing about it changes.
    pub(super) fn is_final(&self) -> bool {
        self.rejected.iter().all(|r| r.reason != RejectReason::Unreadable)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Begin {
        format: u32,
        selection: Selection,
    },
    /// Parts were written, and these files were read to their end. A part may hold rows of files
    /// that are not: they count when a later line says so.
    Read {
        parts: Vec<Part>,
        files: Vec<Account>,
    },
    /// Files that are gone from the archive and left nothing in the table.
    Forget {
        files: Vec<String>,
    },
    /// A part was written again without what does not belong in the table, or is empty now.
    Swap {
        old: String,
        new: Option<Part>,
    },
}

/// What all lines together say.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) selection: Selection,
    pub(super) parts: BTreeMap<String, Part>,
    /// The last reading of every file, by name. Boxed, for there are as many as files, and the nodes of a
    /// map stand half empty.
    pub(super) accounts: BTreeMap<Arc<str>, Box<Account>>,
    next_part: u64,
    next_reading: Reading,
}

impl State {
    fn apply(&mut self, line: Line) {
        match line {
            Line::Begin { selection, .. } => self.selection = selection,
            Line::Read { parts, files } => {
                for part in parts {
                    self.add(part);
                }
                for account in files {
                    self.next_reading = self.next_reading.max(account.reading + 1);
                    self.accounts.insert(Arc::clone(&account.name), Box::new(account));
                }
            }
            Line::Forget { files } => {
                for name in files {
                    self.accounts.remove(&*name);
                }
            }
            Line::Swap { old, new } => {
                self.parts.remove(&old);
                if let Some(part) = new {
                    self.add(part);
                }
            }
        }
    }

    fn add(&mut self, part: Part) {
        let number = part.name.strip_prefix("part-").and_then(|n| n.parse::<u64>().ok());
        self.next_part = self.next_part.max(number.map_or(0, |n| n + 1));
        for file in &part.files {
            self.next_reading = self.next_reading.max(file.reading + 1);
        }
        self.parts.insert(part.name.clone(), part);
    }

    pub(super) fn parts_of(&self, table: Table) -> impl Iterator<Item = &Part> {
        self.parts.values().filter(move |part| part.table == table)
    }

    /// The first of numbers that no reading has had.
    pub(super) fn next_reading(&self) -> Reading {
        self.next_reading
    }

    /// Names of the files whose rows count, by reading.
    pub(super) fn readings(&self) -> HashMap<Reading, &str> {
        self.accounts.values().map(|a| (a.reading, &*a.name)).collect()
    }
}

pub(super) struct Journal {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// As of when the journal was opened or read again, and of every [`Self::append`] since.
    pub(super) state: State,
}

impl Journal {
    /// Goes on with the journal of a case, or begins one.
    pub(super) fn open(case: &Path, selection: &Selection) -> Result<Self, Error> {
        let path = case.join(NAME);
        let (state, whole) = replay(&path)?;
        let state = state.ok_or_else(|| Error::OtherFormat { path: case.to_owned() })?;
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(Error::io("create", &path))?;
        // A line that was cut off in the middle never happened.
        file.set_len(whole).map_err(Error::io("write", &path))?;
        let mut journal = Self { file, path, bytes: whole, state };
        let state = &journal.state;
        // A case with nothing in it may still be about something else.
        let is_empty = state.accounts.is_empty() && state.parts.is_empty();
        if whole == 0 || is_empty && state.selection != *selection {
            journal.append(Line::Begin { format: FORMAT, selection: selection.clone() })?;
        }
        if journal.state.selection != *selection {
            return Err(Error::OtherSelection {
                path: case.to_owned(),
                made: Box::new(journal.state.selection),
                asked: Box::new(selection.clone()),
            });
        }
        Ok(journal)
    }

    /// How long the journal is: the same length is the same case.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns when the line is on disk.
    pub(super) fn append(&mut self, line: Line) -> Result<(), Error> {
        self.tell(&line)?;
        self.state.apply(line);
        Ok(())
    }

    /// Lets go of the account of every file and part: while files are read, memory does not grow with
    /// their number. [`Self::read_again`] brings it back.
    pub(super) fn let_go(&mut self) {
        self.state.accounts.clear();
        self.state.parts.clear();
    }

    /// Finds out from the disk what all lines say.
    pub(super) fn read_again(&mut self) -> Result<(), Error> {
        let (state, whole) = replay(&self.path)?;
        if whole != self.bytes {
            return Err(Error::io("read", &self.path)(ErrorKind::UnexpectedEof.into()));
        }
        self.state = state.expect("what was just written is of this format");
        Ok(())
    }

    /// The same as [`Self::append`], but the state hears of it only when it is read again.
    pub(super) fn tell(&mut self, line: &Line) -> Result<(), Error> {
        let mut text = serde_json::to_vec(line).expect("a line is plain data");
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would join with the next one.
            let _ = self.file.set_len(self.bytes);
            return Err(Error::io("write", &self.path)(error));
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Names for all parts that are written from here on.
    pub(super) fn part_names(&self) -> PartNames {
        PartNames(AtomicU64::new(self.state.next_part))
    }
}

/// Names that no part has had, on every thread; the journal hears of them with the parts.
pub(super) struct PartNames(AtomicU64);

impl PartNames {
    pub(super) fn next(&self) -> String {
        format!("part-{:05}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What the case at `case` is about, if there is one.
#[must_use]
pub fn selection(case: &Path) -> Option<Selection> {
    let (state, whole) = replay(&case.join(NAME)).ok()?;
    state.filter(|_| whole > 0).map(|state| state.selection)
}

/// The state after all whole lines and how many bytes they have; `None` for another format.
fn replay(path: &Path) -> Result<(Option<State>, u64), Error> {
    let (mut state, mut whole) = (State::default(), 0);
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok((Some(state), whole)),
        Err(e) => return Err(Error::io("read", path)(e)),
    };
    let mut text = Vec::new();
    loop {
        text.clear();
        file.read_until(b'\n', &mut text).map_err(Error::io("read", path))?;
        let Some(line) = text.strip_suffix(b"\n") else { break };
        match serde_json::from_slice(line) {
            Ok(Line::Begin { format, .. }) if format != FORMAT => return Ok((None, 0)),
            Ok(line) => state.apply(line),
            // After a power cut the end of a file may be anything; a first line that is no line of
            // ours is another matter.
            Err(_) if whole == 0 => return Ok((None, 0)),
            Err(_) => break,
        }
        whole += text.len() as u64;
    }
    Ok((Some(state), whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn account(reading: Reading, name: &str) -> Account {
        Account {
            reading,
            name: name.into(),
            bytes: 1,
            stamp: 2,
            fate: Fate::Ingested,
            inflated: 3,
            seen: 4,
            stored: 4,
            filtered: 0,
            duplicate_keys: 0,
            rejected: Box::default(),
        }
    }

    #[test]
    fn a_journal_cut_anywhere_goes_on_after_its_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let selection = Selection::default();
        let mut journal = Journal::open(dir.path(), &selection).unwrap();
        let begun = journal.bytes();
        for (reading, name) in [(0, "a"), (1, "b"), (2, "a")] {
            let files = vec![account(reading, name)];
            journal.append(Line::Read { parts: Vec::new(), files }).unwrap();
        }
        let whole = journal.bytes();
        assert_eq!(journal.state.accounts["a"].reading, 2);
        drop(journal);
        let path = dir.path().join(NAME);
        let text = fs::read(&path).unwrap();
        assert_eq!(text.len() as u64, whole);
        for cut in begun..whole {
            fs::write(&path, &text[..cut as usize]).unwrap();
            let mut journal = Journal::open(dir.path(), &selection).unwrap();
            let lines = text[..cut as usize].split(|&b| b == b'\n').count() as u64 - 2;
            assert_eq!(journal.state.next_reading(), lines, "cut at {cut}");
            let files = vec![account(9, "z")];
            journal.append(Line::Read { parts: Vec::new(), files }).unwrap();
            let again = Journal::open(dir.path(), &selection).unwrap();
            assert_eq!(again.state.next_reading(), 10, "cut at {cut}");
        }
    }
}
