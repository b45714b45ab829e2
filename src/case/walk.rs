//! Rows of a part from first to last, a stretch of them at a time: texts that hardly repeat are most of what is read, and
//! those of one stretch stay in the nearest caches while somebody looks at them.

use super::fetch::{PartFile, Wanted};
use super::plain::Reader;
use super::rows::{ALWAYS, Rows};
use super::{Error, columns};
use polars::prelude::*;
use std::ops::Range;

/// Some rows of a part, of which the columns of values that repeat are there, and texts that hardly do only for the
/// stretch in hand.
pub struct Walk<'f> {
    file: &'f PartFile,
    pub(super) rows: Rows,
    texts: Vec<Texts<'f>>,
    /// Numbers of the rows in hand.
    stretch: Range<usize>,
}

/// A column of texts.
struct Texts<'f> {
    name: &'static str,
    /// In which rows it is wanted, and how many of these were passed.
    wanted: Vec<u32>,
    passed: usize,
    from: From<'f>,
}

enum From<'f> {
    Pages(Box<Reader<'f>>),
    /// Another program wrote the part: all rows.
    Column(StringChunked),
}

impl<'f> Walk<'f> {
    /// In front of these rows (rising), with each column where it is wanted.
    ///
    /// # Errors
    /// When a column is not there or cannot be read.
    pub fn new(file: &'f PartFile, rows: &[u32], wanted: &Wanted) -> Result<Self, Error> {
        let rows =
            Rows::at(rows.to_vec(), (file.times()?, file.indexes()?), file.has_plain_identities());
        let mut walk = Self { file, rows, texts: Vec::new(), stretch: 0..0 };
        for (name, wanted) in wanted.iter().filter(|(name, _)| !ALWAYS.contains(name)) {
            walk.add(name, wanted)?;
        }
        Ok(walk)
    }

    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    fn add(&mut self, name: &'static str, wanted: &[u32]) -> Result<(), Error> {
        if columns::repeats(name) && !self.file.is_flag(name) {
            self.rows.add_coded(name, self.file.coded(name)?);
        } else if self.file.is_text(name) {
            self.rows.add_plain(name);
            let (wanted, from) =
                (wanted.to_vec(), From::Pages(Box::new(Reader::new(self.file, name))));
            self.texts.push(Texts { name, wanted, passed: 0, from });
        } else {
            let mut column = self.file.column_at(name, wanted)?;
            if wanted.len() < self.rows.len() {
                let mut places = vec![None; self.rows.len()];
                for (place, number) in (0..).zip(self.rows.numbers(0..self.rows.len(), wanted)) {
                    places[number] = Some(place);
                }
                let places = IdxCa::from_iter_options("".into(), places.into_iter());
                column = column.take(&places).map_err(Error::table("read"))?;
            }
            self.rows.add(&column)?;
        }
        Ok(())
    }

    /// Goes on to as many rows, or to as many as are left, and says which numbers they have.
    ///
    /// # Errors
    /// When a column cannot be read.
    pub fn go_on(&mut self, rows: usize) -> Result<Range<usize>, Error> {
        let start = self.stretch.end;
        self.stretch = start..self.rows.len().min(start.saturating_add(rows));
        let Some(last) = self.rows.places()[self.stretch.clone()].last().copied() else {
            return Ok(self.stretch.clone());
        };
        for texts in &mut self.texts {
            let ahead = &texts.wanted[texts.passed..];
            let here = ahead.partition_point(|row| *row <= last);
            let places = texts.passed..texts.passed + here;
            texts.read(self.file, &mut self.rows, self.stretch.clone(), places)?;
        }
        Ok(self.stretch.clone())
    }
}

impl Texts<'_> {
    /// Reads what is wanted of these rows, which is in these places of `wanted`.
    fn read(
        &mut self,
        file: &PartFile,
        to: &mut Rows,
        numbers: Range<usize>,
        places: Range<usize>,
    ) -> Result<(), Error> {
        self.passed = places.end;
        let of: Vec<usize> = to.numbers(numbers.clone(), &self.wanted[places.clone()]).collect();
        let plain = to.plain(self.name);
        plain.begin(numbers.clone());
        if let From::Pages(pages) = &mut self.from {
            let mut read = || -> PolarsResult<()> {
                for (row, number) in self.wanted[places.clone()].iter().zip(&of) {
                    if let Some(text) = pages.text(*row)? {
                        plain.add(*number, text);
                    }
                }
                Ok(())
            };
            if read().is_ok() {
                return Ok(());
            }
            // Another program wrote it, or it is broken, which is found out now.
            let column = file.columns([self.name])?.remove(0);
            let texts = column.str().map_err(Error::table("read"))?;
            self.from = From::Column(texts.rechunk().into_owned());
            plain.begin(numbers);
        }
        if let From::Column(texts) = &self.from {
            for (row, number) in self.wanted[places].iter().zip(of) {
                if let Some(text) = texts.get(*row as usize) {
                    plain.add(number, text);
                }
            }
        }
        Ok(())
    }
}
