//! Candidates first: which rules have to be asked about which rows of a part, decided over the columns of few values.
//!
//! Rules are looked up by event name. What else a rule asks of coarse columns is worked out once for every combination
//! of their values that occurs, a test on a column of many values once for every value. Only what stays open is
//! decided row by row. The proof that no hit is lost is in the tests: all rules on all rows against this.

use super::narrow::{Atom, COLUMNS, EXTRA, IDENTITY, Kind, Known, NAME, Narrow, RAW};
use super::row::inside;
use crate::case::{self, PartFile, Row};
use crate::model::Outcome;
use aho_corasick::AhoCorasick;
use foldhash::fast::FixedState;
use polars::prelude::Column;
use polars_arrow::array::Array;
use rsigma_eval::event::EventValue;
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Conditions of all rules, indexed.
#[derive(Default)]
pub(super) struct Index {
    rules: Vec<Narrow<usize>>,
    atoms: Vec<Atom>,
    /// Rules by the event names that they are for, in lower case.
    by_name: HashMap<String, Vec<u32>>,
    /// Rules for any name.
    others: Vec<u32>,
    /// Places in [`COLUMNS`] of what atoms ask for.
    columns: BTreeSet<usize>,
    /// What atoms look for in raw JSON, by column.
    raw: Vec<Needles>,
}

/// All texts that rules look for in a column, found in one go.
struct Needles {
    column: &'static str,
    finder: AhoCorasick,
    /// The atom that each is of.
    atoms: Vec<usize>,
}

/// What is known of the raw JSON of a row.
#[derive(Default)]
pub(super) struct Raws {
    /// Atoms of which a text was found, sorted.
    found: Vec<usize>,
    /// Columns that say nothing.
    open: Vec<&'static str>,
}

/// A rule that has to be asked about a row, or need not be: it is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) row: u32,
    pub(super) rule: u32,
    pub(super) is_hit: bool,
}

impl Index {
    pub(super) fn new(conditions: Vec<Narrow>) -> Self {
        let mut index = Self { columns: BTreeSet::from([NAME, EXTRA]), ..Self::default() };
        let mut known: BTreeMap<(usize, String, String), usize> = BTreeMap::new();
        for (rule, condition) in (0..).zip(conditions) {
            match condition.names() {
                Some(names) => {
                    for name in names {
                        index.by_name.entry(name).or_default().push(rule);
                    }
                }
                None => index.others.push(rule),
            }
            let (atoms, columns) = (&mut index.atoms, &mut index.columns);
            index.rules.push(condition.map(&mut |atom| {
                if atom.column < RAW {
                    columns.insert(atom.column);
                }
                let new = atoms.len();
                let same = atom.key.clone().map(|key| (atom.column, atom.path.clone(), key));
                let place = same.map_or(new, |same| *known.entry(same).or_insert(new));
                if place == new {
                    atoms.push(atom);
                }
                place
            }));
        }
        index.raw = (RAW..COLUMNS.len()).filter_map(|column| index.needles(column)).collect();
        index
    }

    fn needles(&self, column: usize) -> Option<Needles> {
        let of_column = self.atoms.iter().enumerate().filter(|(_, atom)| atom.column == column);
        let needles = of_column.flat_map(|(n, atom)| atom.needles.iter().map(move |t| (n, t)));
        let (atoms, texts): (Vec<usize>, Vec<&String>) = needles.unzip();
        let mut finder = AhoCorasick::builder();
        let finder = finder.ascii_case_insensitive(true).build(texts).ok()?;
        (!atoms.is_empty()).then_some(Needles { column: COLUMNS[column].name, finder, atoms })
    }

    /// What raw JSON of a row has of what rules look for.
    pub(super) fn in_raw(&self, row: Row<'_>) -> Raws {
        let mut raws = Raws::default();
        for needles in &self.raw {
            let Some(text) = row.text(needles.column) else { continue };
            // What is escaped, or has another case outside of ASCII, is for the engine to compare.
            if !text.is_ascii() || text.contains('\\') {
                raws.open.push(needles.column);
                continue;
            }
            let found = needles.finder.find_overlapping_iter(text);
            raws.found.extend(found.map(|m| needles.atoms[m.pattern().as_usize()]));
        }
        raws.found.sort_unstable();
        raws
    }

    /// Whether raw JSON rules out a rule that columns left open.
    pub(super) fn is_out(&self, rule: u32, raws: &Raws) -> bool {
        let known = self.rules[rule as usize].eval(&|atom: &usize| {
            let column = self.atoms[*atom].column;
            let is_absent = column >= RAW
                && raws.found.binary_search(atom).is_err()
                && !raws.open.contains(&COLUMNS[column].name);
            if is_absent { Known::False } else { Known::Maybe }
        });
        known == Known::False
    }

