//! From the report's nouns to facts: what of them leaves, under which token, and what was left out. Free text of
//! the log (summaries, user agents, names) has no way through here.

use super::Input;
use super::budget::{Unit, belongs};
use super::facts::{
    ActorFact, CoverageFact, Covered, EpisodeFact, EvidenceFact, FORMAT, Facts, FindingFact,
    IndicatorFact, LinkFact, OmittedFact, RiskPart, StepFact, UnknownFact, VerdictFact,
};
use super::pseudonym::Legend;
use super::stats::{self, service_name};
use super::verdict::Judgement;
use super::{coverage, label, strings};
use crate::model::{
    ActorKind, Contributor, Evidence, Finding, Principal, Severity, TimelineRow, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};

const LIST_MAX: usize = 6;
/// What to search for or to take away is the point of a report: more of it is told.
const CONTAIN_MAX: usize = 12;
const TITLE_MAX: usize = 120;
const REMEDY_MAX: usize = 300;
const UNKNOWN_MAX: usize = 200;
const RISK_PARTS: usize = 5;
/// A record may lack what every record has.
const UNNAMED: &str = "unknown";

/// What of the input a digest holds.
#[derive(Debug, Default)]
pub(super) struct Selection {
    gaps: usize,
    unknowns: usize,
    findings: BTreeSet<usize>,
    actors: BTreeSet<usize>,
    episodes: BTreeSet<usize>,
    steps: BTreeSet<usize>,
    more_evidence: BTreeMap<usize, usize>,
    activity: bool,
    top: usize,
    strings: bool,
}

impl Selection {
    pub(super) fn new(units: &[Unit]) -> Self {
        let mut it = Self::default();
        for unit in units {
            match *unit {
                Unit::Gap => it.gaps += 1,
                Unit::Unknown => it.unknowns += 1,
                Unit::Finding(i) => it.findings.extend([i]),
                Unit::Actor(i) => it.actors.extend([i]),
                Unit::Episode(i) => it.episodes.extend([i]),
                Unit::Step(i) => it.steps.extend([i]),
                Unit::Evidence(i) => *it.more_evidence.entry(i).or_default() += 1,
                Unit::Activity => it.activity = true,
                Unit::Top => it.top += 1,
                Unit::Strings => it.strings = true,
            }
        }
        it
    }
}

/// Seconds are enough to tell a story, and every time in the digest has the same shape.
#[must_use]
pub(super) fn time(at: Timestamp) -> String {
    Timestamp(at.seconds().saturating_mul(1_000_000)).to_string()
}

struct Gather<'a> {
    input: &'a Input<'a>,
    chosen: Selection,
    legend: Legend,
    kinds: BTreeMap<&'a str, ActorKind>,
    /// Finding id to fact id, for the findings that are in.
    fact_of: BTreeMap<&'a str, String>,
    /// Fact ids of the gaps that are in, in their order.
    gap_ids: Vec<String>,
    evidence: Vec<EvidenceFact>,
    evidence_ids: BTreeMap<&'a str, String>,
}

pub(super) fn facts(input: &Input, judgement: &Judgement, chosen: Selection) -> (Facts, Legend) {
    let mut it = Gather {
        input,
        kinds: input.principals.iter().map(|p| (p.id.as_str(), p.kind)).collect(),
        fact_of: chosen
            .findings
            .iter()
            .map(|&i| (input.findings[i].id.as_str(), format!("F{}", input.findings[i].number)))
            .collect(),
        chosen,
        legend: Legend::default(),
        gap_ids: Vec::new(),
        evidence: Vec::new(),
        evidence_ids: BTreeMap::new(),
    };
    let verdict = it.verdict(judgement);
    let coverage = it.coverage();
    let unknowns = it.unknowns();
    let findings = it.findings();
    let (timeline, step_of) = it.timeline();
    let episodes = it.episodes(&step_of);
    let actors = it.actors();
    let stats = stats::gather(input.aggregates, it.chosen.activity, it.chosen.top, &mut it.legend);
    for stat in &stats {
        it.legend.refer(&stat.id, "aggregates");
    }
    let strings = if it.chosen.strings { strings::of(&mut it.legend) } else { BTreeMap::new() };
    let omitted = it.omitted();
    let legend = it.legend.kinds().map(|(t, kind)| (t.to_owned(), kind.to_owned())).collect();
    let evidence = it.evidence;
    let facts = Facts {
        format: FORMAT,
        verdict,
        coverage,
        unknowns,
        findings,
        episodes,
        timeline,
        actors,
        evidence,
        stats,
        legend,
        strings,
        omitted,
    };
    (facts, it.legend)
}

