//! A row of the case as rules see it: the CloudTrail record it was, plus `trailinsight.*`.
//!
//! Scalars are borrowed from the columns; nested JSON is parsed only when a rule asks for a field
//! inside of it, once per event. A container named by a rule is its compact JSON text, a path
//! through an array means any of its elements, and of two readings of a dotted name the longer key
//! wins.

use super::json::inside;
use super::{columns, derived, foreign};
use crate::case::{ALWAYS, EVIDENCE_COMMON, EVIDENCE_OWN, Row};
use rsigma_eval::event::{Event, EventValue};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::hash::BuildHasher;

pub(super) const TEXTS: [(&str, &str); 18] = [
    ("eventName", "event_name"),
    ("eventSource", "event_source"),
    ("awsRegion", "aws_region"),
    ("sourceIPAddress", "source_ip_address"),
    ("userAgent", "user_agent"),
    ("errorCode", "error_code"),
    ("errorMessage", "error_message"),
    ("eventType", "event_type"),
    ("eventID", "event_id"),
    ("requestID", "request_id"),
    ("recipientAccountId", "recipient_account_id"),
    ("eventCategory", "event_category"),
    ("eventVersion", "event_version"),
    ("apiVersion", "api_version"),
    ("sharedEventID", "shared_event_id"),
    ("vpcEndpointId", "vpc_endpoint_id"),
    ("vpcEndpointAccountId", "vpc_endpoint_account_id"),
    ("sessionCredentialFromConsole", "session_credential_from_console"),
];
pub(super) const NESTED: [(&str, &str); 11] = [
    ("requestParameters", "request_parameters"),
    ("userIdentity", "user_identity"),
    ("responseElements", "response_elements"),
    ("additionalEventData", "additional_event_data"),
    ("resources", "resources"),
    ("tlsDetails", "tls_details"),
    ("serviceEventDetails", "service_event_details"),
    ("insightDetails", "insight_details"),
    ("edgeDeviceDetails", "edge_device_details"),
    ("eventContext", "event_context"),
    ("addendum", "addendum"),
];
/// A principal of whom the event says nothing.
pub(super) const UNKNOWN: &str = "unknown";
/// Place of `resources` in [`NESTED`].
const RESOURCES: usize = 4;
pub(super) const FLAGS: [(&str, &str); 2] =
    [("readOnly", "read_only"), ("managementEvent", "management_event")];
/// Fields of `userIdentity` that have a column, so that asking for them parses nothing.
pub(super) const IDENTITY: [(&str, &str); 6] = [
    ("type", "user_identity_type"),
    ("arn", "user_identity_arn"),
    ("userName", "user_identity_user_name"),
    ("accountId", "user_identity_account_id"),
    ("principalId", "user_identity_principal_id"),
    ("invokedBy", "user_identity_invoked_by"),
];
/// Columns behind the fields of `trailinsight.*` that need no thought.
const OWN: [(&str, &str); 6] = [
    ("outcome", "outcome"),
    ("actor", "actor"),
    ("actor_kind", "actor_kind"),
    ("event_name", "event_name_norm"),
    ("user_agent_family", "user_agent_family"),
    ("ip_kind", "ip_kind"),
];

/// Every column that a rule, a finding or its evidence can ask for.
#[must_use]
pub fn columns() -> Vec<&'static str> {
    let named = TEXTS.iter().chain(&NESTED).chain(&FLAGS).chain(&IDENTITY).chain(&OWN);
    let more = ["event_time", "extra", "service", "source_file", "source_index"];
    let plain = columns::of_identities().filter(|of| of.kind == columns::Kind::Plain);
    named.map(|(_, column)| *column).chain(plain.map(|of| of.name)).chain(more).collect()
}

/// Columns that are read only where somebody asks for what is in them.
pub(super) fn on_demand() -> impl Iterator<Item = &'static str> {
    columns().into_iter().filter(|column| !ALWAYS.contains(column))
}

