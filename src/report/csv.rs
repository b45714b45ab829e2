//! `timeline.csv`: the steps in order of time, for spreadsheets and timeline tools.

use super::escape::csv_cell;
use crate::model::{Report, TimelineRow};

const COLUMNS: [&str; 14] = [
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
];

#[must_use]
pub(super) fn render(report: &Report) -> String {
    const MEMORY: &str = "a Vec takes any row of this width";
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).expect(MEMORY);
    for row in &report.timeline {
        writer.write_record(cells(row)).expect(MEMORY);
    }
    let bytes = writer.into_inner().expect(MEMORY);
    String::from_utf8(bytes).expect("cells are text")
}

/// Lists are parted by blanks: a comma or semicolon would be a new column to some spreadsheets.
fn cells(row: &TimelineRow) -> [String; COLUMNS.len()] {
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
    ]
}
