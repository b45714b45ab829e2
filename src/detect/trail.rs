//! What a trail of given event selectors would have recorded of a case, and which findings would be
//! left of it: all rules run twice, over all events and over those it takes.

use super::aws::Selectors;
use super::look::{Archive, Detail};
use super::row::{SigmaEvent, columns};
use super::{Rules, find_in};
use crate::case::{self, Case, PartFile, print_record};
use crate::model::Finding;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How much there is, and how much of it the trail would have recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Weight {
    pub events: u64,
    pub recorded: u64,
    /// Of the records as JSON text.
    pub bytes: u64,
    pub recorded_bytes: u64,
}

/// A finding, and how many of its events the trail would have recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub finding: Finding,
    pub recorded: u64,
}

#[derive(Debug, Default)]
pub struct Recorded {
    pub total: Weight,
    /// The heaviest first.
    pub services: Vec<(String, Weight)>,
    /// The most severe first, and of those the ones that lose most.
    pub findings: Vec<Seen>,
}

type Services = BTreeMap<String, Weight>;

impl Weight {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.recorded += other.recorded;
        self.bytes += other.bytes;
        self.recorded_bytes += other.recorded_bytes;
    }
}

/// # Errors
/// When a part of the case cannot be read.
pub fn recorded(
    case: &Case,
    selectors: &Selectors,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
    pool: &rayon::ThreadPool,
) -> Result<Recorded, case::Error> {
    let views = pool.install(|| case.views())?;
    let detail = Detail::All;
    let archive = Archive { case, own_accounts, views: &views, pool, trail: None, detail };
    let services = weigh(&archive, selectors)?;
    let mut recorded = Recorded::default();
    for weight in services.values() {
        recorded.total.add(*weight);
    }
    recorded.services = services.into_iter().collect();
    recorded.services.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
    let all = find_in(&archive, rules)?.findings;
    let left = find_in(&Archive { trail: Some(selectors), ..archive }, rules)?.findings;
    recorded.findings = all.into_iter().map(|finding| seen(finding, &left)).collect();
    recorded.findings.sort_by(|a, b| {
        let lost = |seen: &Seen| seen.finding.count - seen.recorded;
        let by_severity = b.finding.severity.cmp(&a.finding.severity);
        by_severity.then(lost(b).cmp(&lost(a))).then_with(|| a.finding.id.cmp(&b.finding.id))
    });
    Ok(recorded)
}

/// With fewer events a finding may begin later or fall apart: it is what is left of it in its time.
fn seen(finding: Finding, left: &[Finding]) -> Seen {
    let of_it = left.iter().filter(|one| {
        (&one.rule, &one.principal, &one.account)
            == (&finding.rule, &finding.principal, &finding.account)
            && one.first <= finding.last
            && finding.first <= one.last
    });
    let recorded = of_it.map(|one| one.count).sum::<u64>().min(finding.count);
    Seen { finding, recorded }
}

fn weigh(archive: &Archive<'_>, selectors: &Selectors) -> Result<Services, case::Error> {
    archive.pool.install(|| {
        let parts = (0..archive.case.part_paths().len()).into_par_iter();
        let weigh = |part| weigh_part(&archive.case.part(part)?, selectors, archive.own_accounts);
        parts.map(weigh).try_reduce(Services::new, |a, b| Ok(merge(a, b)))
    })
}

fn weigh_part(
    file: &PartFile,
    selectors: &Selectors,
    own_accounts: &BTreeSet<String>,
) -> Result<Services, case::Error> {
    let rows = file.rows(&columns())?;
    let mut services = Services::new();
    for number in 0..rows.len() {
        let row = rows.row(number);
        // Chosen by insight selectors, which are another setting.
        if row.text("event_category") == Some("Insight") {
            continue;
        }
        let bytes = print_record(row).len() as u64;
        let kept = u64::from(selectors.take(&SigmaEvent::new(row, own_accounts)));
        let weight = Weight { events: 1, recorded: kept, bytes, recorded_bytes: bytes * kept };
        let service = row.text("service").unwrap_or_default().to_owned();
        services.entry(service).or_default().add(weight);
    }
    Ok(services)
}

fn merge(mut services: Services, other: Services) -> Services {
    for (service, weight) in other {
        services.entry(service).or_default().add(weight);
    }
    services
}
