//! Filter patterns of CloudWatch Logs over the JSON of a record: `{ ($.eventName = X) && ... }`, and
//! terms that the text of a record has to hold.
//!
//! A comparison is of a value: where a record has none at that place, or an object or list, it is
//! false, `!=` too. Numbers compare with numbers; `=` and `!=` also with how a value is spelled.

use super::event::{Record, Scalar};
use super::glob::Glob;
use super::value::Order;
use regex::Regex;
use serde_json::Value;

/// What a metric filter matches.
#[derive(Debug, Clone)]
pub struct Filter(pub(super) Rule);

#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// An empty pattern: everything.
    All,
    Json(Condition),
    Terms(Terms),
}

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Is(Selector, Question),
}

/// What is asked of the values at a place.
#[derive(Debug, Clone)]
pub(super) enum Question {
    Equals(Operand),
    Differs(Operand),
    Orders(Order, f64),
    Flag(bool),
    Null,
    Missing,
}

#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// Spelled like this, with `*` for anything; a number also equals it by value.
    Text(Glob, Option<f64>),
    Regex(Regex),
}

/// `$.a.b[0].c`: where in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(pub(super) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    /// `[*]`: any element.
    Every,
}

/// Words that the text of a record must, may or must not hold; case counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) all: Vec<Term>,
    /// One of them, where there is nothing but such.
    pub(super) any: Vec<Term>,
    pub(super) none: Vec<Term>,
}

#[derive(Debug, Clone)]
pub(super) enum Term {
    Text(String),
    Regex(Regex),
}

impl Filter {
    #[must_use]
    pub fn matches(&self, record: &impl Record) -> bool {
        match &self.0 {
            Rule::All => true,
            Rule::Json(condition) => condition.holds(record),
            Rule::Terms(terms) => terms.hold(&record.json()),
        }
    }
}

impl Condition {
    fn holds(&self, record: &impl Record) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(record)),
            Self::All(parts) => parts.iter().all(|part| part.holds(record)),
            Self::Is(selector, question) => {
                let mut there = false;
                let mut yes = false;
                selector.visit(record, &mut |value| {
                    there = true;
                    yes = yes || value.is_some_and(|value| question.is_answered_by(&value));
                });
                if matches!(question, Question::Missing) { !there } else { yes }
            }
        }
    }
}

impl Question {
    /// What is missing is no value, and is seen by whoever looked for one.
    pub(super) fn is_answered_by(&self, value: &Scalar<'_>) -> bool {
        match self {
            Self::Equals(operand) => operand.equals(value) == Some(true),
            Self::Differs(operand) => operand.equals(value) == Some(false),
            Self::Orders(order, bound) => value.number().is_some_and(|n| order.holds(n, *bound)),
            Self::Flag(flag) => *value == Scalar::Flag(*flag),
            Self::Null => *value == Scalar::Null,
            Self::Missing => false,
        }
    }
}

impl Operand {
    /// `None`: there is nothing to compare with.
    fn equals(&self, value: &Scalar<'_>) -> Option<bool> {
        let spelled = match value {
            Scalar::Text(text) => std::borrow::Cow::Borrowed(&**text),
            Scalar::Number(number) => number.to_string().into(),
            Scalar::Flag(flag) => flag.to_string().into(),
            Scalar::Null => return None,
        };
        Some(match self {
            Self::Text(glob, number) => {
                glob.matches(&spelled) || (number.is_some() && value.number() == *number)
            }
            Self::Regex(regex) => regex.is_match(&spelled),
        })
    }
}

impl Selector {
    /// Every value at the place; `None` for one that holds others.
    pub(super) fn visit(&self, record: &impl Record, visit: &mut dyn FnMut(Option<Scalar<'_>>)) {
        use super::event::Field;
        let [Step::Key(name), rest @ ..] = self.0.as_slice() else { return };
        if let Some(text) = self.path().and_then(|path| record.known(&path)) {
            return visit(Some(Scalar::Text(text.into())));
        }
        match record.field(name) {
            Some(Field::Json(value)) => follow(value, rest, visit),
            Some(Field::Text(text)) if rest.is_empty() => visit(Some(Scalar::Text(text))),
            Some(Field::Flag(flag)) if rest.is_empty() => visit(Some(Scalar::Flag(flag))),
            _ => {}
        }
    }

    /// As a dotted path, if it goes through no list.
    pub(super) fn path(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self.0.as_slice() {
            [Step::Key(only)] if !only.contains('.') => Some(only.into()),
            steps => {
                let key = |step: &Step| match step {
                    Step::Key(key) if !key.contains('.') => Some(key.clone()),
                    _ => None,
                };
                Some(steps.iter().map(key).collect::<Option<Vec<_>>>()?.join(".").into())
            }
        }
    }

    /// The one number there, for metrics that take their value from the record.
    #[must_use]
    pub fn number(&self, record: &impl Record) -> Option<f64> {
        let mut number = None;
        self.visit(record, &mut |value| {
            number = number.or_else(|| match value? {
                Scalar::Text(text) => text.trim().parse().ok(),
                value => value.number(),
            });
        });
        number.filter(|n: &f64| n.is_finite())
    }

    /// The one text there, for dimensions.
    #[must_use]
    pub fn text(&self, record: &impl Record) -> Option<String> {
        let mut text = None;
        self.visit(record, &mut |value| {
            text = text.take().or_else(|| match value? {
                Scalar::Text(text) => Some(text.into_owned()),
                Scalar::Number(number) => Some(number.to_string()),
                Scalar::Flag(flag) => Some(flag.to_string()),
                Scalar::Null => None,
            });
        });
        text
    }
}

fn follow(value: &Value, steps: &[Step], visit: &mut dyn FnMut(Option<Scalar<'_>>)) {
    match (steps.split_first(), value) {
        (None, Value::String(text)) => visit(Some(Scalar::Text(text.as_str().into()))),
        (None, Value::Number(number)) => visit(Some(Scalar::Number(number))),
        (None, Value::Bool(flag)) => visit(Some(Scalar::Flag(*flag))),
        (None, Value::Null) => visit(Some(Scalar::Null)),
        (None, Value::Array(_) | Value::Object(_)) => visit(None),
        (Some((Step::Key(key), rest)), Value::Object(fields)) => {
            if let Some(value) = fields.get(key) {
                follow(value, rest, visit);
            }
        }
        (Some((Step::Index(index), rest)), Value::Array(items)) => {
            if let Some(value) = items.get(*index) {
                follow(value, rest, visit);
            }
        }
        (Some((Step::Every, rest)), Value::Array(items)) => {
            for item in items {
                follow(item, rest, visit);
            }
        }
        _ => {}
    }
}

impl Terms {
    fn hold(&self, text: &str) -> bool {
        // Beside terms that must be there, those that may be are ignored, as the service does.
        let only_optional = self.all.is_empty() && self.none.is_empty();
        self.all.iter().all(|term| term.is_in(text))
            && !self.none.iter().any(|term| term.is_in(text))
            && (!only_optional || self.any.iter().any(|term| term.is_in(text)))
    }
}

impl Term {
    fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Text(term) => text.contains(term.as_str()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}
