//! Columns of text as Parquet pages, written by hand: text is encoded as it comes and compressed
//! page by page, so that a part of any size holds little memory while it grows; dictionaries are
//! written from the codes that were given while reading, so that no value is hashed or copied twice.

use super::intern::{Dict, NULL};
use super::runs;
use polars::error::PolarsError;
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::FallibleStreamingIterator;
use polars_parquet::parquet::compression::{Compression, CompressionOptions};
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::metadata::Descriptor;
use polars_parquet::parquet::page::{
    CompressedDataPage, CompressedDictPage, CompressedPage, DataPageHeader, DataPageHeaderV1,
};
use polars_parquet::parquet::schema::types::{PhysicalType, PrimitiveType};
use polars_parquet::parquet::statistics::BinaryStatistics;
use polars_parquet::write::ZstdLevel;
use std::cell::RefCell;
use zstd::zstd_safe::CParameter;

/// Level 1: 0.3 s per GB of JSON; level 3 takes twice that for 8 % less.
const ZSTD_LEVEL: i32 = 1;
/// Size of a page before compression: every column of a worker holds one, and what is no larger than a near
/// cache is compressed a little faster.
pub(super) const PAGE_BYTES: usize = 256 << 10;
/// A page of nothing but nulls, or of short texts, ends here.
const PAGE_ROWS: usize = 1 << 16;
/// Room in front of a page's values for what says which rows have one: a bit a row, and as much again for
/// the headers of runs.
const LEVELS_BYTES: usize = PAGE_ROWS / 4;
/// Dictionaries larger than this are of ids and objects, whose least and greatest help nobody.
const STATISTICS_BYTES: usize = 64 << 10;

pub(super) fn compression() -> CompressionOptions {
    CompressionOptions::Zstd(Some(ZstdLevel::try_new(ZSTD_LEVEL).expect("1 is a zstd level")))
}

/// Finished pages in the form the writer takes them.
pub(super) struct Finished {
    rest: std::vec::IntoIter<CompressedPage>,
    current: Option<CompressedPage>,
}

impl Finished {
    pub(super) fn new(pages: Vec<CompressedPage>) -> Self {
        Self { rest: pages.into_iter(), current: None }
    }
}

impl FallibleStreamingIterator for Finished {
    type Item = CompressedPage;
    type Error = PolarsError;

    fn advance(&mut self) -> Result<(), PolarsError> {
        self.current = self.rest.next();
        Ok(())
    }

    fn get(&self) -> Option<&CompressedPage> {
        self.current.as_ref()
    }
}

/// Pages of a column that are ready to be written.
#[derive(Default)]
struct Done {
    pages: Vec<CompressedPage>,
    bytes: usize,
}

impl Done {
    fn push(&mut self, page: CompressedDataPage) {
        self.bytes += page.compressed_size();
        self.pages.push(CompressedPage::Data(page));
    }
}

/// A column of texts that hardly repeat.
#[derive(Default)]
pub(super) struct TextPages {
    /// The page in hand: room for the levels, then the values in Parquet's PLAIN encoding, each
    /// behind its length. Empty as long as there is no value.
    plain: Vec<u8>,
    /// Which of its rows have a value; empty as long as none has.
    present: Vec<bool>,
    rows: usize,
    done: Done,
    levels: Vec<u8>,
}

impl TextPages {
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        if let Some(value) = value {
            if self.present.len() < self.rows {
                self.present.resize(self.rows, false);
            }
            self.present.push(true);
            if self.plain.is_empty() {
                self.plain.resize(LEVELS_BYTES, 0);
            }
            plain(value, &mut self.plain);
        } else if !self.present.is_empty() {
            self.present.push(false);
        }
        self.rows += 1;
        if self.plain.len() >= PAGE_BYTES || self.rows >= PAGE_ROWS {
            self.end_page();
        }
    }

    /// All pages; the column is empty again and keeps its buffers.
    pub(super) fn take(&mut self) -> Vec<CompressedPage> {
        if self.rows > 0 || self.done.pages.is_empty() {
            self.end_page();
        }
        std::mem::take(&mut self.done).pages
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.plain.len() + self.present.len() + self.done.bytes
    }

    fn end_page(&mut self) {
        let Self { plain, present, rows, levels, .. } = self;
        present.resize(*rows, false);
        levels.clear();
        let nulls = present.iter().filter(|p| !**p).count();
        encode_levels(present.iter().copied(), nulls, levels);
        // Right in front of the values, so that these need no second copy.
        let page = if plain.is_empty() {
            &levels[..]
        } else {
            let start = LEVELS_BYTES.saturating_sub(levels.len());
            plain.splice(start..LEVELS_BYTES, levels.drain(..));
            &plain[start..]
        };
        let page = data_page(page, &Counts::of_rows(*rows, nulls), Encoding::Plain, None);
        self.done.push(page);
        plain.clear();
        present.clear();
        *rows = 0;
    }
}

