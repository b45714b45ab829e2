//! Findings, the principals behind them and the episodes they form.

use super::event::words;
use super::{ActorKind, Evidence, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

words! {
    /// Sigma's levels, in rising order.
    Severity {
        Informational = "informational",
        Low = "low",
        Medium = "medium",
        High = "high",
        Critical = "critical",
    }
}

impl Severity {
    #[must_use]
    pub fn one_lower(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::Informational => Self::Informational,
        }
    }
}

words! {
    FindingKind { Rule = "rule", Anomaly = "anomaly", Sequence = "sequence" }
}

words! {
    /// ATT&CK tactics in the order an intrusion tends to take them.
    Stage {
        InitialAccess = "initial-access",
        Execution = "execution",
        Discovery = "discovery",
        CredentialAccess = "credential-access",
        PrivilegeEscalation = "privilege-escalation",
        Persistence = "persistence",
        DefenseEvasion = "defense-evasion",
        LateralMovement = "lateral-movement",
        Collection = "collection",
        Exfiltration = "exfiltration",
        Impact = "impact",
    }
}

/// One rule or heuristic, one principal, one account, one stretch of time: many hits, one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable: the same case and rules give the same id.
    pub id: String,
    /// 1-based rank in the report; the digest calls it `F<number>`.
    pub number: u32,
    /// Rule id or heuristic name.
    pub rule: String,
    pub title: String,
    pub kind: FindingKind,
    pub severity: Severity,
    pub principal: String,
    pub account: String,
    /// The region, or `several` where the hits span more than one.
    pub region: String,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
    pub outcome: Outcome,
    /// ATT&CK technique ids, as in `T1098.001`.
    pub attack: Vec<String>,
    /// CIS AWS Foundations controls, as in `4.5`.
    pub cis: Vec<String>,
    pub stages: Vec<Stage>,
    /// One sentence of what was seen, with numbers.
    pub summary: String,
    pub remediation: String,
    /// Distinct things acted on, most frequent first, at most ten.
    pub targets: Vec<String>,
    /// Distinct source addresses, at most ten.
    pub source_ips: Vec<String>,
    /// Who wrote the rule, when it is not ours.
    pub author: Option<String>,
    /// First, last and a few between, in order of time.
    pub evidence: Vec<Evidence>,
    pub evidence_total: u64,
}

/// Why a principal ranks where it does: one line of the sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contributor {
    pub what: String,
    pub points: f64,
    /// Event ids.
    pub evidence: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    pub id: String,
    pub kind: ActorKind,
    /// 0 to 100.
    pub risk: f64,
    pub rank: u32,
    pub events: u64,
    pub denied: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    pub source_ips: Vec<String>,
    pub user_agents: Vec<String>,
    pub regions: Vec<String>,
    pub contributors: Vec<Contributor>,
}

/// A run of findings of one principal without a long pause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    pub id: String,
    pub principal: String,
    pub stages: Vec<Stage>,
    /// Finding ids in order of their first event.
    pub findings: Vec<String>,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Stands for a service, call, account or region when there is more than one.
pub const SEVERAL: &str = "several";

/// One meaningful step: repeats of the same call with the same outcome are one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineRow {
    pub first: Timestamp,
    pub last: Timestamp,
    pub principal: String,
    pub service: String,
    pub event_name: String,
    pub target: Option<String>,
    pub outcome: Outcome,
    pub source_ip: String,
    pub region: String,
    pub account: String,
    pub count: u64,
    pub severity: Severity,
    /// Finding ids this step belongs to.
    pub findings: Vec<String>,
    /// Event ids: first, last and a few between.
    pub evidence: Vec<String>,
}
