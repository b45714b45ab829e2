//! What hits of one part acted on: each thing once, under a number.

use super::row::hash;
use super::target;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Place of a target. Equal texts have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TargetAt(u32);

impl TargetAt {
    /// Nobody asks for it, or there is none.
    pub(super) const UNTOLD: Self = Self(0);

    pub(super) fn number(self) -> usize {
        self.0 as usize
    }
}

pub(super) struct Targets {
    /// All texts behind each other, with where each ends; the first stands for none.
    text: String,
    ends: Vec<usize>,
    /// Tells a text from others of any part.
    hashes: Vec<u64>,
    by_text: HashTable<TargetAt>,
    /// By a hash of what a request says, which most requests share with others.
    by_request: HashTable<(u64, TargetAt)>,
    /// Another one in each run of the program, so that nobody can write two requests that have the same hash.
    hasher: RandomState,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            text: String::new(),
            ends: vec![0],
            hashes: vec![0],
            by_text: HashTable::new(),
            by_request: HashTable::new(),
            hasher: RandomState::default(),
        }
    }
}

impl Targets {
    /// How many numbers there are, with that of none.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn text(&self, at: TargetAt) -> Option<&str> {
        let before = at.number().checked_sub(1)?;
        Some(&self.text[self.ends[before]..self.ends[at.number()]])
    }

    pub(super) fn hash(&self, at: TargetAt) -> u64 {
        self.hashes[at.number()]
    }

    pub(super) fn keep(&mut self, text: &str) -> TargetAt {
        self.text.push_str(text);
        self.close()
    }

    /// What a request acts on, where the rule does not say.
    pub(super) fn of_request(&mut self, request: &str) -> TargetAt {
        let hash = self.hasher.hash_one(request);
        if let Some((_, known)) = self.by_request.find(hash, |(of, _)| *of == hash) {
            return *known;
        }
        let target = match target::of_text(request) {
            None => TargetAt::UNTOLD,
            Some((name, object)) => {
                self.text.push_str(&name);
                if let Some(object) = object {
                    self.text.push('/');
                    self.text.push_str(&object);
                }
                self.close()
            }
        };
        self.by_request.insert_unique(hash, (hash, target), |(hash, _)| *hash);
        target
    }

    /// The text that was put behind the others is whole.
    fn close(&mut self) -> TargetAt {
        let start = self.ends[self.ends.len() - 1];
        let hash = hash(&self.text[start..]);
        let is_same = |at: &TargetAt| self.text(*at) == Some(&self.text[start..]);
        if let Some(known) = self.by_text.find(hash, is_same).copied() {
            self.text.truncate(start);
            return known;
        }
        let at = TargetAt(self.ends.len() as u32);
        self.ends.push(self.text.len());
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.by_text.insert_unique(hash, at, |at| hashes[at.number()]);
        at
    }
}
