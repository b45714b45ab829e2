//! From parts as they were read to the table as it should be: every event once, and no rows of
//! files that have been read again since.
//!
//! Repeats are not thrown away but put beside the table: when the file that holds the kept one
//! changes, another comes back without its file being read again, or being there at all.

use super::commit::Written;
use super::dedupe::{self, Key, Keys, PartKeys, Repeats};
use super::folder::Folder;
use super::journal::{Journal, Line, Part, PartFile, PartNames, Reading, State, Table};
use super::{Error, fetch, meaning, part, scan};
use crate::model::Timestamp;
use polars::prelude::*;
use std::collections::HashMap;

/// How many rows are beside the table, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) duplicate: u64,
    pub(super) conflict: u64,
    pub(super) amended: u64,
}

/// Brings every part to where it should be. Stopped anywhere and called again, it goes on.
pub(super) fn settle(
    (folder, names): (&Folder, &PartNames),
    journal: &mut Journal,
    memory_bytes: u64,
) -> Result<Settled, Error> {
    let keys = ranked(folder, &journal.state);
    let parts: Vec<String> = journal.state.parts.keys().cloned().collect();
    let meanings = |part: usize, rows: &[u32]| {
        meaning::of_rows(folder, &journal.state.parts[&parts[part]], rows)
    };
    let repeats = dedupe::repeats(&keys, memory_bytes, meanings)?;
    let Repeats { rows, conflict, amended } = repeats;
    let duplicate = rows.values().map(|rows| rows.len() as u64).sum();
    for (number, (part, keys)) in parts.into_iter().zip(&keys).enumerate() {
        let spare = rows.get(&number).map_or(&[][..], Vec::as_slice);
        let part = journal.state.parts[&part].clone();
        settle_part((folder, names), journal, part, (keys, spare))?;
    }
    if journal.state.parts_of(Table::Events).next().is_none() {
        // No record at all is still a case: a table of no rows that can be queried.
        let name = names.next();
        let table = Table::Events;
        let path = folder.table(table, &name);
        let file = part::write(&path, super::builder::Builder::default().take())?;
        Written { path, file }.sync()?;
        write_keys(folder, &name, Keys::default())?;
        folder.sync()?;
        let (first, last) = (Timestamp::default(), Timestamp::default());
        let part = Part { name, table, rows: 0, spare: 0, first, last, files: Vec::new() };
        journal.append(Line::Read { parts: vec![part], files: Vec::new() })?;
    }
    Ok(Settled { duplicate, conflict, amended })
}

fn write_keys(folder: &Folder, part: &str, mut keys: Keys) -> Result<(), Error> {
    let path = folder.keys(part);
    let file = keys.write(&path)?;
    Written { path, file }.sync()
}

/// The name of a file in the table; none for one whose rows do not count.
fn name<'s>(
    file: &'s PartFile,
    readings: &HashMap<Reading, &'s str>,
) -> Option<(&'s str, Option<&'s str>)> {
    Some((readings.get(&file.reading)?, file.member.as_deref()))
}

/// For every part, the rank of every file in it by its name in the table.
fn ranked(folder: &Folder, state: &State) -> Vec<PartKeys> {
    let readings = state.readings();
    let files = state.parts.values().flat_map(|part| &part.files);
    let mut names: Vec<_> = files.filter_map(|file| name(file, &readings)).collect();
    names.sort_unstable();
    names.dedup();
    let rank = |file| {
        let name = name(file, &readings)?;
        Some(names.binary_search(&name).expect("every name is listed") as u32)
    };
    let keys = state.parts.values().map(|part| PartKeys {
        path: folder.keys(&part.name),
        file_ranks: part.files.iter().map(rank).collect(),
    });
    keys.collect()
}

/// Writes the part again if a row of it is not where it should be.
fn settle_part(
    (folder, names): (&Folder, &PartNames),
    journal: &mut Journal,
    old: Part,
    (ranks, spare): (&PartKeys, &[u32]),
) -> Result<(), Error> {
    if old.spare == 0 && spare.is_empty() && ranks.file_ranks.iter().all(Option::is_some) {
        // As most are: no row was moved, and none is to be.
        return Ok(());
    }
    let keys = dedupe::read_keys(&ranks.path)?;
    let counts = |key: &Key| ranks.file_ranks[key.file as usize].is_some();
    let mut spare_rows = spare.iter().peekable();
    let settled: Vec<Option<Key>> = keys
        .iter()
        .enumerate()
        .map(|(row, key)| {
            let spare = spare_rows.next_if(|&&spare| spare as usize == row).is_some();
            counts(key).then_some(key.placed(spare))
        })
        .collect();
    if settled.iter().zip(&keys).all(|(settled, key)| settled.as_ref() == Some(key)) {
        return Ok(());
    }
    let new = rewrite(folder, names.next(), &old, (&keys, &settled))?;
    journal.append(Line::Swap { old: old.name, new })
}

fn rewrite(
    folder: &Folder,
    name: String,
    old: &Part,
    (before, after): (&[Key], &[Option<Key>]),
) -> Result<Option<Part>, Error> {
    let keys: Vec<Key> = after.iter().flatten().copied().collect();
    if keys.is_empty() {
        return Ok(None);
    }
    let path = folder.table(old.table, &old.name);
    let mut rows = scan::read_part(&path)?;
    // Then those beside it are too: they once stood in one part.
    let are_plain = fetch::PartFile::open(&path)?.has_plain_identities();
    let in_table = rows.height() as IdxSize;
    if old.spare > 0 {
        let spare = scan::read_part(&folder.spare(&old.name))?;
        rows.vstack_mut(&spare).map_err(Error::table("read"))?;
    }
    // Where each row of the part stands now: in the table, or behind it among the spare ones.
    let (mut table, mut beside) = (Vec::new(), Vec::new());
    let (mut next_in_table, mut next_spare) = (0, in_table);
    for (before, after) in before.iter().zip(after) {
        let next = if before.spare { &mut next_spare } else { &mut next_in_table };
        match after {
            Some(key) if key.spare => beside.push(*next),
            Some(_) => table.push(*next),
            None => {}
        }
        *next += 1;
    }
    let pick = |places: Vec<IdxSize>| {
        rows.take(&IdxCa::from_vec("place".into(), places)).map_err(Error::table("filtered"))
    };
    let (mut table, mut beside) = (pick(table)?, pick(beside)?);
    drop(rows);
    let (first, last) = scan::span(&table)?;
    scan::write_part(&folder.table(old.table, &name), &mut table, are_plain)?;
    if beside.height() > 0 {
        scan::write_part(&folder.spare(&name), &mut beside, are_plain)?;
    }
    write_keys(folder, &name, keys.into_iter().collect())?;
    folder.sync()?;
    let (rows, spare) = (table.height() as u64, beside.height() as u64);
    let files = old.files.clone();
    Ok(Some(Part { name, table: old.table, rows, spare, first, last, files }))
}
