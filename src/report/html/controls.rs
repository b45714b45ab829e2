//! The monitoring controls of CIS AWS Foundations, as the page and a page of their own show them.

use super::layout;
use super::view::{Link, Page, Proof};
use crate::model::{Control, Report};
use serde::Serialize;

/// Findings named of a control; `report.json` has all.
const FINDINGS: usize = 10;
/// Filters and alarms likewise.
const WATCHES: usize = 50;

#[derive(Serialize)]
pub(super) struct Line<'a> {
    control: &'a Control,
    state: &'static str,
    findings: Vec<Link<'a>>,
    more: usize,
    evidence: Vec<Proof<'a>>,
    watch: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct ControlsView<'a> {
    scope: String,
    losses: Option<String>,
    gaps: u64,
    controls: Vec<Line<'a>>,
    /// Not a part of the report.
    page: bool,
}

impl<'a> ControlsView<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Self {
            scope: layout::scope(report),
            losses: layout::losses(&report.ledger),
            gaps: report.coverage.gaps.len() as u64,
            controls: lines(report, &Page::of(report)),
            page: true,
        }
    }
}

pub(super) fn lines<'a>(report: &'a Report, page: &Page<'a>) -> Vec<Line<'a>> {
    let line = |control: &'a Control| {
        let findings = page.links(&control.findings[..control.findings.len().min(FINDINGS)]);
        Line {
            control,
            state: layout::state(control.state),
            more: control.findings.len() - findings.len(),
            findings,
            evidence: control.evidence.iter().map(|item| page.proof(item)).collect(),
            watch: control.watch.iter().take(WATCHES).map(layout::watch).collect(),
        }
    };
    report.controls.iter().map(line).collect()
}
