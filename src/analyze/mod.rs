//! Tables and anomalies over the case; what rules and heuristics found, put in order.

mod aggregate;
pub mod anomaly;
mod control;
mod coverage;
mod episode;
mod indicator;
mod link;
mod risk;
mod timeline;

use crate::case::{self, Case};
use crate::detect::Detections;
use crate::model::{
    Aggregates, Control, Coverage, Episode, Finding, Gap, Outcome, Principal, Severity,
    Suppression, TimelineRow,
};
use polars::prelude::{DataFrame, Engine, LazyFrame, PolarsResult};
use std::collections::{BTreeMap, BTreeSet};

/// Findings kept in a report; how many more there were is told in `omitted`.
pub const MAX_FINDINGS: usize = 500;

#[derive(Debug, Clone)]
pub struct Options {
    /// Length of every list of counts.
    pub top: usize,
}

/// Everything a report says, but the prose.
#[derive(Debug)]
pub struct Analysis {
    pub aggregates: Aggregates,
    pub coverage: Coverage,
    pub principals: Vec<Principal>,
    pub findings: Vec<Finding>,
    pub episodes: Vec<Episode>,
    pub timeline: Vec<TimelineRow>,
    pub controls: Vec<Control>,
    pub omitted: BTreeMap<String, u64>,
    pub suppressed: Vec<Suppression>,
}

/// Runs every table and heuristic, and ranks them together with what the rules found.
///
/// # Errors
/// When the event table cannot be read.
pub fn run(
    case: &Case,
    detections: Detections,
    options: &Options,
) -> Result<Analysis, case::Error> {
    let events = case.events()?;
    let table = case::Error::table("queried");
    let analysis = (|| {
        let mut aggregates = aggregate::all(&events, options.top)?;
        let mut coverage = coverage::of(&events)?;
        let Detections { mut findings, mut steps, mut suppressions, .. } = detections;
        let mut anomalies = anomaly::all(&events, &coverage)?;
        suppress(&mut anomalies, &mut suppressions);
        coverage.not_observable.extend(anomalies.not_applied);
        steps.extend(anomalies.steps);
        findings.extend(anomalies.findings);
        let omitted = rank(&mut findings);
        let own = coverage.accounts.iter().cloned().collect();
        indicator::add(&events, &mut findings, &own)?;
        tell_silences(&mut findings, &coverage);
        let (mut principals, total) = risk::principals(&events, &findings, options.top)?;
        aggregates.distinct.insert("principals".to_owned(), total);
        link::add(&events, &findings, &mut principals)?;
        let episodes = episode::of(&findings, &principals);
        let timeline = timeline::merge(steps, &findings, &episodes);
        let archive = control::Archive { coverage: &coverage, selection: &case.manifest.selection };
        let controls = control::all(&events, &archive, &findings)?;
        let suppressed = suppressions;
        Ok(Analysis {
            aggregates,
            coverage,
            principals,
            findings,
            episodes,
            timeline,
            controls,
            omitted,
            suppressed,
        })
    })();
    analysis.map_err(table)
}

/// Takes out what settings cover, as was done with the hits of rules. Of a finding of a heuristic all must be covered.
fn suppress(anomalies: &mut anomaly::Anomalies, suppressions: &mut [Suppression]) {
    let mut gone = BTreeSet::new();
    anomalies.findings.retain(|f| {
        let covers = |s: &&mut Suppression| {
            let all = f.targets.iter().all(|t| s.covers(&f.rule, &f.principal, Some(t), f.last));
            let known = f.targets.len() as u64 == f.targets_total && !f.targets.is_empty();
            if s.resource.is_some() {
                all && known
            } else {
                s.covers(&f.rule, &f.principal, None, f.last)
            }
        };
        let Some(suppression) = suppressions.iter_mut().find(covers) else { return true };
        suppression.events += f.count;
        gone.insert(f.id.clone());
        false
    });
    anomalies.steps.retain(|step| !step.findings.iter().all(|id| gone.contains(id)));
}

