//! `report.json`: the model, printed. Its field names are the contract that others read, so nothing is renamed here.

use super::escape;
use crate::model::Report;

#[must_use]
pub(super) fn render(report: &Report) -> String {
    let mut out = serde_json::to_string_pretty(report).expect("a report is maps, lists and text");
    out.push('\n');
    escape::json(&out).into_owned()
}