impl<'a> Gather<'a> {
    fn verdict(&mut self, judgement: &Judgement) -> VerdictFact {
        self.legend.refer("V1", "verdict");
        let told: BTreeSet<&String> = self.fact_of.values().collect();
        let because = judgement.because.iter().map(|number| format!("F{number}"));
        VerdictFact {
            id: "V1".to_owned(),
            verdict: judgement.verdict,
            confidence: judgement.confidence,
            because: because.filter(|id| told.contains(id)).collect(),
        }
    }

    fn coverage(&mut self) -> Vec<CoverageFact> {
        let facts = coverage::gather(self.input, self.chosen.gaps, &mut self.legend);
        for fact in &facts {
            self.legend.refer(&fact.id, "coverage");
            if matches!(fact.what, Covered::Gap { .. }) {
                self.gap_ids.push(fact.id.clone());
            }
        }
        facts
    }

    fn unknowns(&mut self) -> Vec<UnknownFact> {
        let texts = self.input.coverage.not_observable.iter().take(self.chosen.unknowns);
        let mut facts = Vec::new();
        for (at, text) in texts.enumerate() {
            let id = format!("U{}", at + 1);
            self.legend.refer(&id, "coverage");
            facts.push(UnknownFact { id, text: self.legend.prose(text, UNKNOWN_MAX) });
        }
        facts
    }

    fn findings(&mut self) -> Vec<FindingFact> {
        let chosen = std::mem::take(&mut self.chosen.findings);
        let facts = chosen.iter().map(|&i| self.finding(i)).collect();
        self.chosen.findings = chosen;
        facts
    }

    fn finding(&mut self, i: usize) -> FindingFact {
        let finding: &'a Finding = &self.input.findings[i];
        let id = self.fact_of[finding.id.as_str()].clone();
        self.legend.refer(&id, &finding.id);
        let actor = self.actor(&finding.principal);
        let shown = chosen_evidence(finding, self.chosen.more_evidence.get(&i).copied());
        let calls: Vec<String> = finding
            .calls
            .iter()
            .take(LIST_MAX)
            .map(|c| format!("{}:{}", self.service(&c.service), self.call(&c.name)))
            .collect();
        let calls_more = finding.calls.len() - calls.len();
        let ev = shown.into_iter().map(|e| self.evidence(e)).collect();
        let call_on =
            |target: &str| finding.evidence.iter().find(|e| e.target.as_deref() == Some(target));
        let targets = finding.targets.iter().take(LIST_MAX);
        let targets_more = finding.targets_total.saturating_sub(targets.len() as u64);
        FindingFact {
            targets_more,
            gaps: self.gaps(finding),
            indicators: self.indicators(finding),
            id,
            actor,
            ev,
            calls,
            calls_more: calls_more as u64,
            rule: self.legend.word(&finding.rule),
            title: self.legend.prose(&finding.title, TITLE_MAX),
            kind: finding.kind,
            severity: finding.severity,
            account: self.legend.account(&finding.account),
            region: self.legend.region(&finding.region),
            first: time(finding.first),
            last: time(finding.last),
            n: finding.count,
            outcome: finding.outcome,
            targets: targets
                .map(|t| self.legend.resource(t, call_on(t).map_or("", |e| e.event_name.as_str())))
                .collect(),
            ips: self.addresses(&finding.source_ips),
            attack: self.words(&finding.attack),
            cis: self.words(&finding.cis),
            stages: finding.stages.clone(),
            ev_total: finding.evidence_total,
            remedy: self.legend.prose(&finding.remediation, REMEDY_MAX),
        }
    }

    fn gaps(&self, finding: &Finding) -> Vec<String> {
        let all = self.input.coverage.gaps.iter().zip(&self.gap_ids);
        let after = all.filter(|(gap, _)| finding.gaps.contains(gap));
        after.take(LIST_MAX).map(|(_, id)| id.clone()).collect()
    }

    fn indicators(&mut self, finding: &Finding) -> Vec<IndicatorFact> {
        let indicators = finding.indicators.iter().take(CONTAIN_MAX);
        let call = finding.calls.first().map_or("", |call| call.name.as_str());
        indicators
            .map(|i| IndicatorFact { kind: i.kind, value: self.legend.resource(&i.value, call) })
            .collect()
    }

