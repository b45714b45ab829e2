//! Hits to findings: a rule that hits 9,000 times is one finding with a count, first, last and a few chosen
//! events. Hits of one rule by one principal in one account (or on one thing, where the rule says so) are one, unless
//! a long pause parts them.
//!
//! Everything kept of a hit is bounded and merges in any order to the same result, so rows can be
//! looked at on every thread. Texts are only copied where they are new: most hits are like one before.

use super::batch::{RuleOf, Run, Stretch};
use super::keep::{COUNTED, Distinct, Firsts};
use super::meta::Meta;
use super::row::hash;
use super::sample::{Events, Few};
use super::step::Step;
use super::windows::Place;
use crate::model::{CALLS, Call, Evidence, Finding, Outcome, SEVERAL, TimelineRow, Timestamp};
use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Events kept of a finding besides the last one.
const EVIDENCE: usize = 9;
/// Distinct targets and addresses kept.
const DISTINCT: usize = 10;
/// What to do about calls that changed nothing, whatever they were meant to change.
const ATTEMPT_REMEDY: &str = "These calls changed nothing. Ask the owner of the principal what they were for; unless that explains them, deactivate its keys or revoke its sessions, and read what else it did.";
/// A pause longer than this ends a finding: what comes every week is one, what came in spring and again in autumn is two.
pub(super) const PAUSE_SECONDS: i64 = 14 * 24 * 60 * 60;

/// Whose finding it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey<'g> {
    /// Place of the rule in the list.
    rule: usize,
    principal: &'g str,
    account: Cow<'g, str>,
    /// What was acted on, of a rule that tells things apart.
    resource: Option<&'g str>,
}

/// One event as a finding sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit<'h> {
    pub time: Timestamp,
    pub event_name: &'h str,
    pub service: &'h str,
    pub region: &'h str,
    pub account: &'h str,
    pub principal: &'h str,
    pub source_ip: &'h str,
    pub outcome: Outcome,
    pub target: Option<&'h str>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    outcomes: BTreeMap<Outcome, u64>,
    /// By a hash of service and name, which are in it.
    calls: HashMap<u64, Call, FixedState>,
    regions: BTreeSet<String>,
    targets: Firsts,
    distinct_targets: Distinct,
    ips: Firsts,
    evidence: Few,
    last_event: Few,
    /// By a hash of their keys.
    steps: HashMap<u64, Step, FixedState>,
}

/// Hits of some rules by one principal in one account, parted where a pause is.
#[derive(Debug, Clone)]
struct Stretches {
    /// The rules that are hit by the same events, each with the group of a correlation, all of which is one finding.
    of: Arc<[RuleOf]>,
    principal: String,
    account: String,
    resource: Option<String>,
    groups: Vec<Arc<Group>>,
}

/// Hits of many rows, grouped; by a hash of what they have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(HashMap<u64, Stretches, FixedState>);

impl Groups {
    /// Adds hits of these rules, which are always hit together in what was looked at.
    pub(super) fn add(&mut self, of: &Arc<[RuleOf]>, mut run: Run<'_>) {
        let Run { like, resource, .. } = run;
        let number = hash((of, like.principal, like.account, resource));
        let stretches = self.0.entry(number).or_insert_with(|| Stretches {
            of: of.clone(),
            principal: like.principal.to_owned(),
            account: like.account.to_owned(),
            resource: resource.map(str::to_owned),
            groups: Vec::new(),
        });
        run.each_stretch(|stretch| stretches.add(stretch));
    }

    #[must_use]
    pub(super) fn merge(mut self, other: Self) -> Self {
        if self.0.is_empty() {
            return other;
        }
        #[expect(clippy::iter_over_hash_type, reason = "merged by key, in any order")]
        for (number, stretches) in other.0 {
            match self.0.get_mut(&number) {
                Some(mine) => mine.merge(stretches.groups),
                None => _ = self.0.insert(number, stretches),
            }
        }
        self
    }

