//! Principals by risk: a sum whose every term is shown.
//!
//! risk = 100 · (1 − exp(−Σ points / 20)); a finding gives the points of its severity, and findings
//! of the same rule count 1, ½, ¼ ... of them, so that repetition does not outweigh variety.

use super::aggregate::is_denied;
use super::{collect, matters};
use crate::model::{ActorKind, Contributor, Finding, Principal, Severity, Timestamp};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SCALE: f64 = 20.0;
/// Contributors told one by one; the others are one line.
const CONTRIBUTORS: usize = 25;
const CONTRIBUTOR_EVIDENCE: usize = 3;
/// Addresses, agents and regions listed of a principal.
const LISTED: usize = 10;

fn points(severity: Severity) -> f64 {
    match severity {
        Severity::Critical => 10.0,
        Severity::High => 7.0,
        Severity::Medium => 4.0,
        Severity::Low => 1.5,
        Severity::Informational => 0.0,
    }
}

/// The riskiest principals, then the busiest, at most `top`; and how many there are in all.
pub(super) fn principals(
    events: &LazyFrame,
    findings: &[Finding],
    top: usize,
) -> PolarsResult<(Vec<Principal>, u64)> {
    let mut scored = scores(findings);
    let mut principals: Vec<Principal> = activity(events)?
        .into_values()
        .map(|mut principal| {
            let (sum, contributors) = scored.remove(&principal.id).unwrap_or_default();
            principal.risk = (1000.0 * (1.0 - (-sum / SCALE).exp())).round() / 10.0;
            principal.points = sum;
            principal.contributors = contributors;
            principal
        })
        .collect();
    principals.sort_by(|a, b| {
        b.risk.total_cmp(&a.risk).then(b.events.cmp(&a.events)).then_with(|| a.id.cmp(&b.id))
    });
    let total = principals.len() as u64;
    principals.truncate(top);
    for (rank, principal) in principals.iter_mut().enumerate() {
        principal.rank = u32::try_from(rank + 1).unwrap_or(u32::MAX);
    }
    for (column, list) in [
        ("source_ip_address", (|p| &mut p.source_ips) as fn(&mut Principal) -> &mut Vec<String>),
        ("user_agent", |p| &mut p.user_agents),
        ("aws_region", |p| &mut p.regions),
    ] {
        let mut values = most_frequent(events, column, &principals)?;
        for principal in &mut principals {
            *list(principal) = values.remove(&principal.id).unwrap_or_default();
        }
    }
    Ok((principals, total))
}

fn scores(findings: &[Finding]) -> BTreeMap<String, (f64, Vec<Contributor>)> {
    let mut seen: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    let mut scores: BTreeMap<String, (f64, Vec<Contributor>)> = BTreeMap::new();
    for finding in findings.iter().filter(|f| matters(f.severity)) {
        let before = seen.entry((&finding.principal, &finding.rule)).or_default();
        // Rounded before they are summed: what is printed adds up.
        let points = hundredths(points(finding.severity) * 0.5_f64.powi(*before));
        *before += 1;
        let (sum, contributors) = scores.entry(finding.principal.clone()).or_default();
        *sum += points;
        let evidence = finding.evidence.iter().take(CONTRIBUTOR_EVIDENCE);
        contributors.push(Contributor {
            what: format!("{} ({})", finding.title, finding.severity),
            points,
            evidence: evidence.map(|e| e.event_id.clone()).collect(),
        });
    }
    for (sum, contributors) in scores.values_mut() {
        *sum = hundredths(*sum);
        contributors
            .sort_by(|a, b| b.points.total_cmp(&a.points).then_with(|| a.what.cmp(&b.what)));
        let others = contributors.split_off(contributors.len().min(CONTRIBUTORS));
        if !others.is_empty() {
            contributors.push(Contributor {
                what: format!("{} further findings", others.len()),
                points: hundredths(others.iter().map(|part| part.points).sum()),
                evidence: Vec::new(),
            });
        }
    }
    scores
}

fn hundredths(points: f64) -> f64 {
    (points * 100.0).round() / 100.0
}

