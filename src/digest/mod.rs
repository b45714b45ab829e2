//! From findings and tables to a bounded set of numbered facts: exactly what `digest.json` holds and what a model is
//! or would be sent. Names, addresses and accounts leave as tokens; the map back stays in this process. Pure: no
//! clock, no I/O, and the same input gives the same bytes.

mod budget;
mod coverage;
pub mod facts;
mod gather;
pub mod identifier;
mod label;
mod pseudonym;
mod stats;
mod strings;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;

pub use facts::{Facts, Verdict};
pub use pseudonym::{Legend, clean, shorten};
pub use verdict::{Judgement, judge};

use crate::model::{Aggregates, Coverage, Episode, Finding, Ledger, Principal, TimelineRow};
use gather::Selection;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a digest is made of: the parts of a report that are known before the prose.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub coverage: &'a Coverage,
    pub ledger: &'a Ledger,
    pub aggregates: &'a Aggregates,
    /// By rank.
    pub principals: &'a [Principal],
    /// By number.
    pub findings: &'a [Finding],
    pub episodes: &'a [Episode],
    pub timeline: &'a [TimelineRow],
    /// Findings left out by caps, by severity word.
    pub omitted: &'a BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most a digest may take, by a conservative estimate. At least 1,000 are always used.
    pub tokens: usize,
    /// Whether names of the log are shown to the model, cleaned.
    pub strings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { tokens: 16_000, strings: false }
    }
}

#[derive(Debug, Clone)]
pub struct Digest {
    /// The bytes of `digest.json`.
    pub json: String,
    pub facts: Facts,
    /// Token to real value; never sent.
    pub legend: Legend,
}

/// Takes the longest beginning of the plan that fits the budget.
#[must_use]
pub fn build(input: &Input, options: &Options) -> Digest {
    let limit = budget::limit_bytes(options.tokens);
    let plan = budget::plan(input, options.strings);
    let judgement = judge(input);
    let render = |units: usize| {
        let (facts, legend) = gather::facts(input, &judgement, Selection::new(&plan[..units]));
        Digest { json: print(&facts), facts, legend }
    };
    let (mut fits, mut too_many) = (0, plan.len() + 1);
    while too_many - fits > 1 {
        let middle = fits.midpoint(too_many);
        if render(middle).json.len() <= limit {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    render(fits)
}

/// One fact a line: small, and still something a person can read before it is sent.
fn print(facts: &Facts) -> String {
    let value = serde_json::to_value(facts).expect("facts have string keys and finite numbers");
    let Value::Object(parts) = value else { unreachable!("facts are a struct") };
    let parts = parts.iter().map(|(key, part)| {
        let part = match part {
            Value::Array(rows) if !rows.is_empty() => {
                let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
                format!("[\n{}\n]", rows.join(",\n"))
            }
            other => other.to_string(),
        };
        format!("{}:{part}", Value::from(key.as_str()))
    });
    format!("{{\n{}\n}}\n", parts.collect::<Vec<_>>().join(",\n"))
}
