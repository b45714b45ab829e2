//! Counts over the whole case, and what of time and place it covers.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often a value occurs. Lists of these are sorted by count descending, ties by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub count: u64,
    pub denied: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourCount {
    pub hour: Timestamp,
    pub count: u64,
    pub denied: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregates {
    pub event_names: Vec<Count>,
    pub users: Vec<Count>,
    pub services: Vec<Count>,
    pub resources: Vec<Count>,
    pub source_ips: Vec<Count>,
    pub regions: Vec<Count>,
    pub accounts: Vec<Count>,
    pub user_agents: Vec<Count>,
    pub errors: Vec<Count>,
    /// Every hour with an event, in order of time.
    pub hours: Vec<HourCount>,
    /// How many distinct values each list has in all, whatever `--top` cut.
    pub distinct: BTreeMap<String, u64>,
}

/// A stretch of hours without any event of an account and region that is otherwise active; one that
/// begins or ends with the archive counts as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub account: String,
    pub region: String,
    pub from: Timestamp,
    pub to: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
    /// `eventCategory` to number of events.
    pub categories: BTreeMap<String, u64>,
    pub gaps: Vec<Gap>,
    /// Events of accounts and regions where too few hours have events to know what is usual there.
    #[serde(default)]
    pub unjudged: u64,
    /// What the archive cannot show, in words: no data events, no Insights, ...
    pub not_observable: Vec<String>,
}
