//! EventBridge event patterns, as the service's own engine (aws/event-ruler) decides them.
//!
//! `$or` makes alternatives; in each, every field must have a value that passes one of its tests,
//! and the values must be of one element wherever a path goes through an array. Fields are known by
//! their dotted path, however deep a pattern nests them.

use super::event::{Field, Leaf, Place, Record, Scalar, leaves};
use super::value::{self, Test};
use crate::case::service_of;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// EventBridge takes no pattern whose `$or` make more combinations than this.
const ALTERNATIVES_MAX: usize = 1000;
/// Comparisons of elements of arrays before an event counts as a match: only events made to be slow
/// get there.
const STEPS_MAX: u32 = 10_000_000;
/// The names by which CloudTrail's events go on the bus.
const DETAIL_TYPES: [(&str, &str); 5] = [
    ("AwsApiCall", API_CALL),
    ("AwsConsoleSignIn", "AWS Console Sign In via CloudTrail"),
    ("AwsConsoleAction", "AWS Console Action via CloudTrail"),
    ("AwsServiceEvent", "AWS Service Event via CloudTrail"),
    (INSIGHT, "AWS Insight via CloudTrail"),
];
const INSIGHT: &str = "AwsCloudTrailInsight";
const API_CALL: &str = "AWS API Call via CloudTrail";
/// Calls that read by their name and are delivered all the same.
const NOT_READING: [&str; 2] = ["GetFederationToken", "GetSessionToken"];

/// Why a text is no pattern: where in it, and what is wrong there.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Bad {
    pub place: String,
    pub reason: String,
}

/// One field of an alternative: any of the tests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub path: String,
    pub tests: Vec<Test>,
}

/// What a rule matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Of each, all terms; sorted by path, which is the order in which places are agreed upon.
    pub(super) alternatives: Vec<Vec<Term>>,
}

type Alternatives = Vec<BTreeMap<String, Vec<Test>>>;

impl Pattern {
    /// # Errors
    /// When EventBridge would not take it.
    pub fn parse(json: &Value) -> Result<Self, Bad> {
        let fields = json.as_object().ok_or_else(|| Bad {
            place: "pattern".to_owned(),
            reason: "a pattern is an object".to_owned(),
        })?;
        let mut alternatives = vec![BTreeMap::new()];
        read_object(fields, "", &mut alternatives)?;
        let terms = |fields: BTreeMap<String, Vec<Test>>| {
            fields.into_iter().map(|(path, tests)| Term { path, tests }).collect()
        };
        Ok(Self { alternatives: alternatives.into_iter().map(terms).collect() })
    }

    /// Whether the event that CloudTrail puts on the bus for this record matches.
    #[must_use]
    pub fn matches(&self, record: &impl Record) -> bool {
        self.alternatives.iter().any(|terms| holds(terms, record))
    }

    /// Whether it can match at all what comes from CloudTrail.
    #[must_use]
    pub fn is_of_cloudtrail(&self) -> bool {
        let possible = |term: &Term| match term.path.as_str() {
            "detail-type" => DETAIL_TYPES.iter().any(|(_, name)| {
                let value = Scalar::Text(Cow::Borrowed(*name));
                term.tests.iter().any(|test| test.matches(&value))
            }),
            _ => true,
        };
        self.alternatives.iter().any(|terms| terms.iter().all(possible))
    }
}

/// Whether CloudTrail's events of this kind reach a rule that is merely enabled: calls of management
/// that read by their name do not.
#[must_use]
pub fn reads(record: &impl Record) -> bool {
    let text = |name| match record.field(name) {
        Some(Field::Text(text)) => Some(text),
        Some(Field::Json(Value::String(text))) => Some(Cow::Borrowed(text.as_str())),
        _ => None,
    };
    let category = text("eventCategory");
    let managing = category.is_none_or(|category| category == "Management")
        && !matches!(record.field("managementEvent"), Some(Field::Flag(false)));
    let name = text("eventName").unwrap_or_default();
    let by_name = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb));
    managing && by_name && !NOT_READING.contains(&name.as_ref())
}

fn read_object(
    fields: &Map<String, Value>,
    path: &str,
    alternatives: &mut Alternatives,
) -> Result<(), Bad> {
    let bad =
        |place: &str, reason: &str| Bad { place: place.to_owned(), reason: reason.to_owned() };
    if fields.is_empty() {
        let place = if path.is_empty() { "pattern" } else { path };
        return Err(bad(place, "an object without fields is not allowed"));
    }
    for (name, value) in fields {
        let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Array(choices) if name == "$or" => read_or(choices, path, alternatives)?,
            Value::Object(fields) if name != "$or" => read_object(fields, &place, alternatives)?,
            Value::Array(values) if values.is_empty() => {
                return Err(bad(&place, "an empty list matches nothing"));
            }
            Value::Array(values) => {
                let read = |(number, one)| {
                    value::read(one)
                        .map_err(|reason| Bad { place: format!("{place}[{number}]"), reason })
                };
                let tests: Vec<Test> =
                    values.iter().enumerate().map(read).collect::<Result<_, _>>()?;
                // A field named twice is what was said last, as in the service.
                for alternative in &mut *alternatives {
                    alternative.insert(place.clone(), tests.clone());
                }
            }
            _ if name == "$or" => return Err(bad(&place, "$or is a list of objects")),
            _ => return Err(bad(&place, "expected a list of values, or an object")),
        }
    }
    Ok(())
}

