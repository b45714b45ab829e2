//! Dictionaries of one part: each distinct value stored once, rows hold its code.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// The code of a null.
pub(super) const NULL: u32 = u32::MAX;

#[derive(Default)]
pub(super) struct Interner {
    table: HashTable<u32>,
    bytes: Vec<u8>,
    /// End of value `i` in `bytes`; its start is the end of the one before.
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
                bytes.extend_from_slice(value);
                ends.push(bytes.len());
                slot.insert(code);
                code
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|i| slice(&self.bytes, &self.ends, i as u32))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * (size_of::<usize>() + 2 * size_of::<u32>())
    }

    /// The values as Arrow wants them: bytes, and the offset of every value and of the end.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<i64>) {
        let offsets = std::iter::once(0).chain(self.ends.iter().map(|&e| e as i64)).collect();
        (self.bytes, offsets)
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], code: u32) -> &'a [u8] {
    let i = code as usize;
    let start = if i == 0 { 0 } else { ends[i - 1] };
    &bytes[start..ends[i]]
}

/// A dictionary column: codes by row.
#[derive(Default)]
pub(super) struct Dict {
    pub(super) values: Interner,
    pub(super) codes: Vec<u32>,
}

impl Dict {
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        let code = value.map_or(NULL, |v| self.values.code(v));
        self.codes.push(code);
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

    /// The column of `f(things[code])`, where `things` stand for the values of this one.
    pub(super) fn map_codes<T>(&self, things: &[T], f: &dyn Fn(&T) -> Option<String>) -> Self {
        let mut values = Interner::default();
        let mut code_of = |thing: &T| f(thing).map_or(NULL, |v| values.code(v.as_bytes()));
        let of_code: Vec<u32> = things.iter().map(&mut code_of).collect();
        let codes = self.codes.iter().map(|&c| if c == NULL { NULL } else { of_code[c as usize] });
        Self { codes: codes.collect(), values }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.values.heap_bytes() + self.codes.len() * size_of::<u32>()
    }
}
