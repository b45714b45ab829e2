//! # Denied burst
//!
//! **What it finds.** A principal who is refused often within a few minutes.
//!
//! **Why it matters.** Whoever holds a stolen key does not know what it may do, and finds out by
//! trying: the permission enumerators that intruders use call dozens of APIs in a minute and are
//! refused most of them.
//!
//! **How it decides.** Denied calls of one principal in one account, in a window of ten minutes that
//! slides over them: at least 20, or at least 10 different event names. It is high when both hold,
//! medium when one does, and low when only one or two event names are behind it, which is what a
//! broken deployment looks like. Bursts that touch are one finding.
//!
//! **What fools it.** A new deployment whose role lacks many permissions at once; a scanner that is
//! meant to be refused; an intruder who tries one call an hour.
//!
//! **References.** ATT&CK T1580 Cloud Infrastructure Discovery, T1069.003 Cloud Groups.

use super::window::{bursts, by_principal, minutes};
use super::{Anomaly, evidence, evidence_columns, of_events};
use crate::analyze::aggregate::is_denied;
use crate::analyze::collect;
use crate::detect::id;
use crate::model::{Evidence, Finding, Severity, Stage};
use polars::prelude::*;
use std::collections::BTreeSet;

pub(super) const NAME: &str = "denied_burst";
pub(super) const TITLE: &str = "Many calls denied within minutes";

const WINDOW_SECONDS: i64 = 10 * 60;
const MIN_CALLS: usize = 20;
const MIN_NAMES: usize = 10;
/// One or two names in a loop are a broken program, not a search.
const LOOP_NAMES: usize = 2;
/// So few event names are told one by one.
const TOLD_NAMES: usize = 3;

pub(super) fn find(events: &LazyFrame) -> PolarsResult<Vec<Anomaly>> {
    let denied = events.clone().filter(is_denied().and(col("actor").is_not_null()));
    let denied = evidence(&collect(denied.select(evidence_columns()))?)?;
    let groups = by_principal(&denied);
    let bursts = groups.iter().flat_map(|events| {
        bursts(events, WINDOW_SECONDS, |w| w.len() >= MIN_CALLS || names(w).len() >= MIN_NAMES)
    });
    Ok(bursts.map(|burst| Anomaly::new(finding(&burst), &burst)).collect())
}

fn names<'e>(events: &[&'e Evidence]) -> BTreeSet<&'e str> {
    events.iter().map(|e| e.event_name.as_str()).collect()
}

fn finding(burst: &[&Evidence]) -> Finding {
    let first = burst[0];
    let names = names(burst);
    let severity = match names.len() {
        ..=LOOP_NAMES => Severity::Low,
        MIN_NAMES.. if burst.len() >= MIN_CALLS => Severity::High,
        _ => Severity::Medium,
    };
    let called = match names.len() {
        ..=TOLD_NAMES => names.into_iter().collect::<Vec<_>>().join(", "),
        n => format!("{n} different APIs"),
    };
    Finding {
        id: id(&[NAME, &first.principal, &first.account, &first.time.to_string()]),
        rule: NAME.to_owned(),
        title: TITLE.to_owned(),
        severity,
        attack: vec!["T1069.003".to_owned(), "T1580".to_owned()],
        cis: vec!["4.1".to_owned()],
        stages: vec![Stage::Discovery],
        summary: format!(
            "{} was denied {} calls to {called} within {}.",
            first.principal,
            burst.len(),
            minutes(burst)
        ),
        remediation: "Find out who holds the credentials behind these calls; if nobody can explain them, deactivate the key or revoke the sessions, and read what succeeded around the burst.".to_owned(),
        ..of_events(burst)
    }
}
