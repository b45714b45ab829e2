//! Each event once: CloudTrail delivers at least once, and two trails deliver twice.
//!
//! Every row leaves a small key on disk beside its part, whether it stands in the table or was
//! taken out as a repeat. The keys are read in slices of the hash space that fit the memory budget.
//! Of equal events the longest body is kept, then the first file by name, then the first place in
//! it: so which one stays does not depend on who read what when, nor on what was there before.

use super::Error;
use crate::decode::Record;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::slice::ChunksExact;

/// Identity of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Hash of event id and recipient account; 0 where there is no event id.
    hash: u128,
    /// The same of the event that this record replaces, or 0.
    amends: u128,
    /// Hash of time and name: what is repeated was done at the same moment, so events that merely
    /// bear the same id (made up, or masked) are told apart.
    moment: u32,
    body_bytes: u32,
    /// Hash of the record's bytes: whether two deliveries of an event say the same.
    body: u32,
    /// Number of the file within its part.
    pub(super) file: u32,
    index: u32,
    /// The row was taken out of the table as a repeat.
    pub(super) spare: bool,
}

/// On disk, without `amends`: few records amend another, so theirs stand at the end of the file.
pub(super) const KEY_BYTES: usize = 37;
const AMENDMENT_BYTES: usize = 20;
const COUNT_BYTES: usize = 4;
/// The hashes of a slice are looked through in so many shares at a time, on as many threads as there are.
const SHARES: usize = 16;
/// What one key costs while a slice is searched for repeats, and the share of the memory that a
/// slice may take: where all is repeated, twice that of whole entries comes on top.
const SORT_BYTES: u64 = 10;
const SLICE_SHARE: u64 = 32;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addendum {
    reason: String,
    #[serde(rename = "originalEventID")]
    original_event_id: String,
}

impl Key {
    pub(super) fn of(record: &Record<'_>, file: u32) -> Self {
        let account = record.recipient_account_id.unwrap_or_default();
        let hash = record.event_id.map_or(0, |id| identity(id, account));
        let addendum = record.addendum.and_then(|a| serde_json::from_slice::<Addendum>(a).ok());
        let amends = addendum
            .filter(|a| a.reason == "UPDATED_DATA")
            .map_or(0, |a| identity(&a.original_event_id, account));
        // A record that names itself replaces nothing.
        let amends = if amends == hash { 0 } else { amends };
        let hasher = foldhash::fast::FixedState::with_seed(0);
        let moment = hasher.hash_one((record.event_time, record.event_name)) as u32;
        let body = hasher.hash_one(record.raw) as u32;
        let body_bytes = u32::try_from(record.raw.len()).unwrap_or(u32::MAX);
        Self { hash, amends, moment, body_bytes, body, file, index: record.index, spare: false }
    }

    pub(super) fn placed(self, spare: bool) -> Self {
        Self { spare, ..self }
    }

    fn print(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        for number in [self.moment, self.body_bytes, self.body, self.file, self.index] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.push(u8::from(self.spare));
    }

    fn parse(bytes: &[u8]) -> Self {
        Self {
            hash: wide(&bytes[..16]),
            amends: 0,
            moment: number(&bytes[16..20]),
            body_bytes: number(&bytes[20..24]),
            body: number(&bytes[24..28]),
            file: number(&bytes[28..32]),
            index: number(&bytes[32..36]),
            spare: bytes[36] != 0,
        }
    }
}

fn identity(event_id: &str, account: &str) -> u128 {
    if event_id.is_empty() {
        return 0;
    }
    let half = |seed: u64| {
        u128::from(foldhash::fast::FixedState::with_seed(seed).hash_one((event_id, account)))
    };
    (half(0) << 64 | half(1)).max(1)
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes were taken"))
}

fn wide(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(bytes.try_into().expect("sixteen bytes were taken"))
}

