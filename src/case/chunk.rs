//! The pages of a column in one group of rows, unpacked one by one.

use super::coded::broken;
use polars_parquet::parquet::compression::{Compression, DecompressionContext};
use polars_parquet::parquet::error::ParquetResult;
use polars_parquet::parquet::page::{CompressedDataPage, CompressedPage, DataPage, DictPage, Page};
use polars_parquet::parquet::read::decompress;
use polars_parquet::read::PageReader;
use std::cell::RefCell;

thread_local! {
    /// What unpacking needs: more room than most columns, so that it is made once.
    static CONTEXT: RefCell<DecompressionContext> = const { RefCell::new(DecompressionContext::Unset) };
}

pub(super) struct Chunk {
    pages: PageReader,
    buffer: Vec<u8>,
    /// Pages are in the buffer once they are unpacked, and not in what was read.
    is_packed: bool,
}

impl Chunk {
    pub(super) fn new(pages: PageReader) -> Self {
        Self { pages, buffer: Vec::new(), is_packed: false }
    }

    /// The dictionary, in front of other pages.
    pub(super) fn dictionary(&mut self) -> ParquetResult<Option<DictPage>> {
        let Some(page) = self.pages.read_dict()? else { return Ok(None) };
        match unpack(CompressedPage::Dict(page), &mut Vec::new())? {
            Page::Dict(page) => Ok(Some(page)),
            Page::Data(_) => Err(broken("a page of rows stands for a dictionary")),
        }
    }

    pub(super) fn next(&mut self) -> ParquetResult<Option<CompressedDataPage>> {
        match self.pages.next().transpose()? {
            None => Ok(None),
            Some(CompressedPage::Data(page)) => Ok(Some(page)),
            Some(CompressedPage::Dict(_)) => Err(broken("a dictionary stands behind other pages")),
        }
    }

    pub(super) fn unpack(&mut self, page: CompressedDataPage) -> ParquetResult<DataPage> {
        self.is_packed = page.compression() != Compression::Uncompressed;
        match unpack(CompressedPage::Data(page), &mut self.buffer)? {
            Page::Data(page) => Ok(page),
            Page::Dict(_) => Err(broken("a dictionary stands for a page of rows")),
        }
    }

    /// The next page is unpacked into the room that this one took.
    pub(super) fn reuse(&mut self, mut page: DataPage) {
        if self.is_packed {
            self.buffer = std::mem::take(page.buffer_mut());
        }
    }
}

fn unpack(page: CompressedPage, buffer: &mut Vec<u8>) -> ParquetResult<Page> {
    CONTEXT.with_borrow_mut(|context| decompress(page, buffer, context))
}
