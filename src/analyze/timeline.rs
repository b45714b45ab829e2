//! The timeline: steps of all findings, the same step told once.

use crate::model::{Finding, SEVERAL, Severity, TimelineRow};
use std::collections::{BTreeMap, BTreeSet};

const STEP_EVIDENCE: usize = 3;

/// A heuristic's finding is one step: the call it is about, or how many different ones.
pub(super) fn of_anomaly(finding: &Finding) -> TimelineRow {
    let calls: BTreeSet<(&str, &str)> =
        finding.evidence.iter().map(|e| (e.service.as_str(), e.event_name.as_str())).collect();
    let (service, event_name) = match calls.first() {
        Some((service, name)) if calls.len() == 1 => ((*service).to_owned(), (*name).to_owned()),
        _ => (SEVERAL.to_owned(), SEVERAL.to_owned()),
    };
    let target = match &finding.targets[..] {
        [one] => Some(one.clone()),
        _ => None,
    };
    TimelineRow {
        first: finding.first,
        last: finding.last,
        principal: finding.principal.clone(),
        service,
        event_name,
        target,
        outcome: finding.outcome,
        source_ip: finding.source_ips.first().cloned().unwrap_or_default(),
        region: finding.region.clone(),
        account: finding.account.clone(),
        count: finding.count,
        severity: finding.severity,
        findings: vec![finding.id.clone()],
        evidence: finding.evidence.iter().take(STEP_EVIDENCE).map(|e| e.event_id.clone()).collect(),
    }
}

/// Steps that several rules saw are one row; steps of nothing but context are left out.
pub(super) fn merge(steps: Vec<TimelineRow>, findings: &[Finding]) -> Vec<TimelineRow> {
    let kept: BTreeSet<&str> = findings.iter().map(|f| f.id.as_str()).collect();
    let mut rows: BTreeMap<_, TimelineRow> = BTreeMap::new();
    let steps = steps.into_iter().filter(|s| {
        s.severity >= Severity::Low && s.findings.iter().all(|f| kept.contains(f.as_str()))
    });
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