    fn evidence(&mut self, event: &'a Evidence) -> String {
        if let Some(id) = self.evidence_ids.get(event.event_id.as_str()) {
            return id.clone();
        }
        let id = format!("E{}", self.evidence.len() + 1);
        self.evidence_ids.insert(&event.event_id, id.clone());
        self.legend.refer(&id, &event.event_id);
        let fact = EvidenceFact {
            id: id.clone(),
            time: time(event.time),
            actor: self.actor(&event.principal),
            service: self.service(&event.service),
            call: self.call(&event.event_name),
            target: self.legend.resource(event.target.as_deref().unwrap_or(""), &event.event_name),
            outcome: event.outcome,
            error: self.legend.word(event.error_code.as_deref().unwrap_or("")),
            ip: self.legend.address(&event.source_ip),
            agent: label::agent_family(&event.user_agent_family).to_owned(),
            region: self.legend.region(&event.region),
        };
        self.evidence.push(fact);
        id
    }

    /// The steps in order of time, and the fact id of each row of the input.
    fn timeline(&mut self) -> (Vec<StepFact>, BTreeMap<usize, String>) {
        let mut rows: Vec<usize> = self.chosen.steps.iter().copied().collect();
        rows.sort_by_key(|&row| (self.input.timeline[row].first, row));
        let step_of: BTreeMap<usize, String> =
            rows.iter().enumerate().map(|(at, &row)| (row, format!("T{}", at + 1))).collect();
        let steps =
            rows.iter().map(|row| self.step(&self.input.timeline[*row], &step_of[row])).collect();
        (steps, step_of)
    }

    fn step(&mut self, row: &'a TimelineRow, id: &str) -> StepFact {
        self.legend.refer(id, row.evidence.first().or(row.findings.first()).map_or("", |e| e));
        StepFact {
            id: id.to_owned(),
            first: time(row.first),
            last: time(row.last),
            actor: self.actor(&row.principal),
            service: self.service(&row.service),
            call: self.call(&row.event_name),
            calls: row.calls.iter().map(|name| self.call(name)).collect(),
            target: self.legend.resource(row.target.as_deref().unwrap_or(""), &row.event_name),
            outcome: row.outcome,
            n: row.count,
            ip: self.legend.address(&row.source_ip),
            region: self.legend.region(&row.region),
            findings: self.told(&row.findings),
        }
    }

    fn episodes(&mut self, step_of: &BTreeMap<usize, String>) -> Vec<EpisodeFact> {
        let mut chosen: Vec<usize> = self.chosen.episodes.iter().copied().collect();
        chosen.sort_by_key(|&i| (self.input.episodes[i].first, i));
        let mut facts = Vec::new();
        for (at, i) in chosen.into_iter().enumerate() {
            let episode = &self.input.episodes[i];
            let id = format!("S{}", at + 1);
            self.legend.refer(&id, &episode.id);
            let mut rows: Vec<usize> = step_of.keys().copied().collect();
            rows.retain(|&row| belongs(&self.input.timeline[row], episode));
            rows.sort_by_key(|&row| (self.input.timeline[row].first, row));
            facts.push(EpisodeFact {
                id,
                actor: self.actor(&episode.principal),
                stages: episode.stages.clone(),
                first: time(episode.first),
                last: time(episode.last),
                findings: self.told(&episode.findings),
                steps: rows.iter().map(|row| step_of[row].clone()).collect(),
            });
        }
        facts
    }

    fn actors(&mut self) -> Vec<ActorFact> {
        let chosen: Vec<&'a Principal> =
            self.chosen.actors.iter().map(|&i| &self.input.principals[i]).collect();
        chosen.into_iter().map(|principal| self.actor_fact(principal)).collect()
    }

    fn actor_fact(&mut self, principal: &Principal) -> ActorFact {
        let agents: BTreeSet<&str> =
            principal.user_agents.iter().map(|agent| label::agent_family(agent)).collect();
        let parts = principal.contributors.iter().take(RISK_PARTS);
        let linked = principal.linked.iter().take(CONTAIN_MAX);
        let objects = principal.objects_read.iter().take(CONTAIN_MAX);
        let keys = principal.access_keys.iter().take(CONTAIN_MAX);
        ActorFact {
            id: self.actor(&principal.id),
            kind: principal.kind,
            risk: whole(principal.risk),
            rank: principal.rank,
            events: principal.events,
            denied: principal.denied,
            first: time(principal.first),
            last: time(principal.last),
            ips: self.addresses(&principal.source_ips),
            ips_total: principal.source_ips.len(),
            agents: agents.into_iter().map(str::to_owned).collect(),
            regions: principal
                .regions
                .iter()
                .take(LIST_MAX)
                .map(|r| self.legend.region(r))
                .collect(),
            risk_from: parts
                .map(|part| RiskPart {
                    what: self.signal(principal, part),
                    points: whole(part.points),
                })
                .collect(),
            linked: linked
                .map(|link| LinkFact {
                    actor: self.actor(&link.principal),
                    how: link.kinds.clone(),
                })
                .collect(),
            keys: keys.map(|key| self.legend.resource(key, "")).collect(),
            foreign_ips: self.addresses(&principal.foreign_ips),
            objects_more: principal.objects_total.saturating_sub(objects.len() as u64),
            objects_read: objects.map(|name| self.legend.resource(name, "GetObject")).collect(),
        }
    }

