//! What a report says of a rule, whatever kind it is.

use super::attack;
use super::row::behind;
use crate::model::{FindingKind, Severity, Stage};
use rsigma_parser::CorrelationType::{Temporal, TemporalOrdered};
use rsigma_parser::{CorrelationRule, Level, SigmaRule};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name our own rules sign with; other authors are named in every output.
const OURS: &str = "trailinsight";
/// What to do where a rule does not say.
const REMEDY: &str =
    "Check with the owner of the principal whether this was meant; if not, revoke its credentials.";

#[derive(Debug, Clone)]
pub struct Meta {
    /// The rule's `name`, else its id, else its title.
    pub name: String,
    pub id: Option<String>,
    pub title: String,
    pub description: String,
    pub severity: Severity,
    pub kind: FindingKind,
    pub attack: Vec<String>,
    pub cis: Vec<String>,
    pub stages: Vec<Stage>,
    pub remediation: String,
    pub false_positives: Vec<String>,
    pub references: Vec<String>,
    /// Dotted field that names what was acted on.
    pub target: Option<String>,
    /// Whether it finds calls that did not succeed: then they are no mere attempt at what it finds.
    pub is_about_failure: bool,
    /// Whether each thing acted on is a finding of its own.
    pub per_resource: bool,
    /// `None`: ours.
    pub author: Option<String>,
    pub license: Option<String>,
    /// Services it is about, where it names them, as in `iam`.
    pub services: Vec<String>,
    /// Events that must fire, and that must not: `{fires: [...], spares: [...]}`.
    pub tests: Value,
    /// The document it was read from.
    pub text: Arc<str>,
}

impl Meta {
    /// Columns on demand that its findings need, besides ids of events.
    pub(super) fn needs(&self) -> BTreeSet<&'static str> {
        let targets = self.target.iter().flat_map(|path| behind(path));
        targets.chain(["request_parameters"]).collect()
    }

    /// How it decides: the parts of its document that say so.
    #[must_use]
    pub fn logic(&self) -> String {
        let mut shown = false;
        let lines = self.text.lines().filter(|line| {
            if !line.starts_with([' ', '-', '#']) && !line.trim().is_empty() {
                let key = line.split(':').next().unwrap_or_default();
                shown = ["detection", "correlation", "new_terms"].contains(&key);
            }
            shown && !line.trim().is_empty()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// What kinds of rules have in common, as their documents say it.
pub(super) struct Head<'d> {
    pub(super) title: &'d str,
    pub(super) name: Option<&'d str>,
    pub(super) id: Option<&'d str>,
    pub(super) description: Option<&'d str>,
    pub(super) level: Option<Level>,
    pub(super) kind: FindingKind,
    pub(super) tags: &'d [String],
    pub(super) false_positives: &'d [String],
    pub(super) references: &'d [String],
    pub(super) author: Option<&'d str>,
    pub(super) license: Option<&'d str>,
    /// The mapping `trailinsight:` of a document.
    pub(super) own: Value,
}

impl<'d> From<&'d SigmaRule> for Head<'d> {
    fn from(rule: &'d SigmaRule) -> Self {
        Self {
            title: &rule.title,
            name: rule.name.as_deref(),
            id: rule.id.as_deref(),
            description: rule.description.as_deref(),
            level: rule.level,
            kind: FindingKind::Rule,
            tags: &rule.tags,
            false_positives: &rule.falsepositives,
            references: &rule.references,
            author: rule.author.as_deref(),
            license: rule.license.as_deref(),
            own: custom(&rule.custom_attributes, "trailinsight"),
        }
    }
}

impl<'d> From<&'d CorrelationRule> for Head<'d> {
    fn from(rule: &'d CorrelationRule) -> Self {
        let is_sequence = matches!(rule.correlation_type, Temporal | TemporalOrdered);
        Self {
            title: &rule.title,
            name: rule.name.as_deref(),
            id: rule.id.as_deref(),
            description: rule.description.as_deref(),
            level: rule.level,
            kind: if is_sequence { FindingKind::Sequence } else { FindingKind::Rule },
            tags: &rule.tags,
            false_positives: &rule.falsepositives,
            references: &rule.references,
            author: rule.author.as_deref(),
            license: rule.license.as_deref(),
            own: custom(&rule.custom_attributes, "trailinsight"),
        }
    }
}

/// A key of a rule that Sigma does not know.
pub(super) fn custom<V: serde::Serialize>(
    keys: &std::collections::HashMap<String, V>,
    key: &str,
) -> Value {
    keys.get(key).and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
}

impl From<Head<'_>> for Meta {
    fn from(head: Head<'_>) -> Self {
        let text = |key: &str| head.own.get(key).and_then(Value::as_str).map(str::to_owned);
        let cis = head.own.get("cis").and_then(Value::as_array).cloned().unwrap_or_default();
        let (mut attack, mut stages) = (BTreeSet::new(), BTreeSet::new());
        for tag in head.tags.iter().filter_map(|tag| tag.strip_prefix("attack.")) {
            let word = tag.replace('_', "-");
            match attack::stage(&word) {
                Some(stage) => _ = stages.insert(stage),
                None if is_technique(tag) => _ = attack.insert(tag.to_uppercase()),
                None => {}
            }
        }
        attack::add_aliases(&mut attack);
        Self {
            name: head.name.or(head.id).unwrap_or(head.title).to_owned(),
            id: head.id.map(str::to_owned),
            title: head.title.to_owned(),
            description: head.description.unwrap_or_default().to_owned(),
            severity: severity(head.level),
            kind: head.kind,
            attack: attack.into_iter().collect(),
            cis: cis.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            stages: stages.into_iter().collect(),
            remediation: text("remediation").unwrap_or_else(|| REMEDY.to_owned()),
            false_positives: head.false_positives.to_vec(),
            references: head.references.to_vec(),
            target: text("target"),
            is_about_failure: head.own.get("attempts").and_then(Value::as_bool) == Some(true),
            per_resource: text("per").as_deref() == Some("resource"),
            author: head.author.filter(|author| *author != OURS).map(str::to_owned),
            license: head.license.map(str::to_owned),
            services: Vec::new(),
            tests: head.own.get("tests").cloned().unwrap_or_default(),
            text: "".into(),
        }
    }
}

fn is_technique(tag: &str) -> bool {
    let digits = tag.strip_prefix(['t', 'T']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Critical) => Severity::Critical,
        Some(Level::High) => Severity::High,
        Some(Level::Medium) => Severity::Medium,
        Some(Level::Low) => Severity::Low,
        Some(Level::Informational) | None => Severity::Informational,
    }
}
