//! One fact, told: the sentences of the templates, each with the fact it rests on.

use super::verbs;
use super::words::{counted, ended, list, number, when};
use crate::digest::facts::{ActorFact, Covered, EpisodeFact, FindingFact, LinkFact, StepFact};
use crate::model::{IndicatorKind, LinkKind, Outcome, SEVERAL, Sentence, Severity};
use std::collections::BTreeMap;

pub(super) fn cited<'a>(text: String, cites: impl IntoIterator<Item = &'a String>) -> Sentence {
    Sentence { text, cites: cites.into_iter().cloned().collect() }
}

/// What a finding is, and what stands behind it.
pub(super) fn finding(fact: &FindingFact) -> Vec<Sentence> {
    let FindingFact { id, severity, title, actor, .. } = fact;
    let text = [
        format!("{id}, {severity}: \"{title}\""),
        unless_empty(&fact.rule, |rule| format!(" (rule {rule})")),
        format!(", {} by {actor}", counted(fact.n, "event")),
        unless_empty(&fact.account, |account| format!(" in account {account}")),
        place(&fact.region),
        format!(" {}; {}.", when(&fact.first, &fact.last), ended(fact.outcome, fact.n)),
    ];
    let (shown, total) = (fact.ev.len(), fact.ev_total);
    let cited_here = match total {
        0 | 1 => String::new(),
        _ if shown as u64 == total => format!("all {} are cited here", counted(total, "event")),
        _ => {
            let verb = if shown == 1 { "is" } else { "are" };
            format!("{shown} of its {} {verb} cited here", counted(total, "event"))
        }
    };
    let what = match (
        and_more(&fact.calls, fact.calls_more),
        and_more(&fact.targets, fact.targets_more),
    ) {
        (calls, targets) if targets.is_empty() => calls,
        (calls, targets) if calls.is_empty() => targets,
        (calls, targets) if fact.calls.len() == 1 => format!("{calls} on {targets}"),
        // Which of several calls was on which target is not known here, so it must not read as if it were.
        (calls, targets) => format!("{calls}; it concerns {targets}"),
    };
    let parts = [
        unless_empty(&what, |what| format!("it rests on {what}")),
        unless_empty(&list(&fact.ips), |ips| format!("it came from {ips}")),
        unless_empty(&indicators(fact), |named| format!("its events name {named}")),
        unless_empty(&list(&fact.attack), |attack| format!("it maps to ATT&CK {attack}")),
        cited_here,
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let mut sentences = vec![cited(text.concat(), [id])];
    if !parts.is_empty() {
        let more = format!("About {id}: {}.", parts.join("; "));
        sentences.push(cited(more, std::iter::once(id).chain(&fact.ev)));
    }
    if !fact.gaps.is_empty() {
        let text = format!(
            "After {id} the log of the account falls silent, as {} tell.",
            list(&fact.gaps)
        );
        sentences.push(cited(text, std::iter::once(id).chain(&fact.gaps)));
    }
    sentences
}

fn and_more(items: &[String], more: u64) -> String {
    let more = (more > 0).then(|| format!("{} more", number(more)));
    list(&items.iter().cloned().chain(more).collect::<Vec<_>>())
}

/// The key that was used is told with the actor; the rest is of this finding alone. Objects and instances are its targets.
fn indicators(fact: &FindingFact) -> String {
    let told = fact.indicators.iter().filter_map(|indicator| match indicator.kind {
        IndicatorKind::Account => Some(format!("the account {}", indicator.value)),
        IndicatorKind::CreatedKey => Some(format!("the new access key {}", indicator.value)),
        _ => None,
    });
    list(&told.collect::<Vec<_>>())
}

fn unless_empty(text: &str, say: impl Fn(&str) -> String) -> String {
    if text.is_empty() { String::new() } else { say(text) }
}

fn place(region: &str) -> String {
    match region {
        SEVERAL => " in several regions".to_owned(),
        other => unless_empty(other, |region| format!(" in {region}")),
    }
}

pub(super) fn episode(fact: &EpisodeFact) -> Sentence {
    let stages: Vec<&str> = fact.stages.iter().map(|stage| stage.as_str()).collect();
    let text = [
        format!("Episode {}, {}", fact.id, when(&fact.first, &fact.last)),
        format!(", is the work of {}", fact.actor),
        unless_empty(&list(&fact.findings), |findings| format!(" and holds {findings}")),
        unless_empty(&list(&stages), |stages| format!("; stages seen: {stages}")),
        ".".to_owned(),
    ];
    cited(text.concat(), [&fact.id])
}

/// One row of the timeline in plain words; what did not succeed was only tried.
pub(super) fn step(fact: &StepFact) -> Sentence {
    let mixed = fact.call == SEVERAL;
    let phrase = if mixed {
        verbs::several(fact.n, &fact.calls)
    } else {
        verbs::phrase(&fact.service, &fact.call, &fact.target)
    };
    let did = match fact.outcome {
        Outcome::Succeeded | Outcome::Mixed => format!("{} {}", phrase.past, phrase.object),
        _ => format!("tried to {} {}", phrase.base, phrase.object),
    };
    let times =
        if fact.n > 1 && !mixed { format!(", {} times", number(fact.n)) } else { String::new() };
    let end = match fact.outcome {
        Outcome::Succeeded => String::new(),
        other => format!("; {}", ended(other, fact.n)),
    };
    let text = [
        format!("{}, {} {did}{times}", capitalized(&when(&fact.first, &fact.last)), fact.actor),
        unless_empty(&fact.ip, |ip| format!(", from {ip}")),
        place(&fact.region),
        end,
        ".".to_owned(),
    ];
    cited(text.concat(), std::iter::once(&fact.id).chain(&fact.findings))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// Where an actor stands among the others.
pub(super) fn actor_rank(fact: &ActorFact) -> Sentence {
    let ActorFact { id, rank, risk, .. } = fact;
    let (events, denied) = (counted(fact.events, "event"), number(fact.denied));
    let text = format!(
        "{id} ranks number {rank} with a risk of {risk} out of 100: {events}, {denied} of them denied, {}.",
        when(&fact.first, &fact.last)
    );
    cited(text, [id])
}

pub(super) fn actor(fact: &ActorFact) -> Vec<Sentence> {
    let mut parts = Vec::new();
    if !fact.ips.is_empty() {
        let of = match fact.ips_total {
            total if total > fact.ips.len() => format!(" (out of {} in all)", number(total as u64)),
            _ => String::new(),
        };
        parts.push(format!("came from {}{of}", list(&fact.ips)));
    }
    if !fact.agents.is_empty() {
        parts.push(format!("used {}", list(&fact.agents)));
    }
    if !fact.regions.is_empty() {
        parts.push(format!("was seen in {}", list(&fact.regions)));
    }
    let mut sentences = vec![actor_rank(fact)];
    if !parts.is_empty() {
        sentences.push(cited(format!("{} {}.", fact.id, list(&parts)), [&fact.id]));
    }
    let points = fact.risk_from.iter().map(|part| {
        let points = counted(part.points, "point");
        format!("{} ({points})", part.what)
    });
    let points: Vec<String> = points.collect();
    if !points.is_empty() {
        let text = format!("The largest parts of the risk of {}: {}.", fact.id, list(&points));
        sentences.push(cited(text, [&fact.id]));
    }
    sentences.extend(links(fact));
    sentences.extend(objects_read(fact));
    sentences
}

/// Who belongs to an actor.
fn links(fact: &ActorFact) -> Option<Sentence> {
    let how = |kind: &LinkKind| match kind {
        LinkKind::Created => "created by it",
        LinkKind::KeyMade => "given an access key by it",
        LinkKind::PasswordMade => "given a console password by it",
        LinkKind::SameAddress => "seen from the same address",
    };
    let link = |link: &LinkFact| {
        let how: Vec<&str> = link.how.iter().map(how).collect();
        format!("{} ({})", link.actor, list(&how))
    };
    let links: Vec<String> = fact.linked.iter().map(link).collect();
    (!links.is_empty())
        .then(|| cited(format!("To {} belong: {}.", fact.id, list(&links)), [&fact.id]))
}

fn objects_read(fact: &ActorFact) -> Option<Sentence> {
    let objects = and_more(&fact.objects_read, fact.objects_more);
    let text = format!("Objects read from {}: {objects}.", list(&fact.foreign_ips));
    (!fact.objects_read.is_empty() && !fact.foreign_ips.is_empty()).then(|| cited(text, [&fact.id]))
}

/// What to take from an actor, all of it at once.
pub(super) fn containment(fact: &ActorFact) -> Option<Sentence> {
    if fact.linked.is_empty() && fact.keys.is_empty() && fact.foreign_ips.is_empty() {
        return None;
    }
    let linked = fact.linked.iter().map(|link| &link.actor);
    let principals: Vec<&String> = std::iter::once(&fact.id).chain(linked).collect();
    let text = [
        format!("Contain together: principals {}", list(&principals)),
        unless_empty(&list(&fact.keys), |keys| format!("; access keys {keys}")),
        unless_empty(&list(&fact.foreign_ips), |ips| format!("; addresses {ips}")),
        ".".to_owned(),
    ];
    Some(cited(text.concat(), [&fact.id]))
}

pub(super) fn findings_total(total: u64, by_severity: &BTreeMap<&'static str, u64>) -> String {
    let of = |severity: &Severity| {
        let n = by_severity.get(severity.as_str())?;
        Some(format!("{} {severity}", number(*n)))
    };
    let parts: Vec<String> = Severity::ALL.iter().rev().filter_map(of).collect();
    if parts.is_empty() {
        return "No rule and no heuristic reported a finding.".to_owned();
    }
    let verb = if total == 1 { "is" } else { "are" };
    format!("There {verb} {}: {}.", counted(total, "finding"), list(&parts))
}

/// What was read, and what of it is missing.
pub(super) fn covered(what: &Covered) -> String {
    match what {
        Covered::Range { first, last } => format!("Events were recorded {}.", when(first, last)),
        Covered::Records { seen, kept, duplicate, filtered, rejected } => {
            let counts = [
                (["was kept", "were kept"], kept),
                (["was a duplicate", "were duplicates"], duplicate),
                (["was filtered out", "were filtered out"], filtered),
            ];
            read_of(&counted(*seen, "record"), &counts, *rejected)
        }
        Covered::Files { seen, ingested, skipped, failed } => {
            let counts = [
                (["was read", "were read"], ingested),
                (["was passed over on purpose", "were passed over on purpose"], skipped),
            ];
            read_of(&counted(*seen, "file"), &counts, *failed)
        }
        Covered::Scope { accounts, regions, principals } => {
            let accounts = counted(*accounts as u64, "account");
            let regions = counted(*regions as u64, "region");
            format!(
                "The case covers {accounts}, {regions} and {}.",
                counted(*principals, "principal")
            )
        }
        Covered::Categories { events } => {
            let parts: Vec<String> =
                events.iter().map(|(name, n)| format!("{name} ({})", number(*n))).collect();
            format!("Event categories present: {}.", list(&parts))
        }
        Covered::Findings { total, by_severity } => findings_total(*total, by_severity),
        Covered::Rejects { reason, files, records } => {
            let (records, places) = (counted(*records, "record"), counted(*files, "place"));
            format!("Lost to {reason}: {records} in {places}; what they held is not known.")
        }
        Covered::Gaps { total } => {
            let gaps = counted(*total as u64, "gap");
            format!(
                "The log has {gaps} without any event; nothing was recorded there, which is not to say that nothing was done."
            )
        }
        Covered::Gap { account, region, from, to } => {
            let place = place(region);
            format!("Nothing is recorded of account {account}{place} {}.", when(from, to))
        }
    }
}

fn read_of(seen: &str, counts: &[([&str; 2], &u64)], lost: u64) -> String {
    let known = counts.iter().filter(|(_, n)| **n > 0);
    let mut parts: Vec<String> = known
        .map(|([one, many], n)| format!("{} {}", number(**n), if **n == 1 { one } else { many }))
        .collect();
    parts.push(format!("{} could not be read", number(lost)));
    format!("Of {seen} seen, {}.", list(&parts))
}
