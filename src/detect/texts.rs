//! The JSON columns of a row, and whether they hold anything that tests look for: most do not, which one search for a
//! few words tells.

use super::columns::{COLUMNS, RAW, RAWS};
use super::json::inside;
use super::narrow::Atom;
use crate::case::{ColumnAt, Row, Rows};
use aho_corasick::packed::{Config, MatchKind, Searcher};
use rsigma_eval::event::EventValue;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;

/// Where the JSON columns of some rows are, as far as they were read.
pub(super) struct Places([Option<ColumnAt>; RAWS.len()]);

impl Places {
    pub(super) fn new(rows: &Rows) -> Self {
        Self(std::array::from_fn(|raw| rows.place(COLUMNS[RAW + raw].name)))
    }
}

/// The JSON columns of a row, each looked at when somebody asks.
pub(super) struct Texts<'r> {
    row: Row<'r>,
    places: &'r Places,
    jsons: [OnceCell<Option<Json<'r>>>; RAWS.len()],
}

impl<'r> Texts<'r> {
    pub(super) fn new(row: Row<'r>, places: &'r Places) -> Self {
        Self { row, places, jsons: Default::default() }
    }

    pub(super) fn get(&self, raw: usize) -> Option<&Json<'r>> {
        let json = || Some(Json::new(self.row.text_at(self.places.0[raw]?)?));
        self.jsons[raw].get_or_init(json).as_ref()
    }
}

/// A JSON text, and what is known of it once somebody asked.
pub(super) struct Json<'t> {
    pub(super) text: &'t str,
    is_plain: OnceCell<bool>,
    lower: OnceCell<Vec<u8>>,
    /// What is at the end of paths that were asked for, by their numbers.
    values: RefCell<Vec<(u32, Option<EventValue<'t>>)>>,
}

impl<'t> Json<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, is_plain: OnceCell::new(), lower: OnceCell::new(), values: RefCell::default() }
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

/// By JSON column, the words (in lower case) without any of which it is known what tests say of a row.
pub(super) struct Clues {
    columns: [OfColumn; RAWS.len()],
    /// In how many rows words were sought, and in how many of these there was none.
    sought: Cell<u32>,
    quiet: Cell<u32>,
}

#[derive(Default)]
struct OfColumn {
    words: BTreeSet<Vec<u8>>,
    searcher: OnceCell<Option<Searcher>>,
}

/// After so many rows it is known whether seeking pays: where less than an eighth is without any word, tests seek theirs.
const TRIED: u32 = 64;

impl Clues {
    pub(super) fn new<'a>(atoms: impl Iterator<Item = &'a Atom>) -> Self {
        let mut columns: [OfColumn; RAWS.len()] = Default::default();
        for atom in atoms {
            let words = atom.clue_words().map(<[u8]>::to_ascii_lowercase);
            columns[atom.column - RAW].words.extend(words);
        }
        Self { columns, sought: Cell::new(0), quiet: Cell::new(0) }
    }

    /// Whether no word is in the texts of a row, as far as that is looked for.
    pub(super) fn is_quiet(&self, texts: &Texts<'_>) -> bool {
        let Self { columns, sought, quiet } = self;
        if sought.get() >= TRIED && quiet.get() < sought.get() / 8 {
            return false;
        }
        let mut columns = columns.iter().enumerate().filter(|(_, of)| !of.words.is_empty());
        let is_quiet = columns.all(|(raw, of)| {
            // There may be too many words to seek them at once.
            let build = || {
                let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
                builder.extend(&of.words).build()
            };
            let Some(json) = texts.get(raw) else { return true };
            let Some(searcher) = of.searcher.get_or_init(build) else { return false };
            // A null is another thing than a text.
            json.text != "null" && json.is_plain() && searcher.find(json.lower()).is_none()
        });
        sought.set(sought.get() + 1);
        quiet.set(quiet.get() + u32::from(is_quiet));
        is_quiet
    }
}
