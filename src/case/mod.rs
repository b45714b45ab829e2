//! The case: a folder with one Parquet event table in parts, a manifest and a ledger.
//!
//! `ingest` writes it, goes on with it and adds to it; everything after scans it lazily and never
//! reads a trail file again.

mod aggregated;
mod builder;
mod chunk;
mod coded;
mod columns;
mod commit;
mod dedupe;
mod derive;
mod dry_run;
mod fetch;
mod filter;
mod folder;
mod identity;
mod ingest;
mod intern;
mod journal;
mod lock;
mod manifest;
mod meaning;
mod numbers;
mod pages;
mod part;
mod plain;
mod query;
mod record;
mod rows;
mod runs;
mod scan;
mod settle;
mod sql;
#[doc(hidden)]
pub mod stage;
mod store;
mod views;
mod walk;

pub use coded::Coded;
pub use columns::is_coded;
pub use derive::{arn_account, service_of, user_agent_family};
pub use dry_run::inflate_only;
pub use fetch::{PartFile, Wanted};
pub use ingest::{Options, Plan, Progress, ingest, plan};
pub use journal::selection;
pub use manifest::{Manifest, Part};
pub use query::{Answer, Batch, Cell, QueryError};
pub use record::{columns as record_columns, print as print_record};
pub use rows::{ALWAYS, ColumnAt, EVIDENCE_COMMON, EVIDENCE_OWN, Row, Rows};
pub use scan::Case;
pub use views::Views;
pub use walk::Walk;

use crate::model::Selection;
use std::path::PathBuf;

/// What can go wrong with a case as such; a bad trail file is never an error, it is in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{} is not a case: it has no manifest.json", path.display())]
    NotACase { path: PathBuf },
    #[error("the manifest of {} cannot be read", path.display())]
    BadManifest { path: PathBuf, source: serde_json::Error },
    #[error("{} holds other files; a case wants a folder of its own", path.display())]
    Occupied { path: PathBuf },
    #[error("the case at {} is not complete: its ingest was stopped", path.display())]
    Unfinished { path: PathBuf },
    #[error("the case at {} is in use by another process", path.display())]
    InUse { path: PathBuf },
    #[error("the case at {} was made by another version", path.display())]
    OtherFormat { path: PathBuf },
    #[error("the case at {} was made of {made}, and now {asked} is asked for", path.display())]
    OtherSelection { path: PathBuf, made: Box<Selection>, asked: Box<Selection> },
    #[error("the case at {} was made of another archive: none of its {files} files is in this one", path.display())]
    OtherArchive { path: PathBuf, files: u64 },
    #[error("reading was given up after {name}")]
    GivenUp { name: String, source: crate::model::ReadError },
    #[error("stopped")]
    Stopped,
    #[error("cannot write {}", path.display())]
    Unwritten { path: PathBuf, source: polars::error::PolarsError },
    #[error("the event table could not be {action}")]
    Table { action: &'static str, source: polars::error::PolarsError },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// A part that could not be written: of all that Polars reports, the disk is to blame.
    pub(crate) fn unwritten(
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(polars::error::PolarsError) -> Self {
        let path = path.into();
        move |source| Self::Unwritten { path, source }
    }

    pub(crate) fn table(action: &'static str) -> impl FnOnce(polars::error::PolarsError) -> Self {
        move |source| Self::Table { action, source }
    }
}
