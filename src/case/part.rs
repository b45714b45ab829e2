//! One part of the event table as a Parquet file.
//!
//! Dictionary columns are written from their codes, so no value is hashed a second time; their type
//! in the file is plain text, so that every engine (and SQL's LIKE) sees strings.

use super::Error;
use super::builder::{Column, Lists, Text};
use super::intern::{Dict, NULL};
use polars::error::{PolarsError, PolarsResult};
use polars_arrow::array::{
    Array, BooleanArray, DictionaryArray, ListArray, PrimitiveArray, Utf8Array,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, IntegerType, TimeUnit};
use polars_arrow::offset::OffsetsBuffer;
use polars_parquet::write::{
    CompressionOptions, Compressor, DynIter, DynStreamingIterator, Encoding, FileWriter,
    StatisticsOptions, Version, WriteOptions, ZstdLevel, array_to_columns, to_parquet_type,
};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Level 1: 0.3 s per GB of JSON; level 3 takes twice that for 8 % less.
const ZSTD_LEVEL: i32 = 1;
const DATA_PAGE_BYTES: usize = 1 << 20;

fn options() -> WriteOptions {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("1 is a zstd level");
    WriteOptions {
        statistics: StatisticsOptions { distinct_count: false, ..StatisticsOptions::default() },
        version: Version::V1,
        compression: CompressionOptions::Zstd(Some(level)),
        data_page_size: Some(DATA_PAGE_BYTES),
    }
}

/// Writes `columns` (all of `rows` rows) as one row group to `path`.
pub(super) fn write(path: &Path, rows: usize, columns: Vec<(String, Column)>) -> Result<(), Error> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    encode(&mut file, rows, columns).map_err(Error::unwritten(path))?;
    let file = file.into_inner().map_err(|e| Error::io("write", path)(e.into_error()))?;
    file.sync_all().map_err(Error::io("write", path))
}

fn encode(
    out: &mut BufWriter<File>,
    rows: usize,
    columns: Vec<(String, Column)>,
) -> PolarsResult<()> {
    let options = options();
    let fields: Vec<Field> = columns.iter().map(|(name, column)| field(name, column)).collect();
    let schema = fields.iter().map(|f| (f.name.clone(), f.clone())).collect::<ArrowSchema>();
    let mut writer = FileWriter::try_new(out, schema, options)?;
    let pages = columns.into_iter().zip(fields).map(move |((_, column), field)| {
        let type_ = to_parquet_type(&field)?;
        let encoding = encoding(&column);
        let mut leaves = array_to_columns(array(column)?, type_, options, &[encoding])?;
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
    writer.end(None)?;
    Ok(())
}

fn field(name: &str, column: &Column) -> Field {
    let item = || Field::new("item".into(), ArrowDataType::LargeUtf8, true);
    let dtype = match column {
        Column::Time(_) => ArrowDataType::Timestamp(TimeUnit::Microsecond, None),
        Column::Index(_) => ArrowDataType::UInt32,
        Column::Flag(_) => ArrowDataType::Boolean,
        Column::Dict(_) | Column::Text(_) => ArrowDataType::LargeUtf8,
        Column::Lists(_) => ArrowDataType::LargeList(Box::new(item())),
    };
    Field::new(name.into(), dtype, true)
}

fn encoding(column: &Column) -> Encoding {
    match column {
        Column::Dict(_) => Encoding::RleDictionary,
        _ => Encoding::Plain,
    }
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
        Column::Dict(dict) => dictionary(dict)?.boxed(),
        Column::Text(text) => utf8(text)?.boxed(),
        Column::Lists(lists) => list(lists)?.boxed(),
    })
}

fn utf8(text: Text) -> PolarsResult<Utf8Array<i64>> {
    let valid = Bitmap::from(text.valid);
    let valid = (valid.unset_bits() > 0).then_some(valid);
    let mut offsets = text.offsets;
    if offsets.is_empty() {
        offsets.push(0);
    }
    let offsets = OffsetsBuffer::try_from(offsets)?;
    Utf8Array::try_new(ArrowDataType::LargeUtf8, offsets, text.bytes.into(), valid)
}

fn dictionary(dict: Dict) -> PolarsResult<DictionaryArray<u32>> {
    let valid: Bitmap = dict.codes.iter().map(|&c| c != NULL).collect();
    let valid = (valid.unset_bits() > 0).then_some(valid);
    let codes: Vec<u32> = dict.codes.iter().map(|&c| if c == NULL { 0 } else { c }).collect();
    let keys = PrimitiveArray::try_new(ArrowDataType::UInt32, codes.into(), valid)?;
    let (mut bytes, mut offsets) = dict.values.into_parts();
    if offsets.len() == 1 {
        // A column of nulls only: code 0 must point at something.
        bytes.clear();
        offsets.push(0);
    }
    let values = Utf8Array::<i64>::try_new(
        ArrowDataType::LargeUtf8,
        OffsetsBuffer::try_from(offsets)?,
        bytes.into(),
        None,
    )?;
    let dtype =
        ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::LargeUtf8), false);
    DictionaryArray::try_new(dtype, keys, values.boxed())
}

fn list(lists: Lists) -> PolarsResult<ListArray<i64>> {
    let offsets: Vec<i64> = std::iter::once(0).chain(lists.offsets).collect();
    let item = Field::new("item".into(), ArrowDataType::LargeUtf8, true);
    ListArray::try_new(
        ArrowDataType::LargeList(Box::new(item)),
        OffsetsBuffer::try_from(offsets)?,
        utf8(lists.items)?.boxed(),
        None,
    )
}
