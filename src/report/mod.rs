//! One [`Report`], many renderers: each a pure function to text, so the files of one run cannot disagree.
//!
//! Renderers lay out and escape; they compute no fact. Only [`mod@write`] touches the disk.

pub mod escape;
pub mod write;

mod csv;
mod html;
mod json;
mod jsonl;
mod layout;
mod markdown;
#[cfg(test)]
mod tests;

pub use escape::visible;
pub use write::{WriteError, atomically, write};

use crate::model::Report;
use crate::model::event::words;
use serde::{Deserialize, Serialize};

words! {
    /// The files a report can be written as.
    Format {
        Html = "html",
        Markdown = "markdown",
        Json = "json",
        Jsonl = "jsonl",
        Csv = "csv",
        Cis = "cis",
    }
}

impl Format {
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Html => "report.html",
            Self::Markdown => "report.md",
            Self::Json => "report.json",
            Self::Jsonl => "findings.jsonl",
            Self::Csv => "timeline.csv",
            Self::Cis => "controls.html",
        }
    }
}

#[must_use]
pub fn render(report: &Report, format: Format) -> String {
    match format {
        Format::Html => html::render(report),
        Format::Markdown => markdown::render(report),
        Format::Json => json::render(report),
        Format::Jsonl => jsonl::render(report),
        Format::Csv => csv::render(report),
        Format::Cis => html::controls(report),
    }
}
