//! The timeline: steps of all findings, the same step told once.

use super::episode;
use crate::model::{Episode, Evidence, Finding, Outcome, SEVERAL, TimelineRow};
use std::collections::{BTreeMap, BTreeSet};

const STEP_EVIDENCE: usize = 3;
/// A heuristic's finding is told call by call up to so many rows.
const FEW_STEPS: usize = 6;
/// Names told of a row that stands for more.
const NAMES: usize = 20;

/// A heuristic's finding (its events in order of time): the steps that were taken where they are few, else
/// one row that names the calls.
pub(super) fn of_anomaly(finding: &Finding, events: &[&Evidence]) -> Vec<TimelineRow> {
    let mut steps: BTreeMap<(&str, &str, Outcome, &str, &str), Vec<&Evidence>> = BTreeMap::new();
    for event in events {
        let key = (
            event.service.as_str(),
            event.event_name.as_str(),
            event.outcome,
            event.source_ip.as_str(),
            event.region.as_str(),
        );
        steps.entry(key).or_default().push(event);
    }
    if steps.len() <= FEW_STEPS {
        return steps.values().map(|events| step(finding, events)).collect();
    }
    let names = finding.calls.iter().take(NAMES).map(|call| call.name.clone());
    let mut row = step(finding, events);
    (row.service, row.event_name) = (SEVERAL.to_owned(), SEVERAL.to_owned());
    row.calls = names.collect();
    row.outcome = finding.outcome;
    row.region.clone_from(&finding.region);
    vec![row]
}

fn step(finding: &Finding, events: &[&Evidence]) -> TimelineRow {
    let (first, last) = (events[0], events[events.len() - 1]);
    let targets: BTreeSet<&str> = events.iter().filter_map(|e| e.target.as_deref()).collect();
    let evidence = events.iter().take(STEP_EVIDENCE).map(|e| e.event_id.clone());
    TimelineRow {
        first: first.time,
        last: last.time,
        principal: finding.principal.clone(),
        service: first.service.clone(),
        event_name: first.event_name.clone(),
        calls: Vec::new(),
        target: targets.first().filter(|_| targets.len() == 1).map(|&t| t.to_owned()),
        outcome: first.outcome,
        source_ip: first.source_ip.clone(),
        region: first.region.clone(),
        account: first.account.clone(),
        count: events.len() as u64,
        severity: finding.severity,
        findings: vec![finding.id.clone()],
        evidence: evidence.collect(),
    }
}

/// Steps that several rules saw are one row. Steps of lesser findings belong only where they are part of an episode:
/// what goes on for weeks, and always did, is background.
pub(super) fn merge(
    steps: Vec<TimelineRow>,
    findings: &[Finding],
    episodes: &[Episode],
) -> Vec<TimelineRow> {
    let serious = findings.iter().filter(|f| f.severity >= episode::SEED).map(|f| f.id.as_str());
    let in_episodes = episodes.iter().flat_map(|e| e.findings.iter().map(String::as_str));
    let kept: BTreeSet<&str> = serious.chain(in_episodes).collect();
    let mut rows: BTreeMap<_, TimelineRow> = BTreeMap::new();
    let steps = steps.into_iter().filter(|s| s.findings.iter().all(|f| kept.contains(f.as_str())));
    for step in steps {
        let key = (
            step.first,
            step.principal.clone(),
            step.event_name.clone(),
            (step.outcome, step.source_ip.clone(), step.region.clone(), step.account.clone()),
            step.evidence.clone(),
        );
        match rows.get_mut(&key) {
            None => _ = rows.insert(key, step),
            Some(row) => {
                row.severity = row.severity.max(step.severity);
                row.last = row.last.max(step.last);
                row.count = row.count.max(step.count);
                row.target = row.target.take().max(step.target);
                row.findings.extend(step.findings);
                row.findings.sort();
            }
        }
    }
    rows.into_values().collect()
}
