//! A case that was made: its manifest, and its events as a lazy table.

use super::Error;
use super::manifest::Manifest;
use polars::prelude::*;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

pub struct Case {
    dir: PathBuf,
    pub manifest: Manifest,
}

impl Case {
    /// # Errors
    /// When there is no complete case at `dir`.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self { dir: dir.to_owned(), manifest: Manifest::read(dir)? })
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Parts in order, as paths; at least one, perhaps of no rows.
    #[must_use]
    pub fn part_paths(&self) -> Vec<PathBuf> {
        let names = self.manifest.parts.iter().map(|p| p.name.as_str());
        let names =
            if self.manifest.parts.is_empty() { vec!["part-00000"] } else { names.collect() };
        names.iter().map(|n| self.dir.join("events").join(format!("{n}.parquet"))).collect()
    }

    /// The event table; nothing is read before it is collected.
    ///
    /// # Errors
    /// When a part is missing or is no Parquet file.
    pub fn events(&self) -> Result<LazyFrame, Error> {
        let paths: Vec<PlRefPath> =
            self.part_paths().iter().map(|p| PlRefPath::new(p.to_string_lossy())).collect();
        LazyFrame::scan_parquet_files(paths.into(), ScanArgsParquet::default())
            .map_err(Error::table("opened"))
    }

    /// Whose archive this is: the accounts whose trails wrote the events.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn accounts(&self) -> Result<BTreeSet<String>, Error> {
        let accounts = self.events()?.select([col("recipient_account_id").unique()]);
        let accounts = || -> PolarsResult<BTreeSet<String>> {
            let frame = accounts.collect()?;
            let column = frame.column("recipient_account_id")?.str()?;
            Ok((0..column.len()).filter_map(|i| column.get(i)).map(str::to_owned).collect())
        };
        accounts().map_err(Error::table("queried"))
    }

    /// One part, whole, with the columns asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn part(&self, path: &Path, columns: &[&str]) -> Result<DataFrame, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        let mut frame = ParquetReader::new(file)
            .with_columns(Some(columns))
            .finish()
            .map_err(Error::table("read"))?;
        frame.rechunk_mut();
        Ok(frame)
    }
}

/// Rewrites a part without the given rows (ascending).
pub(super) fn drop_rows(path: &Path, rows: &[u32]) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let frame = ParquetReader::new(file).finish().map_err(Error::table("read"))?;
    let mut keep = vec![true; frame.height()];
    for &row in rows {
        keep[row as usize] = false;
    }
    let mask = BooleanChunked::from_slice("keep".into(), &keep);
    let mut kept = frame.filter(&mask).map_err(Error::table("filtered"))?;
    let beside = path.with_extension("new");
    let file = File::create(&beside).map_err(Error::io("create", &beside))?;
    let level = polars_parquet::write::ZstdLevel::try_new(1).expect("1 is a zstd level");
    ParquetWriter::new(std::io::BufWriter::new(file))
        .with_compression(ParquetCompression::Zstd(Some(level)))
        .finish(&mut kept)
        .map_err(Error::table("written"))?;
    std::fs::rename(&beside, path).map_err(Error::io("write", path))
}
