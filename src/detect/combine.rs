//! Rows that are the same to all who ask go under one number, so that what is asked is answered once for each number.

use foldhash::fast::FixedState;
use std::collections::HashMap;

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
        let mut known = Pairs::new(self.first_rows.len(), width);
        self.first_rows.clear();
        for (row, (number, code)) in (0..).zip(self.numbers.iter_mut().zip(codes)) {
            let known = known.number(*number, class(*code));
            if *known == Pairs::NEW {
                *known = self.first_rows.len() as u32;
                self.first_rows.push(row);
            }
            *number = *known;
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

/// Numbers of pairs: a table where it is small enough, which is nearly always.
enum Pairs {
    Table(Vec<u32>, usize),
    Map(HashMap<u64, u32, FixedState>),
}

impl Pairs {
    /// Stands for a pair that has none yet.
    const NEW: u32 = u32::MAX;
    const LARGEST_TABLE: usize = 1 << 22;

    fn new(height: usize, width: usize) -> Self {
        match height.saturating_mul(width) {
            size @ ..=Self::LARGEST_TABLE => Self::Table(vec![Self::NEW; size], width),
            _ => Self::Map(HashMap::default()),
        }
    }

    fn number(&mut self, a: u32, b: u32) -> &mut u32 {
        match self {
            Self::Table(table, width) => &mut table[a as usize * *width + b as usize],
            Self::Map(map) => map.entry((u64::from(a) << 32) | u64::from(b)).or_insert(Self::NEW),
        }
    }
}
