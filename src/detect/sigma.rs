//! Sigma detections: compiled and evaluated by rsigma, with the filters that users put before them.

use super::narrow::Narrow;
use super::row::SigmaEvent;
use super::rules::Test;
use rsigma_eval::compiler::eval_condition;
use rsigma_eval::matcher::ExpandPart;
use rsigma_eval::{CompiledDetection, CompiledMatcher, compile_rule};
use rsigma_parser::{
    ConditionExpr, FilterRule, FilterRuleTarget, LogSource, Quantifier, SelectorPattern, SigmaRule,
    detection_name_matches,
};
use std::collections::{BTreeSet, HashMap};

/// What a rule asks of one event.
pub(super) struct Detection {
    conditions: Vec<ConditionExpr>,
    parts: HashMap<String, CompiledDetection>,
}

impl Detection {
    /// # Errors
    /// Says why the rule cannot be evaluated.
    pub(super) fn compile(rule: &SigmaRule) -> Result<Self, String> {
        let rule = compile_rule(rule).map_err(|e| e.to_string())?;
        Ok(Self { conditions: rule.conditions, parts: rule.detections })
    }
}

impl Test for Detection {
    fn hits(&self, event: &SigmaEvent<'_>) -> bool {
        self.conditions.iter().any(|c| eval_condition(c, &self.parts, event, &mut Vec::new()))
    }

    fn narrow(&self) -> Narrow {
        Narrow::of(&self.conditions, &self.parts)
    }

    fn fields(&self) -> Option<BTreeSet<String>> {
        let mut fields = BTreeSet::new();
        let mut parts = self.parts.values();
        parts.all(|part| named(part, &mut fields)).then_some(fields)
    }
}

/// Adds the fields a selection looks at; false when it may look at any.
fn named(part: &CompiledDetection, fields: &mut BTreeSet<String>) -> bool {
    match part {
        CompiledDetection::AllOf(items) => items.iter().all(|item| {
            let Some(field) = &item.field else { return false };
            fields.insert(field.clone());
            others(&item.matcher, fields);
            true
        }),
        CompiledDetection::AnyOf(parts) | CompiledDetection::And(parts) => {
            parts.iter().all(|part| named(part, fields))
        }
        // What is asked of elements may refer to any field of the event.
        CompiledDetection::ArrayMatch { .. }
        | CompiledDetection::Keywords(_)
        | CompiledDetection::Conditional { .. } => false,
    }
}

/// Adds the fields that a value is compared with.
fn others(matcher: &CompiledMatcher, fields: &mut BTreeSet<String>) {
    match matcher {
        CompiledMatcher::FieldRef { field, .. } => _ = fields.insert(field.clone()),
        CompiledMatcher::Expand { template, .. } => {
            fields.extend(template.iter().filter_map(|part| match part {
                ExpandPart::Placeholder(field) => Some(field.clone()),
                ExpandPart::Literal(_) => None,
            }));
        }
        CompiledMatcher::Not(of) | CompiledMatcher::TimestampPart { inner: of, .. } => {
            others(of, fields);
        }
        CompiledMatcher::AnyOf(of)
        | CompiledMatcher::AllOf(of)
        | CompiledMatcher::CaseInsensitiveGroup { children: of, .. } => {
            for of in of {
                others(of, fields);
            }
        }
        _ => {}
    }
}

/// What a rule is for, when that is not CloudTrail. A rule that does not say is taken.
pub(super) fn other_log(source: &LogSource) -> Option<String> {
    let is = |value: &Option<String>, ours: &str| {
        value.as_ref().is_none_or(|v| v.trim().eq_ignore_ascii_case(ours))
    };
    let fits = is(&source.product, "aws")
        && is(&source.service, "cloudtrail")
        && source.category.is_none();
    let words = [&source.product, &source.service, &source.category];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    (!fits).then(|| words.join(" "))
}

