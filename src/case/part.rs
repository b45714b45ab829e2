//! One part of the event table as a Parquet file.
//!
//! Text columns come as finished pages (`pages`), the few others as arrays. All text is plain text in
//! the file, dictionary or not, so that every engine (and SQL's LIKE) sees strings.

use super::Error;
use super::builder::{Column, Taken};
use super::pages::{Finished, PAGE_BYTES, compression};
use polars::error::{PolarsError, PolarsResult};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
use polars_parquet::write::{
    Compressor, DynIter, DynStreamingIterator, Encoding, FileWriter, KeyValue, StatisticsOptions,
    Version, WriteOptions, array_to_columns, schema_to_metadata_key, to_parquet_type,
};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What is written at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// Whole blocks at multiples of their size: the system's cache takes them in large pieces, in half the time of what
/// `BufWriter` writes as pages come, and a block stays in a near cache.
struct Blocks {
    file: File,
    block: Vec<u8>,
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions { distinct_count: false, ..StatisticsOptions::default() },
        version: Version::V1,
        compression: compression(),
        data_page_size: Some(PAGE_BYTES),
    }
}

/// How the metadata of a file says that [`Taken::has_plain_identities`].
pub(super) fn plain() -> KeyValue {
    KeyValue { key: "trailinsight.identities".to_owned(), value: Some("plain".to_owned()) }
}

/// Writes columns as one row group to `path`. Not on disk before it is synced.
pub(super) fn write(path: &Path, taken: Taken) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    let mut blocks = Blocks { file, block: Vec::with_capacity(BLOCK_BYTES) };
    encode(&mut blocks, taken).map_err(Error::unwritten(path))?;
    blocks.flush().map_err(Error::io("write", path))?;
    Ok(blocks.file)
}

fn encode(out: &mut Blocks, taken: Taken) -> PolarsResult<()> {
    let Taken { rows, columns, has_plain_identities } = taken;
    let options = options();
    let fields: Vec<Field> = columns.iter().map(|(name, column)| field(name, column)).collect();
    let schema = fields.iter().map(|f| (f.name.clone(), f.clone())).collect::<ArrowSchema>();
    let mut metadata = vec![schema_to_metadata_key(&schema)];
    if has_plain_identities {
        metadata.push(plain());
    }
    let mut writer = FileWriter::try_new(out, schema, options)?;
    let pages = columns.into_iter().zip(fields).map(move |((_, column), field)| {
        let array = match column {
            Column::Pages(pages) | Column::Lists(pages) => {
                return Ok(DynStreamingIterator::new(Finished::new(pages)));
            }
            other => array(other)?,
        };
        let type_ = to_parquet_type(&field)?;
        let mut leaves = array_to_columns(array, type_, options, &[Encoding::Plain])?;
        let pages = leaves.pop().expect("every column here has one leaf");
        let pages = DynIter::new(pages.into_iter().map(|page| {
            page.map_err(|e| polars_parquet::parquet::error::ParquetError::OutOfSpec(e.to_string()))
        }));
        let compressed = Compressor::new(pages, options.compression, Vec::new());
        let compressed =
            polars_parquet::write::FallibleStreamingIterator::map_err(compressed, |e| {
                PolarsError::ComputeError(e.to_string().into())
            });
        Ok(DynStreamingIterator::new(compressed))
    });
    writer.write(rows as u64, DynIter::new(pages))?;
    writer.end(Some(metadata))?;
    Ok(())
}

fn field(name: &str, column: &Column) -> Field {
    let item = || Field::new("item".into(), ArrowDataType::LargeUtf8, true);
    let dtype = match column {
        Column::Time(_) => ArrowDataType::Timestamp(TimeUnit::Microsecond, None),
        Column::Index(_) => ArrowDataType::UInt32,
        Column::Flag(_) => ArrowDataType::Boolean,
        Column::Pages(_) => ArrowDataType::LargeUtf8,
        Column::Lists(_) => ArrowDataType::LargeList(Box::new(item())),
    };
    Field::new(name.into(), dtype, true)
}

fn array(column: Column) -> PolarsResult<Box<dyn Array>> {
    Ok(match column {
        Column::Time(values) => {
            let dtype = ArrowDataType::Timestamp(TimeUnit::Microsecond, None);
            PrimitiveArray::try_new(dtype, values.into(), None)?.boxed()
        }
        Column::Index(values) => {
            PrimitiveArray::try_new(ArrowDataType::UInt32, values.into(), None)?.boxed()
        }
        Column::Flag(values) => BooleanArray::from(values).boxed(),
        Column::Pages(_) | Column::Lists(_) => unreachable!("they are written already"),
    })
}
