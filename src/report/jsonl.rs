//! `findings.jsonl`: one finding a line, for pipes and for tools that load line by line.

use super::escape;
use crate::model::Report;

#[must_use]
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let line = serde_json::to_string(finding).expect("a finding is maps, lists and text");
        out.push_str(&escape::json(&line));
        out.push('\n');
    }
    out
}
