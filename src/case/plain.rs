//! Texts that hardly repeat, of some rows of a part: taken from the plain pages of the file as they come, past those
//! that hold none of the rows, and past all that is between.

use super::chunk::Chunk;
use super::coded::{broken, levels};
use super::fetch::PartFile;
use polars::prelude::PolarsResult;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::error::ParquetResult;
use polars_parquet::parquet::page::{DataPage, split_buffer};
use std::ops::Range;

/// By the numbers of a table's rows, as far as they are of the stretch in hand.
#[derive(Default)]
pub(super) struct Plain {
    text: String,
    first: usize,
    places: Vec<Option<Range<usize>>>,
}

impl Plain {
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let place = self.places.get(number.checked_sub(self.first)?)?.clone()?;
        Some(&self.text[place])
    }

    /// Without texts, for rows of these numbers.
    pub(super) fn begin(&mut self, numbers: Range<usize>) {
        self.text.clear();
        self.places.clear();
        self.places.resize(numbers.len(), None);
        self.first = numbers.start;
    }

    pub(super) fn add(&mut self, number: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.places[number - self.first] = Some(start..self.text.len());
    }
}

/// Goes through a column of plain pages.
pub(super) struct Reader<'f> {
    file: &'f PartFile,
    name: &'static str,
    /// Row groups that were begun.
    groups: usize,
    pages: Option<Chunk>,
    page: Option<Page>,
    /// The row at which the next page begins.
    next: u32,
}

struct Page {
    data: DataPage,
    /// Whether a row has a value; empty where all have one.
    present: Vec<u32>,
    rows: Range<u32>,
    /// How many rows were passed, and where in the data that is.
    passed: usize,
    at: usize,
}

impl<'f> Reader<'f> {
    pub(super) fn new(file: &'f PartFile, name: &'static str) -> Self {
        Self { file, name, groups: 0, pages: None, page: None, next: 0 }
    }

    /// The text in a row behind all that were asked for before; an error where the pages are no plain ones.
    pub(super) fn text(&mut self, row: u32) -> PolarsResult<Option<&str>> {
        while self.page.as_ref().is_none_or(|page| page.rows.end <= row) {
            self.turn(row)?;
        }
        let page = self.page.as_mut().expect("it was turned to");
        Ok(page.text(row)?)
    }

    /// Goes on to the page of a row, or where there is none in a group, to the next group.
    fn turn(&mut self, row: u32) -> PolarsResult<()> {
        let Some(pages) = &mut self.pages else {
            self.pages = Some(self.file.group(self.groups, self.name)?);
            self.groups += 1;
            return Ok(());
        };
        if let Some(page) = self.page.take() {
            pages.reuse(page.data);
        }
        let Some(page) = pages.next()? else {
            self.pages = None;
            return Ok(());
        };
        let rows = self.next..self.next + page.num_values() as u32;
        self.next = rows.end;
        if rows.end > row {
            self.page = Some(Page::new(pages.unpack(page)?, rows)?);
        }
        Ok(())
    }
}

impl Page {
    fn new(data: DataPage, rows: Range<u32>) -> ParquetResult<Self> {
        let parts = split_buffer(&data)?;
        let mut present = match levels(&data, parts.def) {
            Some(levels) => levels.collect()?,
            None => vec![1; rows.len()],
        };
        if present.len() < rows.len() {
            return Err(broken("a page ends before its rows"));
        }
        // Of nothing there is nothing to be read.
        if data.encoding() != Encoding::Plain && present.iter().any(|level| *level != 0) {
            return Err(broken("a page of texts is no plain one"));
        }
        if present.iter().all(|level| *level != 0) {
            present.clear();
        }
        let at = data.buffer().len() - parts.values.len();
        Ok(Self { data, present, rows, passed: 0, at })
    }

    fn text(&mut self, row: u32) -> ParquetResult<Option<&str>> {
        let cut = || broken("a page ends within a value");
        let wanted = (row - self.rows.start) as usize;
        let buffer = self.data.buffer();
        let mut value = None;
        while self.passed <= wanted {
            value = None;
            if self.present.is_empty() || self.present[self.passed] != 0 {
                let rest = buffer.get(self.at..).ok_or_else(cut)?;
                let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                let length = u32::from_le_bytes(*length) as usize;
                value = Some(rest.get(..length).ok_or_else(cut)?);
                self.at += 4 + length;
            }
            self.passed += 1;
        }
        let text = value.map(std::str::from_utf8).transpose();
        text.map_err(|_| broken("a page holds what is no text"))
    }
}