/// Columns that a finding shows of events, but for their ids, which hardly repeat.
pub(super) fn shown() -> impl Iterator<Item = &'static str> {
    EVIDENCE_OWN.into_iter().chain(EVIDENCE_COMMON)
}

/// The columns on demand that answer for a field. Beside those of an identity goes the whole of it, where they may
/// not have all.
pub(super) fn behind(field: &str) -> Vec<&'static str> {
    let (root, rest) = field.split_once('.').map_or((field, ""), |(root, rest)| (root, rest));
    let mut columns = Vec::new();
    let named = |list: &[(&str, &'static str)], key: &str| {
        list.iter().find(|(field, _)| *field == key).map(|(_, column)| *column)
    };
    match root {
        "trailinsight" => match named(&OWN, rest) {
            Some(column) => columns.push(column),
            None if rest == "foreign_resource" => columns.push("resources"),
            None if rest == "foreign_caller" => columns.push("user_identity_account_id"),
            None => columns.extend(["request_parameters", "user_identity_user_name"]),
        },
        "userIdentity" => {
            let column = named(&IDENTITY, rest).or_else(|| columns::of_plain(field));
            columns.push(column.unwrap_or("user_identity"));
        }
        _ => match named(&NESTED, root).or_else(|| named(&FLAGS, root)) {
            Some(column) => columns.push(column),
            // What is no text, or has no column, is in `extra`.
            None => columns.extend(named(&TEXTS, root).into_iter().chain(["extra"])),
        },
    }
    columns
}

/// Fields of a record, at its top.
pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    let named = TEXTS.iter().chain(&NESTED).chain(&FLAGS);
    named.map(|(field, _)| *field).chain(["eventTime"])
}

/// Whether there is a field `trailinsight.NAME`.
pub(super) fn is_ours(name: &str) -> bool {
    let computed = derived::FIELDS.iter().chain(&["foreign_resource", "foreign_caller"]);
    OWN.iter().map(|(own, _)| own).chain(computed).any(|own| *own == name)
}

/// Whether columns answer for fields that begin so.
pub(super) fn is_known(root: &str) -> bool {
    TEXTS.iter().chain(&NESTED).chain(&FLAGS).any(|(field, _)| *field == root)
}

pub struct SigmaEvent<'r> {
    pub(super) row: Row<'r>,
    own_accounts: &'r BTreeSet<String>,
    /// Of few events anybody asks for it, and it is large.
    parsed: OnceCell<Box<Parsed>>,
}

/// JSON columns, each once somebody asked for it.
#[derive(Default)]
struct Parsed {
    nested: [OnceCell<Option<Value>>; NESTED.len()],
    extra: OnceCell<Option<Value>>,
}

impl<'r> SigmaEvent<'r> {
    #[must_use]
    pub fn new(row: Row<'r>, own_accounts: &'r BTreeSet<String>) -> Self {
        Self { row, own_accounts, parsed: OnceCell::new() }
    }

    #[must_use]
    pub fn request(&self) -> Option<&Value> {
        self.nested(0)
    }

    pub(super) fn nested(&self, number: usize) -> Option<&Value> {
        let parse = || self.row.text(NESTED[number].1).and_then(|t| serde_json::from_str(t).ok());
        self.parsed.get_or_init(Box::default).nested[number].get_or_init(parse).as_ref()
    }

    pub(super) fn extra(&self) -> Option<&Value> {
        let parse = || self.row.text("extra").and_then(|t| serde_json::from_str(t).ok());
        self.parsed.get_or_init(Box::default).extra.get_or_init(parse).as_ref()
    }

