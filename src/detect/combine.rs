//! Rows that are the same to all who ask go under one number, so that what is asked is answered once for each number.

use foldhash::fast::FixedState;
use std::collections::HashMap;

/// Stands for a pair that has no number yet.
const NEW: u32 = u32::MAX;
/// Pairs whose numbers are in a table, which is nearly always.
const LARGEST_TABLE: usize = 1 << 22;

#[derive(Clone)]
pub(super) struct Combinations {
    /// By row.
    pub(super) numbers: Vec<u32>,
    /// By number.
    pub(super) first_rows: Vec<u32>,
}

impl Combinations {
    pub(super) fn new(height: usize) -> Self {
        Self { numbers: vec![0; height], first_rows: vec![0; usize::from(height > 0)] }
    }

    /// Tells rows apart by one column more, which has these codes, each of a class below `width`.
    pub(super) fn split(&mut self, codes: &[u32], width: usize, class: impl Fn(u32) -> u32) {
        if width < 2 {
            return;
        }
        let pairs = self.first_rows.len().saturating_mul(width);
        let pair =
            |number: u32, code: u32| u64::from(number) * width as u64 + u64::from(class(code));
        self.first_rows.clear();
        let rows = (0..).zip(self.numbers.iter_mut().zip(codes));
        if pairs <= LARGEST_TABLE {
            let mut known = vec![NEW; pairs];
            for (row, (number, code)) in rows {
                let known = &mut known[pair(*number, *code) as usize];
                if *known == NEW {
                    *known = self.first_rows.len() as u32;
                    self.first_rows.push(row);
                }
                *number = *known;
            }
        } else {
            let mut known: HashMap<u64, u32, FixedState> = HashMap::default();
            for (row, (number, code)) in rows {
                *number = *known.entry(pair(*number, *code)).or_insert_with(|| {
                    self.first_rows.push(row);
                    self.first_rows.len() as u32 - 1
                });
            }
        }
    }
}

/// Classes of codes, and how many there are.
pub(super) struct Classes {
    pub(super) of_codes: Vec<u32>,
    pub(super) width: usize,
}

impl Classes {
    /// Those codes are of one class of which `tell` adds the same.
    pub(super) fn new(codes: usize, mut tell: impl FnMut(u32, &mut Vec<bool>)) -> Self {
        let mut known: HashMap<Vec<bool>, u32, FixedState> = HashMap::default();
        let mut told = Vec::new();
        let class = |code| {
            told.clear();
            tell(code, &mut told);
            if let Some(class) = known.get(&told) {
                return *class;
            }
            let class = known.len() as u32;
            known.insert(told.clone(), class);
            class
        };
        let of_codes = (0..codes as u32).map(class).collect();
        Self { of_codes, width: known.len() }
    }
}
