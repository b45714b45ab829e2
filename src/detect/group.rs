//! Hits to findings: a rule that hits 9,000 times is one finding with a count, first, last and a few
//! chosen events.
//!
//! Everything kept of a hit is bounded and merges in any order to the same result, so rows can be
//! looked at on every thread.

use super::rules::Meta;
use crate::model::{
    Evidence, Finding, FindingKind, Outcome, SEVERAL, Severity, TimelineRow, Timestamp,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Events kept of a finding besides the last one.
const EVIDENCE: usize = 9;
/// Distinct targets and addresses kept.
const DISTINCT: usize = 10;
/// Events and targets kept of one step of the timeline.
const STEP_SAMPLES: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// Place of the rule in the list.
    pub rule: usize,
    pub principal: String,
    pub account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct StepKey {
    service: String,
    event_name: String,
    outcome: Outcome,
    source_ip: String,
    region: String,
}

/// The `DISTINCT` (or so) smallest of many, whatever order they come in.
#[derive(Debug, Clone)]
struct Smallest<K: Ord, V> {
    items: BTreeMap<K, V>,
    room: usize,
}

impl<K: Ord, V> Smallest<K, V> {
    fn new(room: usize) -> Self {
        Self { items: BTreeMap::new(), room }
    }

    fn insert(&mut self, key: K, value: V) {
        self.items.entry(key).or_insert(value);
        if self.items.len() > self.room {
            self.items.pop_last();
        }
    }
}

/// The first few distinct texts by the time they were first seen.
#[derive(Debug, Clone)]
struct Firsts {
    seen: BTreeMap<String, Timestamp>,
    room: usize,
}

impl Firsts {
    fn new(room: usize) -> Self {
        Self { seen: BTreeMap::new(), room }
    }

    fn insert(&mut self, text: &str, at: Timestamp) {
        match self.seen.get_mut(text) {
            Some(first) => *first = at.min(*first),
            None => _ = self.seen.insert(text.to_owned(), at),
        }
        if self.seen.len() > self.room {
            let last = self.seen.iter().map(|(text, at)| (*at, text.clone())).max();
            let (_, text) = last.expect("there are more than none");
            self.seen.remove(&text);
        }
    }

    fn in_order(&self) -> Vec<String> {
        let mut order: Vec<(Timestamp, &String)> =
            self.seen.iter().map(|(t, at)| (*at, t)).collect();
        order.sort();
        order.into_iter().map(|(_, text)| text.clone()).collect()
    }
}

#[derive(Debug, Clone)]
struct Step {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    targets: Firsts,
    evidence: Smallest<(Timestamp, String), ()>,
}

#[derive(Debug, Clone)]
struct Group {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    severity: Severity,
    outcomes: BTreeMap<Outcome, u64>,
    names: BTreeMap<String, u64>,
    regions: BTreeSet<String>,
    targets: Firsts,
    ips: Firsts,
    evidence: Smallest<(Timestamp, String, String, u32), Evidence>,
    last_event: Evidence,
    steps: BTreeMap<StepKey, Step>,
}

/// Hits of many rows, grouped.
#[derive(Debug, Clone, Default)]
pub struct Groups(BTreeMap<GroupKey, Group>);

impl Groups {
    /// Adds one hit. `severity` is the rule's own level.
    pub fn hit(&mut self, key: GroupKey, severity: Severity, event: Evidence) {
        let severity =
            if event.outcome == Outcome::Succeeded { severity } else { severity.one_lower() };
        let single = Group::of(severity, event);
        self.merge_one(key, single);
    }

    fn merge_one(&mut self, key: GroupKey, group: Group) {
        match self.0.get_mut(&key) {
            Some(mine) => mine.merge(group),
            None => _ = self.0.insert(key, group),
        }
    }

    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (key, group) in other.0 {
            self.merge_one(key, group);
        }
        self
    }

    /// Findings (not yet ranked) and the steps they were made of.
    #[must_use]
    pub fn into_findings(self, metas: &[Meta]) -> (Vec<Finding>, Vec<TimelineRow>) {
        let (mut findings, mut steps) = (Vec::new(), Vec::new());
        for (key, group) in self.0 {
            let meta = &metas[key.rule];
            let finding = group.finding(&key, meta);
            steps.extend(group.timeline(&key, &finding));
            findings.push(finding);
        }
        (findings, steps)
    }
}

impl Group {
    fn of(severity: Severity, event: Evidence) -> Self {
        let at = event.time;
        let (mut targets, mut ips) = (Firsts::new(DISTINCT), Firsts::new(DISTINCT));
        if let Some(target) = &event.target {
            targets.insert(target, at);
        }
        if !event.source_ip.is_empty() {
            ips.insert(&event.source_ip, at);
        }
        let step_key = StepKey {
            service: event.service.clone(),
            event_name: event.event_name.clone(),
            outcome: event.outcome,
            source_ip: event.source_ip.clone(),
            region: event.region.clone(),
        };
        let mut step = Step {
            first: at,
            last: at,
            count: 1,
            targets: Firsts::new(STEP_SAMPLES + 1),
            evidence: Smallest::new(STEP_SAMPLES),
        };
        if let Some(target) = &event.target {
            step.targets.insert(target, at);
        }
        step.evidence.insert((at, event.event_id.clone()), ());
        let mut evidence = Smallest::new(EVIDENCE);
        evidence
            .insert((at, event.event_id.clone(), event.file.clone(), event.index), event.clone());
        Self {
            first: at,
            last: at,
            count: 1,
            severity,
            outcomes: BTreeMap::from([(event.outcome, 1)]),
            names: BTreeMap::from([(event.event_name.clone(), 1)]),
            regions: BTreeSet::from([event.region.clone()]),
            targets,
            ips,
            evidence,
            last_event: event,
            steps: BTreeMap::from([(step_key, step)]),
        }
    }