/// A column of lists of texts, a list in every row, mostly short or empty.
#[derive(Default)]
pub(super) struct ListPages {
    plain: Vec<u8>,
    /// By text, or by empty list: whether it goes on with the list before it, and [`EMPTY`] or [`TEXT`].
    repetition: Vec<u32>,
    definition: Vec<u32>,
    rows: usize,
    done: Done,
}

/// The list is there, and has nothing in it. Below it would be no list, above it no text.
const EMPTY: u32 = 1;
const TEXT: u32 = 3;
const DEFINITION_BITS: u32 = 2;

impl ListPages {
    pub(super) fn push(&mut self, texts: &[&str]) {
        if self.plain.len() >= PAGE_BYTES || self.definition.len() >= PAGE_ROWS / 4 {
            self.end_page();
        }
        self.rows += 1;
        if texts.is_empty() {
            self.repetition.push(0);
            self.definition.push(EMPTY);
        }
        for (i, text) in texts.iter().enumerate() {
            self.repetition.push(u32::from(i > 0));
            self.definition.push(TEXT);
            plain(text.as_bytes(), &mut self.plain);
        }
    }

    /// All pages; the column is empty again and keeps its buffers.
    pub(super) fn take(&mut self) -> Vec<CompressedPage> {
        if self.rows > 0 || self.done.pages.is_empty() {
            self.end_page();
        }
        std::mem::take(&mut self.done).pages
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.plain.len() + self.definition.len() * 2 * size_of::<u32>() + self.done.bytes
    }

    fn end_page(&mut self) {
        let mut page = Vec::with_capacity(self.plain.len() + self.definition.len());
        runs::levels(&mut page, |out| runs::encode(&self.repetition, 1, out));
        runs::levels(&mut page, |out| runs::encode(&self.definition, DEFINITION_BITS, out));
        page.extend_from_slice(&self.plain);
        let nulls = self.definition.iter().filter(|&&d| d < TEXT).count();
        let counts = Counts { values: self.definition.len(), rows: self.rows, nulls };
        let page = data_page(&page, &counts, Encoding::Plain, None);
        self.done.push(page);
        self.plain.clear();
        self.repetition.clear();
        self.definition.clear();
        self.rows = 0;
    }
}

/// The pages of a dictionary column: its values, then its codes.
pub(super) fn of_dict(dict: &Dict) -> Vec<CompressedPage> {
    let mut page = Vec::new();
    let (rows, values) = (dict.codes.len(), dict.values.len());
    let nulls = dict.codes.iter().filter(|&&c| c == NULL).count();
    encode_levels(dict.codes.iter().map(|&c| c != NULL), nulls, &mut page);
    let counts = Counts::of_rows(rows, nulls);
    if values == 0 {
        // Nothing but nulls: there are no codes to write.
        return vec![CompressedPage::Data(data_page(&page, &counts, Encoding::Plain, None))];
    }
    let bits = usize::BITS - (values - 1).leading_zeros();
    let bits = bits.max(1);
    page.push(bits as u8);
    if nulls == 0 {
        runs::encode(&dict.codes, bits, &mut page);
    } else {
        runs::encode(&present(&dict.codes, rows - nulls), bits, &mut page);
    }
    let plain = dict.values.plain();
    let range = (plain.len() <= STATISTICS_BYTES).then(|| {
        let least = dict.values.iter().min().expect("there are values");
        let greatest = dict.values.iter().max().expect("there are values");
        (least, greatest)
    });
    let dictionary = CompressedDictPage::new(
        CowBuffer::Owned(compress(plain)),
        Compression::Zstd,
        plain.len(),
        values,
        false,
    );
    let codes = data_page(&page, &counts, Encoding::RleDictionary, range);
    vec![CompressedPage::Dict(dictionary), CompressedPage::Data(codes)]
}

