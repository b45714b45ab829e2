//! What goes into a digest first when not everything fits. A plan lists every fact worth telling in the order of
//! what it adds; the longest beginning of the plan that fits is the digest, so nothing is cut in half.

use super::Input;
use crate::model::{Finding, Severity, TimelineRow};
use std::collections::{BTreeMap, BTreeSet};

/// JSON runs at three to four bytes a token; the lower bound keeps us on the safe side.
const BYTES_PER_TOKEN: usize = 3;
/// Below this not even verdict and coverage fit.
const TOKENS_MIN: usize = 1_000;
const GAPS_MAX: usize = 10;
const UNKNOWNS_MAX: usize = 12;
/// Serious findings told before the episodes, and as many others before the statistics.
const FINDINGS_FIRST: usize = 40;
const FINDINGS_MAX: usize = 200;
const EVIDENCE_EACH: usize = 3;
const EPISODES_FIRST: usize = 5;
const EPISODES_MAX: usize = 20;
const STEPS_EACH: usize = 25;
const STEPS_MAX: usize = 300;
const ACTORS_MAX: usize = 15;

/// The unit of choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Gap,
    Unknown,
    /// A finding by its place in the input, with its first piece of evidence.
    Finding(usize),
    Actor(usize),
    Episode(usize),
    /// A row of the timeline.
    Step(usize),
    /// One more piece of evidence of a finding.
    Evidence(usize),
    Activity,
    /// One more entry of every list of counts.
    Top,
    Strings,
}

/// How many bytes a number of tokens is sure to hold.
#[must_use]
pub(super) fn limit_bytes(tokens: usize) -> usize {
    tokens.max(TOKENS_MIN).saturating_mul(BYTES_PER_TOKEN)
}

/// Everything worth telling, most valuable first. A unit stands in the plan once.
#[must_use]
pub(super) fn plan(input: &Input, strings: bool) -> Vec<Unit> {
    let mut plan = Vec::new();
    plan.extend((0..input.coverage.gaps.len().min(GAPS_MAX)).map(|_| Unit::Gap));
    plan.extend((0..input.coverage.not_observable.len().min(UNKNOWNS_MAX)).map(|_| Unit::Unknown));
    let findings = 0..input.findings.len().min(FINDINGS_MAX);
    let is_serious = |&i: &usize| input.findings[i].severity >= Severity::High;
    let (mut serious, minor): (Vec<usize>, Vec<usize>) = findings.partition(is_serious);
    let mut rest = serious.split_off(FINDINGS_FIRST.min(serious.len()));
    rest.extend(minor);
    let (first_rest, last_rest) = rest.split_at(FINDINGS_FIRST.min(rest.len()));
    let mut actors = Actors::new(input);
    for &i in &serious {
        plan.push(Unit::Finding(i));
        plan.extend(actors.of(&input.findings[i].principal));
    }
    let mut steps = BTreeSet::new();
    let episodes = ranked_episodes(input);
    for &i in episodes.iter().take(EPISODES_FIRST) {
        add_episode(input, i, &mut steps, &mut plan);
    }
    for &i in first_rest {
        plan.push(Unit::Finding(i));
        plan.extend(actors.of(&input.findings[i].principal));
    }
    plan.extend(more_evidence(input, &serious));
    plan.extend(actors.others());
    plan.push(Unit::Activity);
    plan.extend([Unit::Top; super::stats::TOP_EACH]);
    for &i in episodes.iter().skip(EPISODES_FIRST).take(EPISODES_MAX - EPISODES_FIRST) {
        add_episode(input, i, &mut steps, &mut plan);
    }
    plan.extend(last_rest.iter().map(|&i| Unit::Finding(i)));
    plan.extend(more_evidence(input, &rest));
    plan.extend(other_steps(input, &steps).map(Unit::Step));
    if strings {
        plan.push(Unit::Strings);
    }
    plan
}

/// Actors as they come up: the plan tells of each once.
struct Actors<'a> {
    by_id: BTreeMap<&'a str, usize>,
    told: BTreeSet<usize>,
}

impl<'a> Actors<'a> {
    fn new(input: &Input<'a>) -> Self {
        let mut by_id = BTreeMap::new();
        for (i, principal) in input.principals.iter().enumerate() {
            by_id.entry(principal.id.as_str()).or_insert(i);
        }
        Self { by_id, told: BTreeSet::new() }
    }

    fn of(&mut self, principal: &str) -> Option<Unit> {
        let &i = self.by_id.get(principal)?;
        self.told.insert(i).then_some(Unit::Actor(i))
    }

    /// The principals without a finding that rank highest.
    fn others(&self) -> impl Iterator<Item = Unit> {
        let untold: BTreeSet<usize> = self.by_id.values().copied().collect();
        let untold: Vec<usize> = untold.difference(&self.told).copied().collect();
        untold.into_iter().take(ACTORS_MAX).map(Unit::Actor)
    }
}

fn more_evidence(input: &Input, findings: &[usize]) -> Vec<Unit> {
    (1..EVIDENCE_EACH)
        .flat_map(|nth| findings.iter().filter(move |&&i| input.findings[i].evidence.len() > nth))
        .map(|&i| Unit::Evidence(i))
        .collect()
}

/// Episodes by the best finding in them.
fn ranked_episodes(input: &Input) -> Vec<usize> {
    let rank: BTreeMap<&str, usize> = input
        .findings
        .iter()
        .enumerate()
        .map(|(at, f): (usize, &Finding)| (f.id.as_str(), at))
        .collect();
    let best = |i: usize| {
        input.episodes[i].findings.iter().filter_map(|id| rank.get(id.as_str())).min().copied()
    };
    let mut order: Vec<usize> = (0..input.episodes.len()).collect();
    order.sort_by_key(|&i| (best(i).unwrap_or(usize::MAX), i));
    order
}

fn add_episode(input: &Input, i: usize, told: &mut BTreeSet<usize>, plan: &mut Vec<Unit>) {
    plan.push(Unit::Episode(i));
    let episode = &input.episodes[i];
    let mut rows: Vec<usize> = (0..input.timeline.len())
        .filter(|&row| belongs(&input.timeline[row], episode) && !told.contains(&row))
        .collect();
    rows.sort_by_key(|&row| (std::cmp::Reverse(input.timeline[row].severity), row));
    rows.truncate(STEPS_EACH);
    told.extend(&rows);
    plan.extend(rows.into_iter().map(Unit::Step));
}

/// Whether a row of the timeline is a step of an episode.
#[must_use]
pub(super) fn belongs(row: &TimelineRow, episode: &crate::model::Episode) -> bool {
    row.principal == episode.principal
        && row.findings.iter().any(|id| episode.findings.contains(id))
}

fn other_steps(input: &Input, told: &BTreeSet<usize>) -> impl Iterator<Item = usize> {
    let mut rows: Vec<usize> =
        (0..input.timeline.len()).filter(|row| !told.contains(row)).collect();
    rows.sort_by_key(|&row| (std::cmp::Reverse(input.timeline[row].severity), row));
    rows.truncate(STEPS_MAX);
    rows.into_iter()
}
