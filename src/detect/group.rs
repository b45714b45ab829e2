//! Hits to findings: a rule that hits 9,000 times is one finding with a count, first, last and a few chosen
//! events. Hits of one rule by one principal in one account (or on one thing, where the rule says so) are one, unless
//! a long pause parts them.
//!
//! Everything kept of a hit is bounded and merges in any order to the same result, so rows can be
//! looked at on every thread. Texts are only copied where they are new: most hits are like one before.

use super::batch::{Run, Stretch};
use super::keep::{COUNTED, Distinct, Firsts, Smallest};
use super::meta::Meta;
use super::row::hash;
use super::step::Step;
use crate::model::{
    CALLS, Call, Evidence, Finding, Outcome, SEVERAL, Severity, TimelineRow, Timestamp,
};
use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// Events kept of a finding besides the last one.
const EVIDENCE: usize = 9;
/// Distinct targets and addresses kept.
const DISTINCT: usize = 10;
/// What to do about calls that changed nothing, whatever they were meant to change.
const ATTEMPT_REMEDY: &str = "These calls changed nothing. Ask the owner of the principal what they were for; unless that explains them, deactivate its keys or revoke its sessions, and read what else it did.";
/// A pause longer than this ends a finding: what comes every week is one, what came in spring and again in autumn is two.
pub(super) const PAUSE_SECONDS: i64 = 14 * 24 * 60 * 60;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupKey {
    /// Place of the rule in the list.
    pub rule: usize,
    /// The group of a correlation, all of which is one finding.
    pub of: Option<u64>,
    pub principal: String,
    pub account: String,
    /// What was acted on, of a rule that tells things apart.
    pub resource: Option<String>,
}

/// One event as a finding sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit<'h> {
    pub time: Timestamp,
    pub event_id: &'h str,
    pub file: &'h str,
    pub index: u32,
    pub event_name: &'h str,
    pub service: &'h str,
    pub region: &'h str,
    pub account: &'h str,
    pub principal: &'h str,
    pub source_ip: &'h str,
    pub user_agent_family: &'h str,
    pub outcome: Outcome,
    pub error_code: Option<&'h str>,
    pub target: Option<&'h str>,
}

impl Hit<'_> {
    fn order(&self) -> (Timestamp, &str, &str, u32) {
        (self.time, self.event_id, self.file, self.index)
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            event_id: self.event_id.to_owned(),
            time: self.time,
            file: self.file.to_owned(),
            index: self.index,
            event_name: self.event_name.to_owned(),
            service: self.service.to_owned(),
            region: self.region.to_owned(),
            account: self.account.to_owned(),
            principal: self.principal.to_owned(),
            source_ip: self.source_ip.to_owned(),
            user_agent_family: self.user_agent_family.to_owned(),
            outcome: self.outcome,
            error_code: self.error_code.map(str::to_owned),
            target: self.target.map(str::to_owned),
            views: Vec::new(),
        }
    }
}

#[derive(Debug, Clone)]
struct Group {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    severity: Severity,
    outcomes: BTreeMap<Outcome, u64>,
    /// By a hash of service and name, which are in it.
    calls: HashMap<u64, Call, FixedState>,
    regions: BTreeSet<String>,
    targets: Firsts,
    distinct_targets: Distinct,
    ips: Firsts,
    evidence: Smallest<(Timestamp, String, String, u32), Evidence>,
    last_event: Evidence,
    /// By a hash of their keys.
    steps: HashMap<u64, Step, FixedState>,
}

/// Hits of one key, parted where a pause is.
#[derive(Debug, Clone)]
struct Stretches {
    key: GroupKey,
    groups: Vec<Group>,
}

/// Hits of many rows, grouped; by a hash of their keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(HashMap<u64, Stretches, FixedState>);