    /// Rules that columns never rule out.
    pub(super) fn wide(&self) -> impl Iterator<Item = usize> + '_ {
        let counts = |atom: &usize| self.atoms[*atom].column < RAW;
        let is_wide = move |rule: &Narrow<usize>| !rule.can_be(Known::False, &counts);
        let wide = self.rules.iter().enumerate().filter(move |(_, rule)| is_wide(rule));
        wide.map(|(number, _)| number)
    }

    /// Whether columns say that a rule cannot be hit by a call that succeeded.
    pub(super) fn is_about_failure(&self, rule: usize) -> bool {
        let succeeded = EventValue::Str(Cow::Borrowed(Outcome::Succeeded.as_str()));
        let known = self.rules[rule].eval(&|atom: &usize| {
            let atom = &self.atoms[*atom];
            match COLUMNS[atom.column].field {
                "errorCode" | "errorMessage" => atom.passes(None).into(),
                "trailinsight.outcome" => atom.passes(Some(&succeeded)).into(),
                _ => Known::Maybe,
            }
        });
        known == Known::False
    }

    /// Everything that is left to do in a part, in order of rows.
    ///
    /// # Errors
    /// When its columns cannot be read.
    pub(super) fn candidates(&self, part: &PartFile) -> Result<Vec<Candidate>, case::Error> {
        let names = self.columns.iter().map(|column| COLUMNS[*column].name);
        let columns = part.columns(names)?;
        let columns = self.columns.iter().copied().zip(columns.iter().map(Coded::new));
        let columns: BTreeMap<usize, Coded> = columns.collect();
        Ok(Look::new(self, &columns, part.height()).candidates())
    }
}

/// A column as codes of its distinct values; 0 is no value. One value may have several codes.
struct Coded<'c> {
    codes: Vec<u32>,
    values: Vec<Option<Cell<'c>>>,
}

struct Cell<'c> {
    value: Raw<'c>,
    /// What the text is as JSON.
    json: OnceCell<Option<Value>>,
}

#[derive(Clone, Copy)]
enum Raw<'c> {
    Text(&'c str),
    Flag(bool),
}

impl<'c> Coded<'c> {
    fn new(column: &'c Column) -> Self {
        let series = column.as_materialized_series();
        let mut coded = Self { codes: Vec::with_capacity(column.len()), values: vec![None] };
        if let Ok(flags) = series.bool() {
            for flag in flags.iter() {
                coded.codes.push(flag.map_or(0, |flag| 1 + u32::from(flag)));
            }
            let cell = |flag| Some(Cell { value: Raw::Flag(flag), json: OnceCell::new() });
            coded.values.extend([cell(false), cell(true)]);
            return coded;
        }
        let texts = series.str().expect("a column of texts or flags");
        let mut known: HashMap<u128, u32, FixedState> = HashMap::default();
        for array in texts.downcast_iter() {
            // Equal views are equal texts: what was a code in the file is told apart without a look at the text.
            let valid = array.validity();
            let mut last = (None, 0);
            for (row, view) in array.views().iter().enumerate() {
                if valid.is_some_and(|valid| !valid.get_bit(row)) {
                    coded.codes.push(0);
                    continue;
                }
                if last.0 == Some(view.as_u128()) {
                    coded.codes.push(last.1);
                    continue;
                }
                let code = *known.entry(view.as_u128()).or_insert_with(|| {
                    let value = Raw::Text(array.value(row));
                    coded.values.push(Some(Cell { value, json: OnceCell::new() }));
                    coded.values.len() as u32 - 1
                });
                last = (Some(view.as_u128()), code);
                coded.codes.push(code);
            }
            // The views of another array are about other buffers.
            known.clear();
        }
        coded
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

/// One part, looked at.
struct Look<'i> {
    index: &'i Index,
    columns: &'i BTreeMap<usize, Coded<'i>>,
    height: usize,
    /// What each atom says of each code of its column, when it was asked.
    truths: Vec<OnceCell<Truth>>,
    has_extra: bool,
}

struct Truth {
    by_code: Vec<bool>,
    /// What it says of the part as a whole.
    of_all: Known,
}

impl<'i> Look<'i> {
    fn new(index: &'i Index, columns: &'i BTreeMap<usize, Coded<'i>>, height: usize) -> Self {
        let truths = index.atoms.iter().map(|_| OnceCell::new()).collect();
        let has_extra = columns[&EXTRA].values.len() > 1;
        Self { index, columns, height, truths, has_extra }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let (combinations, first_rows) = self.combinations();
        let lists: Vec<Vec<(u32, Known)>> =
            first_rows.iter().map(|row| self.of_combination(*row as usize)).collect();
        let mut candidates = Vec::new();
        for (row, combination) in combinations.into_iter().enumerate() {
            for (rule, known) in &lists[combination as usize] {
                let condition = &self.index.rules[*rule as usize];
                let known = match known {
                    Known::Maybe => condition.eval(&|atom| self.of_row(*atom, row)),
                    known => *known,
                };
                if known != Known::False {
                    let is_hit = known == Known::True;
                    candidates.push(Candidate { row: row as u32, rule: *rule, is_hit });
                }
            }
        }
        candidates
    }