fn read_or(choices: &[Value], path: &str, alternatives: &mut Alternatives) -> Result<(), Bad> {
    let place = if path.is_empty() { "$or".to_owned() } else { format!("{path}.$or") };
    let bad = |reason: String| Bad { place: place.clone(), reason };
    if choices.len() < 2 {
        return Err(bad("$or wants at least two objects".to_owned()));
    }
    if alternatives.len() * choices.len() > ALTERNATIVES_MAX {
        return Err(bad(format!("more than {ALTERNATIVES_MAX} combinations of $or")));
    }
    let before = std::mem::take(alternatives);
    for (number, choice) in choices.iter().enumerate() {
        let Value::Object(fields) = choice else {
            return Err(bad(format!("choice {number} is no object")));
        };
        let mut of_choice = before.clone();
        read_object(fields, path, &mut of_choice)?;
        alternatives.append(&mut of_choice);
        if alternatives.len() > ALTERNATIVES_MAX {
            return Err(bad(format!("more than {ALTERNATIVES_MAX} combinations of $or")));
        }
    }
    Ok(())
}

/// A term with what the event has for it.
struct Found<'t, 'e> {
    term: &'t Term,
    leaves: Vec<Leaf<'e>>,
}

impl Found<'_, '_> {
    fn passing(&self) -> impl Iterator<Item = &Leaf<'_>> {
        self.leaves.iter().filter(|leaf| self.term.tests.iter().any(|t| t.matches(&leaf.value)))
    }

    fn may_be_absent(&self) -> bool {
        self.term.tests.contains(&Test::Absent)
    }
}

fn holds(terms: &[Term], record: &impl Record) -> bool {
    // What costs nothing to look at refuses most events.
    let mut order: Vec<usize> = (0..terms.len()).collect();
    order.sort_by_key(|&i| terms[i].path.matches('.').count());
    let mut found: Vec<Option<Found<'_, '_>>> = terms.iter().map(|_| None).collect();
    for i in order {
        let one = Found { term: &terms[i], leaves: on_the_bus(record, &terms[i].path) };
        // One that may be absent can be so below the element that others choose.
        if !one.may_be_absent() && one.passing().next().is_none() {
            return false;
        }
        found[i] = Some(one);
    }
    let found: Vec<Found<'_, '_>> = found.into_iter().flatten().collect();
    let mut steps = STEPS_MAX;
    agree(&found, &Place::default(), &mut steps)
}

/// Whether the terms have values of one place, that of those before being `place`.
fn agree(terms: &[Found<'_, '_>], place: &Place, steps: &mut u32) -> bool {
    let Some((first, rest)) = terms.split_first() else { return true };
    *steps = steps.saturating_sub(first.leaves.len() as u32);
    if *steps == 0 {
        return true;
    }
    let absent =
        first.may_be_absent() && first.leaves.iter().all(|leaf| place.with(&leaf.place).is_none());
    if absent && agree(rest, place, steps) {
        return true;
    }
    let mut tried: Option<Place> = None;
    for leaf in first.passing() {
        let Some(both) = place.with(&leaf.place) else { continue };
        // Neighbours of one place have one answer.
        if tried.as_ref() != Some(&both) {
            if agree(rest, &both, steps) {
                return true;
            }
            tried = Some(both);
        }
    }
    false
}

pub(super) fn source(event_type: &str, event_source: &str) -> String {
    match event_type {
        INSIGHT => "aws.cloudtrail".to_owned(),
        _ => format!("aws.{}", service_of(event_source)),
    }
}

/// Calls through endpoints are calls, and what does not say is of a time before there was anything else.
pub(super) fn detail_type(event_type: &str) -> &'static str {
    let known = DETAIL_TYPES.iter().find(|(name, _)| *name == event_type);
    known.map_or(API_CALL, |(_, name)| name)
}

/// The leaves at a path of the event around the record.
fn on_the_bus<'e>(record: &'e impl Record, path: &str) -> Vec<Leaf<'e>> {
    if let Some(path) = path.strip_prefix("detail.") {
        return leaves(record, path);
    }
    let of_record = |name| {
        let leaf = leaves(record, name).into_iter().next()?;
        leaf.value.text().map(str::to_owned)
    };
    let text = match path {
        "source" => Some(source(
            &of_record("eventType").unwrap_or_default(),
            &of_record("eventSource").unwrap_or_default(),
        )),
        "detail-type" => Some(detail_type(&of_record("eventType").unwrap_or_default()).to_owned()),
        "account" => {
            of_record("recipientAccountId").or_else(|| of_record("userIdentity.accountId"))
        }
        "region" => of_record("awsRegion"),
        "time" => of_record("eventTime"),
        // The bus gives an id of its own, which nobody can know; the record's is as good.
        "id" => of_record("eventID"),
        "version" => Some("0".to_owned()),
        _ => None,
    };
    let leaf = |text| Leaf { value: Scalar::Text(Cow::Owned(text)), place: Place::default() };
    text.map(leaf).into_iter().collect()
}
