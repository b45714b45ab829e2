//! Heuristics that need no rule: one file each, each with what fools it.

mod denied_burst;
pub(super) mod first_use;
mod secrets_read;
mod window;

use super::timeline;
use crate::case::{EVIDENCE_COMMON, EVIDENCE_OWN, Row, Rows};
use crate::detect::one_or_several;
use crate::model::{
    CALLS, Call, Coverage, Evidence, Finding, FindingKind, Outcome, Severity, TimelineRow,
};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What heuristics found, and which could not be applied to this archive, and why.
#[derive(Debug, Default)]
pub(super) struct Anomalies {
    pub(super) findings: Vec<Finding>,
    pub(super) steps: Vec<TimelineRow>,
    pub(super) not_applied: Vec<String>,
}

/// A heuristic as `rules explain` prints it.
pub struct Heuristic {
    pub name: &'static str,
    pub title: &'static str,
    pub doc: &'static str,
}

/// All of them, in the order they run.
pub const HEURISTICS: [Heuristic; 3] = [
    Heuristic {
        name: denied_burst::NAME,
        title: denied_burst::TITLE,
        doc: include_str!("denied_burst.rs"),
    },
    Heuristic { name: first_use::NAME, title: first_use::TITLE, doc: include_str!("first_use.rs") },
    Heuristic {
        name: secrets_read::NAME,
        title: secrets_read::TITLE,
        doc: include_str!("secrets_read.rs"),
    },
];

impl Heuristic {
    /// The page at the head of its source file: doc and tool cannot part.
    #[must_use]
    pub fn page(&self) -> String {
        let lines = self.doc.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn all(events: &LazyFrame, coverage: &Coverage) -> PolarsResult<Anomalies> {
    let mut out = Anomalies::default();
    let mut anomalies = denied_burst::find(events)?;
    anomalies.extend(secrets_read::find(events)?);
    match first_use::find(events, coverage)? {
        Ok(first_uses) => anomalies.extend(first_uses),
        Err(why) => out.not_applied.push(why),
    }
    for Anomaly { finding, steps } in anomalies {
        out.findings.push(finding);
        out.steps.extend(steps);
    }
    Ok(out)
}

/// One finding of a heuristic with the steps it is made of.
struct Anomaly {
    finding: Finding,
    steps: Vec<TimelineRow>,
}

impl Anomaly {
    /// `events` are all events of the finding, in order of time.
    fn new(finding: Finding, events: &[&Evidence]) -> Self {
        let steps = timeline::of_anomaly(&finding, events);
        Self { finding, steps }
    }
}

/// What follows from the events of a finding (in order of time, at least one); the heuristic adds what they mean.
fn of_events(events: &[&Evidence]) -> Finding {
    let (first, last) = (events[0], events[events.len() - 1]);
    let named = |text: fn(&Evidence) -> &String| {
        let texts: BTreeSet<String> = events.iter().map(|e| text(e).clone()).collect();
        one_or_several(&texts)
    };
    let targets: BTreeSet<&str> = events.iter().filter_map(|e| e.target.as_deref()).collect();
    Finding {
        id: String::new(),
        number: 0,
        rule: String::new(),
        title: String::new(),
        kind: FindingKind::Anomaly,
        severity: Severity::Low,
        principal: first.principal.clone(),
        account: named(|e| &e.account),
        region: named(|e| &e.region),
        first: first.time,
        last: last.time,
        count: events.len() as u64,
        outcome: outcome(events),
        attack: Vec::new(),
        cis: Vec::new(),
        stages: Vec::new(),
        summary: String::new(),
        remediation: String::new(),
        calls: calls(events),
        targets: distinct(events, |e| e.target.as_deref()),
        targets_total: targets.len() as u64,
        source_ips: distinct(events, |e| Some(&e.source_ip)),
        indicators: Vec::new(),
        indicators_total: 0,
        gaps: Vec::new(),
        author: None,
        rule_id: None,
        license: None,
        evidence: sample(events, SAMPLES),
        evidence_total: events.len() as u64,
    }
}

fn outcome(events: &[&Evidence]) -> Outcome {
    let outcomes: BTreeSet<Outcome> = events.iter().map(|e| e.outcome).collect();
    match outcomes.first() {
        Some(Outcome::Succeeded) if outcomes.len() == 1 => Outcome::Succeeded,
        Some(Outcome::Denied) if outcomes.len() == 1 => Outcome::Denied,
        Some(_) if !outcomes.contains(&Outcome::Succeeded) => Outcome::Failed,
        _ => Outcome::Mixed,
    }
}

/// Most frequent first, at most [`CALLS`].
fn calls(events: &[&Evidence]) -> Vec<Call> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in events {
        *counts.entry((&event.service, &event.event_name)).or_default() += 1;
    }
    let call = |((service, name), count): ((&str, &str), u64)| Call {
        service: service.to_owned(),
        name: name.to_owned(),
        count,
    };
    let mut calls: Vec<Call> = counts.into_iter().map(call).collect();
    calls.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    calls.truncate(CALLS);
    calls
}

/// What evidence is made of, and where the address is from.
pub(super) fn evidence_columns() -> Vec<Expr> {
    let more = ["event_id", "request_parameters", "ip_kind"];
    EVIDENCE_OWN.into_iter().chain(EVIDENCE_COMMON).chain(more).map(col).collect()
}

/// Events of a collected frame in order of time.
fn evidence(frame: &DataFrame) -> PolarsResult<Vec<Evidence>> {
    let rows = Rows::new(frame).map_err(|e| PolarsError::ComputeError(e.to_string().into()))?;
    let mut events: Vec<Evidence> =
        (0..rows.len()).map(|number| evidence_of(rows.row(number))).collect();
    events.sort_by(|a, b| {
        let key = |e: &Evidence| (e.time, e.event_id.clone(), e.file.clone(), e.index);
        key(a).cmp(&key(b))
    });
    Ok(events)
}

/// A row with [`evidence_columns`].
pub(super) fn evidence_of(row: Row<'_>) -> Evidence {
    let request = row.text("request_parameters").and_then(|t| serde_json::from_str(t).ok());
    row.evidence(request.as_ref().and_then(crate::detect::target::of))
}

/// Events shown of a finding.
const SAMPLES: usize = 10;

/// First, last and some between, `room` in all.
fn sample(events: &[&Evidence], room: usize) -> Vec<Evidence> {
    if events.len() <= room {
        return events.iter().map(|e| (*e).clone()).collect();
    }
    (0..room).map(|i| events[i * (events.len() - 1) / (room - 1)].clone()).collect()
}

/// Distinct texts in order of first appearance, at most ten.
fn distinct<'e>(
    events: &[&'e Evidence],
    text: impl Fn(&'e Evidence) -> Option<&'e str>,
) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for value in events.iter().filter_map(|e| text(e)).filter(|t| !t.is_empty()) {
        if out.len() < 10 && !out.iter().any(|o| o == value) {
            out.push(value.to_owned());
        }
    }
    out
}