    fn merge(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.severity = self.severity.max(other.severity);
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        for (name, count) in other.names {
            *self.names.entry(name).or_default() += count;
        }
        self.regions.extend(other.regions);
        for (text, at) in other.targets.seen {
            self.targets.insert(&text, at);
        }
        for (text, at) in other.ips.seen {
            self.ips.insert(&text, at);
        }
        for (key, event) in other.evidence.items {
            self.evidence.insert(key, event);
        }
        if order(&other.last_event) > order(&self.last_event) {
            self.last_event = other.last_event;
        }
        for (key, step) in other.steps {
            match self.steps.get_mut(&key) {
                Some(mine) => mine.merge(step),
                None => _ = self.steps.insert(key, step),
            }
        }
    }

    fn finding(&self, key: &GroupKey, meta: &Meta) -> Finding {
        let mut evidence: Vec<Evidence> = self.evidence.items.values().cloned().collect();
        if evidence.iter().all(|e| order(e) != order(&self.last_event)) {
            evidence.push(self.last_event.clone());
        }
        Finding {
            id: id(&[&meta.name, &key.principal, &key.account]),
            number: 0,
            rule: meta.name.clone(),
            title: meta.title.clone(),
            kind: FindingKind::Rule,
            severity: self.severity,
            principal: key.principal.clone(),
            account: key.account.clone(),
            region: one_or_several(&self.regions),
            first: self.first,
            last: self.last,
            count: self.count,
            outcome: outcome(&self.outcomes),
            attack: meta.attack.clone(),
            cis: meta.cis.clone(),
            stages: meta.stages.clone(),
            summary: self.summary(key),
            remediation: meta.remediation.clone(),
            targets: self.targets.in_order(),
            source_ips: self.ips.in_order(),
            author: meta.author.clone(),
            evidence,
            evidence_total: self.count,
        }
    }

    fn summary(&self, key: &GroupKey) -> String {
        let mut names: Vec<(&String, &u64)> = self.names.iter().collect();
        names.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let shown: Vec<String> = names
            .iter()
            .take(3)
            .map(
                |(name, count)| {
                    if **count > 1 { format!("{name} ×{count}") } else { (*name).clone() }
                },
            )
            .collect();
        let more = names.len().saturating_sub(shown.len());
        let mut out = format!("{} called {}", key.principal, shown.join(", "));
        if more > 0 {
            out += &format!(" and {more} more");
        }
        let targets = self.targets.in_order();
        match &targets[..] {
            [] => {}
            [one] => out += &format!(" on {one}"),
            [one, ..] if targets.len() < DISTINCT => {
                out += &format!(" on {one} and {} more", targets.len() - 1);
            }
            [one, ..] => out += &format!(" on {one} and others"),
        }
        let refused: u64 =
            self.outcomes.iter().filter(|(o, _)| **o != Outcome::Succeeded).map(|(_, n)| n).sum();
        if refused > 0 {
            out += &format!("; {refused} of {} did not succeed", self.count);
        }
        out + "."
    }

    fn timeline(&self, key: &GroupKey, finding: &Finding) -> Vec<TimelineRow> {
        let row = |(step_key, step): (&StepKey, &Step)| TimelineRow {
            first: step.first,
            last: step.last,
            principal: key.principal.clone(),
            service: step_key.service.clone(),
            event_name: step_key.event_name.clone(),
            target: step.target(),
            outcome: step_key.outcome,
            source_ip: step_key.source_ip.clone(),
            region: step_key.region.clone(),
            account: key.account.clone(),
            count: step.count,
            severity: finding.severity,
            findings: vec![finding.id.clone()],
            evidence: step.evidence.items.keys().map(|(_, id)| id.clone()).collect(),
        };
        self.steps.iter().map(row).collect()
    }
}

impl Step {
    fn merge(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        for (text, at) in other.targets.seen {
            self.targets.insert(&text, at);
        }
        for (key, ()) in other.evidence.items {
            self.evidence.insert(key, ());
        }
    }

    fn target(&self) -> Option<String> {
        let targets = self.targets.in_order();
        match targets.len() {
            0 => None,
            1..=STEP_SAMPLES => Some(targets.join(", ")),
            _ => Some(format!("{}, ...", targets[..STEP_SAMPLES].join(", "))),
        }
    }
}

fn order(event: &Evidence) -> (Timestamp, &str, &str, u32) {
    (event.time, &event.event_id, &event.file, event.index)
}

pub(crate) fn one_or_several(values: &BTreeSet<String>) -> String {
    match values.len() {
        0 => String::new(),
        1 => values.first().cloned().unwrap_or_default(),
        _ => SEVERAL.to_owned(),
    }
}

/// The outcome of a group in the words of the report: succeeded, denied, failed or mixed.
fn outcome(outcomes: &BTreeMap<Outcome, u64>) -> Outcome {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Succeeded | Outcome::Denied => *outcome,
        _ => Outcome::Failed,
    };
    let words: BTreeSet<Outcome> = outcomes.keys().map(word).collect();
    match words.first() {
        Some(only) if words.len() == 1 => *only,
        _ => Outcome::Mixed,
    }
}

/// A stable id: the same parts give the same id on any machine.
pub(crate) fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    format!("f-{}", &format!("{:x}", hash.finalize())[..12])
}
