//! Findings, the principals behind them and the episodes they form.

use super::event::words;
use super::{ActorKind, Evidence, Gap, Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

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

words! {
    /// What an indicator names. Addresses are listed by themselves, as `source_ips`.
    IndicatorKind {
        /// An account outside the archive's own that was given something.
        Account = "account",
        /// A key the calls were made with.
        AccessKey = "access_key",
        /// A key the calls made.
        CreatedKey = "created_key",
        Instance = "instance",
        /// `bucket/key`
        Object = "object",
    }
}

/// Something of a finding to search for elsewhere, or to take away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Indicator {
    pub kind: IndicatorKind,
    pub value: String,
}

/// A kind of call of a finding, and how many of its events are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub service: String,
    pub name: String,
    pub count: u64,
}

/// Kinds of calls kept of a finding; a list of this length may not be all.
pub const CALLS: usize = 50;

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
    /// The most frequent first, at most [`CALLS`].
    pub calls: Vec<Call>,
    /// Distinct things acted on, in order of first appearance, at most ten.
    pub targets: Vec<String>,
    /// How many there are; not counted beyond 10,000.
    pub targets_total: u64,
    /// Distinct source addresses, at most ten.
    pub source_ips: Vec<String>,
    /// By kind, at most ten of each.
    pub indicators: Vec<Indicator>,
    pub indicators_total: u64,
    /// Silences of the account after its logging was stopped.
    pub gaps: Vec<Gap>,
    /// Who wrote the rule, when it is not ours.
    pub author: Option<String>,
    /// The id its author gave the rule, ...
    #[serde(default)]
    pub rule_id: Option<String>,
    /// ... and the licence.
    #[serde(default)]
    pub license: Option<String>,
    /// First, last and a few between, in order of time.
    pub evidence: Vec<Evidence>,
    pub evidence_total: u64,
}

impl Finding {
    /// The order of a report: most severe first, success before failure, then by time.
    #[must_use]
    pub fn rank(&self) -> impl Ord {
        (Reverse(self.severity), self.outcome != Outcome::Succeeded, self.first, &self.id)
    }

    /// SQL that gives every event of the finding: what it was found by, in the words of the table. It is made to be
    /// pasted, so there is none when the log put anything into its terms that could act in a shell or in SQL.
    #[must_use]
    pub fn query(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=, ".contains(c);
        let quoted = |text: &str| text.chars().all(plain).then(|| format!("'{text}'"));
        let moment = |at: Timestamp| format!("'{}'", at.to_string().trim_end_matches('Z'));
        let mut terms = vec![match self.principal.as_str() {
            "unknown" => "actor IS NULL".to_owned(),
            actor => format!("actor = {}", quoted(actor)?),
        }];
        if self.account != SEVERAL && !self.account.is_empty() {
            terms.push(format!("recipient_account_id = {}", quoted(&self.account)?));
        }
        terms.push(format!("event_time BETWEEN {} AND {}", moment(self.first), moment(self.last)));
        if (1..CALLS).contains(&self.calls.len()) {
            let names: Option<Vec<String>> = self.calls.iter().map(|c| quoted(&c.name)).collect();
            terms.push(format!("event_name IN ({})", names?.join(", ")));
        }
        if matches!(self.outcome, Outcome::Succeeded | Outcome::Denied) {
            terms.push(format!("outcome = '{}'", self.outcome));
        }
        Some(format!(
            "SELECT event_time, event_name, outcome, source_ip_address, aws_region, request_parameters, event_id \
             FROM events WHERE {} ORDER BY event_time",
            terms.join(" AND ")
        ))
    }
}

/// Why a principal ranks where it does: one line of the sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contributor {
    pub what: String,
    pub points: f64,
    /// Event ids.
    pub evidence: Vec<String>,
}

words! {
    /// Why a principal belongs to another.
    LinkKind {
        Created = "created",
        KeyMade = "key_made",
        PasswordMade = "password_made",
        SameAddress = "same_address",
    }
}

/// A principal that belongs to an intruder: it was made or armed by it, or came from its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub principal: String,
    pub kinds: Vec<LinkKind>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    pub id: String,
    pub kind: ActorKind,
    /// 0 to 100: 100 · (1 − e^(−points / 20)).
    pub risk: f64,
    /// The sum of all contributors.
    pub points: f64,
    pub rank: u32,
    pub events: u64,
    pub denied: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    pub source_ips: Vec<String>,
    pub user_agents: Vec<String>,
    pub regions: Vec<String>,
    /// All of the sum; what many small ones add is one line.
    pub contributors: Vec<Contributor>,
    /// Of a principal with a serious finding that succeeded: who belongs to it, ...
    pub linked: Vec<Link>,
    /// ... the lasting access keys it used or made, ...
    pub access_keys: Vec<String>,
    /// ... the addresses it brought along, ...
    pub foreign_ips: Vec<String>,
    /// ... and the objects (`bucket/key`) read from there, by name; all of them are counted.
    pub objects_read: Vec<String>,
    pub objects_total: u64,
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
    /// Which calls a row of several is about, most frequent first; empty in a row of one call.
    pub calls: Vec<String>,
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
