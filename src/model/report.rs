//! The report: one value, many renderers. `report.json` is this, printed.

use super::{
    Aggregates, Control, Coverage, Episode, Finding, Ledger, Narrative, Principal, Suppression,
    TimelineRow, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only part that may differ between two runs over the same input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub version: String,
    pub started: Timestamp,
    pub args: Vec<String>,
    /// The folder of the case, as it was named.
    pub case: String,
    /// Narrator asked for and used, as in `offline` or `bedrock: failed (AccessDenied), offline used`.
    pub narrator: String,
    /// SHA-256 over the rules in force.
    pub rules_version: String,
    pub settings: BTreeMap<String, String>,
}

/// A rule that could not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BrokenRule {
    pub file: String,
    pub line: u32,
    pub reason: String,
}

impl std::fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// What became of the rules: the ledger of what was looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLedger {
    /// Rules that could make a finding.
    pub used: u64,
    pub broken: Vec<BrokenRule>,
    /// Rules for other logs than CloudTrail, by title, with what they are for.
    pub skipped: Vec<String>,
    /// Rules that this archive was too much for, and why.
    pub not_applied: Vec<String>,
    /// What settings keep out of the findings, each with how much that was.
    #[serde(default)]
    pub suppressed: Vec<Suppression>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub run: Run,
    pub ledger: Ledger,
    #[serde(default)]
    pub rules: RuleLedger,
    pub coverage: Coverage,
    pub aggregates: Aggregates,
    pub principals: Vec<Principal>,
    pub findings: Vec<Finding>,
    pub episodes: Vec<Episode>,
    pub timeline: Vec<TimelineRow>,
    /// The monitoring controls of CIS AWS Foundations, 4.1 to 4.15.
    #[serde(default)]
    pub controls: Vec<Control>,
    pub narrative: Narrative,
    /// Findings left out by caps, by severity word; the totals stay known.
    pub omitted: BTreeMap<String, u64>,
}
