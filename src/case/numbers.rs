//! When the events of a part were, and where in their files: numbers that every row has, straight from the plain pages
//! of the part.

use super::Error;
use super::coded::{count, levels};
use super::fetch::PartFile;
use super::rows::ALWAYS;
use polars::prelude::*;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::page::split_buffer;
use std::sync::Arc;

impl PartFile {
    /// When the events were, in microseconds, by row; read once.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn times(&self) -> Result<Arc<[i64]>, Error> {
        if let Some(times) = self.times.get() {
            return Ok(times.clone());
        }
        let times = self.numbers(ALWAYS[0], i64::from_le_bytes, |time| time)?;
        Ok(self.times.get_or_init(|| times.into()).clone())
    }

    /// The place of each record in its file.
    pub(super) fn indexes(&self) -> Result<Arc<[u32]>, Error> {
        Ok(self
            .numbers(ALWAYS[1], u32::from_le_bytes, |index| {
                u32::try_from(index).unwrap_or_default()
            })?
            .into())
    }

    fn numbers<T, const BYTES: usize>(
        &self,
        name: &str,
        of: impl Fn([u8; BYTES]) -> T,
        of_any: impl Fn(i64) -> T,
    ) -> Result<Vec<T>, Error> {
        let (mut numbers, mut is_plain) = (Vec::with_capacity(self.height()), true);
        let read = self.each_group(name, |pages| {
            is_plain &= pages.dictionary()?.is_none();
            while is_plain && let Some(page) = pages.next()? {
                let page = pages.unpack(page)?;
                let (parts, rows) = (split_buffer(&page)?, page.num_values());
                let (values, rest) = parts.values.as_chunks();
                is_plain = page.encoding() == Encoding::Plain
                    && levels(&page, parts.def).map_or(Ok(rows), count)? == rows
                    && values.len() == rows
                    && rest.is_empty();
                numbers.extend(values.iter().map(|value| of(*value)));
                pages.reuse(page);
            }
            Ok(())
        });
        if read.is_ok() && is_plain {
            return Ok(numbers);
        }
        // Another program wrote it.
        let column = self.columns([name])?.remove(0);
        let any = || {
            column
                .cast(&DataType::Int64)?
                .i64()
                .map(|any| any.iter().map(Option::unwrap_or_default).map(of_any).collect())
        };
        any().map_err(Error::table("read"))
    }
}
