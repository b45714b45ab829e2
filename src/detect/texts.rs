//! The JSON columns of a row, and whether they hold anything that tests look for: most do not, which one search for the
//! words of all tests tells.

use super::json::inside;
use super::narrow::{Atom, COLUMNS, RAW, RAWS};
use crate::case::Row;
use aho_corasick::packed::{Config, MatchKind, Searcher};
use rsigma_eval::event::EventValue;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;

/// The JSON columns of a row, each looked at when somebody asks.
pub(super) struct Texts<'r> {
    row: Row<'r>,
    clues: Option<&'r Clues>,
    jsons: [OnceCell<Option<Json<'r>>>; RAWS.len()],
}

impl<'r> Texts<'r> {
    /// `clues`: of all atoms that will be asked.
    pub(super) fn new(row: Row<'r>, clues: Option<&'r Clues>) -> Self {
        Self { row, clues, jsons: Default::default() }
    }

    pub(super) fn get(&self, raw: usize) -> Option<&Json<'r>> {
        let json = || {
            let json = Json::new(self.row.text(COLUMNS[RAW + raw].name)?);
            Some(match self.clues {
                Some(clues) => clues.seek(raw, json),
                None => json,
            })
        };
        self.jsons[raw].get_or_init(json).as_ref()
    }
}

/// A JSON text, and what is known of it once somebody asked.
pub(super) struct Json<'t> {
    pub(super) text: &'t str,
    /// Plain, and without any word that is sought.
    is_quiet: bool,
    is_plain: OnceCell<bool>,
    lower: OnceCell<Vec<u8>>,
    /// What is at the end of paths that were asked for, by their numbers.
    values: RefCell<Vec<(u32, Option<EventValue<'t>>)>>,
}

impl<'t> Json<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            is_quiet: false,
            is_plain: OnceCell::new(),
            lower: OnceCell::new(),
            values: RefCell::default(),
        }
    }

    pub(super) fn with_value<T>(
        &self,
        slot: u32,
        path: &str,
        look: impl FnOnce(Option<&EventValue<'t>>) -> T,
    ) -> T {
        let mut values = self.values.borrow_mut();
        let known = values.iter().position(|(of, _)| *of == slot);
        let place = known.unwrap_or_else(|| {
            values.push((slot, inside(self.text, path)));
            values.len() - 1
        });
        look(values[place].1.as_ref())
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// With a look whether any of these words (in lower case) is in it.
    pub(super) fn sought(mut self, words: &Searcher) -> Self {
        self.is_quiet = self.is_plain() && words.find(self.lower()).is_none();
        self
    }

    /// Whether a word that is in a value is so in its spelling, in any case: nothing is escaped, and letters have two.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain =
            || self.text.is_ascii() && memchr::memchr(b'\\', self.text.as_bytes()).is_none();
        *self.is_plain.get_or_init(is_plain)
    }

    pub(super) fn lower(&self) -> &[u8] {
        self.lower.get_or_init(|| self.text.to_ascii_lowercase().into_bytes())
    }
}

/// By JSON column, words (in lower case) one of which is in every text that some test has to look at.
#[derive(Default)]
pub(super) struct Clues([OfColumn; RAWS.len()]);

#[derive(Default)]
struct OfColumn {
    words: BTreeSet<Vec<u8>>,
    searcher: OnceCell<Option<Searcher>>,
    /// Texts that were gone through, and how many of them had none of the words.
    sought: Cell<u32>,
    quiet: Cell<u32>,
}

/// After so many texts it is known whether seeking pays: where less than an eighth is without any word, tests seek theirs.
const TRIED: u32 = 64;

impl Clues {
    pub(super) fn add(&mut self, atom: &Atom) {
        if let Some(raw) = atom.column.checked_sub(RAW) {
            let words = atom.clue_words().map(<[u8]>::to_ascii_lowercase);
            self.0[raw].words.extend(words);
        }
    }

    fn seek<'t>(&self, raw: usize, json: Json<'t>) -> Json<'t> {
        let OfColumn { words, searcher, sought, quiet } = &self.0[raw];
        if sought.get() >= TRIED && quiet.get() < sought.get() / 8 {
            return json;
        }
        // There may be too many words to seek them at once.
        let build = || {
            let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
            builder.extend(words).build()
        };
        let Some(searcher) = searcher.get_or_init(build) else { return json };
        let json = json.sought(searcher);
        sought.set(sought.get() + 1);
        quiet.set(quiet.get() + u32::from(json.is_quiet()));
        json
    }
}
