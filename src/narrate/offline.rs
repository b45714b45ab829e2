//! The narrative without a model: templates over the facts of the digest, always there and always the same. It is
//! what a report falls back to, and the measure a model has to beat.

use super::describe::{self, cited};
use super::words::{counted, ended, list, moment, number, stop, when};
use super::{ACTIONS, ACTORS, COVERAGE, FINDINGS, STORY, SUMMARY, UNUSUAL};
use crate::digest::facts::{Covered, Facts, FindingFact, Stat, StatFact, StepFact};
use crate::model::{FindingKind, Section, Sentence, Severity, Stage};
use std::collections::BTreeMap;

const SUMMARY_ACTIONS: usize = 3;
/// Steps told of an episode; serious ones are told beyond that, up to the second number.
const STEPS_TOLD: usize = 12;
const STEPS_MAX: usize = 40;
/// Findings below medium that are told in prose; all of them stand in the tables.
const MINOR_TOLD: usize = 10;
const ERRORS_TOLD: usize = 3;

/// All sections, in the order of the report.
#[must_use]
pub(super) fn write(facts: &Facts) -> Vec<Section> {
    let section = |title: &str, sentences| Section { title: title.to_owned(), sentences };
    vec![
        section(SUMMARY, summary(facts)),
        section(STORY, story(facts)),
        section(FINDINGS, findings(facts)),
        section(UNUSUAL, unusual(facts)),
        section(ACTORS, actors(facts)),
        section(COVERAGE, coverage(facts)),
        section(ACTIONS, actions(facts)),
    ]
}

/// The sentence no narrator may change.
#[must_use]
pub(super) fn verdict(facts: &Facts) -> Sentence {
    let fact = &facts.verdict;
    let (verdict, confidence) = (fact.verdict.as_str(), fact.confidence.as_str());
    let rests = if fact.because.is_empty() {
        String::new()
    } else {
        format!(", resting on {}", list(&fact.because))
    };
    let mut cites = vec![fact.id.clone()];
    cites.extend(fact.because.iter().cloned());
    Sentence {
        text: format!(
            "Verdict: {verdict}{rests}; confidence in the evidence base is {confidence}."
        ),
        cites,
    }
}

fn summary(facts: &Facts) -> Vec<Sentence> {
    let mut sentences = vec![verdict(facts)];
    sentences.extend(scope(facts));
    sentences.extend(facts.coverage.iter().find_map(|fact| match &fact.what {
        Covered::Findings { total, by_severity } => {
            Some(cited(describe::findings_total(*total, by_severity), [&fact.id]))
        }
        _ => None,
    }));
    if let Some(actor) = facts.actors.iter().find(|actor| actor.rank == 1) {
        sentences.push(describe::actor_rank(actor));
    }
    let serious: Vec<&FindingFact> =
        facts.findings.iter().filter(|f| f.severity >= Severity::High).collect();
    for (stage, fact) in worst_of_stages(facts) {
        let text = format!(
            "Worst of {stage}: {} ({}), \"{}\", {} by {}; {}.",
            fact.id,
            fact.severity,
            fact.title,
            counted(fact.n, "event"),
            fact.actor,
            ended(fact.outcome, fact.n)
        );
        sentences.push(cited(text, [&fact.id]));
    }
    sentences.extend(still_going(facts, &serious));
    sentences.extend(facts.actors.iter().find_map(describe::containment));
    for (remedy, ids) in remedies(facts).into_iter().take(SUMMARY_ACTIONS) {
        sentences.push(cited(format!("Next, for {}: {}", list(&ids), stop(remedy)), ids));
    }
    if let Some(unknown) = facts.unknowns.first() {
        let text = format!("What the case cannot show: {}", stop(&unknown.text));
        sentences.push(cited(text, [&unknown.id]));
    }
    sentences
}

