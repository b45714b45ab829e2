//! Hits to findings: a rule that hits 9,000 times is one finding with a count, first, last and a few
//! chosen events.
//!
//! Everything kept of a hit is bounded and merges in any order to the same result, so rows can be
//! looked at on every thread.

use super::meta::Meta;
use crate::model::{
    CALLS, Call, Evidence, Finding, Outcome, SEVERAL, Severity, TimelineRow, Timestamp,
};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Events kept of a finding besides the last one.
const EVIDENCE: usize = 9;
/// Distinct targets and addresses kept.
const DISTINCT: usize = 10;
/// Distinct targets counted.
const COUNTED: usize = 10_000;
/// What to do about calls that changed nothing, whatever they were meant to change.
const ATTEMPT_REMEDY: &str = "These calls changed nothing. Ask the owner of the principal what they were for; unless that explains them, deactivate its keys or revoke its sessions, and read what else it did.";
/// Events and targets kept of one step of the timeline.
const STEP_SAMPLES: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// Place of the rule in the list.
    pub rule: usize,
    /// The group of a correlation, all of which is one finding.
    pub of: Option<u64>,
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

/// How many distinct texts there are, up to [`COUNTED`], in bounded room and in any order.
#[derive(Debug, Clone, Default)]
struct Distinct(BTreeSet<u64>);

impl Distinct {
    fn insert(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.merge(Self(BTreeSet::from([hasher.finish()])));
    }

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        while self.0.len() > COUNTED {
            self.0.pop_last();
        }
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
    /// By service and name.
    calls: BTreeMap<(String, String), u64>,
    regions: BTreeSet<String>,
    targets: Firsts,
    distinct_targets: Distinct,
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

    /// A correlation whose group is of several principals is told of the one with the most hits.
    fn of_one_principal(self) -> Self {
        let mut counts: BTreeMap<(usize, u64), BTreeMap<&str, u64>> = BTreeMap::new();
        let mut accounts: BTreeMap<(usize, u64), BTreeSet<String>> = BTreeMap::new();
        for (key, group) in &self.0 {
            let Some(of) = key.of else { continue };
            let counts = counts.entry((key.rule, of)).or_default();
            *counts.entry(&key.principal).or_default() += group.count;
            accounts.entry((key.rule, of)).or_default().insert(key.account.clone());
        }
        let most = |counts: &BTreeMap<&str, u64>| {
            let most = counts.iter().max_by_key(|(name, count)| (**count, Reverse(**name)));
            most.map(|(name, _)| (*name).to_owned()).expect("a group has hits")
        };
        let principals: BTreeMap<(usize, u64), String> =
            counts.iter().map(|(of, counts)| (*of, most(counts))).collect();
        let mut whole = Self::default();
        for (mut key, group) in self.0 {
            if let Some(of) = key.of.take() {
                key.principal.clone_from(&principals[&(key.rule, of)]);
                key.account = one_or_several(&accounts[&(key.rule, of)]);
            }
            whole.merge_one(key, group);
        }
        whole
    }