/// The keys of one part as they stand in its file.
#[derive(Default)]
pub(super) struct Keys {
    rows: Vec<u8>,
    amendments: Vec<u8>,
    count: u32,
}

impl Keys {
    pub(super) fn push(&mut self, key: Key) {
        key.print(&mut self.rows);
        if key.amends != 0 {
            self.amendments.extend_from_slice(&self.count.to_le_bytes());
            self.amendments.extend_from_slice(&key.amends.to_le_bytes());
        }
        self.count += 1;
    }

    /// Writes what is there and is empty again. Not on disk before the file is synced.
    pub(super) fn write(&mut self, path: &Path) -> Result<File, Error> {
        let mut file = File::create(path).map_err(Error::io("create", path))?;
        for part in [&self.count.to_le_bytes()[..], &self.rows, &self.amendments] {
            file.write_all(part).map_err(Error::io("write", path))?;
        }
        self.clear();
        Ok(file)
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.amendments.clear();
        self.count = 0;
    }
}

impl FromIterator<Key> for Keys {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Self {
        let mut all = Self::default();
        keys.into_iter().for_each(|key| all.push(key));
        all
    }
}

pub(super) fn read_keys(path: &Path) -> Result<Vec<Key>, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let (rows, amendments) = split(&bytes, path)?;
    let mut keys: Vec<Key> = rows.map(Key::parse).collect();
    for (row, amends) in amendments {
        keys.get_mut(row).ok_or_else(|| damaged(path))?.amends = amends;
    }
    Ok(keys)
}

/// The rows of a file of keys, and which of them amend which event.
fn split<'b>(
    bytes: &'b [u8],
    path: &Path,
) -> Result<(ChunksExact<'b, u8>, impl Iterator<Item = (usize, u128)> + 'b), Error> {
    let (count, rest) = bytes.split_at_checked(COUNT_BYTES).ok_or_else(|| damaged(path))?;
    let rows = number(count) as usize * KEY_BYTES;
    let (rows, amendments) = rest.split_at_checked(rows).ok_or_else(|| damaged(path))?;
    let amendments = amendments.chunks_exact(AMENDMENT_BYTES);
    let amendments = amendments.map(|a| (number(&a[..4]) as usize, wide(&a[4..])));
    Ok((rows.chunks_exact(KEY_BYTES), amendments))
}

fn damaged(path: &Path) -> Error {
    Error::io("read", path)(std::io::ErrorKind::InvalidData.into())
}

/// The keys of one part: where they are, and the rank of each of its files in the order of names;
/// none for a file whose rows do not count any more.
pub(super) struct PartKeys {
    pub(super) path: PathBuf,
    pub(super) file_ranks: Vec<Option<u32>>,
}

/// Rows that do not belong in the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repeats {
    /// By place of the part in `parts`; rows ascending.
    pub(super) rows: BTreeMap<usize, Vec<u32>>,
    /// Of these, with another body than the longest, as a JSON value.
    pub(super) conflict: u64,
    /// Events that were replaced by another record.
    pub(super) amended: u64,
}

/// A row of an event whose bodies are not the same bytes.
#[derive(Clone, Copy)]
struct Unclear {
    event: u32,
    part: u32,
    row: u32,
    /// The others are held against it.
    is_first: bool,
}

