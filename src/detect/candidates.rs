//! Candidates first: which rules have to be asked about which rows of a part, decided over the columns of few values.
//!
//! Rules are looked up by event name. What else a rule asks of coarse columns is worked out once for every combination
//! of their values that occurs. What stays open tells these further apart: values of the other columns are of one
//! class where all tests that matter say the same, so that there are few combinations still, and a row costs no more
//! than to look up its own. What is left then is decided with the JSON columns of its rows. The proof that no hit is
//! lost is in the tests: all rules on all rows against this.

use super::columns::{COLUMNS, EXTRA, IDENTITY, Kind, NAME, RAW};
use super::combine::{Classes, Combinations};
use super::json::Paths;
use super::listed::{Listed, Rests};
use super::narrow::{Atom, Known, Narrow};
use super::texts::{Clues, Json, Texts};
use crate::case::{self, Coded, PartFile};
use crate::model::Outcome;
use foldhash::fast::FixedState;
use rsigma_eval::event::EventValue;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

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
    /// Atoms of rules for any name: worth looking at all values for.
    is_wide: Vec<bool>,
}

/// A rule that has to be asked about a row, or need not be: it is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) rule: u32,
    pub(super) is_hit: bool,
    /// Number of what is left to be asked.
    rest: u32,
}

impl Index {
    pub(super) fn new(conditions: Vec<Narrow>) -> Self {
        let mut index = Self { columns: BTreeSet::from([NAME, EXTRA]), ..Self::default() };
        let mut known: HashMap<(usize, String, String), usize, FixedState> = HashMap::default();
        let mut slots: HashMap<String, u32, FixedState> = HashMap::default();
        for (rule, condition) in (0..).zip(conditions) {
            let names = condition.names();
            let is_wide = names.is_none();
            match names {
                Some(names) => {
                    for name in names {
                        index.by_name.entry(name.to_owned()).or_default().push(rule);
                    }
                }
                None => index.others.push(rule),
            }
            index.rules.push(condition.map(&mut |mut atom| {
                let slot = slots.len() as u32;
                atom.slot = *slots.entry(atom.path.clone()).or_insert(slot);
                if atom.column < RAW {
                    index.columns.insert(atom.column);
                }
                let new = index.atoms.len();
                let same = atom.key.take().map(|key| (atom.column, atom.path.clone(), key));
                let place = same.map_or(new, |same| *known.entry(same).or_insert(new));
                if place == new {
                    index.atoms.push(atom);
                    index.is_wide.push(false);
                }
                index.is_wide[place] |= is_wide;
                place
            }));
        }
        index
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

    /// Looks at the columns of a part.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn look(&self, part: &PartFile) -> Result<Look<'_>, case::Error> {
        let mut columns: [Option<Column>; COLUMNS.len()] = [const { None }; COLUMNS.len()];
        let has_plain_identities = part.has_plain_identities();
        let asks_identities = self.columns.iter().any(|place| COLUMNS[*place].is_of_identity());
        let identities = (asks_identities && !has_plain_identities).then_some(&IDENTITY);
        let answers = |place: &&usize| COLUMNS[**place].answers(has_plain_identities);
        for place in self.columns.iter().filter(answers).chain(identities) {
            let coded = part.coded(COLUMNS[*place].name)?;
            columns[*place] = Some(Column { coded, gaps: OnceCell::new() });
        }
        let truths = self.atoms.iter().map(|_| OnceCell::new()).collect();
        let extra = columns[EXTRA].as_ref().expect("it is among those of any index");
        let has_extra = extra.coded.codes().contains(&1);
        let (height, rests) = (part.height(), RefCell::default());
        let index = self;
        Ok(Look { index, columns, height, has_extra, has_plain_identities, truths, rests })
    }
}

struct Column {
    coded: Arc<Coded>,
    /// By identity, whether it is that of such a row; where that matters.
    gaps: OnceCell<Vec<bool>>,
}

/// One part, looked at.
pub(super) struct Look<'i> {
    index: &'i Index,
    columns: [Option<Column>; COLUMNS.len()],
    height: usize,
    has_extra: bool,
    /// Whether columns of identities have all that there is.
    has_plain_identities: bool,
    /// What each atom says of values, when it was asked.
    truths: Vec<OnceCell<Truth>>,
    rests: RefCell<Rests>,
}

/// By code, as far as they were asked for.
type Answers = Vec<Cell<Option<bool>>>;