    /// Where so many hits are of one moment that which of them is shown has to be decided now: with what `read` says of
    /// these places.
    pub(super) fn decide<E>(
        &mut self,
        read: impl FnOnce(&BTreeSet<Place>) -> Result<Events, E>,
    ) -> Result<(), E> {
        let crowded = self.each_few().filter(|few| few.is_crowded());
        let places: BTreeSet<Place> = crowded.flat_map(|few| few.places()).collect();
        if !places.is_empty() {
            let events = read(&places)?;
            self.each_few().filter(|few| few.is_crowded()).for_each(|few| few.choose(&events));
        }
        Ok(())
    }

    fn each_few(&mut self) -> impl Iterator<Item = &mut Few> {
        let groups = self.0.values_mut().flat_map(|stretches| &mut stretches.groups);
        groups.flat_map(|group| {
            let Group { evidence, last_event, steps, .. } = Arc::make_mut(group);
            let steps = steps.values_mut().map(|step| &mut step.evidence);
            [evidence, last_event].into_iter().chain(steps)
        })
    }

    /// What was found of each rule by each principal. A correlation whose group is of several principals is told of the
    /// one with the most hits.
    fn in_order(&self) -> BTreeMap<GroupKey<'_>, Vec<Arc<Group>>> {
        type Of = (usize, u64);
        let mut counts: BTreeMap<Of, BTreeMap<&str, u64>> = BTreeMap::new();
        let mut accounts: BTreeMap<Of, BTreeSet<String>> = BTreeMap::new();
        let mut all: Vec<&Stretches> = self.0.values().collect();
        all.sort_by(|a, b| a.order().cmp(&b.order()));
        for stretches in &all {
            for (rule, of) in stretches.of.iter() {
                let Some(of) = of else { continue };
                let count: u64 = stretches.groups.iter().map(|g| g.count).sum();
                *counts
                    .entry((*rule, *of))
                    .or_default()
                    .entry(&stretches.principal)
                    .or_default() += count;
                accounts.entry((*rule, *of)).or_default().insert(stretches.account.clone());
            }
        }
        let mut whole: BTreeMap<GroupKey<'_>, Vec<Arc<Group>>> = BTreeMap::new();
        for stretches in all {
            for (rule, of) in stretches.of.iter() {
                let of = of.map(|of| (*rule, of));
                let key = GroupKey {
                    rule: *rule,
                    principal: of.map_or(&stretches.principal, |of| most_frequent(&counts[&of])),
                    account: match of {
                        Some(of) => one_or_several(&accounts[&of]).into(),
                        None => stretches.account.as_str().into(),
                    },
                    resource: stretches.resource.as_deref(),
                };
                let groups = stretches.groups.iter().cloned();
                let mine = whole.entry(key).or_default();
                let is_first = mine.is_empty();
                mine.extend(groups);
                if !is_first {
                    join(mine);
                }
            }
        }
        whole
    }

    /// Findings (not yet ranked), each with what it was made of.
    #[must_use]
    pub(super) fn into_findings(self, metas: &[Meta]) -> (Vec<Finding>, Vec<Arc<Group>>) {
        let (mut findings, mut made_of) = (Vec::new(), Vec::new());
        for (key, mut groups) in self.in_order() {
            groups.sort_by_key(|group| group.first);
            for (number, group) in groups.into_iter().enumerate() {
                findings.push(group.finding(&key, &metas[key.rule], number > 0));
                made_of.push(group);
            }
        }
        (findings, made_of)
    }
}

fn most_frequent<'n>(counts: &BTreeMap<&'n str, u64>) -> &'n str {
    let most = counts.iter().max_by_key(|(name, count)| (**count, Reverse(**name)));
    most.map(|(name, _)| *name).expect("a group has hits")
}

/// Puts together what no pause parts.
fn join(groups: &mut Vec<Arc<Group>>) {
    groups.sort_by_key(|group| group.first);
    let mut joined: Vec<Arc<Group>> = Vec::with_capacity(groups.len());
    for group in groups.drain(..) {
        match joined.last_mut() {
            Some(last) if group.first <= last.last.plus_seconds(PAUSE_SECONDS) => {
                Arc::make_mut(last).merge(&group);
            }
            _ => joined.push(group),
        }
    }
    *groups = joined;
}

