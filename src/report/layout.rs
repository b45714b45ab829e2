//! How numbers, times, commands and cites read, the same in every report that is for people.

use crate::model::{Aggregates, Count, Evidence, Finding, Ledger, Report, Section, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A section with more sentences than this is set as a list, one sentence a line.
const PARAGRAPH_SENTENCES: usize = 2;

/// `1234567` as `1,234,567`.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `2 files`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(n), if n == 1 { "" } else { "s" })
}

/// To the second, without the zone: each report says once that its times are UTC.
pub(super) fn clock(at: Timestamp) -> String {
    let full = at.to_string();
    let seconds = full.split(['.', 'Z']).next().unwrap_or_default();
    seconds.replacen('T', " ", 1)
}

/// One moment, or from and to; the second day is left out where it is the first.
pub(super) fn period(first: Timestamp, last: Timestamp) -> String {
    let (from, to) = (clock(first), clock(last));
    if from == to {
        return from;
    }
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => format!("{from} – {time}"),
        _ => format!("{from} – {to}"),
    }
}

/// What the report is about, in one line.
pub(super) fn scope(report: &Report) -> String {
    let events = counted(report.ledger.records.kept, "event");
    let accounts = counted(report.coverage.accounts.len() as u64, "account");
    let regions = counted(report.coverage.regions.len() as u64, "region");
    let span = match (report.coverage.first, report.coverage.last) {
        (Some(first), Some(last)) => format!("{} UTC", period(first, last)),
        _ => "no time covered".to_owned(),
    };
    format!("{events}, {accounts}, {regions}, {span}")
}

/// What of the input is missing from the case; `None` when nothing is.
pub(super) fn losses(ledger: &Ledger) -> Option<String> {
    if ledger.is_whole() {
        return None;
    }
    let files = counted(ledger.files.failed, "file");
    let records = counted(ledger.records.rejected, "record");
    let notes = counted(ledger.rejects.len() as u64, "note");
    Some(format!("{files} failed, {records} rejected, {notes} in the ledger"))
}

/// Sentences are read one by one against their evidence, so a section is a list; the first one is the summary and reads
/// as prose.
pub(super) fn reads_as_list(at: usize, section: &Section) -> bool {
    at > 0 && section.sentences.len() > PARAGRAPH_SENTENCES
}

/// The lists of the aggregates with the key of their total, in the order they are shown.
pub(super) fn lists(aggregates: &Aggregates) -> [(&'static str, &'static str, &[Count]); 9] {
    [
        ("Event names", "event_names", &aggregates.event_names),
        ("Principals", "users", &aggregates.users),
        ("Services", "services", &aggregates.services),
        ("Resources", "resources", &aggregates.resources),
        ("Source addresses", "source_ips", &aggregates.source_ips),
        ("User agents", "user_agents", &aggregates.user_agents),
        ("Errors", "errors", &aggregates.errors),
        ("Regions", "regions", &aggregates.regions),
        ("Accounts", "accounts", &aggregates.accounts),
    ]
}

/// The command that prints the events a finding shows, from the case.
///
/// It is made to be pasted into a shell, so an event id with any character beyond those of a UUID-like word is left
/// out: such an id was forged. `None` when no id is left.
pub(super) fn query_command(finding: &Finding) -> Option<String> {
    let is_plain = |id: &&str| {
        !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let ids: Vec<String> = finding
        .evidence
        .iter()
        .map(|item| item.event_id.as_str())
        .filter(is_plain)
        .map(|id| format!("'{id}'"))
        .collect();
    (!ids.is_empty()).then(|| {
        let ids = ids.join(", ");
        format!("trailinsight query --case CASE \"SELECT * FROM events WHERE event_id IN ({ids})\"")
    })
}

/// `file#index`: where the record is in the archive.
pub(super) fn place(item: &Evidence) -> String {
    format!("{}#{}", item.file, item.index)
}

/// How the prose names things: fact ids of the digest, both ways.
pub(super) struct Facts<'a> {
    references: &'a BTreeMap<String, String>,
    labels: BTreeMap<&'a str, &'a str>,
    cited: BTreeSet<&'a str>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let references = &report.narrative.references;
        let sections = report.narrative.sections.iter();
        Self {
            references,
            labels: references.iter().map(|(fact, id)| (id.as_str(), fact.as_str())).collect(),
            cited: sections
                .flat_map(|section| &section.sentences)
                .flat_map(|sentence| sentence.cites.iter().map(String::as_str))
                .collect(),
        }
    }

    /// The fact id the prose uses for a finding, event or principal.
    pub(super) fn label(&self, id: &str) -> Option<&'a str> {
        self.labels.get(id).copied()
    }

    /// Cited facts that stand for something in the report, with its id, `F2` before `F10`.
    pub(super) fn cited(&self) -> Vec<(&'a str, &'a str)> {
        let mut out: Vec<_> = self
            .cited
            .iter()
            .filter_map(|fact| Some((*fact, self.references.get(*fact)?.as_str())))
            .collect();
        out.sort_by_key(|(fact, _)| {
            let digits = fact.trim_start_matches(|c: char| !c.is_ascii_digit());
            (&fact[..fact.len() - digits.len()], digits.parse::<u64>().unwrap_or(u64::MAX), *fact)
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "file"), counted(2, "file")], ["1 file", "2 files"]);
        let (first, last) = (at("2024-05-01T10:00:00.25Z"), at("2024-05-01T11:00:00Z"));
        assert_eq!(period(first, first), "2024-05-01 10:00:00");
        assert_eq!(period(first, last), "2024-05-01 10:00:00 – 11:00:00");
        assert_eq!(period(first, at("2024-05-02")), "2024-05-01 10:00:00 – 2024-05-02 00:00:00");
    }
}
