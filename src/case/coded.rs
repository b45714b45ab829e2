//! A column of one part as codes of its distinct values: what stands in the dictionary pages of the file, as it is,
//! so that nothing is looked up or copied per row.

use super::chunk::Chunk;
use super::fetch::PartFile;
use super::{Error, columns};
use polars::prelude::*;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::encoding::hybrid_rle::{HybridRleChunk, HybridRleDecoder};
use polars_parquet::parquet::error::{ParquetError, ParquetResult};
use polars_parquet::parquet::page::{DataPage, DictPage, split_buffer};
use std::collections::HashMap;

/// Codes are unpacked in packs of as many, the last of which may need room beyond the rows.
const PACK: usize = 32;

/// Code 0 is no value. One value may have several codes.
pub struct Coded {
    codes: Vec<u32>,
    /// All values behind each other, with where each ends; the one of code 0 is empty.
    text: String,
    ends: Vec<usize>,
    has_gaps: bool,
}

impl Default for Coded {
    fn default() -> Self {
        Self { codes: Vec::new(), text: String::new(), ends: vec![0], has_gaps: false }
    }
}

impl Coded {
    /// By row.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// Whether a row has no value.
    #[must_use]
    pub fn has_gaps(&self) -> bool {
        self.has_gaps
    }

    /// How many codes there are, with that of no value.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn value(&self, code: u32) -> Option<&str> {
        let before = (code as usize).checked_sub(1)?;
        Some(&self.text[self.ends[before]..self.ends[before + 1]])
    }

    #[must_use]
    pub fn at(&self, row: u32) -> Option<&str> {
        self.value(self.codes[row as usize])
    }

    fn add(&mut self, value: &str) -> u32 {
        self.text.push_str(value);
        self.ends.push(self.text.len());
        self.ends.len() as u32 - 1
    }

    /// Takes over the pages of a group of rows; false when they are no dictionary, which leaves half of them here.
    fn take(&mut self, pages: &mut Chunk) -> ParquetResult<bool> {
        let first = self.distinct() as u32;
        if let Some(dictionary) = pages.dictionary()? {
            self.take_values(dictionary)?;
        }
        let mut values = Vec::new();
        while let Some(page) = pages.next()? {
            let page = pages.unpack(page)?;
            if !self.take_codes(&page, first, &mut values)? {
                return Ok(false);
            }
            pages.reuse(page);
        }
        Ok(true)
    }

    /// Takes over a dictionary. Its values move up to each other where they are: copied, they would be in memory that
    /// has to be cleared first.
    fn take_values(&mut self, page: DictPage) -> ParquetResult<()> {
        let no_text = || broken("a dictionary holds what is no text");
        let before = self.text.len();
        let mut bytes = page.buffer.into_vec();
        self.ends.reserve(page.num_values);
        let (mut from, mut to) = (0, 0);
        for _ in 0..page.num_values {
            let rest = bytes.get(from..).and_then(<[u8]>::split_first_chunk::<4>);
            let place = rest.and_then(|(length, rest)| {
                let length = u32::from_le_bytes(*length) as usize;
                (length <= rest.len()).then_some(from + 4..from + 4 + length)
            });
            let place = place.ok_or_else(|| broken("a dictionary ends within a value"))?;
            (from, to) = (place.end, to + place.len());
            bytes.copy_within(place.clone(), to - place.len());
            self.ends.push(before + to);
        }
        bytes.truncate(to);
        let text = String::from_utf8(bytes).map_err(|_| no_text())?;
        if before == 0 {
            self.text = text;
        } else {
            self.text.push_str(&text);
        }
        let new = &self.ends[self.ends.len() - page.num_values..];
        if new.iter().all(|end| self.text.is_char_boundary(*end)) { Ok(()) } else { Err(no_text()) }
    }

    fn take_codes(
        &mut self,
        page: &DataPage,
        first: u32,
        values: &mut Vec<u32>,
    ) -> ParquetResult<bool> {
        let (rows, end) = (page.num_values(), self.codes.len() + page.num_values());
        let parts = split_buffer(page)?;
        let levels = levels(page, parts.def);
        let count = levels.clone().map_or(Ok(rows), count)?;
        self.has_gaps |= count < rows;
        if count == 0 {
            self.codes.resize(end, 0);
            return Ok(true);
        }
        if !matches!(page.encoding(), Encoding::RleDictionary | Encoding::PlainDictionary) {
            return Ok(false);
        }
        let (bits, packed) = parts.values.split_first().unwrap_or((&0, &[]));
        let packed = HybridRleDecoder::new(packed, u32::from(*bits), count);
        let known = self.distinct() as u32 - first;
        match levels.filter(|_| count < rows) {
            None => {
                let start = self.codes.len();
                unpack(packed, &mut self.codes)?;
                number(&mut self.codes[start..], first, known)?;
            }
            Some(levels) => {
                values.clear();
                values.reserve(rows + PACK);
                unpack(packed, values)?;
                number(values, first, known)?;
                if values.len() < count {
                    return Err(broken("a page ends before its values"));
                }
                spread(values, levels, &mut self.codes)?;
            }
        }
        if self.codes.len() < end {
            return Err(broken("a page ends before its rows"));
        }
        Ok(true)
    }

    /// One code for any value: which it is nobody asks.
    fn take_presence(&mut self, pages: &mut Chunk) -> ParquetResult<()> {
        pages.dictionary()?;
        while let Some(page) = pages.next()? {
            let page = pages.unpack(page)?;
            let end = self.codes.len() + page.num_values();
            match levels(&page, split_buffer(&page)?.def) {
                Some(levels) => unpack(levels, &mut self.codes)?,
                None => self.codes.resize(end, 1),
            }
            if self.codes.len() < end {
                return Err(broken("a page ends before its rows"));
            }
            pages.reuse(page);
        }
        Ok(())
    }

    fn of_flags(flags: &BooleanChunked) -> Self {
        let mut coded = Self::default();
        let codes = [false, true].map(|flag| coded.add(if flag { "true" } else { "false" }));
        coded.codes = flags.iter().map(|f| f.map_or(0, |flag| codes[usize::from(flag)])).collect();
        coded.has_gaps = flags.null_count() > 0;
        coded
    }

    /// One code for any value: which it is nobody asks.
    fn of_presence(is_there: &BooleanChunked) -> Self {
        let mut coded = Self::default();
        coded.add("");
        coded.codes = is_there.iter().map(|there| u32::from(there == Some(true))).collect();
        coded.has_gaps = coded.codes.contains(&0);
        coded
    }

    fn of_texts(texts: &StringChunked) -> Self {
        let mut coded = Self::default();
        let mut known: HashMap<&str, u32> = HashMap::new();
        for text in texts.iter() {
            let code = match text {
                None => 0,
                Some(text) => *known.entry(text).or_insert_with(|| coded.add(text)),
            };
            coded.codes.push(code);
        }
        coded.has_gaps = texts.null_count() > 0;
        coded
    }
}

