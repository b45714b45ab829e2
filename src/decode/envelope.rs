//! What stands around a record: entries of LookupEvents, events of EventBridge.

use super::record::Record;
use super::walk::{Cursor, Value};

/// What is remembered of an object that is no record while its keys are walked.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    /// `CloudTrailEvent`: the record as text.
    pub(super) lookup: Option<&'a str>,
    username: Option<&'a [u8]>,
    resources: Option<&'a [u8]>,
    resource_names: Vec<&'a str>,
    /// An event of EventBridge that carries no record, whatever it looks like inside.
    pub(super) is_foreign: bool,
}

impl<'a> Envelope<'a> {
    /// Steps over the value of `key`.
    pub(super) fn see(&mut self, key: &str, cursor: &mut Cursor<'a>) {
        match (key, cursor.peek()) {
            ("CloudTrailEvent", Value::String(text)) => self.lookup = Some(text),
            ("detail-type", Value::String(kind)) => {
                self.is_foreign = !kind.ends_with("via CloudTrail");
            }
            ("Username", Value::String(name)) if !name.is_empty() => {
                self.username = Some(cursor.raw_value());
                return;
            }
            ("Resources", Value::Array { len }) if len > 0 => {
                let names = &mut self.resource_names;
                self.resources = Some(cursor.members(&["ResourceName"], |name| names.push(name)));
                return;
            }
            _ => {}
        }
        cursor.raw_value();
    }

    /// Gives the record what it lacks and the envelope has, under the envelope's own names.
    pub(super) fn fill<'b>(&'b self, record: &mut Record<'b>) {
        if let Some(raw) = self.username.filter(|_| record.user_identity.is_none()) {
            record.extra.push(("Username", raw));
        }
        if let Some(raw) = self.resources.filter(|_| record.resources.is_none()) {
            record.extra.push(("Resources", raw));
            record.resource_arns.extend(&self.resource_names);
        }
    }
}
