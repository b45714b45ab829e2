//! The verdict of a case, by rule. A model may argue with it but never sets it, and an attacker who can write into
//! a log cannot talk it down.

use super::Input;
use super::facts::{Confidence, Verdict};
use crate::model::{Finding, FindingKind, Outcome, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// A sequence over this many ATT&CK stages is a known intrusion path rather than a coincidence.
const STAGES_OF_AN_INTRUSION: usize = 3;
const HIGHS_OF_ONE_PRINCIPAL: usize = 2;
const SUSPICIOUS_RISK: f64 = 60.0;
const MICROS_PER_HOUR: i64 = 3_600_000_000;
/// Findings named as the reason of a verdict.
const REASONS_MAX: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub confidence: Confidence,
    /// Numbers of the findings the verdict rests on.
    pub because: Vec<u32>,
}

/// Confirmed: a critical finding that succeeded, with a second kind of sign of the same principal beside it, or a
/// sequence over three stages that did not fail. Likely: a critical finding, or two high ones of one principal, of
/// which something succeeded: refusals prove a try, not a compromise. Suspicious: any high finding, or a risk of 60. A log with large holes can prove a compromise but cannot rule
/// one out, so holes turn only "no evidence" into "not assessable".
#[must_use]
pub fn judge(input: &Input) -> Judgement {
    let confidence = confidence(input);
    let (verdict, mut because) = by_findings(input);
    let verdict = match verdict {
        Verdict::NoEvidence if confidence == Confidence::Low => Verdict::NotAssessable,
        other => other,
    };
    because.truncate(REASONS_MAX);
    Judgement { verdict, confidence, because }
}

fn by_findings(input: &Input) -> (Verdict, Vec<u32>) {
    let numbers = |chosen: Vec<&Finding>| chosen.iter().map(|f| f.number).collect();
    let confirming: Vec<&Finding> =
        input.findings.iter().filter(|f| confirms(f, input.findings)).collect();
    if !confirming.is_empty() {
        return (Verdict::Confirmed, numbers(confirming));
    }
    let mut high_by_principal: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in input.findings.iter().filter(|f| f.severity >= Severity::High) {
        *high_by_principal.entry(&finding.principal).or_default() += 1;
    }
    let is_serious = |f: &&Finding| f.severity >= Severity::High;
    let has_done_harm = |principal: &str| {
        input.findings.iter().any(|f| f.principal == principal && is_serious(&f) && succeeded(f))
    };
    let makes_likely = |f: &&Finding| {
        let several = || high_by_principal[f.principal.as_str()] >= HIGHS_OF_ONE_PRINCIPAL;
        (f.severity == Severity::Critical && succeeded(f))
            || (is_serious(f) && several() && has_done_harm(&f.principal))
    };
    let likely: Vec<&Finding> = input.findings.iter().filter(makes_likely).collect();
    if !likely.is_empty() {
        return (Verdict::Likely, numbers(likely));
    }
    let high: Vec<&Finding> = input.findings.iter().filter(is_serious).collect();
    if !high.is_empty() || input.principals.iter().any(|p| p.risk >= SUSPICIOUS_RISK) {
        return (Verdict::Suspicious, numbers(high));
    }
    (Verdict::NoEvidence, Vec::new())
}

fn succeeded(finding: &Finding) -> bool {
    matches!(finding.outcome, Outcome::Succeeded | Outcome::Mixed)
}

fn confirms(finding: &Finding, all: &[Finding]) -> bool {
    if !succeeded(finding) {
        return false;
    }
    let is_path = finding.kind == FindingKind::Sequence
        && finding.severity >= Severity::High
        && finding.stages.len() >= STAGES_OF_AN_INTRUSION;
    let corroborated = || {
        let kinds: BTreeSet<&str> = all
            .iter()
            .filter(|f| f.principal == finding.principal && f.severity >= Severity::Medium)
            .map(|f| f.kind.as_str())
            .collect();
        kinds.len() >= 2
    };
    is_path || (finding.severity == Severity::Critical && corroborated())
}

fn confidence(input: &Input) -> Confidence {
    let (files, records) = (&input.ledger.files, &input.ledger.records);
    let nothing = records.events() == 0;
    let mostly_lost = files.failed * 2 > files.seen || records.rejected * 2 > records.seen;
    if nothing || mostly_lost || is_mostly_gaps(input) {
        Confidence::Low
    } else if !input.ledger.is_whole() || !input.coverage.gaps.is_empty() || is_unjudged(input) {
        Confidence::Moderate
    } else {
        Confidence::High
    }
}

/// Whether most events lie where a gap could not be told from a quiet time.
fn is_unjudged(input: &Input) -> bool {
    input.coverage.unjudged.saturating_mul(2) > input.ledger.records.events()
}

/// Whether gaps make up half of the hours of every account in every region: an upper bound of what could be
/// covered, so that a region in which little happens does not spoil the case.
fn is_mostly_gaps(input: &Input) -> bool {
    let (Some(first), Some(last)) = (input.coverage.first, input.coverage.last) else {
        return true;
    };
    let cells = input.coverage.accounts.len().max(1) * input.coverage.regions.len().max(1);
    let cells = i64::try_from(cells).unwrap_or(i64::MAX);
    let span = ((last.0 - first.0) / MICROS_PER_HOUR).saturating_mul(cells);
    let gaps: i64 = input.coverage.gaps.iter().map(|g| (g.to.0 - g.from.0) / MICROS_PER_HOUR).sum();
    gaps > 0 && gaps.saturating_mul(2) > span
}
