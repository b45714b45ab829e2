//! The JSON columns of a row, and whether they hold anything that tests look for: most do not, which one search for the
//! words of all tests tells.

use super::narrow::{Atom, COLUMNS, Json, RAW, RAWS};
use crate::case::Row;
use aho_corasick::packed::{Config, MatchKind, Searcher};
use std::cell::{Cell, OnceCell};
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
