//! A column of one part as codes of its distinct values: what stands in the dictionary pages of the file, as it is,
//! so that nothing is looked up or copied per row.

use super::fetch::PartFile;
use super::{Error, columns};
use polars::prelude::*;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::encoding::hybrid_rle::HybridRleDecoder;
use polars_parquet::parquet::error::{ParquetError, ParquetResult};
use polars_parquet::parquet::page::{DataPage, DictPage, split_buffer};
use polars_parquet::read::BasicDecompressor;
use std::collections::HashMap;

/// Code 0 is no value. One value may have several codes.
pub struct Coded {
    codes: Vec<u32>,
    /// All values behind each other, with where each ends; the one of code 0 is empty.
    text: String,
    ends: Vec<usize>,
}

impl Default for Coded {
    fn default() -> Self {
        Self { codes: Vec::new(), text: String::new(), ends: vec![0] }
    }
}

impl Coded {
    /// By row.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        &self.codes
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
    fn take(&mut self, pages: &mut BasicDecompressor) -> ParquetResult<bool> {
        let first = self.distinct() as u32;
        if let Some(dictionary) = pages.read_dict_page()? {
            self.take_values(&dictionary)?;
        }
        while let Some(page) = pages.next() {
            let page = page?.decompress(pages)?;
            if !self.take_codes(&page, first)? {
                return Ok(false);
            }
            pages.reuse_page_buffer(page);
        }
        Ok(true)
    }

    fn take_values(&mut self, page: &DictPage) -> ParquetResult<()> {
        let cut = || broken("a dictionary ends within a value");
        let mut rest: &[u8] = &page.buffer;
        self.text.reserve(rest.len());
        self.ends.reserve(page.num_values);
        for _ in 0..page.num_values {
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            let (value, after) =
                after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
            let value = std::str::from_utf8(value);
            self.add(value.map_err(|_| broken("a dictionary holds what is no text"))?);
            rest = after;
        }
        Ok(())
    }

    fn take_codes(&mut self, page: &DataPage, first: u32) -> ParquetResult<bool> {
        let rows = page.num_values();
        let parts = split_buffer(page)?;
        let present = match page.descriptor.max_def_level {
            0 => vec![1; rows],
            _ => HybridRleDecoder::new(parts.def, 1, rows).collect()?,
        };
        let count = present.iter().filter(|level| **level != 0).count();
        if count == 0 {
            self.codes.resize(self.codes.len() + present.len(), 0);
            return Ok(true);
        }
        if !matches!(page.encoding(), Encoding::RleDictionary | Encoding::PlainDictionary) {
            return Ok(false);
        }
        let (bits, values) = parts.values.split_first().unwrap_or((&0, &[]));
        let values = HybridRleDecoder::new(values, u32::from(*bits), count).collect()?;
        let known = self.distinct() as u32 - first;
        if values.len() < count || values.iter().any(|value| *value >= known) {
            return Err(broken("a page holds codes that its dictionary has not"));
        }
        if count == rows {
            self.codes.extend(values.iter().map(|value| first + value));
        } else {
            let mut values = values.iter();
            let codes = present.iter().map(|level| match level {
                0 => 0,
                _ => values.next().map_or(0, |value| first + value),
            });
            self.codes.extend(codes);
        }
        Ok(true)
    }

    fn of_flags(flags: &BooleanChunked) -> Self {
        let mut coded = Self::default();
        let codes = [false, true].map(|flag| coded.add(if flag { "true" } else { "false" }));
        coded.codes = flags.iter().map(|f| f.map_or(0, |flag| codes[usize::from(flag)])).collect();
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
        coded
    }

    /// One code for any value: which it is nobody asks.
    fn of_presence(column: &Series) -> Self {
        let mut coded = Self::default();
        coded.add("");
        for array in column.chunks() {
            let valid = |row| u32::from(array.is_valid(row));
            coded.codes.extend((0..array.len()).map(valid));
        }
        coded
    }
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
            coded.codes.reserve_exact(self.height());
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
        // Another program wrote it.
        let columns = self.columns([name])?;
        let series = columns[0].as_materialized_series();
        if let Ok(flags) = series.bool() {
            return Ok(Coded::of_flags(flags));
        }
        if !repeats {
            return Ok(Coded::of_presence(series));
        }
        Ok(Coded::of_texts(series.str().map_err(Error::table("read"))?))
    }
}
