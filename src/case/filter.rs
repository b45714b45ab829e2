//! Records that were asked for: a sink in front of the builder that lets them through.

use super::identity::Identity;
use crate::decode::{Record, Sink};
use crate::model::selection::bare_source;
use crate::model::{Selection, Timestamp};
use std::collections::HashMap;

/// Identities remembered; an archive has few, and one that has more pays for parsing them again.
const IDENTITIES: usize = 20_000;
/// How names of calls begin that change nothing; trails before version 1.01 do not say.
const READING: [&str; 10] =
    ["Get", "List", "Describe", "Head", "Lookup", "Search", "BatchGet", "Check", "View", "Test"];

pub(super) struct Filter<'s> {
    selection: &'s Selection,
    everything: bool,
    /// Whether an identity, by its text, is one that was asked for.
    users: HashMap<Vec<u8>, bool>,
}

impl<'s> Filter<'s> {
    pub(super) fn new(selection: &'s Selection) -> Self {
        Self { selection, everything: selection.is_everything(), users: HashMap::new() }
    }

    fn takes(&mut self, record: &Record<'_>) -> bool {
        let wanted = self.selection;
        let source = record.event_source.map(bare_source);
        wanted.covers(Timestamp(record.event_time))
            && wanted.event_name.accept(record.event_name.as_slice())
            && wanted.event_source.accept(source.as_slice())
            && wanted.region.accept(record.aws_region.as_slice())
            && wanted.read_only.accept(&[read_only(record)])
            && wanted.category.accept(&[category(record)])
            && (wanted.account.is_empty() || self.takes_account(record))
            && (wanted.user.is_empty() || self.takes_user(record))
    }

    fn takes_account(&self, record: &Record<'_>) -> bool {
        if record.recipient_account_id.is_some() {
            return self.selection.account.accept(record.recipient_account_id.as_slice());
        }
        // Before version 1.02 the only account in a record is the caller's.
        let caller = Identity::read(record.user_identity.unwrap_or_default());
        self.selection.account.accept(caller.field("user_identity_account_id").as_slice())
    }

    fn takes_user(&mut self, record: &Record<'_>) -> bool {
        let raw = record.user_identity.unwrap_or_default();
        if let Some(&known) = self.users.get(raw) {
            return known;
        }
        let identity = Identity::read(raw);
        let actor = identity.actor();
        let names = [
            actor.as_deref(),
            identity.field("user_identity_arn"),
            identity.field("user_identity_user_name"),
            identity.field("user_identity_access_key_id"),
            identity.field("session_issuer_user_name"),
        ];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        let takes = self.selection.user.accept(&names);
        if self.users.len() == IDENTITIES {
            self.users.clear();
        }
        self.users.insert(raw.to_owned(), takes);
        takes
    }
}

fn read_only(record: &Record<'_>) -> &'static str {
    let name = record.event_name.unwrap_or_default();
    let reads = || READING.iter().any(|start| name.starts_with(start));
    if record.read_only.unwrap_or_else(reads) { "true" } else { "false" }
}

/// Before version 1.07 a record has no category, but says since 1.06 whether it is of management.
fn category<'r>(record: &Record<'r>) -> &'r str {
    match (record.event_category, record.management_event) {
        (Some(category), _) => category,
        (None, Some(false)) => "Data",
        (None, _) => "Management",
    }
}

/// Hands on what was asked for and counts the rest.
pub(super) struct Filtered<'f, 's, S> {
    sink: S,
    filter: &'f mut Filter<'s>,
    pub(super) left_out: u64,
}

impl<'f, 's, S: Sink> Filtered<'f, 's, S> {
    pub(super) fn new(sink: S, filter: &'f mut Filter<'s>) -> Self {
        Self { sink, filter, left_out: 0 }
    }
}

impl<S: Sink> Sink for Filtered<'_, '_, S> {
    fn record(&mut self, record: &Record<'_>) {
        if self.filter.everything || self.filter.takes(record) {
            self.sink.record(record);
        } else {
            self.left_out += 1;
        }
    }

    fn member(&mut self, name: &str) {
        self.sink.member(name);
    }

    fn pause(&mut self) {
        self.sink.pause();
    }
}
