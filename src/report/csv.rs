//! `timeline.csv`: the steps in order of time, for spreadsheets and timeline tools.

use super::escape::csv_cell;
use crate::model::{Finding, Report, TimelineRow};
use std::collections::BTreeMap;

const COLUMNS: [&str; 18] = [
    "first",
    "last",
    "principal",
    "account",
    "region",
    "service",
    "event_name",
    "target",
    "outcome",
    "source_ip",
    "count",
    "severity",
    "findings",
    "evidence",
    "rules",
    "rule_ids",
    "rule_authors",
    "rule_licences",
];

#[must_use]
pub(super) fn render(report: &Report) -> String {
    const MEMORY: &str = "a Vec takes any row of this width";
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).expect(MEMORY);
    let findings = report.findings.iter().map(|finding| (finding.id.as_str(), finding)).collect();
    for row in &report.timeline {
        writer.write_record(cells(row, &findings)).expect(MEMORY);
    }
    let bytes = writer.into_inner().expect(MEMORY);
    String::from_utf8(bytes).expect("cells are text")
}

/// Lists are parted by blanks: a comma or semicolon would be a new column to some spreadsheets.
fn cells(row: &TimelineRow, findings: &BTreeMap<&str, &Finding>) -> [String; COLUMNS.len()] {
    let found: Vec<&Finding> =
        row.findings.iter().filter_map(|id| findings.get(id.as_str()).copied()).collect();
    [
        row.first.to_string(),
        row.last.to_string(),
        csv_cell(&row.principal),
        csv_cell(&row.account),
        csv_cell(&row.region),
        csv_cell(&row.service),
        csv_cell(&if row.calls.is_empty() { row.event_name.clone() } else { row.calls.join(" ") }),
        csv_cell(row.target.as_deref().unwrap_or_default()),
        row.outcome.to_string(),
        csv_cell(&row.source_ip),
        row.count.to_string(),
        row.severity.to_string(),
        csv_cell(&row.findings.join(" ")),
        csv_cell(&row.evidence.join(" ")),
        of_rules(&found, |finding| Some(&finding.rule)),
        of_rules(&found, |finding| finding.rule_id.as_ref()),
        of_rules(&found, |finding| finding.author.as_ref()),
        of_rules(&found, |finding| finding.license.as_ref()),
    ]
}

/// Each once; names of rules and people hold blanks.
fn of_rules<'f>(
    findings: &[&'f Finding],
    what: impl Fn(&'f Finding) -> Option<&'f String>,
) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for text in findings.iter().filter_map(|finding| what(finding)) {
        if !texts.contains(&text.as_str()) {
            texts.push(text);
        }
    }
    csv_cell(&texts.join(" | "))
}