impl Groups {
    /// Adds hits of the rule (`of` a group of a correlation). An attempt at what the rule finds is one level lower.
    pub(super) fn add(
        &mut self,
        (rule, of): (usize, Option<u64>),
        meta: &Meta,
        Run { like, resource, .. }: &Run<'_>,
        parts: &[Stretch<'_>],
    ) {
        let whole = meta.is_about_failure || like.outcome == Outcome::Succeeded;
        let severity = if whole { meta.severity } else { meta.severity.one_lower() };
        let number = hash((rule, of, like.principal, like.account, resource));
        let stretches = self.0.entry(number).or_insert_with(|| Stretches {
            key: GroupKey {
                rule,
                of,
                principal: like.principal.to_owned(),
                account: like.account.to_owned(),
                resource: resource.map(str::to_owned),
            },
            groups: Vec::new(),
        });
        for stretch in parts {
            stretches.add(severity, stretch);
        }
    }

    #[must_use]
    pub(super) fn merge(mut self, other: Self) -> Self {
        if self.0.is_empty() {
            return other;
        }
        #[expect(clippy::iter_over_hash_type, reason = "merged by key, in any order")]
        for (number, stretches) in other.0 {
            match self.0.get_mut(&number) {
                Some(mine) => mine.merge(stretches),
                None => _ = self.0.insert(number, stretches),
            }
        }
        self
    }

    /// A correlation whose group is of several principals is told of the one with the most hits.
    fn in_order(self) -> BTreeMap<GroupKey, Stretches> {
        type Of = (usize, u64);
        let mut counts: BTreeMap<Of, BTreeMap<&str, u64>> = BTreeMap::new();
        let mut accounts: BTreeMap<Of, BTreeSet<String>> = BTreeMap::new();
        let mut all: Vec<&Stretches> = self.0.values().collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        for stretches in all {
            let Some(of) = stretches.key.of else { continue };
            let (of, key) = ((stretches.key.rule, of), &stretches.key);
            let count: u64 = stretches.groups.iter().map(|g| g.count).sum();
            *counts.entry(of).or_default().entry(&key.principal).or_default() += count;
            accounts.entry(of).or_default().insert(key.account.clone());
        }
        let most = |counts: &BTreeMap<&str, u64>| {
            let most = counts.iter().max_by_key(|(name, count)| (**count, Reverse(**name)));
            most.map(|(name, _)| (*name).to_owned()).expect("a group has hits")
        };
        let principals: BTreeMap<Of, String> =
            counts.iter().map(|(of, counts)| (*of, most(counts))).collect();
        let mut whole: BTreeMap<GroupKey, Stretches> = BTreeMap::new();
        #[expect(clippy::iter_over_hash_type, reason = "merged by key, in any order")]
        for (_, mut stretches) in self.0 {
            let key = &mut stretches.key;
            if let Some(of) = key.of.take() {
                key.principal.clone_from(&principals[&(key.rule, of)]);
                key.account = one_or_several(&accounts[&(key.rule, of)]);
            }
            match whole.get_mut(&stretches.key) {
                Some(mine) => mine.merge(stretches),
                None => _ = whole.insert(stretches.key.clone(), stretches),
            }
        }
        whole
    }

    /// Findings (not yet ranked) and the steps they were made of.
    #[must_use]
    pub(super) fn into_findings(self, metas: &[Meta]) -> (Vec<Finding>, Vec<TimelineRow>) {
        let (mut findings, mut steps) = (Vec::new(), Vec::new());
        for (key, mut stretches) in self.in_order() {
            let meta = &metas[key.rule];
            stretches.groups.sort_by_key(|group| group.first);
            for (number, group) in stretches.groups.iter().enumerate() {
                let finding = group.finding(&key, meta, number > 0);
                steps.extend(group.timeline(&key, &finding));
                findings.push(finding);
            }
        }
        (findings, steps)
    }
}

impl Stretches {
    fn add(&mut self, severity: Severity, stretch: &Stretch<'_>) {
        let near = |group: &Group| {
            group.first <= stretch.last.plus_seconds(PAUSE_SECONDS)
                && stretch.first <= group.last.plus_seconds(PAUSE_SECONDS)
        };
        let place = self.groups.iter().position(near).unwrap_or_else(|| {
            self.groups.push(Group::new(stretch));
            self.groups.len() - 1
        });
        self.groups[place].add(severity, stretch);
        if self.groups.len() > 1 {
            self.join();
        }
    }

    fn merge(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.join();
    }

    /// Puts together what no pause parts.
    fn join(&mut self) {
        self.groups.sort_by_key(|group| group.first);
        let mut joined: Vec<Group> = Vec::with_capacity(self.groups.len());
        for group in self.groups.drain(..) {
            match joined.last_mut() {
                Some(last) if group.first <= last.last.plus_seconds(PAUSE_SECONDS) => {
                    last.merge(group);
                }
                _ => joined.push(group),
            }
        }
        self.groups = joined;
    }
}

impl Group {
    /// Of no hits yet; these will be the first.
    fn new(stretch: &Stretch<'_>) -> Self {
        Self {
            first: stretch.first,
            last: stretch.last,
            count: 0,
            severity: Severity::Informational,
            outcomes: BTreeMap::new(),
            calls: HashMap::default(),
            regions: BTreeSet::new(),
            targets: Firsts::new(DISTINCT),
            distinct_targets: Distinct::default(),
            ips: Firsts::new(DISTINCT),
            evidence: Smallest::new(EVIDENCE),
            last_event: stretch.like.evidence(),
            steps: HashMap::default(),
        }
    }

