//! The case: a folder with one Parquet event table in parts, a manifest and a ledger.
//!
//! `ingest` writes it once; everything after scans it lazily and never reads a trail file again.

mod builder;
mod columns;
mod dedupe;
mod derive;
mod identity;
mod ingest;
mod intern;
mod manifest;
mod part;
mod query;
mod record;
mod rows;
mod scan;
mod sql;

pub use derive::{arn_account, service_of, user_agent_family};
pub use ingest::{Options, Progress, ingest};
pub use manifest::{Manifest, Part};
pub use query::{Answer, Batch, Cell, QueryError};
pub use record::{columns as record_columns, print as print_record};
pub use rows::{Row, Rows};
pub use scan::Case;

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

    pub(crate) fn table(action: &'static str) -> impl FnOnce(polars::error::PolarsError) -> Self {
        move |source| Self::Table { action, source }
    }
}
