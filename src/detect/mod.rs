//! Rules over the case: which events they hit, grouped into findings.

mod attack;
pub mod aws;
mod batch;
mod candidates;
mod check;
mod columns;
mod combine;
mod derived;
mod foreign;
mod found;
mod group;
mod json;
mod keep;
mod listed;
mod load;
mod look;
mod meta;
mod narrow;
mod native;
mod new_terms;
mod passed;
mod row;
mod rules;
mod sample;
mod sigma;
mod step;
pub mod target;
mod targets;
mod texts;
pub mod trail;
mod windows;
mod words;

pub use check::{Remark, check};
pub(crate) use group::{id, one_or_several};
pub use meta::Meta;
pub use row::{SigmaEvent, columns as event_columns};
pub use rules::{Error, Rules};

use crate::case::{self, Case, Views};
use crate::model::{Finding, Suppression, TimelineRow, Timestamp};
use group::Group;
use look::{Archive, Detail};
use sample::Events;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the rules found: findings, not yet ranked, and the steps they are made of.
#[derive(Debug, Default)]
pub struct Detections {
    /// Without events, before [`Self::show`].
    pub findings: Vec<Finding>,
    /// Of findings that were shown.
    pub steps: Vec<TimelineRow>,
    /// Rules that could not be applied to this archive, and why.
    pub not_applied: Vec<String>,
    /// Each with the events that it covered.
    pub suppressions: Vec<Suppression>,
    /// What each finding was made of.
    groups: Vec<Arc<Group>>,
    views: Views,
}

/// Evaluates every rule on every event; [`Detections::show`] tells the events. `own_accounts`: whose archive this is.
///
/// # Errors
/// When a part of the case cannot be read.
pub fn find(
    case: &Case,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
    pool: &rayon::ThreadPool,
) -> Result<Detections, case::Error> {
    in_detail(case, rules, own_accounts, pool, Detail::All)
}

fn in_detail(
    case: &Case,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
    pool: &rayon::ThreadPool,
    detail: Detail,
) -> Result<Detections, case::Error> {
    let views = pool.install(|| case.views())?;
    let archive = Archive { case, own_accounts, views: &views, pool, trail: None, detail };
    let found = find_in(&archive, rules)?;
    Ok(Detections { views, ..found })
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub events: u64,
    pub findings: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// How much each rule found, by name: as [`find`] would say, without looking at what else there is to tell.
///
/// # Errors
/// When a part of the case cannot be read.
pub fn count(
    case: &Case,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
    pool: &rayon::ThreadPool,
) -> Result<BTreeMap<String, Count>, case::Error> {
    Ok(counts(&in_detail(case, rules, own_accounts, pool, Detail::Counts)?.findings))
}

fn counts(findings: &[Finding]) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for Finding { rule, first, last, count, .. } in findings {
        let new = || Count { events: 0, findings: 0, first: *first, last: *last };
        let of = counts.entry(rule.clone()).or_insert_with(new);
        (of.events, of.findings) = (of.events + count, of.findings + 1);
        (of.first, of.last) = (of.first.min(*first), of.last.max(*last));
    }
    counts
}

fn find_in(archive: &Archive<'_>, rules: &Rules) -> Result<Detections, case::Error> {
    archive.look(rules)?.settle(rules, archive)
}

impl Detections {
    /// Reads the events of the first findings in the order of a report, as many as are wanted.
    ///
    /// # Errors
    /// When a part of the case cannot be read.
    pub fn show(
        &mut self,
        case: &Case,
        pool: &rayon::ThreadPool,
        wanted: usize,
    ) -> Result<(), case::Error> {
        let mut shown: Vec<usize> = (0..self.groups.len()).collect();
        if shown.len() > wanted {
            shown.sort_by(|a, b| self.findings[*a].rank().cmp(&self.findings[*b].rank()));
            shown.truncate(wanted);
            shown.sort_unstable();
        }
        let places = shown.iter().flat_map(|number| self.groups[*number].places()).collect();
        let events = Events::read(case, pool, &places)?;
        for number in shown {
            let (finding, group) = (&mut self.findings[number], &self.groups[number]);
            finding.evidence = group.evidence(&events);
            for event in &mut finding.evidence {
                event.views = self.views.of(&event.event_id, &event.account).to_vec();
            }
            self.steps.extend(group.steps(finding, &events));
        }
        Ok(())
    }
}

#[cfg(test)]
mod native_tests;
#[cfg(test)]
mod tests;