/// Finds repeated events over all parts. `meanings` gives a hash of each of some rows (rising) of a
/// part as JSON values: asked for only where the bytes differ.
pub(super) fn repeats(
    parts: &[PartKeys],
    memory_bytes: u64,
    mut meanings: impl FnMut(usize, &[u32]) -> Result<Vec<u64>, Error>,
) -> Result<Repeats, Error> {
    let total: u64 = parts.iter().map(|p| fs::metadata(&p.path).map_or(0, |m| m.len())).sum();
    let room = (memory_bytes / SLICE_SHARE).max(1);
    let slices = (total / KEY_BYTES as u64 * SORT_BYTES).div_ceil(room).max(1);
    let mut repeats = Repeats::default();
    for slice in 0..slices {
        // The top 32 bits, scaled to the number of slices.
        let within = |hash: u128| ((hash >> 96) as u64 * slices) >> 32 == slice;
        let repeated = repeated(parts, slices, within)?;
        if repeated.is_empty() {
            continue;
        }
        let is_repeated = |hash: u128| repeated.binary_search(&(hash as u64)).is_ok();
        let mut entries = entries(parts, |hash| within(hash) && is_repeated(hash))?;
        entries.sort_unstable_by_key(|e| (e.hash, e.order));
        let mut unclear = Vec::new();
        for group in entries.chunk_by(|a, b| a.hash == b.hash) {
            repeats.add(group, &mut unclear);
        }
        drop(entries);
        repeats.conflict += conflicts(unclear, &mut meanings)?;
    }
    for rows in repeats.rows.values_mut() {
        rows.sort_unstable();
    }
    Ok(repeats)
}

/// Half of each hash that is there more than once, sorted. Most events are there once: only this
/// little is kept of them.
fn repeated(
    parts: &[PartKeys],
    slices: u64,
    within: impl Fn(u128) -> bool + Sync,
) -> Result<Vec<u64>, Error> {
    let hashes: Result<Vec<_>, Error> =
        parts.par_iter().map(|part| hashes(&part.path, slices, &within)).collect();
    let hashes = hashes?;
    let share = |share| twice(hashes.iter().map(|of_part| &of_part[share]));
    let mut repeated = (0..SHARES).into_par_iter().map(share).collect::<Vec<_>>().concat();
    repeated.sort_unstable();
    Ok(repeated)
}

/// The lower half of each hash of a part that is `within` a slice, by share.
fn hashes(
    path: &Path,
    slices: u64,
    within: impl Fn(u128) -> bool,
) -> Result<[Vec<u64>; SHARES], Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let (rows, amendments) = split(&bytes, path)?;
    let expected = rows.len() / SHARES / slices as usize;
    let mut shares = std::array::from_fn(|_| Vec::with_capacity(expected + expected / 8));
    let all = rows.map(|row| wide(&row[..16])).chain(amendments.map(|(_, amends)| amends));
    for hash in all.filter(|h| *h != 0 && within(*h)) {
        // Of the upper half the end, for the slice is in its beginning.
        shares[(hash >> 64) as usize % SHARES].push(hash as u64);
    }
    Ok(shares)
}

/// Those that are there more than once, each once.
fn twice<'h>(hashes: impl Iterator<Item = &'h Vec<u64>> + Clone) -> Vec<u64> {
    // Eight bits for each keep most that is there once out of the sorting.
    let words = hashes.clone().map(Vec::len).sum::<usize>() / 8 + 1;
    let (mut seen, mut again) = (vec![0u64; words], vec![0u64; words]);
    let place = |hash: u64| (((u128::from(hash) * words as u128) >> 64) as usize, 1 << (hash % 64));
    for &hash in hashes.clone().flatten() {
        let (word, bit) = place(hash);
        again[word] |= seen[word] & bit;
        seen[word] |= bit;
    }
    let is_again = |hash: &u64| {
        let (word, bit) = place(*hash);
        again[word] & bit != 0
    };
    let mut maybe: Vec<u64> = hashes.flatten().copied().filter(is_again).collect();
    maybe.sort_unstable();
    let groups = maybe.chunk_by(|a, b| a == b);
    groups.filter(|group| group.len() > 1).map(|group| group[0]).collect()
}

/// Rising: notices that an event is replaced, then the longest body, first file, first place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Replaced,
    Row { moment: u32, shortness: std::cmp::Reverse<u32>, file: u32, index: u32, body: u32 },
}

struct Entry {
    hash: u128,
    order: Order,
    part: u32,
    row: u32,
    amends: bool,
}

