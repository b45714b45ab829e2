//! The facts of a digest as typed values. Every fact has an id that a sentence can cite; field names are short but
//! are words, since a model reads them. Empty fields are left out.

use crate::model::{ActorKind, FindingKind, IndicatorKind, LinkKind, Outcome, Severity, Stage};
use serde::Serialize;
use std::collections::BTreeMap;

pub const FORMAT: &str = "trailinsight-digest/1";

#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    pub format: &'static str,
    pub verdict: VerdictFact,
    pub coverage: Vec<CoverageFact>,
    pub unknowns: Vec<UnknownFact>,
    pub findings: Vec<FindingFact>,
    pub episodes: Vec<EpisodeFact>,
    pub timeline: Vec<StepFact>,
    pub actors: Vec<ActorFact>,
    pub evidence: Vec<EvidenceFact>,
    pub stats: Vec<StatFact>,
    /// Token to the kind of thing it stands for.
    pub legend: BTreeMap<String, String>,
    /// Token to the cleaned log text behind it; only when strings were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub strings: BTreeMap<String, String>,
    /// What is known but not listed here, and how many of it.
    pub omitted: Vec<OmittedFact>,
}

/// The five steps a report may end on. Code decides; a model may only argue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    #[serde(rename = "not assessable")]
    NotAssessable,
    #[serde(rename = "no evidence of compromise")]
    NoEvidence,
    #[serde(rename = "suspicious activity")]
    Suspicious,
    #[serde(rename = "likely compromise")]
    Likely,
    #[serde(rename = "confirmed compromise")]
    Confirmed,
}

impl Verdict {
    pub const ALL: [Self; 5] =
        [Self::NotAssessable, Self::NoEvidence, Self::Suspicious, Self::Likely, Self::Confirmed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAssessable => "not assessable",
            Self::NoEvidence => "no evidence of compromise",
            Self::Suspicious => "suspicious activity",
            Self::Likely => "likely compromise",
            Self::Confirmed => "confirmed compromise",
        }
    }
}

/// How good the evidence base is, apart from what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    High,
    Moderate,
    Low,
}

impl Confidence {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Moderate => "moderate",
            Self::Low => "low",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct VerdictFact {
    pub id: String,
    pub verdict: Verdict,
    pub confidence: Confidence,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CoverageFact {
    pub id: String,
    #[serde(flatten)]
    pub what: Covered,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Covered {
    Range {
        first: String,
        last: String,
    },
    Records {
        seen: u64,
        kept: u64,
        duplicate: u64,
        filtered: u64,
        rejected: u64,
    },
    Files {
        seen: u64,
        ingested: u64,
        skipped: u64,
        failed: u64,
    },
    Scope {
        accounts: usize,
        regions: usize,
        principals: u64,
    },
    /// Events by `eventCategory`.
    Categories {
        events: BTreeMap<&'static str, u64>,
    },
    Findings {
        total: u64,
        by_severity: BTreeMap<&'static str, u64>,
    },
    Rejects {
        reason: &'static str,
        files: u64,
        records: u64,
    },
    Gaps {
        total: usize,
    },
    Gap {
        account: String,
        region: String,
        from: String,
        to: String,
    },
}

#[derive(Debug, Clone, Serialize)]
pub struct UnknownFact {
    pub id: String,
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct OmittedFact {
    pub id: String,
    pub what: String,
    pub n: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct FindingFact {
    pub id: String,
    pub rule: String,
    pub title: String,
    pub kind: FindingKind,
    pub severity: Severity,
    pub actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    pub first: String,
    pub last: String,
    pub n: u64,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    /// Calls that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls_more: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Targets that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub targets_more: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indicators: Vec<IndicatorFact>,
    /// Silences after the logging was stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attack: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cis: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    pub ev: Vec<String>,
    pub ev_total: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Debug, Clone, Serialize)]
pub struct IndicatorFact {
    pub kind: IndicatorKind,
    pub value: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct EpisodeFact {
    pub id: String,
    pub actor: String,
    pub stages: Vec<Stage>,
    pub first: String,
    pub last: String,
    pub findings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// One row of the timeline: repeats of the same call with the same outcome.
#[derive(Debug, Clone, Serialize)]
pub struct StepFact {
    pub id: String,
    pub first: String,
    pub last: String,
    pub actor: String,
    pub service: String,
    pub call: String,
    /// Which calls, where they are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    pub outcome: Outcome,
    pub n: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ActorFact {
    pub id: String,
    pub kind: ActorKind,
    /// 0 to 100.
    pub risk: u64,
    pub rank: u32,
    pub events: u64,
    pub denied: u64,
    pub first: String,
    pub last: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    pub ips_total: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risk_from: Vec<RiskPart>,
    /// Who belongs to it and why, which keys it used or made, which addresses it brought: what to contain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<LinkFact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign_ips: Vec<String>,
    /// Objects read from these addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects_read: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub objects_more: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LinkFact {
    pub actor: String,
    pub how: Vec<LinkKind>,
}

/// A line of the risk sum: the finding it comes from, or the name of the signal.
#[derive(Debug, Clone, Serialize)]
pub struct RiskPart {
    pub what: String,
    pub points: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct EvidenceFact {
    pub id: String,
    pub time: String,
    pub actor: String,
    pub service: String,
    pub call: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    pub agent: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct StatFact {
    pub id: String,
    #[serde(flatten)]
    pub what: Stat,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Stat {
    /// Events per equal stretch of time from the first hour to the last.
    Activity {
        from: String,
        hours_each: u64,
        events: Vec<u64>,
    },
    Top {
        list: &'static str,
        name: String,
        n: u64,
        denied: u64,
    },
}