/// For every stage that was reached the finding that ranks highest, told once.
fn worst_of_stages(facts: &Facts) -> Vec<(Stage, &FindingFact)> {
    let mut told: Vec<(Stage, &FindingFact)> = Vec::new();
    for stage in Stage::ALL {
        let of_stage =
            |f: &&FindingFact| f.severity >= Severity::Medium && f.stages.contains(stage);
        let Some(worst) = facts.findings.iter().find(of_stage) else { continue };
        if told.iter().all(|(_, fact)| fact.id != worst.id) {
            told.push((*stage, worst));
        }
    }
    told
}

fn scope(facts: &Facts) -> Option<Sentence> {
    let (mut span, mut events, mut places) = (None, None, None);
    let mut cites = Vec::new();
    for fact in &facts.coverage {
        match &fact.what {
            Covered::Range { first, last } => span = Some(when(first, last)),
            Covered::Records { kept, .. } => events = Some(counted(*kept, "event")),
            Covered::Scope { accounts, regions, .. } => {
                let (accounts, regions) = (*accounts as u64, *regions as u64);
                places = Some(format!(
                    "{} and {}",
                    counted(accounts, "account"),
                    counted(regions, "region")
                ));
            }
            _ => continue,
        }
        cites.push(fact.id.clone());
    }
    let text = match span {
        Some(span) => format!("The case holds {} of {} {span}.", events?, places?),
        None => format!("The case holds {} of {}.", events?, places?),
    };
    Some(Sentence { text, cites })
}

/// A log cannot say that something is over, only when it was last recorded.
fn still_going(facts: &Facts, serious: &[&FindingFact]) -> Option<Sentence> {
    let latest = serious.iter().max_by_key(|f| &f.last)?;
    let (id, end) = facts.coverage.iter().find_map(|fact| match &fact.what {
        Covered::Range { last, .. } => Some((&fact.id, last)),
        _ => None,
    })?;
    let text = format!(
        "The last event of a serious finding is of {} and the case ends at {}; what came later is not recorded.",
        moment(&latest.last),
        moment(end)
    );
    Some(cited(text, [&latest.id, id]))
}

fn story(facts: &Facts) -> Vec<Sentence> {
    let mut rest: Vec<&StepFact> = facts.timeline.iter().collect();
    let mut sentences = Vec::new();
    for episode in &facts.episodes {
        sentences.push(describe::episode(episode));
        let (steps, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|step| episode.steps.contains(&step.id));
        sentences.extend(told_steps(facts, &steps, &episode.id));
        rest = others;
    }
    sentences.extend(told_steps(facts, &rest, "the case"));
    if sentences.is_empty() {
        let text = "No step of a finding was recorded.".to_owned();
        sentences.push(cited(text, [&facts.verdict.id]));
    }
    sentences
}

/// Steps in order of time; where there are too many those of the gravest findings, and how many are left out.
fn told_steps(facts: &Facts, steps: &[&StepFact], whole: &str) -> Vec<Sentence> {
    let severities: BTreeMap<&str, Severity> =
        facts.findings.iter().map(|f| (f.id.as_str(), f.severity)).collect();
    let weight = |step: &StepFact| {
        step.findings.iter().filter_map(|id| severities.get(id.as_str())).max().copied()
    };
    let mut by_weight: Vec<usize> = (0..steps.len()).collect();
    by_weight.sort_by_key(|&at| (std::cmp::Reverse(weight(steps[at])), at));
    let serious = steps.iter().filter(|step| weight(step) >= Some(Severity::High)).count();
    let room = serious.clamp(STEPS_TOLD, STEPS_MAX).min(steps.len());
    let (mut told, mut left) = (by_weight[..room].to_vec(), by_weight[room..].to_vec());
    told.sort_unstable();
    left.sort_unstable();
    let mut sentences: Vec<Sentence> = told.iter().map(|&at| describe::step(steps[at])).collect();
    if !left.is_empty() {
        let (further, verb) = (
            counted(left.len() as u64, "further step"),
            if left.len() == 1 { "stands" } else { "stand" },
        );
        let text = format!("Of {whole}, {further} {verb} in the timeline only.");
        let cites = left.iter().map(|&at| &steps[at].id);
        let episode = facts.episodes.iter().map(|e| &e.id).find(|id| *id == whole);
        sentences.push(cited(text, episode.into_iter().chain(cites)));
    }
    sentences
}