    fn add(&mut self, severity: Severity, stretch: &Stretch<'_>) {
        let Stretch { like, first, last, .. } = stretch;
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
        self.count += stretch.len();
        self.severity = self.severity.max(severity);
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
        for (target, hash, at) in &stretch.targets {
            self.targets.insert(target, *at);
            self.distinct_targets.insert(*hash);
        }
        if !like.source_ip.is_empty() {
            self.ips.insert(like.source_ip, *first);
        }
        for at in stretch.hits {
            if self.evidence.takes(|(last, ..)| at.time <= *last) {
                let hit = stretch.hit(at);
                let key = (hit.time, hit.event_id.to_owned(), hit.file.to_owned(), hit.index);
                self.evidence.insert(key, hit.evidence());
            }
        }
        let latest = stretch.hits.iter().filter(|at| at.time == *last).map(|at| stretch.hit(at));
        if let Some(latest) = latest.max_by(|a, b| a.order().cmp(&b.order()))
            && latest.order() > order(&self.last_event)
        {
            self.last_event = latest.evidence();
        }
        let key = (like.service, like.event_name, like.outcome, like.source_ip, like.region);
        self.steps.entry(hash(key)).or_insert_with(|| Step::new(like)).add(stretch);
    }

    fn merge(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.severity = self.severity.max(other.severity);
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        #[expect(clippy::iter_over_hash_type, reason = "added up by key, in any order")]
        for (number, call) in other.calls {
            match self.calls.get_mut(&number) {
                Some(mine) => mine.count += call.count,
                None => _ = self.calls.insert(number, call),
            }
        }
        self.regions.extend(other.regions);
        self.targets.merge(&other.targets);
        self.distinct_targets.merge(other.distinct_targets);
        self.ips.merge(&other.ips);
        for (key, event) in other.evidence.items {
            self.evidence.insert(key, event);
        }
        if order(&other.last_event) > order(&self.last_event) {
            self.last_event = other.last_event;
        }
        #[expect(clippy::iter_over_hash_type, reason = "merged by key, in any order")]
        for (number, step) in other.steps {
            match self.steps.get_mut(&number) {
                Some(mine) => mine.merge(step),
                None => _ = self.steps.insert(number, step),
            }
        }
    }

    /// `is_later`: after a pause, and so not the first finding of its key.
    fn finding(&self, key: &GroupKey, meta: &Meta, is_later: bool) -> Finding {
        let mut evidence: Vec<Evidence> = self.evidence.items.values().cloned().collect();
        if evidence.iter().all(|e| order(e) != order(&self.last_event)) {
            evidence.push(self.last_event.clone());
        }
        let outcome = outcome(&self.outcomes);
        let is_attempt = is_attempt(outcome) && !meta.is_about_failure;
        let calls = self.calls();
        let since = is_later.then(|| self.first.to_string());
        let parts = [&meta.name, &key.principal, &key.account];
        let parts = parts.into_iter().chain(&key.resource).chain(&since);
        Finding {
            id: id(&parts.map(String::as_str).collect::<Vec<_>>()),
            number: 0,
            rule: meta.name.clone(),
            title: if is_attempt { self.title(&meta.title) } else { meta.title.clone() },
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
            evidence,
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

    fn timeline(&self, key: &GroupKey, finding: &Finding) -> Vec<TimelineRow> {
        let row = |step: &&Step| TimelineRow {
            first: step.first,
            last: step.last,
            principal: key.principal.clone(),
            service: step.key.service.clone(),
            event_name: step.key.event_name.clone(),
            calls: Vec::new(),
            target: step.target(),
            outcome: step.key.outcome,
            source_ip: step.key.source_ip.clone(),
            region: step.key.region.clone(),
            account: key.account.clone(),
            count: step.count,
            severity: finding.severity,
            findings: vec![finding.id.clone()],
            evidence: step.evidence.items.keys().map(|(_, id)| id.clone()).collect(),
        };
        let mut steps: Vec<&Step> = self.steps.values().collect();
        steps.sort_by(|a, b| a.key.cmp(&b.key));
        steps.iter().map(row).collect()
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
    use crate::detect::run;
    use crate::detect::tests::{case_of, pool};
    use serde_json::json;

    /// What a rule finds in calls at these seconds, in this order.
    fn finding(hits: &[(u32, Outcome)]) -> Vec<Finding> {
        let rules = crate::detect::Rules::load(&[]).unwrap();
        let records = hits.iter().map(|(number, outcome)| {
            let mut record = json!({
                "eventID": format!("e-{number}"), "eventName": "LeaveOrganization",
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
        let found = run(&case, &rules, &case.accounts().unwrap(), &pool()).unwrap().findings;
        let mut found: Vec<Finding> =
            found.into_iter().filter(|finding| finding.rule == "organization_left").collect();
        // The place in the file is that in `hits`.
        let evidence = found.iter_mut().flat_map(|finding| &mut finding.evidence);
        evidence.for_each(|event| event.index = 0);
        found
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
    fn a_long_pause_parts_findings_whatever_order_hits_come_in() {
        let day = 24 * 60 * 60;
        let days = [0, 10, 20, 60, 61, 90];
        let mut hits: Vec<_> = days.iter().map(|n| (n * day, Outcome::Succeeded)).collect();
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
