//! Dictionaries of one part: each distinct value stored once, rows hold its code.

use super::pages::plain;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// Bytes of the length in front of a value.
const PLAIN_LENGTH: usize = 4;

/// The code of a null.
pub(super) const NULL: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Interner {
    table: HashTable<u32>,
    /// All values in Parquet's PLAIN encoding: each behind its length.
    bytes: Vec<u8>,
    /// End of value `i` in `bytes`; its length stands at the end of the one before.
    ends: Vec<usize>,
    hasher: foldhash::fast::FixedState,
}

impl Interner {
    pub(super) fn code(&mut self, value: &[u8]) -> u32 {
        let Self { table, bytes, ends, hasher } = self;
        let hash = hasher.hash_one(value);
        let entry = table.entry(
            hash,
            |&code| slice(bytes, ends, code) == value,
            |&code| hasher.hash_one(slice(bytes, ends, code)),
        );
        match entry {
            Entry::Occupied(slot) => *slot.get(),
            Entry::Vacant(slot) => {
                let code = u32::try_from(ends.len()).expect("a part has fewer rows than codes");
                plain(value, bytes);
                ends.push(bytes.len());
                slot.insert(code);
                code
            }
        }
    }

    fn get(&self, code: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, code)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|i| slice(&self.bytes, &self.ends, i as u32))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * (size_of::<usize>() + 2 * size_of::<u32>())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All values as they stand in a dictionary page.
    pub(super) fn plain(&self) -> &[u8] {
        &self.bytes
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], code: u32) -> &'a [u8] {
    let i = code as usize;
    let start = if i == 0 { 0 } else { ends[i - 1] };
    &bytes[start + PLAIN_LENGTH..ends[i]]
}

/// A dictionary column: codes by row.
#[derive(Default)]
pub(super) struct Dict {
    pub(super) values: Interner,
    pub(super) codes: Vec<u32>,
}

impl Dict {
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        // Neighbours are often of one account, Region, caller: no need to hash.
        let last = self.codes.last().copied().filter(|&c| c != NULL);
        let code = value.map_or(NULL, |value| match last {
            Some(last) if self.values.get(last) == value => last,
            _ => self.values.code(value),
        });
        self.codes.push(code);
    }

    /// Empty again, with the room it had.
    pub(super) fn clear(&mut self) {
        self.codes.clear();
        self.values.table.clear();
        self.values.bytes.clear();
        self.values.ends.clear();
    }

    /// The column of `f(value)`, computed once for every distinct value.
    pub(super) fn derive<T: AsRef<[u8]>>(&self, f: impl Fn(Option<&[u8]>) -> Option<T>) -> Self {
        let mut values = Interner::default();
        let mut code_of =
            |v: Option<&[u8]>| f(v).map_or(NULL, |derived| values.code(derived.as_ref()));
        let of_null = code_of(None);
        let of_code: Vec<u32> = self.values.iter().map(|v| code_of(Some(v))).collect();
        let codes =
            self.codes.iter().map(|&c| if c == NULL { of_null } else { of_code[c as usize] });
        Self { codes: codes.collect(), values }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.values.heap_bytes() + self.codes.len() * size_of::<u32>()
    }
}