fn activity(events: &LazyFrame) -> PolarsResult<BTreeMap<String, Principal>> {
    let frame = events
        .clone()
        .filter(col("actor").is_not_null())
        .group_by([col("actor"), col("actor_kind")])
        .agg([
            len().cast(DataType::UInt64).alias("count"),
            is_denied().sum().cast(DataType::UInt64).alias("denied"),
            col("event_time").min().cast(DataType::Int64).alias("first"),
            col("event_time").max().cast(DataType::Int64).alias("last"),
        ]);
    let frame = collect(frame)?;
    let (actors, kinds) = (frame.column("actor")?.str()?, frame.column("actor_kind")?.str()?);
    let (counts, denied) = (frame.column("count")?.u64()?, frame.column("denied")?.u64()?);
    let (first, last) = (frame.column("first")?.i64()?, frame.column("last")?.i64()?);
    let mut out: BTreeMap<String, (u64, Principal)> = BTreeMap::new();
    for i in 0..frame.height() {
        let id = actors.get(i).unwrap_or_default().to_owned();
        let count = counts.get(i).unwrap_or_default();
        let one = Principal {
            id: id.clone(),
            kind: kinds.get(i).and_then(ActorKind::parse).unwrap_or(ActorKind::Unknown),
            risk: 0.0,
            points: 0.0,
            rank: 0,
            events: count,
            denied: denied.get(i).unwrap_or_default(),
            first: Timestamp(first.get(i).unwrap_or_default()),
            last: Timestamp(last.get(i).unwrap_or_default()),
            source_ips: Vec::new(),
            user_agents: Vec::new(),
            regions: Vec::new(),
            contributors: Vec::new(),
            linked: Vec::new(),
            access_keys: Vec::new(),
            foreign_ips: Vec::new(),
            objects_read: Vec::new(),
            objects_total: 0,
        };
        match out.get_mut(&id) {
            None => _ = out.insert(id, (count, one)),
            Some((most, mine)) => {
                mine.events += one.events;
                mine.denied += one.denied;
                mine.first = mine.first.min(one.first);
                mine.last = mine.last.max(one.last);
                // The kind it mostly is; of equals the lesser, so that order does not matter.
                if (count, one.kind) > (*most, mine.kind) {
                    (*most, mine.kind) = (count, one.kind);
                }
            }
        }
    }
    Ok(out.into_iter().map(|(id, (_, principal))| (id, principal)).collect())
}

/// The most frequent values of a column for each principal, most frequent first.
fn most_frequent(
    events: &LazyFrame,
    column: &str,
    principals: &[Principal],
) -> PolarsResult<BTreeMap<String, Vec<String>>> {
    let ids: BTreeSet<&str> = principals.iter().map(|p| p.id.as_str()).collect();
    let ids = Series::new("ids".into(), ids.into_iter().collect::<Vec<_>>());
    let frame = events
        .clone()
        .filter(col("actor").is_in(lit(ids).implode(false), false).and(col(column).is_not_null()))
        .group_by([col("actor"), col(column).alias("value")])
        .agg([len().cast(DataType::UInt64).alias("count")]);
    let frame = collect(frame)?;
    let (actors, values) = (frame.column("actor")?.str()?, frame.column("value")?.str()?);
    let counts = frame.column("count")?.u64()?;
    let mut lists: BTreeMap<String, Vec<(std::cmp::Reverse<u64>, String)>> = BTreeMap::new();
    for i in 0..frame.height() {
        let actor = actors.get(i).unwrap_or_default().to_owned();
        let value = values.get(i).unwrap_or_default().to_owned();
        let count = std::cmp::Reverse(counts.get(i).unwrap_or_default());
        lists.entry(actor).or_default().push((count, value));
    }
    let cut = |mut list: Vec<(std::cmp::Reverse<u64>, String)>| {
        list.sort();
        list.into_iter().take(LISTED).map(|(_, value)| value).collect()
    };
    Ok(lists.into_iter().map(|(actor, list)| (actor, cut(list))).collect())
}
