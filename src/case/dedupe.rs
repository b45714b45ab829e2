//! Each event once: CloudTrail delivers at least once, and two trails deliver twice.
//!
//! Every row leaves a small key on disk beside its part. After the parts are written, the keys are
//! read in slices of the hash space that fit the memory budget, and rows that lose are taken out of
//! their parts. Of equal events the longest body is kept, then the first file by name, then the
//! first place in it: so which one stays does not depend on who read what when.

use super::Error;
use crate::decode::Record;
use std::collections::BTreeMap;
use std::fs;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

/// Identity of one row, 28 bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Hash of event id and recipient account; 0 where there is no event id.
    hash: u128,
    body_bytes: u32,
    /// Number of the file within its part.
    file: u32,
    index: u32,
}

const KEY_BYTES: usize = 28;
/// What one key costs while a slice is sorted.
const SORT_BYTES: u64 = 64;

impl Key {
    pub(super) fn of(record: &Record<'_>, file: u32) -> Self {
        let hash = record.event_id.filter(|id| !id.is_empty()).map_or(0, |id| {
            let account = record.recipient_account_id.unwrap_or_default();
            let half = |seed: u64| {
                u128::from(foldhash::fast::FixedState::with_seed(seed).hash_one((id, account)))
            };
            (half(0) << 64 | half(1)).max(1)
        });
        Self { hash, body_bytes: record.raw_bytes, file, index: record.index }
    }

    fn print(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        for number in [self.body_bytes, self.file, self.index] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were taken"))
        };
        let hash = u128::from_le_bytes(bytes[..16].try_into().expect("sixteen bytes were taken"));
        Self { hash, body_bytes: number(16), file: number(20), index: number(24) }
    }
}

pub(super) fn write_keys(path: &Path, keys: &[Key]) -> Result<(), Error> {
    let mut out = Vec::with_capacity(keys.len() * KEY_BYTES);
    for key in keys {
        key.print(&mut out);
    }
    fs::write(path, out).map_err(Error::io("write", path))
}

/// The keys of one part: where they are, and the rank of each of its files in the order of names.
pub(super) struct PartKeys {
    pub(super) path: PathBuf,
    pub(super) file_ranks: Vec<u32>,
}

/// Rows to take out, by place of the part in `parts`; rows ascending.
pub(super) fn losers(
    parts: &[PartKeys],
    memory_bytes: u64,
) -> Result<BTreeMap<usize, Vec<u32>>, Error> {
    let total: u64 = parts.iter().map(|p| fs::metadata(&p.path).map_or(0, |m| m.len())).sum();
    let slices = (total / KEY_BYTES as u64 * SORT_BYTES).div_ceil(memory_bytes.max(1)).max(1);
    let mut losers: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for slice in 0..slices {
        for (part, row) in slice_losers(parts, slice, slices)? {
            losers.entry(part).or_default().push(row);
        }
    }
    for rows in losers.values_mut() {
        rows.sort_unstable();
    }
    Ok(losers)
}

struct Entry {
    hash: u128,
    /// Rising: longest body, first file, first place.
    order: (std::cmp::Reverse<u32>, u32, u32),
    part: u32,
    row: u32,
}

fn slice_losers(parts: &[PartKeys], slice: u64, slices: u64) -> Result<Vec<(usize, u32)>, Error> {
    let mut entries = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let bytes = fs::read(&part.path).map_err(Error::io("read", &part.path))?;
        for (row, chunk) in bytes.chunks_exact(KEY_BYTES).enumerate() {
            let key = Key::parse(chunk);
            // The top 32 bits, scaled to the number of slices.
            let of = ((key.hash >> 96) as u64 * slices) >> 32;
            if key.hash != 0 && of == slice {
                let rank = part.file_ranks[key.file as usize];
                let order = (std::cmp::Reverse(key.body_bytes), rank, key.index);
                entries.push(Entry { hash: key.hash, order, part: number as u32, row: row as u32 });
            }
        }
    }
    entries.sort_unstable_by_key(|e| (e.hash, e.order));
    let lost = entries.windows(2).filter(|pair| pair[0].hash == pair[1].hash);
    Ok(lost.map(|pair| (pair[1].part as usize, pair[1].row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_body_stays_and_slices_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let key = |hash: u128, body_bytes, file, index| Key { hash, body_bytes, file, index };
        let spread = |n: u128| n << 96 | 7;
        let first = [key(spread(1), 10, 0, 0), key(spread(9), 10, 0, 1), key(0, 1, 0, 2)];
        let second = [key(spread(9), 12, 0, 0), key(spread(1), 10, 1, 5), key(0, 1, 0, 1)];
        let mut parts = Vec::new();
        for (name, keys, file_ranks) in [("a", first, vec![2]), ("b", second, vec![0, 1])] {
            let path = dir.path().join(name);
            write_keys(&path, &keys).unwrap();
            parts.push(PartKeys { path, file_ranks });
        }
        // Event 9: the longer body in part 1 stays. Event 1: equal bodies, the file of rank 1 stays.
        let expected = BTreeMap::from([(0, vec![0, 1])]);
        assert_eq!(losers(&parts, 1 << 20).unwrap(), expected);
        assert_eq!(losers(&parts, 100).unwrap(), expected);
    }
}
