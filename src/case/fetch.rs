//! Columns of one part, for all of its rows or for some: pages that hold none of them are not unpacked.

use super::chunk::Chunk;
use super::coded::Coded;
use super::walk::Walk;
use super::{Error, Rows, part};
use polars::prelude::*;
use polars_arrow::array::new_empty_array;
use polars_arrow::bitmap::Bitmap;
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, Filter, PageReader, RowGroupMetadata,
    column_iter_to_arrays, infer_schema, read_metadata,
};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// Rows of a part (rising), by column.
pub type Wanted = BTreeMap<&'static str, Vec<u32>>;

/// A part that was opened.
pub struct PartFile {
    file: File,
    metadata: FileMetadata,
    schema: ArrowSchema,
    /// Columns that were asked for.
    coded: RefCell<BTreeMap<String, Arc<Coded>>>,
    pub(super) times: OnceCell<Arc<[i64]>>,
}

impl PartFile {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = read_metadata(&mut BufReader::new(&file)).map_err(Error::table("read"))?;
        let schema = infer_schema(&metadata).map_err(Error::table("read"))?;
        Ok(Self { file, metadata, schema, coded: RefCell::default(), times: OnceCell::new() })
    }

    #[must_use]
    pub fn height(&self) -> usize {
        self.metadata.num_rows
    }

    /// A column of texts that repeat or of flags, read once; of others, only where there is a value.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn coded(&self, name: &str) -> Result<Arc<Coded>, Error> {
        if let Some(coded) = self.coded.borrow().get(name) {
            return Ok(coded.clone());
        }
        let coded = Arc::new(self.read_coded(name)?);
        self.coded.borrow_mut().insert(name.to_owned(), coded.clone());
        Ok(coded)
    }

    /// All rows, with these columns.
    ///
    /// # Errors
    /// When one is not there or cannot be read.
    pub fn rows(&self, names: &[&'static str]) -> Result<Rows, Error> {
        let all: Vec<u32> = (0..self.height() as u32).collect();
        let wanted = names.iter().map(|name| (*name, all.clone())).collect();
        self.rows_at(&all, &wanted)
    }

    /// These rows (rising), with each column where it is wanted.
    ///
    /// # Errors
    /// When a column is not there or cannot be read.
    pub fn rows_at(&self, rows: &[u32], wanted: &Wanted) -> Result<Rows, Error> {
        let mut walk = Walk::new(self, rows, wanted)?;
        walk.go_on(rows.len())?;
        Ok(walk.rows)
    }

    /// Whether columns of identities say exactly what these do. Of parts that do not tell, as most that other programs
    /// wrote, nobody knows.
    #[must_use]
    pub fn has_plain_identities(&self) -> bool {
        self.metadata.key_value_metadata().iter().flatten().any(|entry| *entry == part::plain())
    }

    pub(super) fn is_text(&self, name: &str) -> bool {
        use ArrowDataType::{LargeUtf8, Utf8, Utf8View};
        let dtype = self.schema.get(name).map(|field| &field.dtype);
        matches!(dtype, Some(LargeUtf8 | Utf8 | Utf8View))
    }

    pub(super) fn is_flag(&self, name: &str) -> bool {
        self.schema.get(name).is_some_and(|field| field.dtype == ArrowDataType::Boolean)
    }

    /// These columns, each of all rows.
    ///
    /// # Errors
    /// When one is not there or cannot be read.
    pub fn columns<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Vec<Column>, Error> {
        names.into_iter().map(|name| self.column(name, None)).collect()
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
        self.column(name, Some(&Bitmap::from(mask)))
    }

    fn column(&self, name: &str, rows: Option<&Bitmap>) -> Result<Column, Error> {
        let read = || -> PolarsResult<Column> {
            let field = self.field(name)?;
            let mut arrays = Vec::new();
            let mut first = 0;
            for group in &self.metadata.row_groups {
                let height = group.num_rows();
                let mask = rows.map(|rows| rows.clone().sliced(first, height));
                first += height;
                let (pages, chunk) = pages(&self.file, name, group)?;
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

    fn field(&self, name: &str) -> PolarsResult<&ArrowField> {
        self.schema.get(name).ok_or_else(|| polars_err!(ColumnNotFound: "{name}"))
    }

    /// The pages of a column in one group of rows.
    pub(super) fn group(&self, number: usize, name: &str) -> PolarsResult<Chunk> {
        let group = self.metadata.row_groups.get(number);
        let group = group.ok_or_else(|| polars_err!(ComputeError: "{name} has too few rows"))?;
        Ok(Chunk::new(pages(&self.file, name, group)?.0))
    }

    /// The pages of a column, by group of rows.
    pub(super) fn each_group(
        &self,
        name: &str,
        mut take: impl FnMut(&mut Chunk) -> PolarsResult<()>,
    ) -> PolarsResult<()> {
        for number in 0..self.metadata.row_groups.len() {
            take(&mut self.group(number, name)?)?;
        }
        Ok(())
    }
}

fn pages<'g>(
    file: &File,
    name: &str,
    group: &'g RowGroupMetadata,
) -> PolarsResult<(PageReader, &'g ColumnChunkMetadata)> {
    let chunk = group.columns_under_root_iter(name).and_then(|mut c| c.next());
    let chunk = chunk.ok_or_else(|| polars_err!(ColumnNotFound: "{name}"))?;
    let pages = PageReader::new(bytes(file, chunk)?.into(), chunk, Vec::new(), usize::MAX);
    Ok((pages, chunk))
}

/// Helps the reader of pages to its own type of cursor.
struct Bytes(Vec<u8>);

impl<B: From<Vec<u8>>> From<Bytes> for Cursor<B> {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes.0.into())
    }
}

fn bytes(mut file: &File, chunk: &ColumnChunkMetadata) -> PolarsResult<Bytes> {
    let range = chunk.byte_range();
    let length = range.end - range.start;
    let mut bytes = Vec::with_capacity(length as usize);
    file.seek(SeekFrom::Start(range.start))?;
    if (file.take(length).read_to_end(&mut bytes)? as u64) < length {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Bytes(bytes))
}