    /// Findings (not yet ranked) and the steps they were made of.
    #[must_use]
    pub fn into_findings(self, metas: &[Meta]) -> (Vec<Finding>, Vec<TimelineRow>) {
        let (mut findings, mut steps) = (Vec::new(), Vec::new());
        for (key, group) in self.of_one_principal().0 {
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
        let mut distinct_targets = Distinct::default();
        if let Some(target) = &event.target {
            targets.insert(target, at);
            distinct_targets.insert(target);
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
            calls: BTreeMap::from([((event.service.clone(), event.event_name.clone()), 1)]),
            regions: BTreeSet::from([event.region.clone()]),
            targets,
            distinct_targets,
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
        for (call, count) in other.calls {
            *self.calls.entry(call).or_default() += count;
        }
        self.regions.extend(other.regions);
        for (text, at) in other.targets.seen {
            self.targets.insert(&text, at);
        }
        self.distinct_targets.merge(other.distinct_targets);
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
        let outcome = outcome(&self.outcomes);
        let calls = self.calls();
        Finding {
            id: id(&[&meta.name, &key.principal, &key.account]),
            number: 0,
            rule: meta.name.clone(),
            title: title(&meta.title, outcome),
            kind: meta.kind,
            severity: self.severity,
            principal: key.principal.clone(),
            account: key.account.clone(),
            region: one_or_several(&self.regions),
            first: self.first,
            last: self.last,
            count: self.count,
            outcome,
            attack: meta.attack.clone(),
            cis: meta.cis.clone(),
            stages: meta.stages.clone(),
            summary: self.summary(key, &calls),
            remediation: if is_attempt(outcome) { ATTEMPT_REMEDY } else { &meta.remediation }
                .to_owned(),
            calls: calls.into_iter().take(CALLS).collect(),
            targets: self.targets.in_order(),
            targets_total: self.distinct_targets.0.len() as u64,
            source_ips: self.ips.in_order(),
            indicators: Vec::new(),
            indicators_total: 0,
            gaps: Vec::new(),
            author: meta.author.clone(),
            rule_id: meta.id.clone(),
            license: meta.license.clone(),
            evidence,
            evidence_total: self.count,
        }
    }

    /// Most frequent first.
    fn calls(&self) -> Vec<Call> {
        let call = |((service, name), count): (&(String, String), &u64)| Call {
            service: service.clone(),
            name: name.clone(),
            count: *count,
        };
        let mut calls: Vec<Call> = self.calls.iter().map(call).collect();
        calls.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        calls
    }

    fn summary(&self, key: &GroupKey, calls: &[Call]) -> String {
        let times = |call: &Call| match call.count {
            1 => call.name.clone(),
            n => format!("{} ×{n}", call.name),
        };
        let shown: Vec<String> = calls.iter().take(3).map(times).collect();
        let more = calls.len() - shown.len();
        let did = if is_attempt(outcome(&self.outcomes)) { "tried to call" } else { "called" };
        let mut out = format!("{} {did} {}", key.principal, shown.join(", "));
        if more > 0 {
            out += &format!(" and {more} more");
        }
        match (self.targets.in_order().first(), self.distinct_targets.0.len()) {
            (None, _) => {}
            (Some(one), 1) => out += &format!(" on {one}"),
            (Some(one), COUNTED..) => out += &format!(" on {one} and at least {COUNTED} others"),
            (Some(one), total) => out += &format!(" on {one} and {} more", total - 1),
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
            calls: Vec::new(),
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

/// Rules and our own words speak of what is done; what was only tried must not read as done.
fn title(title: &str, outcome: Outcome) -> String {
    if is_attempt(outcome) { format!("Attempt ({outcome}): {title}") } else { title.to_owned() }
}

fn is_attempt(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Succeeded | Outcome::Mixed)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32, outcome: Outcome) -> Evidence {
        Evidence {
            event_id: format!("e-{number}"),
            time: Timestamp::default().plus_seconds(i64::from(number)),
            file: "a.json".to_owned(),
            index: number,
            event_name: "LeaveOrganization".to_owned(),
            service: "organizations".to_owned(),
            region: "us-east-1".to_owned(),
            account: "111122223333".to_owned(),
            principal: "role/x".to_owned(),
            source_ip: "192.0.2.1".to_owned(),
            user_agent_family: "boto3".to_owned(),
            outcome,
            error_code: None,
            target: Some(format!("thing-{number}")),
            views: Vec::new(),
        }
    }

    fn finding(events: impl Iterator<Item = Evidence>) -> Finding {
        let rules = crate::detect::Rules::load(&[]).unwrap();
        let left = rules.metas().iter().position(|m| m.name == "organization_left").unwrap();
        let mut groups = Groups::default();
        for event in events {
            let (principal, account) = (event.principal.clone(), event.account.clone());
            groups.hit(
                GroupKey { rule: left, of: None, principal, account },
                Severity::High,
                event,
            );
        }
        groups.into_findings(rules.metas()).0.remove(0)
    }

    #[test]
    fn what_was_only_tried_does_not_read_as_done() {
        let done = finding([event(1, Outcome::Succeeded)].into_iter());
        let tried = finding([event(1, Outcome::Denied)].into_iter());
        assert_eq!(tried.title, format!("Attempt (denied): {}", done.title));
        assert_eq!(tried.remediation, ATTEMPT_REMEDY);
        assert_ne!(done.remediation, ATTEMPT_REMEDY);
        assert_eq!(tried.id, done.id, "an id does not change with the words");
        assert!(tried.summary.starts_with("role/x tried to call LeaveOrganization on thing-1;"));
    }

    #[test]
    fn targets_are_few_and_their_total_is_told() {
        let many = finding((0..21).map(|n| event(n, Outcome::Succeeded)));
        assert_eq!((many.targets.len(), many.targets_total), (DISTINCT, 21));
        assert_eq!(many.summary, "role/x called LeaveOrganization ×21 on thing-0 and 20 more.");
    }
}
