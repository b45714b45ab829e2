//! Columns of one part, for all of its rows or for some: pages that hold none of them are not unpacked.

use super::{Error, Rows};
use polars::prelude::*;
use polars_arrow::array::new_empty_array;
use polars_arrow::bitmap::Bitmap;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, Filter, PageReader,
    column_iter_to_arrays, infer_schema, read_metadata,
};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A part that was opened.
pub struct PartFile {
    path: PathBuf,
    metadata: FileMetadata,
    schema: ArrowSchema,
}

impl PartFile {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = read_metadata(&mut BufReader::new(file)).map_err(Error::table("read"))?;
        let schema = infer_schema(&metadata).map_err(Error::table("read"))?;
        Ok(Self { path: path.to_owned(), metadata, schema })
    }

    #[must_use]
    pub fn height(&self) -> usize {
        self.metadata.num_rows
    }

    /// All rows, with these columns.
    ///
    /// # Errors
    /// When one is not there or cannot be read.
    pub fn rows(&self, names: &[&str]) -> Result<Rows, Error> {
        let columns = self.columns(names.iter().copied())?;
        let frame = DataFrame::new(self.height(), columns).map_err(Error::table("read"))?;
        Rows::new(&frame)
    }

    /// These columns, each of all rows.
    ///
    /// # Errors
    /// When one is not there or cannot be read.
    pub fn columns<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Vec<Column>, Error> {
        let mut file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        names.into_iter().map(|name| self.column(&mut file, name, None)).collect()
    }

    /// One column of the rows in `rows` (rising, all below the height).
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn column_at(&self, name: &str, rows: &[u32]) -> Result<Column, Error> {
        let mut mask = vec![false; self.height()];
        for row in rows {
            mask[*row as usize] = true;
        }
        let mut file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        self.column(&mut file, name, Some(&Bitmap::from(mask)))
    }

    fn column(&self, file: &mut File, name: &str, rows: Option<&Bitmap>) -> Result<Column, Error> {
        let mut read = || -> PolarsResult<Column> {
            let field =
                self.schema.get(name).ok_or_else(|| polars_err!(ColumnNotFound: "{name}"))?;
            let mut arrays = Vec::new();
            let mut first = 0;
            for group in &self.metadata.row_groups {
                let height = group.num_rows();
                let mask = rows.map(|rows| rows.clone().sliced(first, height));
                first += height;
                let chunk = group.columns_under_root_iter(name).and_then(|mut c| c.next());
                let chunk = chunk.ok_or_else(|| polars_err!(ColumnNotFound: "{name}"))?;
                let pages =
                    PageReader::new(bytes(file, chunk)?.into(), chunk, Vec::new(), usize::MAX);
                let (of_group, _) = column_iter_to_arrays(
                    vec![BasicDecompressor::new(pages, Vec::new())],
                    vec![&chunk.descriptor().descriptor.primitive_type],
                    field.clone(),
                    mask.map(Filter::Mask),
                )?;
                arrays.extend(of_group);
            }
            if arrays.is_empty() {
                arrays.push(new_empty_array(field.dtype.clone()));
            }
            let mut series = Series::try_from((field, arrays))?;
            if series.n_chunks() > 1 {
                series = series.rechunk();
            }
            Ok(series.into_column())
        };
        read().map_err(Error::table("read"))
    }
}

/// Helps the reader of pages to its own type of cursor.
struct Bytes(Vec<u8>);

impl<B: From<Vec<u8>>> From<Bytes> for Cursor<B> {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes.0.into())
    }
}

fn bytes(file: &mut File, chunk: &ColumnChunkMetadata) -> PolarsResult<Bytes> {
    let range = chunk.byte_range();
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut bytes)?;
    Ok(Bytes(bytes))
}
