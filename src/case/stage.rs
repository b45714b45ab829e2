//! The inner steps of ingest one at a time, for `benches/` and the test that counts allocations.
//! The program itself does not come through here.

use super::builder::Builder;
use super::{Error, part};
use crate::decode::Sink;
use std::path::Path;

/// Columns of one part while they grow.
#[derive(Default)]
pub struct Columns(Builder);

impl Columns {
    /// The sink for records of one file.
    pub fn file(&mut self, name: &str) -> impl Sink {
        self.0.file(name)
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
        part::write(path, taken.rows, taken.columns)
    }
}