/// Which rows of a page have a value; nothing where all must.
pub(super) fn levels<'p>(page: &DataPage, levels: &'p [u8]) -> Option<HybridRleDecoder<'p>> {
    let is_nullable = page.descriptor.max_def_level > 0;
    is_nullable.then(|| HybridRleDecoder::new(levels, 1, page.num_values()))
}

pub(super) fn count(levels: HybridRleDecoder<'_>) -> ParquetResult<usize> {
    let mut count = 0;
    for run in levels.into_chunk_iter() {
        count += match run? {
            HybridRleChunk::Rle(0, _) => 0,
            HybridRleChunk::Rle(_, rows) => rows,
            HybridRleChunk::Bitpacked(levels) => {
                let (whole, rows) = (levels.len() / 8, levels.len());
                let ones = |byte: &u8| byte.count_ones() as usize;
                levels.as_slice()[..whole].iter().map(ones).sum::<usize>()
                    + (whole * 8..rows).filter(|row| bit(levels.as_slice(), *row) == 1).count()
            }
        };
    }
    Ok(count)
}

/// Codes for places in a dictionary of this many values.
fn number(places: &mut [u32], first: u32, known: u32) -> ParquetResult<()> {
    let mut is_beyond = false;
    for place in places {
        is_beyond |= *place >= known;
        *place = place.wrapping_add(first);
    }
    if is_beyond { Err(broken("a page holds codes that its dictionary has not")) } else { Ok(()) }
}