/// The codes that are no nulls, which are `count`.
fn present(codes: &[u32], count: usize) -> Vec<u32> {
    // One too many, so that each can be written before it is known to be none: which are is past guessing.
    let (mut out, mut at) = (vec![0; count + 1], 0);
    for &code in codes {
        out[at] = code;
        at += usize::from(code != NULL);
    }
    out.truncate(count);
    out
}

/// Appends a value in Parquet's PLAIN encoding.
pub(super) fn plain(value: &[u8], out: &mut Vec<u8>) {
    // Decode takes no other text; Parquet's readers rely on it.
    debug_assert!(std::str::from_utf8(value).is_ok());
    // A value is part of a record, and no record is near 4 GiB.
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// Writes which rows have a value; `nulls` have none.
fn encode_levels(present: impl ExactSizeIterator<Item = bool>, nulls: usize, page: &mut Vec<u8>) {
    runs::levels(page, |out| {
        if nulls == 0 || nulls == present.len() {
            runs::repeat(present.len(), u32::from(nulls == 0), 1, out);
        } else {
            runs::encode(&present.map(u32::from).collect::<Vec<_>>(), 1, out);
        }
    });
}

/// What a page holds: values with the nulls among them, in so many rows.
struct Counts {
    values: usize,
    rows: usize,
    nulls: usize,
}

impl Counts {
    fn of_rows(rows: usize, nulls: usize) -> Self {
        Self { values: rows, rows, nulls }
    }
}

fn data_page(
    page: &[u8],
    counts: &Counts,
    encoding: Encoding,
    range: Option<(&[u8], &[u8])>,
) -> CompressedDataPage {
    let primitive_type = PrimitiveType::from_physical("text".into(), PhysicalType::ByteArray);
    let statistics = BinaryStatistics {
        primitive_type: primitive_type.clone(),
        null_count: Some(counts.nulls as i64),
        distinct_count: None,
        max_value: range.map(|(_, greatest)| greatest.to_vec()),
        min_value: range.map(|(least, _)| least.to_vec()),
    };
    let header = DataPageHeader::V1(DataPageHeaderV1 {
        num_values: counts.values as i32,
        encoding: encoding.into(),
        definition_level_encoding: Encoding::Rle.into(),
        repetition_level_encoding: Encoding::Rle.into(),
        statistics: Some(statistics.serialize()),
    });
    // What the writer does not look at: the schema has the levels.
    let descriptor = Descriptor { primitive_type, max_def_level: 0, max_rep_level: 0 };
    let (compressed, bytes) = (CowBuffer::Owned(compress(page)), page.len());
    CompressedDataPage::new(header, compressed, Compression::Zstd, bytes, descriptor, counts.rows)
}

/// Long matches only, and a table of hashes that fits the nearest cache: an eighth of the time of level 1 less
/// for 1.5 % more.
fn compressor() -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    zstd.set_parameter(CParameter::MinMatch(7))?;
    zstd.set_parameter(CParameter::HashLog(13))?;
    Ok(zstd)
}

/// With one context per thread: making one costs as much as compressing a small page.
fn compress(page: &[u8]) -> Vec<u8> {
    thread_local! {
        static ZSTD: RefCell<(zstd::bulk::Compressor<'static>, Vec<u8>)> = RefCell::new((
            compressor().expect("all are in range"),
            Vec::new(),
        ));
    }
    ZSTD.with_borrow_mut(|(zstd, out)| {
        let bound = zstd::zstd_safe::compress_bound(page.len());
        if out.capacity() < bound {
            // Not grown: that would copy, and with it touch, room that was hardly used.
            *out = Vec::with_capacity(bound.next_power_of_two());
        }
        out.clear();
        zstd.compress_to_buffer(page, out).expect("there is room for the worst case");
        out.as_slice().to_vec()
    })
}