fn entries(parts: &[PartKeys], within: impl Fn(u128) -> bool) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        for (row, key) in read_keys(&part.path)?.iter().enumerate() {
            let Some(file) = part.file_ranks[key.file as usize] else { continue };
            let (part, row, amends) = (number as u32, row as u32, key.amends != 0);
            if key.hash != 0 && within(key.hash) {
                let shortness = std::cmp::Reverse(key.body_bytes);
                let Key { moment, index, body, .. } = *key;
                let order = Order::Row { moment, shortness, file, index, body };
                entries.push(Entry { hash: key.hash, order, part, row, amends });
            }
            if amends && within(key.amends) {
                entries.push(Entry { hash: key.amends, order: Order::Replaced, part, row, amends });
            }
        }
    }
    Ok(entries)
}

impl Repeats {
    /// All rows of one event id, in order. A record that replaces another is never replaced itself:
    /// two that name each other would both be lost.
    fn add(&mut self, group: &[Entry], unclear: &mut Vec<Unclear>) {
        let notices = group.iter().take_while(|e| e.order == Order::Replaced).count();
        let rows = &group[notices..];
        for event in rows.chunk_by(|a, b| a.order.moment() == b.order.moment()) {
            let kept = event.iter().find(|e| notices == 0 || e.amends);
            self.amended += u64::from(kept.is_none());
            let place = |e: &Entry| (e.part, e.row);
            let number = unclear.last().map_or(0, |last| last.event + 1);
            let unclear_row =
                |e: &Entry, is_first| Unclear { event: number, part: e.part, row: e.row, is_first };
            let before = unclear.len();
            for row in event.iter().filter(|e| kept.map(place) != Some(place(e))) {
                self.rows.entry(row.part as usize).or_default().push(row.row);
                if row.order.body() != event[0].order.body() {
                    unclear.push(unclear_row(row, false));
                }
            }
            if unclear.len() > before {
                unclear.push(unclear_row(&event[0], true));
            }
        }
    }
}

/// How many rows mean something else than the first of their event.
fn conflicts(
    mut unclear: Vec<Unclear>,
    meanings: &mut impl FnMut(usize, &[u32]) -> Result<Vec<u64>, Error>,
) -> Result<u64, Error> {
    unclear.sort_unstable_by_key(|u| (u.part, u.row));
    let mut meant = Vec::with_capacity(unclear.len());
    for part in unclear.chunk_by(|a, b| a.part == b.part) {
        let rows: Vec<u32> = part.iter().map(|u| u.row).collect();
        let of_part = meanings(part[0].part as usize, &rows)?;
        meant.extend(part.iter().zip(of_part).map(|(u, meant)| (u.event, !u.is_first, meant)));
    }
    meant.sort_unstable();
    let events = meant.chunk_by(|a, b| a.0 == b.0);
    Ok(events.map(|event| event[1..].iter().filter(|row| row.2 != event[0].2).count() as u64).sum())
}

impl Order {
    fn moment(self) -> Option<u32> {
        match self {
            Self::Replaced => None,
            Self::Row { moment, .. } => Some(moment),
        }
    }