/// What an atom says of each code of its column; of identities, where the column has no value but they may.
struct Truth {
    by_code: Answers,
    by_identity: Answers,
    /// Whether it was asked about all identities.
    is_of_all: Cell<bool>,
    /// What it says of the part as a whole.
    of_all: OnceCell<Known>,
}

/// An atom that identities are asked about; only those of `gaps`, where it is about a column of its own.
struct Asked<'l> {
    atom: &'l Atom,
    gaps: Option<&'l [bool]>,
    known: &'l Answers,
}

/// A test on more values than this is left to the combinations in which somebody asks for it.
const MANY: usize = 1_000;
/// Answers of tests on the values of a column, beyond which these are not put into classes: the rows that nothing else
/// decides are asked one by one.
const MOST_ANSWERS: usize = 1 << 20;

impl Look<'_> {
    /// Everything that is left to do in the part.
    pub(super) fn candidates(&self) -> Listed<Candidate> {
        let others: Vec<u32> = self.others().collect();
        let coarse = self.combinations();
        let mut rules: Vec<Vec<(u32, Known)>> =
            coarse.first_rows.iter().map(|row| self.of_combination(*row, &others)).collect();
        let atoms = self.open_atoms(&rules);
        let inside: Vec<usize> = self.inside(&atoms).collect();
        let is_much = !inside.is_empty() && self.is_much(IDENTITY, inside.len());
        self.look_inside(inside.into_iter().filter(|atom| !is_much || self.index.is_wide[*atom]));
        let dead: BTreeSet<u32> =
            others.into_iter().filter(|rule| !self.is_possible(*rule)).collect();
        for of in &mut rules {
            of.retain(|(rule, _)| !dead.contains(rule));
        }
        let (fine, not_told) = self.tell_apart(&coarse, &self.open_atoms(&rules));
        let (mut listed, mut list) = (Listed::new(), Vec::new());
        let of_combinations = fine.first_rows.iter().map(|row| {
            let rules = &rules[coarse.numbers[*row as usize] as usize];
            let is_told = self.list(rules, *row, &not_told, &mut list);
            if is_told { Ok(listed.number(&list)) } else { Err(rules) }
        });
        let of_combinations: Vec<Result<Option<u32>, _>> = of_combinations.collect();
        for (row, combination) in (0..).zip(fine.numbers) {
            let number = of_combinations[combination as usize].unwrap_or_else(|rules| {
                self.list(rules, row, &BTreeSet::new(), &mut list);
                listed.number(&list)
            });
            listed.push(row, number);
        }
        listed
    }

    /// What is left of these rules in a row; false where that may be another in another row of its combination, which
    /// differ in these columns.
    fn list(
        &self,
        rules: &[(u32, Known)],
        row: u32,
        not_told: &BTreeSet<usize>,
        list: &mut Vec<Candidate>,
    ) -> bool {
        list.clear();
        let mut is_told = true;
        for (rule, known) in rules {
            let condition = &self.index.rules[*rule as usize];
            let is_left = |atom: &usize| not_told.contains(&self.place(*atom));
            let rest = match known {
                Known::Maybe => condition.rest(&|atom| {
                    if is_left(atom) { Known::Maybe } else { self.of_row(*atom, row) }
                }),
                known => Narrow::Always(*known),
            };
            is_told &= not_told.is_empty() || !rest.any(&mut |atom| is_left(atom));
            if rest != Narrow::Always(Known::False) {
                let is_hit = rest == Narrow::Always(Known::True);
                list.push(Candidate {
                    rule: *rule,
                    is_hit,
                    rest: self.rests.borrow_mut().number(rest),
                });
            }
        }
        is_told
    }

    /// What these rules still ask of columns, by column, but for those that come with the answer.
    fn open_atoms(&self, rules: &[Vec<(u32, Known)>]) -> BTreeMap<usize, BTreeSet<usize>> {
        let open = rules.iter().flatten().filter(|(_, known)| *known == Known::Maybe);
        let open: BTreeSet<u32> = open.map(|(rule, _)| *rule).collect();
        let mut atoms: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for rule in open {
            self.index.rules[rule as usize].any(&mut |atom| {
                let column = self.place(*atom);
                let is_open = column < RAW
                    && (!COLUMNS[column].is_coarse || COLUMNS[column].kind == Kind::Also);
                if is_open {
                    atoms.entry(column).or_default().insert(*atom);
                }
                false
            });
        }
        atoms
    }

    /// Those that identities answer, be it only in some rows.
    fn inside(&self, atoms: &BTreeMap<usize, BTreeSet<usize>>) -> impl Iterator<Item = usize> {
        let inside = atoms.iter().filter(|(column, _)| self.is_inside(**column));
        inside.flat_map(|(_, atoms)| atoms).copied()
    }

    fn is_much(&self, column: usize, atoms: usize) -> bool {
        self.column(column).coded.distinct().saturating_mul(atoms) > MOST_ANSWERS
    }

    /// Tells apart rows by all that is asked of columns, but for the columns that come with the answer.
    fn tell_apart(
        &self,
        coarse: &Combinations,
        atoms: &BTreeMap<usize, BTreeSet<usize>>,
    ) -> (Combinations, BTreeSet<usize>) {
        let inside: Vec<usize> = self.inside(atoms).collect();
        let is_inside_much = !inside.is_empty() && self.is_much(IDENTITY, inside.len());
        let not_told: BTreeSet<usize> = atoms
            .iter()
            .filter(|(column, atoms)| {
                self.is_much(**column, atoms.len()) || (is_inside_much && self.is_inside(**column))
            })
            .map(|(column, _)| *column)
            .collect();
        let mut fine = coarse.clone();
        for (column, atoms) in atoms.iter().filter(|(column, _)| !not_told.contains(column)) {
            if *column == IDENTITY {
                continue;
            }
            self.split(&mut fine, *column, |code, told| {
                // Without a value it may be elsewhere.
                told.push(code == 0);
                if code != 0 {
                    told.extend(atoms.iter().map(|atom| self.of_code(*atom, code)));
                }
            });
        }
        if !inside.is_empty() && !is_inside_much {
            self.look_inside(inside.iter().copied());
            let inside = inside.iter().map(|atom| (*atom, self.gaps(self.place(*atom))));
            let inside: Vec<(usize, Option<&[bool]>)> = inside.collect();
            self.split(&mut fine, IDENTITY, |code, told| {
                told.extend(inside.iter().map(|(atom, gaps)| match gaps {
                    None => self.of_code(*atom, code),
                    Some(gaps) => gaps[code as usize] && self.of_identity(*atom, code),
                }));
            });
        }
        (fine, not_told)
    }

    fn split(&self, rows: &mut Combinations, column: usize, tell: impl FnMut(u32, &mut Vec<bool>)) {
        let coded = &self.column(column).coded;
        let classes = Classes::new(coded.distinct(), tell);
        rows.split(coded.codes(), classes.width, |code| classes.of_codes[code as usize]);
    }

    /// Whether identities answer for a column, be it only in some rows.
    fn is_inside(&self, column: usize) -> bool {
        match COLUMNS[column].kind {
            Kind::Also => !self.has_plain_identities && self.column(column).coded.has_gaps(),
            kind => kind == Kind::Json,
        }
    }

    /// Asks these atoms about all identities that they may be asked about, each of which is gone through once for all.
    fn look_inside(&self, atoms: impl Iterator<Item = usize>) {
        let mut asked: BTreeMap<&str, Vec<Asked<'_>>> = BTreeMap::new();
        for atom in atoms {
            let of = &self.index.atoms[atom];
            if of.path.is_empty() || self.truth(atom).is_of_all.replace(true) {
                continue;
            }
            let (gaps, truth) = (self.gaps(self.place(atom)), self.truth(atom));
            let known = if gaps.is_some() { &truth.by_identity } else { &truth.by_code };
            asked.entry(&of.path).or_default().push(Asked { atom: of, gaps, known });
        }
        if asked.is_empty() {
            return;
        }
        let paths = Paths::new(asked.keys().copied());
        let identities = &self.column(IDENTITY).coded;
        for code in 1..identities.distinct() as u32 {
            // What is no object is asked as it comes.
            let object = identities.value(code).filter(|json| json.starts_with('{'));
            let Some(json) = object else { continue };
            for (atoms, value) in asked.values().zip(paths.inside(json)) {
                for Asked { atom, gaps, known } in atoms {
                    if gaps.is_none_or(|gaps| gaps[code as usize]) {
                        known[code as usize].set(Some(atom.passes(value.as_ref())));
                    }
                }
            }
        }
    }

    /// By identity, whether it is that of a row in which this column has no value, and may be asked in its place;
    /// nothing for the column of identities.
    fn gaps(&self, column: usize) -> Option<&[bool]> {
        if COLUMNS[column].kind == Kind::Json {
            return None;
        }
        let Column { coded, gaps } = self.column(column);
        Some(gaps.get_or_init(|| {
            let identities = &self.column(IDENTITY).coded;
            let mut gaps = vec![false; identities.distinct()];
            for (code, identity) in coded.codes().iter().zip(identities.codes()) {
                gaps[*identity as usize] |= *code == 0;
            }
            gaps
        }))
    }

    /// What a candidate comes to with the JSON columns of its row.
    pub(super) fn settle(&self, candidate: Candidate, texts: &Texts<'_>) -> Known {
        self.rests.borrow().at(candidate.rest).eval(&|atom| {
            let of = &self.index.atoms[*atom];
            // What the columns of values that repeat say of the row is known by now.
            let raw = of.column.checked_sub(RAW);
            raw.map_or(Known::Maybe, |raw| of.passes_in(texts.get(raw)))
        })
    }

    /// What to seek in JSON columns for a list of candidates, and which rules are hit by rows in which it is nowhere;
    /// nothing where these have to be asked all the same.
    pub(super) fn clues(&self, list: &[Candidate]) -> Option<(Clues, Vec<u32>)> {
        let rests = self.rests.borrow();
        let (mut sought, mut hit) = (BTreeSet::new(), Vec::new());
        for candidate in list {
            let without_words = |atom: &usize| {
                let atom = &self.index.atoms[*atom];
                if atom.column < RAW { Known::Maybe } else { atom.without_words() }
            };
            let (known, atoms) = rests.at(candidate.rest).decided(&without_words);
            match known {
                Known::Maybe => return None,
                Known::True => hit.push(candidate.rule),
                Known::False => {}
            }
            sought.extend(atoms);
        }
        Some((Clues::new(sought.iter().map(|atom| &self.index.atoms[*atom])), hit))
    }

    /// Whether a row has what no column gives back.
    pub(super) fn has_extra(&self) -> bool {
        self.has_extra
    }

    /// Which column answers an atom here.
    fn place(&self, atom: usize) -> usize {
        let place = self.index.atoms[atom].column;
        if COLUMNS[place].answers(self.has_plain_identities) { place } else { IDENTITY }
    }

    fn column(&self, place: usize) -> &Column {
        self.columns[place].as_ref().expect("every column that is asked for was read")
    }

    fn codes(&self, place: usize) -> &[u32] {
        self.column(place).coded.codes()
    }

    /// Rows by their coarse values.
    fn combinations(&self) -> Combinations {
        let mut rows = Combinations::new(self.height);
        for (column, of) in self.columns.iter().zip(&COLUMNS) {
            let Some(Column { coded, .. }) = column.as_ref().filter(|_| of.is_coarse) else {
                continue;
            };
            let is_one = coded.distinct() == 2 && !coded.has_gaps();
            if !is_one {
                rows.split(coded.codes(), coded.distinct(), |code| code);
            }
        }
        rows
    }

    /// Rules for any name that no value of the part rules out, as far as was asked.
    fn others(&self) -> impl Iterator<Item = u32> {
        self.index.others.iter().copied().filter(|rule| self.is_possible(*rule))
    }

    fn is_possible(&self, rule: u32) -> bool {
        self.index.rules[rule as usize].eval(&|atom: &usize| self.of_part(*atom)) != Known::False
    }

    /// Rules that the coarse values of a row do not rule out, of those for its name and these others.
    fn of_combination(&self, row: u32, others: &[u32]) -> Vec<(u32, Known)> {
        let name = self.column(NAME).coded.at(row);
        let rules: Box<dyn Iterator<Item = u32>> = match name {
            // It may be in `extra`, as something else than text.
            None => Box::new(0..self.index.rules.len() as u32),
            Some(name) => {
                let named = self.index.by_name.get(&name.to_lowercase());
                Box::new(named.into_iter().flatten().chain(others).copied())
            }
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
            let column = self.place(atom);
            let unknown = |place: usize| vec![Cell::new(None); self.column(place).coded.distinct()];
            let is_elsewhere = COLUMNS[column].kind == Kind::Also && self.is_inside(column);
            Truth {
                by_code: unknown(column),
                by_identity: if is_elsewhere { unknown(IDENTITY) } else { Vec::new() },
                is_of_all: Cell::new(false),
                of_all: OnceCell::new(),
            }
        })
    }

    /// Exact, but for values that are elsewhere.
    fn of_code(&self, atom: usize, code: u32) -> bool {
        let known = &self.truth(atom).by_code[code as usize];
        known.get().unwrap_or_else(|| {
            let (of, column) = (&self.index.atoms[atom], self.place(atom));
            let value = self.column(column).coded.value(code);
            let passes = match (COLUMNS[column].kind, value) {
                // Not asked for.
                (Kind::Extra, Some(_)) => false,
                (Kind::Json, Some(json)) => of.passes_in(Some(&Json::new(json))) == Known::True,
                (Kind::Flag, Some(flag)) => of.passes(Some(&EventValue::Bool(flag == "true"))),
                (_, Some(text)) => of.passes(Some(&EventValue::Str(Cow::Borrowed(text)))),
                (_, None) => of.passes(None),
            };
            known.set(Some(passes));
            passes
        })
    }

    /// Where the column of a field of an identity has no value, which may then be no text.
    fn of_identity(&self, atom: usize, code: u32) -> bool {
        let known = &self.truth(atom).by_identity[code as usize];
        known.get().unwrap_or_else(|| {
            let json = self.column(IDENTITY).coded.value(code).map(Json::new);
            let passes = self.index.atoms[atom].passes_in(json.as_ref()) == Known::True;
            known.set(Some(passes));
            passes
        })
    }

    /// What is known of an atom for all rows of a combination.
    fn of_coarse(&self, atom: usize, row: u32) -> Known {
        let column = self.place(atom);
        if column >= RAW {
            return Known::Maybe;
        }
        if COLUMNS[column].is_coarse && COLUMNS[column].kind != Kind::Also {
            return self.of_row(atom, row);
        }
        let code = if COLUMNS[column].is_coarse { self.codes(column)[row as usize] } else { 0 };
        if code != 0 {
            return self.of_code(atom, code).into();
        }
        if COLUMNS[column].is_coarse && !self.is_inside(column) {
            return self.of_row(atom, row);
        }
        self.of_part(atom)
    }

    /// What is known of an atom for all rows of the part; nothing as long as identities were not asked.
    fn of_part(&self, atom: usize) -> Known {
        let (column, path) = (self.place(atom), &self.index.atoms[atom].path);
        let was_asked = || self.truths[atom].get().is_some_and(|truth| truth.is_of_all.get());
        if column >= RAW || (!path.is_empty() && self.is_inside(column) && !was_asked()) {
            return Known::Maybe;
        }
        *self.truth(atom).of_all.get_or_init(|| self.of_all(atom))
    }

    fn of_all(&self, atom: usize) -> Known {
        let column = self.place(atom);
        let (coded, kind) = (&self.column(column).coded, COLUMNS[column].kind);
        let may_be_elsewhere = match kind {
            // That there is something says nothing of what it is, even where every row has it.
            Kind::Extra => true,
            Kind::Text | Kind::Also => coded.has_gaps(),
            Kind::Own | Kind::Plain | Kind::Flag | Kind::Json | Kind::Raw => false,
        };
        if may_be_elsewhere && self.has_extra() {
            return Known::Maybe;
        }
        let is_elsewhere = kind == Kind::Also && self.is_inside(column);
        let identities = if is_elsewhere { self.column(IDENTITY).coded.distinct() } else { 0 };
        if coded.distinct() + identities > MANY && !self.index.is_wide[atom] {
            return Known::Maybe;
        }
        let first = u32::from(!coded.has_gaps() || is_elsewhere);
        let values = (first..coded.distinct() as u32).map(|code| self.of_code(atom, code));
        let gaps = if identities > 0 { self.gaps(column) } else { None }.unwrap_or_default();
        let elsewhere = (0..identities as u32).filter(|code| gaps[*code as usize]);
        let elsewhere = elsewhere.map(|code| self.of_identity(atom, code));
        let mut all = values.chain(elsewhere);
        let Some(one) = all.next() else { return Known::Maybe };
        if all.all(|other| other == one) { one.into() } else { Known::Maybe }
    }

    fn of_row(&self, atom: usize, row: u32) -> Known {
        let column = self.place(atom);
        if column >= RAW {
            return Known::Maybe;
        }
        let at = |place: usize| self.codes(place)[row as usize];
        let code = at(column);
        let in_extra = || at(EXTRA) != 0;
        match COLUMNS[column].kind {
            Kind::Also | Kind::Text if code == 0 && in_extra() => Known::Maybe,
            Kind::Also if code == 0 && self.is_inside(column) => {
                self.of_identity(atom, at(IDENTITY)).into()
            }
            Kind::Extra if code != 0 => Known::Maybe,
            _ => self.of_code(atom, code).into(),
        }
    }
}

const _: () = assert!(matches!(COLUMNS[IDENTITY].kind, Kind::Json));
