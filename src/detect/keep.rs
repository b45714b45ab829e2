//! Of many, a bounded few: what is kept of hits beside their number. Everything here gives the same whatever order
//! hits come in.

use crate::model::Timestamp;

/// Distinct texts counted.
pub(super) const COUNTED: usize = 10_000;

/// The first few distinct texts by the time they were first seen.
#[derive(Debug, Clone)]
pub(super) struct Firsts {
    seen: Vec<(Timestamp, String)>,
    room: usize,
    /// Nothing later than this is wanted any more.
    limit: Timestamp,
}

impl Firsts {
    pub(super) fn new(room: usize) -> Self {
        Self { seen: Vec::new(), room, limit: Timestamp(i64::MAX) }
    }

    pub(super) fn insert(&mut self, text: &str, at: Timestamp) {
        if at > self.limit {
            return;
        }
        if let Some((first, _)) = self.seen.iter_mut().find(|(_, known)| known == text) {
            *first = at.min(*first);
        } else if self.seen.len() < self.room {
            self.seen.push((at, text.to_owned()));
        } else {
            let last = self.seen.iter_mut().max().expect("there is room for some");
            if (at, text) >= (last.0, &last.1) {
                return;
            }
            *last = (at, text.to_owned());
        }
        if self.seen.len() == self.room {
            let last = self.seen.iter().map(|(first, _)| *first).max();
            self.limit = last.expect("there is room for some");
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (at, text) in &other.seen {
            self.insert(text, *at);
        }
    }

    pub(super) fn in_order(&self) -> Vec<String> {
        let mut order: Vec<&(Timestamp, String)> = self.seen.iter().collect();
        order.sort();
        order.into_iter().map(|(_, text)| text.clone()).collect()
    }
}

/// How many distinct texts there are, up to [`COUNTED`], in bounded room: the smallest hashes are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Distinct {
    /// Up to twice as many as wanted, in no order and with repeats.
    hashes: Vec<u64>,
    /// None at or above this is wanted any more.
    limit: Option<u64>,
}

impl Distinct {
    pub(super) fn insert(&mut self, hash: u64) {
        if self.limit.is_none_or(|limit| hash < limit) {
            self.hashes.push(hash);
            if self.hashes.len() >= 2 * COUNTED {
                self.cut();
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.hashes.iter().copied().for_each(|hash| self.insert(hash));
    }

    fn cut(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.truncate(COUNTED);
        self.limit = self.hashes.get(COUNTED - 1).copied();
    }

    pub(super) fn len(&self) -> usize {
        let mut cut = self.clone();
        cut.cut();
        cut.hashes.len()
    }
}
