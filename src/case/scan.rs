//! A case that was made: its manifest, and its events as a lazy table.

use super::fetch::PartFile;
use super::journal::{self, Table};
use super::lock::Lock;
use super::manifest::Manifest;
use super::{Error, folder, part};
use crate::model::Timestamp;
use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::*;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

pub struct Case {
    dir: PathBuf,
    /// Nobody changes the parts while they are read.
    _lock: Lock,
    pub manifest: Manifest,
}

impl Case {
    /// # Errors
    /// When there is no complete case at `dir`, or an ingest is at work on it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let lock = Lock::shared(dir)?;
        Ok(Self { dir: dir.to_owned(), _lock: lock, manifest: Manifest::read(dir)? })
    }

    /// Whether an ingest was stopped since: the case is as the last finished one left it.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let journal = std::fs::metadata(self.dir.join(journal::NAME));
        journal.is_ok_and(|j| j.len() != self.manifest.journal_bytes)
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Parts in order, as paths; at least one, perhaps of no rows.
    #[must_use]
    pub fn part_paths(&self) -> Vec<PathBuf> {
        self.paths(Table::Events)
    }

    fn paths(&self, table: Table) -> Vec<PathBuf> {
        let parts = match table {
            Table::Events => &self.manifest.parts,
            Table::Aggregated => &self.manifest.aggregated,
        };
        parts.iter().map(|part| folder::table_file(&self.dir, table, &part.name)).collect()
    }

    /// The event table; nothing is read before it is collected.
    ///
    /// # Errors
    /// When a part is missing or is no Parquet file.
    pub fn events(&self) -> Result<LazyFrame, Error> {
        self.table(Table::Events)
    }

    /// Records that count events, as lazily.
    ///
    /// # Errors
    /// When a part is missing or is no Parquet file.
    pub fn aggregated(&self) -> Result<LazyFrame, Error> {
        if self.manifest.aggregated.is_empty() {
            return Ok(super::aggregated::empty().lazy());
        }
        self.table(Table::Aggregated)
    }

    fn table(&self, table: Table) -> Result<LazyFrame, Error> {
        let paths = self.paths(table);
        let paths: Vec<PlRefPath> =
            paths.iter().map(|p| PlRefPath::new(p.to_string_lossy())).collect();
        LazyFrame::scan_parquet_files(paths.into(), ScanArgsParquet::default())
            .map_err(Error::table("opened"))
    }

    /// Whose archive this is: the accounts whose trails wrote the events.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn accounts(&self) -> Result<BTreeSet<String>, Error> {
        let mut accounts = BTreeSet::new();
        for part in 0..self.part_paths().len() {
            let column = self.part(part)?.coded("recipient_account_id")?;
            let mut is_there = vec![false; column.distinct()];
            column.codes().iter().for_each(|code| is_there[*code as usize] = true);
            let there = (0..).zip(is_there).filter(|(_, is_there)| *is_there);
            accounts.extend(there.filter_map(|(code, _)| column.value(code)).map(str::to_owned));
        }
        Ok(accounts)
    }

    /// The part of this number.
    ///
    /// # Errors
    /// When it is not there or is no Parquet file.
    pub fn part(&self, number: usize) -> Result<PartFile, Error> {
        PartFile::open(&self.part_paths()[number])
    }
}

/// All rows and columns of one part.
pub(super) fn read_part(path: &Path) -> Result<DataFrame, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    ParquetReader::new(file).finish().map_err(Error::table("read"))
}

/// Writes a part from a table; it is on disk when this returns. `are_plain`: [`PartFile::has_plain_identities`].
pub(super) fn write_part(path: &Path, rows: &mut DataFrame, are_plain: bool) -> Result<(), Error> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    let level = polars_parquet::write::ZstdLevel::try_new(1).expect("1 is a zstd level");
    ParquetWriter::new(std::io::BufWriter::new(&file))
        .with_compression(ParquetCompression::Zstd(Some(level)))
        .with_key_value_metadata(are_plain.then(|| KeyValueMetadata::Static(vec![part::plain()])))
        .finish(rows)
        .map_err(Error::unwritten(path))?;
    file.sync_all().map_err(Error::io("write", path))
}

/// The first and the last moment in a table, whose first column is its time.
pub(super) fn span(rows: &DataFrame) -> Result<(Timestamp, Timestamp), Error> {
    let times = rows.columns()[0].cast(&DataType::Int64);
    let times = times.map_err(Error::table("read"))?;
    let times = times.i64().map_err(Error::table("read"))?;
    let bound = |time: Option<i64>| Timestamp(time.unwrap_or_default());
    Ok((bound(times.min()), bound(times.max())))
}
