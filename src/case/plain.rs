//! Texts that hardly repeat, of some rows of a part: taken from the plain pages of the file, past those that hold none
//! of the rows, and past all that is between.

use super::Error;
use super::fetch::PartFile;
use polars::prelude::PolarsResult;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::encoding::hybrid_rle::HybridRleDecoder;
use polars_parquet::parquet::error::{ParquetError, ParquetResult};
use polars_parquet::parquet::page::{DataPage, split_buffer};
use std::ops::Range;

/// By the numbers of a table's rows.
pub(super) struct Plain {
    text: String,
    places: Vec<Option<Range<usize>>>,
}

/// The rows that are still to come, each with its number in the table.
struct Ahead<'r> {
    rows: &'r [u32],
    numbers: &'r [u32],
}

impl Plain {
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        Some(&self.text[self.places[number].clone()?])
    }

    /// Takes over a page that begins with this row; false when it is no plain one.
    fn take(&mut self, page: &DataPage, first: u32, ahead: &mut Ahead<'_>) -> ParquetResult<bool> {
        let rows = page.num_values();
        let parts = split_buffer(page)?;
        let present = match page.descriptor.max_def_level {
            0 => vec![1; rows],
            _ => HybridRleDecoder::new(parts.def, 1, rows).collect()?,
        };
        if page.encoding() != Encoding::Plain {
            // Of nothing there is nothing to be read.
            let passed = ahead.rows.partition_point(|row| *row < first + rows as u32);
            (ahead.rows, ahead.numbers) = (&ahead.rows[passed..], &ahead.numbers[passed..]);
            return Ok(present.iter().all(|level| *level == 0));
        }
        let cut = || ParquetError::OutOfSpec("a page ends within a value".to_owned());
        let mut rest = parts.values;
        for (row, level) in (first..).zip(&present) {
            let Some(next) = ahead.rows.first() else { break };
            let is_wanted = *next == row;
            if *level != 0 {
                let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                let length = u32::from_le_bytes(*length) as usize;
                let (value, after) = after.split_at_checked(length).ok_or_else(cut)?;
                rest = after;
                if is_wanted {
                    self.add(ahead.numbers[0], value)?;
                }
            }
            if is_wanted {
                (ahead.rows, ahead.numbers) = (&ahead.rows[1..], &ahead.numbers[1..]);
            }
        }
        Ok(true)
    }

    fn add(&mut self, number: u32, value: &[u8]) -> ParquetResult<()> {
        let value = std::str::from_utf8(value)
            .map_err(|_| ParquetError::OutOfSpec("a page holds what is no text".to_owned()))?;
        let start = self.text.len();
        self.text.push_str(value);
        self.places[number as usize] = Some(start..self.text.len());
        Ok(())
    }
}

impl PartFile {
    /// The texts of a column in these rows, which are those of these numbers of `height`; nothing when it has other
    /// pages than plain ones.
    pub(super) fn plain(
        &self,
        name: &str,
        (rows, numbers): (&[u32], &[u32]),
        height: usize,
    ) -> Result<Option<Plain>, Error> {
        let mut plain = Plain { text: String::new(), places: vec![None; height] };
        let (mut ahead, mut first, mut is_plain) = (Ahead { rows, numbers }, 0, true);
        let mut read = || -> PolarsResult<()> {
            self.each_group(name, |pages| {
                if pages.read_dict_page()?.is_some() {
                    is_plain = false;
                }
                while is_plain && let Some(page) = pages.next() {
                    let page = page?;
                    let end = first + page.num_values() as u32;
                    if ahead.rows.first().is_some_and(|next| *next < end) {
                        let page = page.decompress(pages)?;
                        is_plain = plain.take(&page, first, &mut ahead)?;
                        pages.reuse_page_buffer(page);
                    }
                    first = end;
                }
                Ok(())
            })
        };
        read().map_err(Error::table("read"))?;
        Ok(is_plain.then_some(plain))
    }
}
