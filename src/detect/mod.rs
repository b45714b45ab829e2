//! Rules over the case: which events they hit, grouped into findings.

mod attack;
pub mod aws;
mod batch;
mod candidates;
mod check;
mod derived;
mod foreign;
mod found;
mod group;
mod json;
mod keep;
mod load;
mod look;
mod meta;
mod narrow;
mod native;
mod new_terms;
mod passed;
mod row;
mod rules;
mod sigma;
mod step;
pub mod target;
pub mod trail;
mod windows;

pub use check::{Remark, check};
pub(crate) use group::{id, one_or_several};
pub use meta::Meta;
pub use row::{SigmaEvent, columns as event_columns};
pub use rules::{Error, Rules};

use crate::case::{self, Case};
use crate::model::{Finding, Suppression, TimelineRow};
use look::Archive;
use std::collections::BTreeSet;

/// What the rules found: findings, not yet ranked, and the steps they are made of.
#[derive(Debug, Default)]
pub struct Detections {
    pub findings: Vec<Finding>,
    pub steps: Vec<TimelineRow>,
    /// Rules that could not be applied to this archive, and why.
    pub not_applied: Vec<String>,
    /// Each with the events that it covered.
    pub suppressions: Vec<Suppression>,
}

/// Evaluates every rule on every event. `own_accounts`: whose archive this is.
///
/// # Errors
/// When a part of the case cannot be read.
pub fn run(
    case: &Case,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
    pool: &rayon::ThreadPool,
) -> Result<Detections, case::Error> {
    let views = pool.install(|| case.views())?;
    run_over(&Archive { case, own_accounts, views: &views, pool, trail: None }, rules)
}

fn run_over(archive: &Archive<'_>, rules: &Rules) -> Result<Detections, case::Error> {
    let mut detections = archive.look(rules)?.settle(rules, archive)?;
    for event in detections.findings.iter_mut().flat_map(|f| &mut f.evidence) {
        event.views = archive.views.of(&event.event_id, &event.account).to_vec();
    }
    Ok(detections)
}

#[cfg(test)]
mod native_tests;
#[cfg(test)]
mod tests;
