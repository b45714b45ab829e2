//! What many rows of a part have in common, under one number each: lists of rules, and what is left to be asked of them.

use super::narrow::Narrow;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

/// Rows, rising, each with the number of a list: most rows have that of many others.
pub(super) struct Listed<T> {
    pub(super) rows: Vec<(u32, u32)>,
    pub(super) lists: Vec<Rc<[T]>>,
    numbers: HashMap<Rc<[T]>, u32, FixedState>,
}

impl<T: Copy + Eq + Hash> Listed<T> {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), lists: Vec::new(), numbers: HashMap::default() }
    }

    /// The number of a list; nothing when it is empty.
    pub(super) fn number(&mut self, list: &[T]) -> Option<u32> {
        if list.is_empty() {
            return None;
        }
        if let Some(number) = self.numbers.get(list) {
            return Some(*number);
        }
        let (number, list) = (self.lists.len() as u32, Rc::from(list));
        self.lists.push(Rc::clone(&list));
        self.numbers.insert(list, number);
        Some(number)
    }

    pub(super) fn push(&mut self, row: u32, list: Option<u32>) {
        self.rows.extend(list.map(|list| (row, list)));
    }
}

/// What is left to be asked of rules once columns have answered.
#[derive(Default)]
pub(super) struct Rests {
    all: Vec<Rc<Narrow<usize>>>,
    numbers: HashMap<Rc<Narrow<usize>>, u32, FixedState>,
}

impl Rests {
    pub(super) fn number(&mut self, rest: Narrow<usize>) -> u32 {
        if let Some(number) = self.numbers.get(&rest) {
            return *number;
        }
        let (number, rest) = (self.all.len() as u32, Rc::new(rest));
        self.all.push(Rc::clone(&rest));
        self.numbers.insert(rest, number);
        number
    }

    pub(super) fn at(&self, number: u32) -> &Narrow<usize> {
        &self.all[number as usize]
    }
}