impl Stretches {
    fn order(&self) -> (&[RuleOf], &str, &str, Option<&str>) {
        (&self.of, &self.principal, &self.account, self.resource.as_deref())
    }

    fn add(&mut self, stretch: &Stretch<'_>) {
        let near = |group: &Arc<Group>| {
            group.first <= stretch.last.plus_seconds(PAUSE_SECONDS)
                && stretch.first <= group.last.plus_seconds(PAUSE_SECONDS)
        };
        let place = self.groups.iter().position(near).unwrap_or_else(|| {
            self.groups.push(Arc::new(Group::new(stretch)));
            self.groups.len() - 1
        });
        Arc::make_mut(&mut self.groups[place]).add(stretch);
        if self.groups.len() > 1 {
            join(&mut self.groups);
        }
    }

    fn merge(&mut self, other: Vec<Arc<Group>>) {
        self.groups.extend(other);
        join(&mut self.groups);
    }
}

impl Group {
    /// Of no hits yet; these will be the first.
    fn new(stretch: &Stretch<'_>) -> Self {
        Self {
            first: stretch.first,
            last: stretch.last,
            count: 0,
            outcomes: BTreeMap::new(),
            calls: HashMap::default(),
            regions: BTreeSet::new(),
            targets: Firsts::new(DISTINCT),
            distinct_targets: Distinct::default(),
            ips: Firsts::new(DISTINCT),
            evidence: Few::first(EVIDENCE),
            last_event: Few::last(1),
            steps: HashMap::default(),
        }
    }

    fn add(&mut self, stretch: &Stretch<'_>) {
        let Stretch { like, first, last, .. } = stretch;
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
        self.count += stretch.len();
        *self.outcomes.entry(like.outcome).or_default() += stretch.len();
        let call = self.calls.entry(hash((like.service, like.event_name)));
        let new = || Call {
            service: like.service.to_owned(),
            name: like.event_name.to_owned(),
            count: 0,
        };
        call.or_insert_with(new).count += stretch.len();
        if !self.regions.contains(like.region) {
            self.regions.insert(like.region.to_owned());
        }
        for (target, hash, at) in stretch.targets() {
            self.targets.insert(target, at);
            self.distinct_targets.insert(hash);
        }
        if !like.source_ip.is_empty() {
            self.ips.insert(like.source_ip, *first);
        }
        stretch.keep(&mut self.evidence, true);
        stretch.keep(&mut self.last_event, true);
        let key = (like.service, like.event_name, like.outcome, like.source_ip, like.region);
        self.steps.entry(hash(key)).or_insert_with(|| Step::new(like)).add(stretch);
    }

    fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        #[expect(clippy::iter_over_hash_type, reason = "added up by key, in any order")]
        for (number, call) in &other.calls {
            match self.calls.get_mut(number) {
                Some(mine) => mine.count += call.count,
                None => _ = self.calls.insert(*number, call.clone()),
            }
        }
        self.regions.extend(other.regions.iter().cloned());
        self.targets.merge(&other.targets);
        self.distinct_targets.merge(&other.distinct_targets);
        self.ips.merge(&other.ips);
        self.evidence.merge(&other.evidence);
        self.last_event.merge(&other.last_event);
        #[expect(clippy::iter_over_hash_type, reason = "merged by key, in any order")]
        for (number, step) in &other.steps {
            match self.steps.get_mut(number) {
                Some(mine) => mine.merge(step),
                None => _ = self.steps.insert(*number, step.clone()),
            }
        }
    }

    /// Without events. `is_later`: after a pause, and so not the first finding of its key.
    fn finding(&self, key: &GroupKey<'_>, meta: &Meta, is_later: bool) -> Finding {
        // An attempt at what the rule finds is one level lower.
        let is_whole = meta.is_about_failure || self.outcomes.contains_key(&Outcome::Succeeded);
        let outcome = outcome(&self.outcomes);
        let is_attempt = is_attempt(outcome) && !meta.is_about_failure;
        let calls = self.calls();
        let since = is_later.then(|| self.first.to_string());
        let parts = [meta.name.as_str(), key.principal, &key.account];
        let parts = parts.into_iter().chain(key.resource).chain(since.as_deref());
        Finding {
            id: id(&parts.collect::<Vec<_>>()),
            number: 0,
            rule: meta.name.clone(),
            title: if is_attempt { self.title(&meta.title) } else { meta.title.clone() },
            kind: meta.kind,
            severity: if is_whole { meta.severity } else { meta.severity.one_lower() },
            principal: key.principal.to_owned(),
            account: key.account.to_string(),
            region: one_or_several(&self.regions),
            first: self.first,
            last: self.last,
            count: self.count,
            outcome,
            attack: meta.attack.clone(),
            cis: meta.cis.clone(),
            stages: meta.stages.clone(),
            summary: self.summary(key, &calls),
            remediation: if is_attempt { ATTEMPT_REMEDY } else { &meta.remediation }.to_owned(),
            calls: calls.into_iter().take(CALLS).collect(),
            targets: self.targets.in_order(),
            targets_total: self.distinct_targets.len() as u64,
            source_ips: self.ips.in_order(),
            indicators: Vec::new(),
            indicators_total: 0,
            gaps: Vec::new(),
            author: meta.author.clone(),
            rule_id: meta.id.clone(),
            license: meta.license.clone(),
            evidence: Vec::new(),
            evidence_total: self.count,
        }
    }

    /// Rules speak of what is done; what was only tried must not read as done.
    fn title(&self, title: &str) -> String {
        let is_dry = self.outcomes.keys().all(|outcome| *outcome == Outcome::DryRun);
        let how = if is_dry { "dry run" } else { outcome(&self.outcomes).as_str() };
        format!("Attempt ({how}): {title}")
    }

    /// Most frequent first.
    fn calls(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = self.calls.values().cloned().collect();
        let rank = |call: &Call| (Reverse(call.count), call.name.clone(), call.service.clone());
        calls.sort_by_key(rank);
        calls
    }

    fn summary(&self, key: &GroupKey<'_>, calls: &[Call]) -> String {
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
        match (self.targets.in_order().first(), self.distinct_targets.len()) {
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

    /// Where the events are that it shows.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let steps = self.steps.values().map(|step| &step.evidence);
        [&self.evidence, &self.last_event].into_iter().chain(steps).flat_map(Few::places)
    }

    /// Those of [`Self::places`], as the finding shows them.
    pub(super) fn evidence(&self, events: &Events) -> Vec<Evidence> {
        let first = self.evidence.chosen(events);
        let last = self.last_event.chosen(events);
        let is_there = |place| first.iter().any(|(_, sample)| sample.place == place);
        let last = last.into_iter().filter(|(_, sample)| !is_there(sample.place));
        let shown = first.iter().copied().chain(last).map(|(event, sample)| {
            let target = sample.target.as_deref().map(str::to_owned);
            Evidence { target, ..event.clone() }
        });
        shown.collect()
    }

    pub(super) fn steps(&self, finding: &Finding, events: &Events) -> Vec<TimelineRow> {
        let row = |step: &&Step| TimelineRow {
            first: step.first,
            last: step.last,
            principal: finding.principal.clone(),
            service: step.key.service.clone(),
            event_name: step.key.event_name.clone(),
            calls: Vec::new(),
            target: step.target(),
            outcome: step.key.outcome,
            source_ip: step.key.source_ip.clone(),
            region: step.key.region.clone(),
            account: finding.account.clone(),
            count: step.count,
            severity: finding.severity,
            findings: vec![finding.id.clone()],
            evidence: step
                .evidence
                .chosen(events)
                .iter()
                .map(|(e, _)| e.event_id.clone())
                .collect(),
        };
        let mut steps: Vec<&Step> = self.steps.values().collect();
        steps.sort_by(|a, b| a.key.cmp(&b.key));
        steps.iter().map(row).collect()
    }
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
    use crate::detect::tests::{case_of, shown};
    use crate::model::Severity;
    use serde_json::json;

    /// What a rule finds in calls at these seconds, in this order.
    fn finding(hits: &[(u32, Outcome)]) -> Vec<Finding> {
        let rules = crate::detect::Rules::load(&[]).unwrap();
        // Backwards, so that ids are in no order of places.
        let records = hits.iter().enumerate().rev().map(|(at, (number, outcome))| {
            let mut record = json!({
                "eventID": format!("e-{number}-{at:03}"), "eventName": "LeaveOrganization",
                "eventTime": Timestamp::default().plus_seconds(i64::from(*number)).to_string(),
                "eventSource": "organizations.amazonaws.com", "awsRegion": "us-east-1",
                "recipientAccountId": "111122223333", "sourceIPAddress": "192.0.2.1",
                "userIdentity": {"type": "IAMUser", "userName": "x", "accountId": "111122223333"},
                "requestParameters": {"name": format!("thing-{number}")},
            });
            match outcome {
                Outcome::Denied => record["errorCode"] = json!("AccessDenied"),
                Outcome::DryRun => record["errorCode"] = json!("Client.DryRunOperation"),
                _ => {}
            }
            record
        });
        let (_dir, case) = case_of(&records.collect::<Vec<_>>());
        let found = shown(&case, &rules, &case.accounts().unwrap());
        found.into_iter().filter(|finding| finding.rule == "organization_left").collect()
    }

    #[test]
    fn what_was_only_tried_does_not_read_as_done() {
        let done = finding(&[(1, Outcome::Succeeded)]).remove(0);
        let tried = finding(&[(1, Outcome::Denied)]).remove(0);
        assert_eq!(tried.title, format!("Attempt (denied): {}", done.title));
        let asked = finding(&[(1, Outcome::DryRun)]).remove(0);
        assert_eq!((asked.outcome, asked.severity), (Outcome::Failed, tried.severity));
        assert_eq!(asked.title, format!("Attempt (dry run): {}", done.title));
        assert_eq!(tried.remediation, ATTEMPT_REMEDY);
        assert_ne!(done.remediation, ATTEMPT_REMEDY);
        assert_eq!(tried.id, done.id, "an id does not change with the words");
        assert!(tried.summary.starts_with("x tried to call LeaveOrganization on thing-1;"));
        assert_eq!((done.severity, tried.severity), (Severity::High, Severity::Medium));
    }

    #[test]
    fn targets_are_few_and_their_total_is_told() {
        let hits: Vec<_> = (0..21).map(|n| (n, Outcome::Succeeded)).collect();
        let many = finding(&hits).remove(0);
        assert_eq!((many.targets.len(), many.targets_total), (DISTINCT, 21));
        assert_eq!(many.summary, "x called LeaveOrganization ×21 on thing-0 and 20 more.");
    }

    #[test]
    fn of_many_events_in_one_moment_the_least_ids_are_shown() {
        let found = finding(&[(7, Outcome::Succeeded); 300]).remove(0);
        let ids =
            |events: &[Evidence]| events.iter().map(|e| e.event_id.clone()).collect::<Vec<_>>();
        let least: Vec<String> = (0..9).map(|n| format!("e-7-{n:03}")).collect();
        assert_eq!(ids(&found.evidence), [least, vec!["e-7-299".to_owned()]].concat());
    }

    #[test]
    fn a_long_pause_parts_findings_whatever_order_hits_come_in() {
        let day = 24 * 60 * 60;
        let days = [0, 10, 20, 60, 61, 90];
        let mut hits: Vec<_> = days.iter().map(|n| (n * day, Outcome::Succeeded)).collect();
        // Nor the place in the file nor that in `hits`.
        let finding = |hits: &[(u32, Outcome)]| {
            let mut found = finding(hits);
            for event in found.iter_mut().flat_map(|finding| &mut finding.evidence) {
                event.index = 0;
                event.event_id.clear();
            }
            found
        };
        let straight = finding(&hits);
        let counts = |findings: &[Finding]| findings.iter().map(|f| f.count).collect::<Vec<_>>();
        assert_eq!(counts(&straight), [3, 2, 1]);
        let ids: BTreeSet<&str> = straight.iter().map(|f| f.id.as_str()).collect();
        assert_eq!(ids.len(), 3);
        for _ in 0..hits.len() {
            hits.rotate_left(1);
            hits.swap(0, 2);
            assert_eq!(finding(&hits), straight);
        }
    }
}