/// Puts values where rows have one, and 0 between.
fn spread(
    mut values: &[u32],
    levels: HybridRleDecoder<'_>,
    to: &mut Vec<u32>,
) -> ParquetResult<()> {
    for run in levels.into_chunk_iter() {
        match run? {
            HybridRleChunk::Rle(0, rows) => to.resize(to.len() + rows, 0),
            HybridRleChunk::Rle(_, rows) => {
                let (now, later) = values.split_at(rows);
                to.extend_from_slice(now);
                values = later;
            }
            HybridRleChunk::Bitpacked(levels) => {
                // Without a branch: which rows have a value, nobody foresees.
                let mut next = 0;
                let value = |row| {
                    let bit = bit(levels.as_slice(), row);
                    let value = values.get(next).copied().unwrap_or_default();
                    next += bit as usize;
                    value * bit
                };
                to.extend((0..levels.len()).map(value));
                values = &values[next..];
            }
        }
    }
    Ok(())
}

fn bit(bytes: &[u8], place: usize) -> u32 {
    u32::from(bytes[place / 8] >> (place % 8) & 1)
}

fn unpack(packed: HybridRleDecoder<'_>, to: &mut Vec<u32>) -> ParquetResult<()> {
    for run in packed.into_chunk_iter() {
        match run? {
            HybridRleChunk::Rle(value, rows) => to.resize(to.len() + rows, value),
            HybridRleChunk::Bitpacked(values) => values.collect_into(to),
        }
    }
    Ok(())
}

pub(super) fn broken(reason: &str) -> ParquetError {
    ParquetError::OutOfSpec(reason.to_owned())
}

impl PartFile {
    /// A column of texts that repeat or of flags; of one whose values hardly repeat, only whether there is one.
    pub(super) fn read_coded(&self, name: &str) -> Result<Coded, Error> {
        let repeats = columns::repeats(name);
        if repeats && !self.is_flag(name) {
            let mut coded = Coded::default();
            coded.codes.reserve_exact(self.height() + PACK);
            let mut take = || -> PolarsResult<bool> {
                let mut is_whole = true;
                self.each_group(name, |pages| {
                    is_whole = is_whole && coded.take(pages)?;
                    Ok(())
                })?;
                Ok(is_whole)
            };
            if take().map_err(Error::table("read"))? {
                return Ok(coded);
            }
        }
        if !repeats && self.is_text(name) {
            let mut coded = Coded::default();
            coded.add("");
            self.each_group(name, |pages| Ok(coded.take_presence(pages)?))
                .map_err(Error::table("read"))?;
            for code in &mut coded.codes {
                *code = (*code).min(1);
            }
            coded.has_gaps = coded.codes.contains(&0);
            return Ok(coded);
        }
        // Another program wrote it.
        let columns = self.columns([name])?;
        let series = columns[0].as_materialized_series();
        if let Ok(flags) = series.bool() {
            return Ok(Coded::of_flags(flags));
        }
        if !repeats {
            return Ok(Coded::of_presence(&series.is_not_null()));
        }
        Ok(Coded::of_texts(series.str().map_err(Error::table("read"))?))
    }
}
