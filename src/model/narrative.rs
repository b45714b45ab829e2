//! The prose of a report, sentence by sentence with what proves it.

use super::event::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

words! {
    NarratorKind { Offline = "offline", Bedrock = "bedrock" }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    pub text: String,
    /// Fact ids of the digest (`F1`, `E3`, `P1`, ...); `Narrative::references` resolves them.
    pub cites: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    pub sentences: Vec<Sentence>,
}

/// What checking the prose against the digest did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    pub sentences: u64,
    pub grounded: u64,
    pub removed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrative {
    pub source: NarratorKind,
    pub model: Option<String>,
    pub sections: Vec<Section>,
    pub checks: Checks,
    /// Fact id of the digest to finding id, event id or principal id of the report.
    pub references: BTreeMap<String, String>,
}
