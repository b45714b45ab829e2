//! The timeline: steps of all findings, the same step told once.

use crate::model::{Finding, Severity, TimelineRow};
use std::collections::{BTreeMap, BTreeSet};

/// A heuristic's finding is one step: what it saw, as a whole.
pub(super) fn of_anomaly(finding: &Finding) -> TimelineRow {
    let services: BTreeSet<String> = finding.evidence.iter().map(|e| e.service.clone()).collect();
    TimelineRow {
        first: finding.first,
        last: finding.last,
        principal: finding.principal.clone(),
        service: crate::detect::one_or_several(&services),
        event_name: format!("({})", finding.title.to_lowercase()),
        target: None,
        outcome: finding.outcome,
        source_ip: finding.source_ips.first().cloned().unwrap_or_default(),
        region: finding.region.clone(),
        account: finding.account.clone(),
        count: finding.count,
        severity: finding.severity,
        findings: vec![finding.id.clone()],
        evidence: finding.evidence.iter().map(|e| e.event_id.clone()).collect(),
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