    /// For each row the number of its combination of coarse values, and the first row of each.
    fn combinations(&self) -> (Vec<u32>, Vec<u32>) {
        let mut numbers = vec![0; self.height];
        let mut first_rows = vec![0; usize::from(self.height > 0)];
        for (place, column) in self.columns {
            if !COLUMNS[*place].is_coarse || column.values.len() == 1 {
                continue;
            }
            // Only whether there is anything in `extra` matters.
            let is_extra = *place == EXTRA;
            let width = if is_extra { 2 } else { column.values.len() };
            let mut known = Pairs::new(first_rows.len(), width);
            first_rows.clear();
            for (row, (number, code)) in (0..).zip(numbers.iter_mut().zip(&column.codes)) {
                let code = if is_extra { (*code).min(1) } else { *code };
                let known = known.number(*number, code);
                if *known == Pairs::NEW {
                    *known = first_rows.len() as u32;
                    first_rows.push(row);
                }
                *number = *known;
            }
        }
        (numbers, first_rows)
    }

    /// Rules that the coarse values of a row do not rule out.
    fn of_combination(&self, row: usize) -> Vec<(u32, Known)> {
        let names = &self.columns[&NAME];
        let name = match &names.values[names.codes[row] as usize] {
            Some(Cell { value: Raw::Text(name), .. }) => Some(name.to_lowercase()),
            _ => None,
        };
        let named = name.and_then(|name| self.index.by_name.get(&name));
        // Without a name, it may be in `extra`, as something else than text.
        let all = 0..self.index.rules.len() as u32;
        let rules: Box<dyn Iterator<Item = u32>> = if names.codes[row] == 0 {
            Box::new(all)
        } else {
            Box::new(named.into_iter().flatten().chain(&self.index.others).copied())
        };
        let known = rules.map(|rule| {
            let condition = &self.index.rules[rule as usize];
            (rule, condition.eval(&|atom| self.of_coarse(*atom, row)))
        });
        let mut known: Vec<(u32, Known)> = known.filter(|(_, k)| *k != Known::False).collect();
        known.sort_unstable_by_key(|(rule, _)| *rule);
        known
    }

    fn truth(&self, atom: usize) -> &Truth {
        self.truths[atom].get_or_init(|| {
            let atom = &self.index.atoms[atom];
            let kind = COLUMNS[atom.column].kind;
            let column = &self.columns[&atom.column];
            let by_code: Vec<bool> =
                column.values.iter().map(|cell| passes(atom, kind, cell.as_ref())).collect();
            let without = match kind {
                Kind::Also => Known::Maybe,
                Kind::Text | Kind::Extra if self.has_extra => Known::Maybe,
                _ => by_code[0].into(),
            };
            let all = |wanted| by_code[1..].iter().all(|passes| *passes == wanted);
            let of_all = match without {
                Known::True if all(true) => Known::True,
                Known::False if all(false) => Known::False,
                _ => Known::Maybe,
            };
            Truth { by_code, of_all }
        })
    }

    /// What is known of an atom for all rows of a combination.
    fn of_coarse(&self, atom: usize, row: usize) -> Known {
        let column = self.index.atoms[atom].column;
        if column >= RAW {
            return Known::Maybe;
        }
        if COLUMNS[column].is_coarse { self.of_row(atom, row) } else { self.truth(atom).of_all }
    }

    fn of_row(&self, atom: usize, row: usize) -> Known {
        let column = self.index.atoms[atom].column;
        if column >= RAW {
            return Known::Maybe;
        }
        let code = self.columns[&column].codes[row] as usize;
        let in_extra = || self.columns[&EXTRA].codes[row] != 0;
        match COLUMNS[column].kind {
            Kind::Also if code == 0 => Known::Maybe,
            Kind::Text if code == 0 && in_extra() => Known::Maybe,
            Kind::Extra if code != 0 => Known::Maybe,
            _ => self.truth(atom).by_code[code].into(),
        }
    }
}

fn passes(atom: &Atom, kind: Kind, cell: Option<&Cell<'_>>) -> bool {
    let Some(cell) = cell else { return atom.passes(None) };
    match (kind, cell.value) {
        // Not asked for.
        (Kind::Extra, _) => false,
        (Kind::Json, Raw::Text("null")) if atom.path.is_empty() => {
            atom.passes(Some(&EventValue::Null))
        }
        (Kind::Json, Raw::Text(text)) if !atom.path.is_empty() => {
            let json = cell.json.get_or_init(|| serde_json::from_str(text).ok());
            let value = json.as_ref().and_then(|json| inside(json, &atom.path));
            atom.passes(value.as_ref())
        }
        (_, Raw::Text(text)) => atom.passes(Some(&EventValue::Str(Cow::Borrowed(text)))),
        (_, Raw::Flag(flag)) => atom.passes(Some(&EventValue::Bool(flag))),
    }
}

const _: () = assert!(matches!(COLUMNS[IDENTITY].kind, Kind::Json));