/// Whether a filter is meant for this rule: it names it (by id, name or title) or all, and its log is the rule's.
pub(super) fn is_for(filter: &FilterRule, rule: &SigmaRule) -> bool {
    let names = [rule.id.as_deref(), rule.name.as_deref(), Some(rule.title.as_str())];
    let named = match &filter.rules {
        FilterRuleTarget::Any => true,
        FilterRuleTarget::Specific(wanted) => {
            wanted.iter().any(|w| names.contains(&Some(w.as_str())))
        }
    };
    let holds = |of_filter: &Option<String>, of_rule: &Option<String>| {
        of_filter
            .as_ref()
            .is_none_or(|f| of_rule.as_ref().is_some_and(|r| f.eq_ignore_ascii_case(r)))
    };
    named
        && filter.logsource.as_ref().is_none_or(|source| {
            holds(&source.product, &rule.logsource.product)
                && holds(&source.service, &rule.logsource.service)
                && holds(&source.category, &rule.logsource.category)
        })
}

/// The rule holds where the filter's condition (most often `not selection`) does too. `number` keeps the names of
/// several filters apart.
pub(super) fn apply(filter: &FilterRule, rule: &mut SigmaRule, number: usize) {
    let own: Vec<String> = rule.detection.named.keys().cloned().collect();
    let theirs = filter.detection.conditions.iter().map(|c| renamed(c, number));
    let theirs = ConditionExpr::Or(theirs.collect());
    for condition in &mut rule.detection.conditions {
        *condition = ConditionExpr::And(vec![spelled_out(condition, &own), theirs.clone()]);
    }
    let named = filter.detection.named.iter();
    rule.detection.named.extend(named.map(|(name, d)| (new_name(name, number), d.clone())));
}

/// Names with a leading underscore stay out of `them`.
fn new_name(name: &str, number: usize) -> String {
    let kind = if name.starts_with('_') { "hidden" } else { "filter" };
    format!("__{kind}_{number}_{name}")
}

fn renamed(condition: &ConditionExpr, number: usize) -> ConditionExpr {
    let all = |children: &[ConditionExpr]| children.iter().map(|c| renamed(c, number)).collect();
    match condition {
        ConditionExpr::And(children) => ConditionExpr::And(all(children)),
        ConditionExpr::Or(children) => ConditionExpr::Or(all(children)),
        ConditionExpr::Not(child) => ConditionExpr::Not(Box::new(renamed(child, number))),
        ConditionExpr::Identifier(name) => ConditionExpr::Identifier(new_name(name, number)),
        ConditionExpr::Selector { quantifier, pattern } => {
            let pattern = match pattern {
                SelectorPattern::Them => format!("__filter_{number}_*"),
                SelectorPattern::Pattern(pattern) => new_name(pattern, number),
            };
            let pattern = SelectorPattern::Pattern(pattern);
            ConditionExpr::Selector { quantifier: quantifier.clone(), pattern }
        }
    }
}

/// A pattern that begins with a wildcard would take in what a filter adds: it means the rule's own selections.
fn spelled_out(condition: &ConditionExpr, own: &[String]) -> ConditionExpr {
    let all = |children: &[ConditionExpr]| children.iter().map(|c| spelled_out(c, own)).collect();
    match condition {
        ConditionExpr::And(children) => ConditionExpr::And(all(children)),
        ConditionExpr::Or(children) => ConditionExpr::Or(all(children)),
        ConditionExpr::Not(child) => ConditionExpr::Not(Box::new(spelled_out(child, own))),
        ConditionExpr::Selector { quantifier, pattern: SelectorPattern::Pattern(pattern) }
            if pattern.starts_with(['*', '_']) && !matches!(quantifier, Quantifier::Count(2..)) =>
        {
            let mut names: Vec<&String> =
                own.iter().filter(|name| detection_name_matches(pattern, name)).collect();
            names.sort();
            let names = names.into_iter().cloned().map(ConditionExpr::Identifier).collect();
            match quantifier {
                Quantifier::All => ConditionExpr::And(names),
                _ => ConditionExpr::Or(names),
            }
        }
        other => other.clone(),
    }
}
