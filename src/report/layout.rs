//! How numbers, times, commands and cites read, the same in every report that is for people.

use crate::model::{
    Aggregates, ControlState, Count, Evidence, Finding, Indicator, IndicatorKind, Ledger, Link,
    LinkKind, Report, Section, Suppression, TimelineRow, Timestamp, Watch, WatchAct,
};
use std::cmp::Reverse;
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
    let events = counted(report.ledger.records.events(), "event");
    let accounts = counted(report.coverage.accounts.len() as u64, "account");
    let regions = counted(report.coverage.regions.len() as u64, "region");
    let span = match (report.coverage.first, report.coverage.last) {
        (Some(first), Some(last)) => format!("{} UTC", period(first, last)),
        _ => "no time covered".to_owned(),
    };
    format!("{events}, {accounts}, {regions}, {span}")
}

/// Which other accounts saw the same action.
pub(super) fn views(item: &Evidence) -> Option<String> {
    let accounts: Vec<&str> = item.views.iter().map(|view| view.account.as_str()).collect();
    (!accounts.is_empty()).then(|| format!("also seen by {}", accounts.join(", ")))
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

/// Sentences are read one by one against their evidence, so a section is a list.
pub(super) fn reads_as_list(section: &Section) -> bool {
    section.sentences.len() > PARAGRAPH_SENTENCES
}

/// The rows of the gravest findings, at most `cap`, with their places in the whole and in its order: a report that has
/// no room for all leaves out the least.
pub(super) fn gravest(rows: &[TimelineRow], cap: usize) -> Vec<(usize, &TimelineRow)> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_by_key(|&at| (Reverse(rows[at].severity), at));
    places.truncate(cap);
    places.sort_unstable();
    places.into_iter().map(|at| (at, &rows[at])).collect()
}

/// What a finding names, kind by kind.
pub(super) fn indicators(finding: &Finding) -> Vec<(&'static str, Vec<&str>)> {
    let name = |kind: IndicatorKind| match kind {
        IndicatorKind::Account => "Foreign accounts",
        IndicatorKind::AccessKey => "Access keys used",
        IndicatorKind::CreatedKey => "Access keys made",
        IndicatorKind::Instance => "Instances",
        IndicatorKind::Object => "Objects",
    };
    let of = |kind: &IndicatorKind| {
        let is_of = |i: &&Indicator| i.kind == *kind;
        let values = finding.indicators.iter().filter(is_of).map(|i| i.value.as_str());
        (name(*kind), values.collect::<Vec<_>>())
    };
    IndicatorKind::ALL.iter().map(of).filter(|(_, values)| !values.is_empty()).collect()
}

/// Why a principal belongs to another.
pub(super) fn why(link: &Link) -> String {
    let why = |kind: &LinkKind| match kind {
        LinkKind::Created => "created by it",
        LinkKind::KeyMade => "given an access key by it",
        LinkKind::PasswordMade => "given a console password by it",
        LinkKind::SameAddress => "seen from the same address",
    };
    link.kinds.iter().map(why).collect::<Vec<_>>().join(", ")
}

/// The lists of the aggregates with the key of their total, in the order they are shown.
pub(super) fn lists(aggregates: &Aggregates) -> [(&'static str, &'static str, &[Count]); 9] {
    [
        ("Event names", "event_names", &aggregates.event_names),
        ("Identities as logged", "users", &aggregates.users),
        ("Services", "services", &aggregates.services),
        ("Resources", "resources", &aggregates.resources),
        ("Source addresses", "source_ips", &aggregates.source_ips),
        ("User agents", "user_agents", &aggregates.user_agents),
        ("Errors", "errors", &aggregates.errors),
        ("Regions", "regions", &aggregates.regions),
        ("Accounts", "accounts", &aggregates.accounts),
    ]
}

/// The command that prints all events of a finding, from its case. `None` where a query could not be pasted safely.
pub(super) fn query_command(finding: &Finding, case: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let dir = match case {
        "" => "CASE".to_owned(),
        plain_dir if plain_dir.chars().all(plain) => plain_dir.to_owned(),
        other => format!("'{}'", other.replace('\'', r"'\''")),
    };
    Some(format!("trailinsight query --case {dir} \"{}\"", finding.query()?))
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
            labels: references
                .iter()
                .filter(|(fact, _)| fact.starts_with(['E', 'F', 'P']))
                .map(|(fact, id)| (id.as_str(), fact.as_str()))
                .collect(),
            cited: sections
                .flat_map(|section| &section.sentences)
                .flat_map(|sentence| sentence.cites.iter().map(String::as_str))
                .collect(),
        }
    }

    /// The fact id the prose uses for a finding, event or principal. A step of the timeline, too, refers to an event, but
    /// is not it.
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

/// What can be said of a control's activity.
pub(super) fn state(state: ControlState) -> &'static str {
    match state {
        ControlState::Seen => "seen",
        ControlState::NotSeen => "not seen",
        ControlState::NotAssessable => "cannot be told",
    }
}

/// What became of the watch that a control asks for.
pub(super) fn watch(of: &Watch) -> String {
    let (did, what) = match of.act {
        WatchAct::FilterMade => ("made", "metric filter"),
        WatchAct::FilterDeleted => ("deleted", "metric filter"),
        WatchAct::AlarmMade => ("made", "alarm"),
        WatchAct::AlarmDeleted => ("deleted", "alarm"),
        WatchAct::AlarmMuted => ("switched off", "alarm"),
        WatchAct::AlarmUnmuted => ("switched on", "alarm"),
    };
    format!(
        "{} {did} the {what} {} at {}, which counts {} of {} kinds of calls (event {}).",
        of.principal,
        of.name,
        clock(of.time),
        of.counts,
        of.of,
        of.event_id
    )
}

/// What was kept out of the findings, how much of it, and why.
pub(super) fn suppression(of: &Suppression) -> String {
    let named = [("rule", &of.rule), ("principal", &of.principal), ("resource", &of.resource)];
    let named = named.into_iter().filter_map(|(what, pattern)| {
        let pattern = pattern.as_ref()?;
        Some(format!("{what} {pattern}"))
    });
    let named: Vec<String> = named.collect();
    let until = of.until.map(|until| format!(" until {}", clock(until))).unwrap_or_default();
    let events = counted(of.events, "event");
    format!("{events} of {}{until}: {}", named.join(", "), of.reason)
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
