//! The inner steps of ingest one at a time, for `benches/` and the test that counts allocations.
//! The program itself does not come through here.

use super::builder::Builder;
use super::commit::Written;
use super::{Error, part};
use crate::decode::{Record, Sink};
use std::path::Path;

/// Columns of one part while they grow.
#[derive(Default)]
pub struct Columns(Builder);

impl Columns {
    /// The sink for records of one file.
    pub fn file(&mut self, name: &str) -> impl Sink {
        let file = self.0.file(name);
        Rows { builder: &mut self.0, file }
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Writes the rows as one Parquet file; there are none afterwards.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, path: &Path) -> Result<(), Error> {
        let taken = self.0.take();
        self.0.keys().clear();
        let file = part::write(path, taken)?;
        Written { path: path.to_owned(), file }.sync()
    }
}

struct Rows<'b> {
    builder: &'b mut Builder,
    file: u32,
}

impl Sink for Rows<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.builder.push(record, self.file);
    }
}