/// Whoever stops a trail wants the silence that follows: the two are told together.
fn tell_silences(findings: &mut [Finding], coverage: &Coverage) {
    let stops = |f: &&mut Finding| {
        let rule = ["trail_stopped", "trail_narrowed"].contains(&f.rule.as_str());
        rule && matches!(f.outcome, Outcome::Succeeded | Outcome::Mixed)
    };
    for finding in findings.iter_mut().filter(stops) {
        let since = finding.first.hour();
        let after = |gap: &&Gap| gap.account == finding.account && gap.from >= since;
        finding.gaps = coverage.gaps.iter().filter(after).cloned().collect();
        for Gap { region, from, to, .. } in &finding.gaps {
            finding.summary += &format!(
                " Nothing is recorded of the account in {region} between {from} and {to}."
            );
        }
    }
}

/// Puts them in order, numbers them and cuts the tail.
fn rank(findings: &mut Vec<Finding>) -> BTreeMap<String, u64> {
    findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let mut omitted = BTreeMap::new();
    for finding in findings.drain(findings.len().min(MAX_FINDINGS)..) {
        *omitted.entry(finding.severity.as_str().to_owned()).or_insert(0) += 1;
    }
    for (rank, finding) in findings.iter_mut().enumerate() {
        finding.number = u32::try_from(rank + 1).expect("there are at most MAX_FINDINGS");
    }
    omitted
}

/// Findings of this severity and above count as more than context.
fn matters(severity: Severity) -> bool {
    severity >= Severity::Low
}

/// Collects with the streaming engine, which holds no more than it must.
fn collect(frame: LazyFrame) -> PolarsResult<DataFrame> {
    Ok(frame.collect_with_engine(Engine::Streaming)?.unwrap_single())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn finding(rule: &str, outcome: &str) -> Finding {
        let finding = serde_json::json!({
            "id": "f-1", "number": 1, "rule": rule, "title": "t", "kind": "rule", "severity": "high",
            "principal": "p", "account": "111122223333", "region": "eu-west-1",
            "first": "2024-05-03T10:20:00Z", "last": "2024-05-03T10:20:00Z", "count": 1, "outcome": outcome,
            "attack": [], "cis": [], "stages": [], "summary": "p called StopLogging.", "remediation": "r",
            "calls": [], "targets": [], "targets_total": 0, "source_ips": [], "indicators": [],
            "indicators_total": 0, "gaps": [], "author": null, "evidence": [], "evidence_total": 1
        });
        serde_json::from_value(finding).unwrap()
    }

    #[test]
    fn a_silence_is_told_with_the_stop_before_it() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let gap = |account: &str, from: &str| Gap {
            account: account.to_owned(),
            region: "eu-west-1".to_owned(),
            from: at(from),
            to: at("2024-05-05T08:00:00Z"),
        };
        let after = gap("111122223333", "2024-05-03T11:00:00Z");
        let coverage = Coverage {
            gaps: vec![
                gap("111122223333", "2024-05-01T11:00:00Z"),
                after.clone(),
                gap("444455556666", "2024-05-03T11:00:00Z"),
            ],
            ..Coverage::default()
        };
        let mut findings = [
            finding("trail_stopped", "succeeded"),
            finding("trail_stopped", "denied"),
            finding("user_created", "succeeded"),
        ];
        tell_silences(&mut findings, &coverage);
        assert_eq!(findings.each_ref().map(|f| f.gaps.len()), [1, 0, 0]);
        assert_eq!(findings[0].gaps, [after]);
        assert_eq!(
            findings[0].summary,
            "p called StopLogging. Nothing is recorded of the account in eu-west-1 between \
             2024-05-03T11:00:00Z and 2024-05-05T08:00:00Z."
        );
    }
}
