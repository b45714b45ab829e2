//! Episodes: findings of one principal that follow each other without a long pause.

use super::matters;
use crate::model::{Episode, Finding, Principal, Severity, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A pause longer than this begins another episode.
const PAUSE_SECONDS: i64 = 60 * 60;
/// Context alone makes no episode: one finding at least must be of this severity.
pub(super) const SEED: Severity = Severity::Medium;
/// A lesser finding that lasts longer is what always goes on, and joins nothing.
const BACKGROUND_SECONDS: i64 = 24 * 60 * 60;
/// One finding alone is told by itself.
const MIN_FINDINGS: usize = 2;

/// Episodes in order of time. What an intruder did before from an address it brought along is where its first
/// episode began, however long the pause.
pub(super) fn of(findings: &[Finding], principals: &[Principal]) -> Vec<Episode> {
    let mut by_principal: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let is_background =
        |f: &Finding| f.severity < SEED && f.last > f.first.plus_seconds(BACKGROUND_SECONDS);
    for finding in findings.iter().filter(|f| matters(f.severity) && !is_background(f)) {
        by_principal.entry(&finding.principal).or_default().push(finding);
    }
    let mut episodes = Vec::new();
    for (principal, mut findings) in by_principal {
        findings.sort_by(|a, b| a.first.cmp(&b.first).then_with(|| a.id.cmp(&b.id)));
        let foreign = principals.iter().find(|p| p.id == principal).map(|p| &p.foreign_ips);
        let is_foreign =
            |f: &Finding| foreign.is_some_and(|ips| f.source_ips.iter().any(|ip| ips.contains(ip)));
        let mut run: Vec<&Finding> = Vec::new();
        let mut end = Timestamp::default();
        for finding in findings {
            if !run.is_empty() && finding.first > end.plus_seconds(PAUSE_SECONDS) {
                let ended = episode(principal, &run);
                // A run too small to be an episode is the beginning of the next where the intruder is at work.
                if ended.is_some() || !is_foreign(finding) {
                    run.clear();
                } else {
                    run.retain(|f| is_foreign(f));
                }
                episodes.extend(ended);
            }
            end = if run.is_empty() { finding.last } else { end.max(finding.last) };
            run.push(finding);
        }
        episodes.extend(episode(principal, &run));
    }
    episodes.sort_by(|a, b| a.first.cmp(&b.first).then_with(|| a.id.cmp(&b.id)));
    episodes
}

fn episode(principal: &str, findings: &[&Finding]) -> Option<Episode> {
    let serious = findings.iter().any(|f| f.severity >= SEED);
    if findings.len() < MIN_FINDINGS || !serious {
        return None;
    }
    let first = findings.iter().map(|f| f.first).min()?;
    let stages: BTreeSet<_> = findings.iter().flat_map(|f| f.stages.iter().copied()).collect();
    let id = crate::detect::id(&["episode", principal, &first.to_string()]);
    Some(Episode {
        id: id.replacen("f-", "s-", 1),
        principal: principal.to_owned(),
        stages: stages.into_iter().collect(),
        findings: findings.iter().map(|f| f.id.clone()).collect(),
        first,
        last: findings.iter().map(|f| f.last).max()?,
    })
}