    fn own(&self, name: &str) -> Option<EventValue<'_>> {
        if let Some((_, column)) = OWN.iter().find(|(field, _)| *field == name) {
            return self.row.text(column).map(text);
        }
        if name == "foreign_resource" {
            let foreign = foreign::resource(self.nested(RESOURCES)?, self.own_accounts);
            return Some(EventValue::Bool(foreign));
        }
        if name == "foreign_caller" {
            let account = self.row.text("user_identity_account_id")?;
            return Some(EventValue::Bool(!self.own_accounts.contains(account)));
        }
        let caller = self.row.text("user_identity_user_name");
        derived::field(name, self.request(), caller, self.own_accounts)
    }

    /// The value of a field as one text, for naming what was acted on.
    #[must_use]
    pub fn first_text(&self, path: &str) -> Option<String> {
        match self.get_field(path)? {
            EventValue::Array(values) => {
                values.iter().find_map(|v| v.as_str().map(Cow::into_owned))
            }
            value => value.as_str().map(Cow::into_owned),
        }
        .filter(|text| !text.is_empty())
    }

    /// The value of a field, when it is a single one.
    pub(super) fn scalar(&self, path: &str) -> Option<String> {
        let value = self.get_field(path)?;
        value.as_str().map(Cow::into_owned)
    }

    /// Whose trail recorded the event.
    pub(super) fn account(&self) -> u64 {
        hash(self.row.text("recipient_account_id").unwrap_or_default())
    }

    /// Puts events of one moment in an order that is the same on every machine (where no archive has two members of one
    /// name, which then are one file).
    pub(super) fn tie(&self) -> u64 {
        hash((self.row.text("source_file").unwrap_or_default(), self.row.index()))
    }
}

/// Tells values apart, and is the same in every run.
pub(super) fn hash(value: impl std::hash::Hash) -> u64 {
    foldhash::quality::FixedState::with_seed(0).hash_one(value)
}

fn text(text: &str) -> EventValue<'_> {
    EventValue::Str(Cow::Borrowed(text))
}

impl Event for SigmaEvent<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let (root, rest) =
            path.split_once('.').map_or((path, None), |(root, rest)| (root, Some(rest)));
        if rest.is_none() {
            if let Some((_, column)) = TEXTS.iter().find(|(key, _)| *key == root) {
                return self.row.text(column).map(text).or_else(|| self.in_extra(path));
            }
            if let Some((_, column)) = FLAGS.iter().find(|(key, _)| *key == root) {
                return self.row.flag(column).map(EventValue::Bool);
            }
            if root == "eventTime" {
                return Some(EventValue::Str(Cow::Owned(self.row.time().to_string())));
            }
        }
        if let Some(number) = NESTED.iter().position(|(key, _)| *key == root) {
            let Some(rest) = rest else {
                return self.row.text(NESTED[number].1).map(|t| match t {
                    "null" => EventValue::Null,
                    json => text(json),
                });
            };
            if root == "userIdentity" {
                let known =
                    IDENTITY.iter().find(|(key, _)| *key == rest).map(|(_, column)| *column);
                let plain = || columns::of_plain(path).filter(|_| self.row.has_plain_identity());
                let column = known.or_else(plain);
                if let Some(known) = column.and_then(|column| self.row.text(column)) {
                    return Some(text(known));
                }
            }
            return inside(self.row.text(NESTED[number].1)?, rest);
        }
        match (root, rest) {
            ("trailinsight", Some(name)) => self.own(name),
            _ => self.in_extra(path),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.all_string_values().iter().any(|v| pred(v))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let scalars =
            TEXTS.iter().filter_map(|(_, column)| self.row.text(column)).map(Cow::Borrowed);
        let mut out: Vec<Cow<'_, str>> = scalars.collect();
        for number in 0..NESTED.len() {
            if let Some(value) = self.nested(number) {
                strings(value, &mut out);
            }
        }
        if let Some(value) = self.extra() {
            strings(value, &mut out);
        }
        out
    }

    fn to_json(&self) -> Value {
        serde_json::from_str(&crate::case::print_record(self.row)).unwrap_or(Value::Null)
    }
}

impl SigmaEvent<'_> {
    fn in_extra(&self, path: &str) -> Option<EventValue<'_>> {
        inside(self.row.text("extra")?, path)
    }
}

fn strings<'v>(value: &'v Value, out: &mut Vec<Cow<'v, str>>) {
    match value {
        Value::String(s) => out.push(Cow::Borrowed(s)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, out)),
        _ => {}
    }
}