fn findings(facts: &Facts) -> Vec<Sentence> {
    let told: Vec<Sentence> = told(facts)
        .filter(|f| f.kind != FindingKind::Anomaly)
        .flat_map(describe::finding)
        .collect();
    if told.is_empty() {
        let text = "No rule and no sequence reported a finding that is told here.".to_owned();
        return vec![cited(text, [&facts.verdict.id])];
    }
    told
}

/// Every finding from medium up, and a few of the rest that belong to an episode or stand for themselves.
fn told(facts: &Facts) -> impl Iterator<Item = &FindingFact> {
    let (major, mut minor): (Vec<_>, Vec<_>) =
        facts.findings.iter().partition(|f| f.severity >= Severity::Medium);
    if !major.is_empty() {
        minor.retain(|f| facts.episodes.iter().any(|e| e.findings.contains(&f.id)));
    }
    major.into_iter().chain(minor.into_iter().take(MINOR_TOLD))
}

fn unusual(facts: &Facts) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = told(facts)
        .filter(|f| f.kind == FindingKind::Anomaly)
        .flat_map(describe::finding)
        .collect();
    if sentences.is_empty() {
        let text = "No heuristic reported an anomaly that is told here.".to_owned();
        sentences.push(cited(text, [&facts.verdict.id]));
    }
    let errors = facts.stats.iter().filter_map(|fact: &StatFact| match &fact.what {
        Stat::Top { list: "errors", name, n, .. } => {
            let text = format!("The error {name} occurs {}.", counted(*n, "time"));
            Some(cited(text, [&fact.id]))
        }
        _ => None,
    });
    sentences.extend(errors.take(ERRORS_TOLD));
    sentences
}

fn coverage(facts: &Facts) -> Vec<Sentence> {
    let covered =
        facts.coverage.iter().map(|fact| cited(describe::covered(&fact.what), [&fact.id]));
    let unknown = facts.unknowns.iter().map(|fact| cited(stop(&fact.text), [&fact.id]));
    let omitted = facts.omitted.iter().map(|fact| {
        let text = format!("Not told one by one here: {} {}.", number(fact.n), fact.what);
        cited(text, [&fact.id])
    });
    covered.chain(unknown).chain(omitted).collect()
}

/// Those with a finding that is told, and who belongs to them; the tables have all.
fn actors(facts: &Facts) -> Vec<Sentence> {
    let has_finding = |id: &String| told(facts).any(|f| f.actor == *id);
    let risky = facts.actors.iter().filter(|actor| actor.risk > 0 && has_finding(&actor.id));
    let told: Vec<Sentence> = risky.flat_map(describe::actor).collect();
    if told.is_empty() {
        let text = "No principal has a finding that is told here.".to_owned();
        return vec![cited(text, [&facts.verdict.id])];
    }
    told
}

/// What to do, once each, in the order of the findings it answers.
fn actions(facts: &Facts) -> Vec<Sentence> {
    if facts.findings.is_empty() {
        let text = "No action follows from the findings.".to_owned();
        return vec![cited(text, [&facts.verdict.id])];
    }
    let keep = "Preserve first: keep the archive and this case unchanged, and keys inactive rather than deleted.";
    let mut sentences = vec![cited(keep.to_owned(), [&facts.verdict.id])];
    sentences.extend(facts.actors.iter().filter_map(describe::containment));
    for (remedy, ids) in remedies(facts) {
        sentences.push(cited(format!("For {}: {}", list(&ids), stop(remedy)), ids));
    }
    sentences
}

/// Each remedy once, with the findings it answers.
fn remedies(facts: &Facts) -> Vec<(&str, Vec<&String>)> {
    let mut answered: Vec<(&str, Vec<&String>)> = Vec::new();
    for fact in facts.findings.iter().filter(|f| !f.remedy.is_empty()) {
        match answered.iter_mut().find(|(remedy, _)| *remedy == fact.remedy) {
            Some((_, ids)) => ids.push(&fact.id),
            None => answered.push((&fact.remedy, vec![&fact.id])),
        }
    }
    answered
}