    fn body(self) -> Option<(std::cmp::Reverse<u32>, u32)> {
        match self {
            Self::Replaced => None,
            Self::Row { shortness, body, .. } => Some((shortness, body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn spread(n: u128) -> u128 {
        n << 96 | 7
    }

    fn key(hash: u128, body_bytes: u32, file: u32, index: u32) -> Key {
        Key { hash, amends: 0, moment: 0, body_bytes, body: 0, file, index, spare: false }
    }

    fn found(parts: &[(&[Key], &[Option<u32>])]) -> Repeats {
        let dir = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for (number, (keys, file_ranks)) in parts.iter().enumerate() {
            let path = dir.path().join(number.to_string());
            keys.iter().copied().collect::<Keys>().write(&path).unwrap();
            assert_eq!(&read_keys(&path).unwrap(), keys);
            all.push(PartKeys { path, file_ranks: file_ranks.to_vec() });
        }
        // Bodies from 100 on are spellings of the same.
        let meanings = |part: usize, rows: &[u32]| {
            let body = |row: &u32| u64::from(parts[part].0[*row as usize].body);
            Ok(rows.iter().map(|row| body(row).min(100)).collect())
        };
        let found = repeats(&all, 1 << 20, meanings).unwrap();
        assert_eq!(repeats(&all, 100, meanings).unwrap(), found, "slices change nothing");
        found
    }

    #[test]
    fn what_is_there_twice_is_found_among_many() {
        let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let once = (0..5_000).map(spread);
        let repeated = (0..5_000).step_by(37).map(|n| vec![spread(n); 1 + n as usize % 3]);
        let mut expected: Vec<u64> = (0..5_000).step_by(37).map(spread).collect();
        expected.sort_unstable();
        let hashes: Vec<_> = std::iter::once(once.collect()).chain(repeated).collect();
        assert_eq!(twice(hashes.iter()), expected);
        assert_eq!(twice([].iter()), Vec::<u64>::new());
    }

    #[test]
    fn the_longest_body_stays_and_slices_change_nothing() {
        let first = [key(spread(1), 10, 0, 0), key(spread(9), 10, 0, 1), key(0, 1, 0, 2)];
        let second = [key(spread(9), 12, 0, 0), key(spread(1), 10, 1, 5), key(0, 1, 0, 1)];
        // Event 9: the longer body in part 1 stays. Event 1: equal bodies, the file of rank 1 stays.
        let both = found(&[(&first, &[Some(2)]), (&second, &[Some(0), Some(1)])]);
        assert_eq!(both.rows, BTreeMap::from([(0, vec![0, 1])]));
        assert_eq!((both.conflict, both.amended), (0, 0));
        let [mut other, more] = [second[0], key(spread(9), 11, 1, 7)];
        other.body = 5;
        let both = found(&[(&first, &[Some(2)]), (&[other, more], &[Some(0), Some(1)])]);
        assert_eq!((both.conflict, both.amended), (2, 0));
        // As long, but not the same.
        let other = [Key { body: 7, ..first[0] }];
        let same = found(&[(&first, &[Some(0)]), (&first[..1], &[Some(1)])]);
        let other = found(&[(&first, &[Some(0)]), (&other, &[Some(1)])]);
        assert_eq!((same.conflict, other.conflict), (0, 1));
        assert_eq!(same.rows, other.rows);
        let spelled = [100, 101].map(|body| [Key { body, ..first[0] }]);
        let respelled = found(&[(&spelled[0], &[Some(0)]), (&spelled[1], &[Some(1)])]);
        assert_eq!((respelled.conflict, &respelled.rows[&1]), (0, &vec![0]));
        // Another moment, another event.
        let later = [Key { moment: 1, ..key(spread(1), 9, 0, 0) }];
        let other = found(&[(&first, &[Some(0)]), (&later, &[Some(1)])]);
        assert_eq!(other.rows, BTreeMap::new());
        // The rows of a file that does not count any more win over nothing.
        let one = found(&[(&first, &[Some(2)]), (&second, &[None, Some(1)])]);
        assert_eq!(one.rows, BTreeMap::from([(0, vec![0])]));
    }

    #[test]
    fn an_amended_event_goes_and_no_two_records_take_each_other_out() {
        let amending = |hash, amends| Key { amends, ..key(hash, 10, 0, 2) };
        let keys = [
            key(spread(1), 10, 0, 0),
            key(spread(1), 10, 0, 1),
            amending(spread(2), spread(1)),
            amending(spread(3), spread(4)),
            amending(spread(4), spread(3)),
        ];
        let found = found(&[(&keys, &[Some(0)])]);
        assert_eq!(found.rows, BTreeMap::from([(0, vec![0, 1])]));
        assert_eq!((found.conflict, found.amended), (0, 1));
    }
}
