//! The list of what there is to read. An archive may have millions of files, and all are known by
//! name until the end, so a name is held as what differs from the one before: in order, neighbours
//! share their folder and half of the rest.

use super::Input;
use std::collections::BTreeMap;
use std::path::Path;

/// So many names are gone through to find one; the first of them is held whole.
const BLOCK: usize = 16;
/// Before each name: how much it shares with the one before, and how long the rest is.
const SHARED_BYTES: usize = 2;
const HEAD_BYTES: usize = SHARED_BYTES + 4;

/// Inputs by number, in the order in which they were added: that of their names, where one is looked
/// for by name.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    names: Vec<u8>,
    /// Where each block of names begins.
    blocks: Vec<usize>,
    /// Size and stamp.
    sizes: Vec<(u64, i64)>,
    /// Origin, and in the lowest bit whether the user named it.
    origins: Vec<u32>,
    /// Of the few whose name does not say where they are.
    paths: BTreeMap<u32, Box<Path>>,
}

impl Inputs {
    #[must_use]
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// One of them; there are [`Self::len`].
    #[must_use]
    pub fn get(&self, number: u32) -> Input {
        let (mut at, mut name) = (self.blocks[number as usize / BLOCK], Vec::new());
        for _ in 0..=number as usize % BLOCK {
            at = self.step(at, &mut name);
        }
        self.input(number, name)
    }

    /// The size alone, which costs nothing to know.
    #[must_use]
    pub fn bytes_of(&self, number: u32) -> u64 {
        self.sizes[number as usize].0
    }

    pub fn iter(&self) -> impl Iterator<Item = Input> + '_ {
        let (mut at, mut name) = (0, Vec::new());
        (0..self.len() as u32).map(move |number| {
            at = self.step(at, &mut name);
            self.input(number, name.clone())
        })
    }

    /// Whether one has this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        let first = |&at: &usize| self.rest(at).1 <= name.as_bytes();
        let Some(block) = self.blocks.partition_point(first).checked_sub(1) else { return false };
        let (mut at, mut found) = (self.blocks[block], Vec::new());
        let end = self.blocks.get(block + 1).copied().unwrap_or(self.names.len());
        while at < end {
            at = self.step(at, &mut found);
            if found == name.as_bytes() {
                return true;
            }
        }
        false
    }

    /// Adds `input`; `before` is the name of the one that was added last.
    fn push(&mut self, before: &str, input: Input) {
        let number = self.len();
        let same = before.bytes().zip(input.name.bytes()).take_while(|(a, b)| a == b).count();
        let shared = if number.is_multiple_of(BLOCK) {
            self.blocks.push(self.names.len());
            0
        } else {
            u16::try_from(same).unwrap_or(u16::MAX)
        };
        let rest = &input.name.as_bytes()[usize::from(shared)..];
        let len = u32::try_from(rest.len()).expect("a name has less than 4 GiB");
        self.names.extend_from_slice(&shared.to_le_bytes());
        self.names.extend_from_slice(&len.to_le_bytes());
        self.names.extend_from_slice(rest);
        self.sizes.push((input.bytes, input.stamp));
        self.origins.push(u32::from(input.origin) << 1 | u32::from(input.named));
        if let Some(path) = input.path {
            let number = u32::try_from(number).expect("an archive has fewer than 2^32 files");
            self.paths.insert(number, path);
        }
    }

    /// How much the name at `at` shares with the one before, and the rest of it.
    fn rest(&self, at: usize) -> (usize, &[u8]) {
        let (shared, len) = self.names[at..at + HEAD_BYTES].split_at(SHARED_BYTES);
        let shared = u16::from_le_bytes(shared.try_into().expect("two bytes were taken"));
        let len = u32::from_le_bytes(len.try_into().expect("four bytes were taken")) as usize;
        (usize::from(shared), &self.names[at + HEAD_BYTES..][..len])
    }

    /// From the name before to the name at `at`; where the next one stands.
    fn step(&self, at: usize, name: &mut Vec<u8>) -> usize {
        let (shared, rest) = self.rest(at);
        name.truncate(shared);
        name.extend_from_slice(rest);
        at + HEAD_BYTES + rest.len()
    }

    fn input(&self, number: u32, name: Vec<u8>) -> Input {
        let ((bytes, stamp), origin) = (self.sizes[number as usize], self.origins[number as usize]);
        Input {
            name: String::from_utf8(name).expect("it was text when it was added"),
            bytes,
            stamp,
            named: origin & 1 == 1,
            origin: (origin >> 1) as u16,
            path: self.paths.get(&number).cloned(),
        }
    }
}

impl FromIterator<Input> for Inputs {
    fn from_iter<I: IntoIterator<Item = Input>>(inputs: I) -> Self {
        let (mut all, mut before) = (Self::default(), String::new());
        for input in inputs {
            let name = input.name.clone();
            all.push(&before, input);
            before = name;
        }
        all.names.shrink_to_fit();
        all.sizes.shrink_to_fit();
        all.origins.shrink_to_fit();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_comes_back_and_is_found_by_its_name() {
        let name = |i: u32| {
            format!("AWSLogs/{}/caf\u{e9}-{}{i:03}", i / 40, ['x', '\u{e9}'][i as usize / 30 % 2])
        };
        let mut inputs: Vec<Input> = (0..100)
            .map(|i| Input {
                name: name(i),
                bytes: u64::from(i) << 40,
                stamp: -i64::from(i),
                named: i % 3 == 0,
                origin: if i == 7 { u16::MAX } else { 0 },
                path: (i % 50 == 9).then(|| Path::new(&name(i + 1)).into()),
            })
            .collect();
        inputs.sort_by(|a, b| a.name.cmp(&b.name));
        let held: Inputs = inputs.iter().cloned().collect();
        assert!(held.iter().eq(inputs.iter().cloned()));
        for (number, input) in inputs.iter().enumerate() {
            assert_eq!(held.get(number as u32), *input);
            assert!(held.contains(&input.name));
            assert!(!held.contains(&format!("{}0", input.name)));
        }
        assert!(!held.contains("") && !held.contains("z") && !Inputs::default().contains("a"));
        let names: usize = inputs.iter().map(|input| input.name.len()).sum();
        assert!(held.names.len() < names, "{} bytes for {names}", held.names.len());
        // Longer than what can be shared, and in any order.
        let long = |end: &str| Input { name: "x".repeat(70_000) + end, ..inputs[0].clone() };
        let odd = [long("b"), long("a"), inputs[0].clone()];
        assert!(odd.iter().cloned().collect::<Inputs>().iter().eq(odd));
    }
}
