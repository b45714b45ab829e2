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
                self.resource_names = names(&mut cursor.clone(), len);
                self.resources = Some(cursor.raw_value());
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

/// `ResourceName` of every element of the list at the cursor.
fn names<'a>(cursor: &mut Cursor<'a>, len: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    cursor.enter();
    for _ in 0..len {
        if let Value::Object { len } = cursor.peek() {
            cursor.enter();
            if len == 0 {
                cursor.leave_empty();
            }
            for _ in 0..len {
                let key = cursor.key();
                if let ("ResourceName", Value::String(name)) = (key, cursor.peek()) {
                    names.push(name);
                }
                cursor.raw_value();
                cursor.separator();
            }
        } else {
            cursor.raw_value();
        }
        cursor.separator();
    }
    names
}