    /// The finding a line of the risk sum stands for. What else the line may say could be log text.
    fn signal(&self, principal: &Principal, part: &Contributor) -> String {
        let shares_evidence = |f: &Finding| {
            part.evidence.is_empty()
                || f.evidence.iter().any(|e| part.evidence.contains(&e.event_id))
        };
        let is_meant = |f: &&Finding| {
            f.principal == principal.id
                && !f.title.is_empty()
                && part.what.contains(&f.title)
                && shares_evidence(f)
        };
        let finding = self.input.findings.iter().find(is_meant);
        finding
            .and_then(|f| self.fact_of.get(f.id.as_str()))
            .map_or_else(|| "other signals".to_owned(), Clone::clone)
    }

    fn service(&mut self, source: &str) -> String {
        self.legend.word(named(service_name(source)))
    }

    fn call(&mut self, event_name: &str) -> String {
        self.legend.word(named(event_name))
    }

    fn actor(&mut self, id: &str) -> String {
        let kind = self.kinds.get(id).map_or("principal", |kind| kind.as_str());
        self.legend.principal(id, kind)
    }

    fn addresses(&mut self, addresses: &[String]) -> Vec<String> {
        addresses.iter().take(LIST_MAX).map(|address| self.legend.address(address)).collect()
    }

    fn words(&mut self, words: &[String]) -> Vec<String> {
        words.iter().take(LIST_MAX).map(|word| self.legend.word(word)).collect()
    }

    fn told(&self, findings: &[String]) -> Vec<String> {
        findings.iter().filter_map(|id| self.fact_of.get(id.as_str()).cloned()).collect()
    }

    /// Says what is missing, so that a reader of the digest can say so too.
    fn omitted(&mut self) -> Vec<OmittedFact> {
        let input = self.input;
        let mut omitted: BTreeMap<String, u64> = BTreeMap::new();
        let mut add = |what: String, count: usize| {
            if count > 0 {
                *omitted.entry(what).or_default() += count as u64;
            }
        };
        for (i, finding) in input.findings.iter().enumerate() {
            add(
                format!("findings of severity {}", finding.severity),
                usize::from(!self.chosen.findings.contains(&i)),
            );
        }
        for (severity, count) in input.omitted {
            if let Some(severity) = Severity::parse(severity) {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                add(format!("findings of severity {severity}"), count);
            }
        }
        add("episodes".to_owned(), input.episodes.len() - self.chosen.episodes.len());
        add("timeline steps".to_owned(), input.timeline.len() - self.chosen.steps.len());
        add("actors".to_owned(), input.principals.len() - self.chosen.actors.len());
        add("gaps".to_owned(), input.coverage.gaps.len() - self.chosen.gaps);
        add("unknowns".to_owned(), input.coverage.not_observable.len() - self.chosen.unknowns);
        let mut facts = Vec::new();
        for (at, (what, n)) in omitted.into_iter().enumerate() {
            let id = format!("O{}", at + 1);
            self.legend.refer(&id, "omitted");
            facts.push(OmittedFact { id, what, n });
        }
        facts
    }
}

fn named(name: &str) -> &str {
    if name.is_empty() { UNNAMED } else { name }
}

/// First, then last, then the middle; told in order of time.
fn chosen_evidence(finding: &Finding, more: Option<usize>) -> Vec<&Evidence> {
    let total = finding.evidence.len();
    if total == 0 {
        return Vec::new();
    }
    let picks = [0, total - 1, total / 2];
    let chosen: BTreeSet<usize> = picks.into_iter().take(1 + more.unwrap_or(0)).collect();
    chosen.into_iter().map(|at| &finding.evidence[at]).collect()
}

/// Scores are shown without a fraction: more digits would claim more than they know.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1e6 before, NaN becomes 0"
)]
fn whole(score: f64) -> u64 {
    score.clamp(0.0, 1e6).round() as u64
}
