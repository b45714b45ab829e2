//! Facts about the input itself: what was read, what was lost, what time and place it covers. They are always told.

use super::Input;
use super::facts::{CoverageFact, Covered};
use super::gather::time;
use super::pseudonym::Legend;
use crate::model::{RejectReason, Severity};
use std::collections::BTreeMap;

/// The values `eventCategory` has today; what a log claims beyond them is added up.
const CATEGORIES: [&str; 4] = ["Data", "Insight", "Management", "NetworkActivity"];

pub(super) fn gather(input: &Input, gaps: usize, legend: &mut Legend) -> Vec<CoverageFact> {
    let mut facts = totals(input);
    facts.extend(rejects(input));
    if !input.coverage.gaps.is_empty() {
        facts.push(Covered::Gaps { total: input.coverage.gaps.len() });
    }
    for gap in input.coverage.gaps.iter().take(gaps) {
        facts.push(Covered::Gap {
            account: legend.account(&gap.account),
            region: legend.region(&gap.region),
            from: time(gap.from),
            to: time(gap.to),
        });
    }
    facts
        .into_iter()
        .enumerate()
        .map(|(at, what)| CoverageFact { id: format!("C{}", at + 1), what })
        .collect()
}

fn totals(input: &Input) -> Vec<Covered> {
    let (coverage, ledger) = (input.coverage, input.ledger);
    let (files, records) = (&ledger.files, &ledger.records);
    let mut facts = Vec::new();
    if let (Some(first), Some(last)) = (coverage.first, coverage.last) {
        facts.push(Covered::Range { first: time(first), last: time(last) });
    }
    facts.push(Covered::Records {
        seen: records.seen,
        kept: records.kept,
        duplicate: records.duplicate,
        filtered: records.filtered,
        rejected: records.rejected,
    });
    facts.push(Covered::Files {
        seen: files.seen,
        ingested: files.ingested,
        skipped: files.skipped,
        failed: files.failed,
    });
    let principals = input.aggregates.distinct.get("principals").copied();
    facts.push(Covered::Scope {
        accounts: coverage.accounts.len(),
        regions: coverage.regions.len(),
        principals: principals.unwrap_or(input.principals.len() as u64),
    });
    facts.push(Covered::Findings {
        total: input.findings.len() as u64 + input.omitted.values().sum::<u64>(),
        by_severity: by_severity(input),
    });
    let mut events: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (name, count) in &coverage.categories {
        let known = CATEGORIES.iter().find(|known| *known == name).unwrap_or(&"other");
        *events.entry(known).or_default() += count;
    }
    if !events.is_empty() {
        facts.push(Covered::Categories { events });
    }
    facts
}

fn by_severity(input: &Input) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for finding in input.findings {
        *counts.entry(finding.severity.as_str()).or_default() += 1;
    }
    for (severity, count) in input.omitted {
        if let Some(severity) = Severity::parse(severity) {
            *counts.entry(severity.as_str()).or_default() += count;
        }
    }
    counts
}

/// Reasons in the order the model lists them, so that the worst for reading come first.
fn rejects(input: &Input) -> Vec<Covered> {
    let of = |&reason: &RejectReason| {
        let rows = input.ledger.rejects.iter().filter(|reject| reject.reason == reason);
        let (files, records) =
            rows.fold((0, 0), |(files, records), r| (files + 1, records + r.count));
        (files > 0).then(|| Covered::Rejects { reason: reason.as_str(), files, records })
    };
    RejectReason::ALL.iter().filter_map(of).collect()
}
