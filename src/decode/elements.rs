//! The records of a plain trail file, one at a time: each is read while it is checked, in one pass and
//! while it is in the nearest cache, and what stands before damage is read without a second thought.

use super::container::KEYS_MAX;
use super::grammar::{Grammar, Spans};
use super::parser::Fault;
use super::record::{Field, NAME_KEYS, Nested, Record};
use super::walk::{Cursor, Value};
use crate::model::RejectReason;
use std::ops::Range;

/// How a plain trail file begins.
pub(super) const HEAD: &[u8] = b"{\"Records\":[";
/// Structurals of it.
const HEAD_STRUCTURALS: usize = 4;
/// Levels around an element, and around its members.
const DEPTH: usize = 2;

/// Why and where reading stopped.
pub(super) struct Stop {
    pub(super) fault: Fault,
    /// Where the element begins that is no JSON, or where something else stands than JSON wants.
    pub(super) at: usize,
}

pub(super) struct Elements<'a> {
    grammar: Grammar<'a>,
    spans: &'a Spans,
    /// At the element in hand, or behind it where it was read.
    pub(super) cursor: Cursor<'a>,
    element: usize,
    next: usize,
    identity: Repeated<'a>,
    tls: Repeated<'a>,
}

/// What stood under a key in the last record that had it: clients go on as who they are, so most of it comes
/// again, and equal bytes need not be checked twice.
#[derive(Default)]
struct Repeated<'a> {
    raw: &'a [u8],
    structurals: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn new(grammar: Grammar<'a>, spans: &'a Spans, cursor: Cursor<'a>) -> Self {
        let (identity, tls) = (Repeated::default(), Repeated::default());
        Self { grammar, spans, cursor, element: 0, next: HEAD_STRUCTURALS, identity, tls }
    }

    /// Goes on to the next element; whether there is one.
    pub(super) fn step(&mut self) -> Result<bool, Stop> {
        let mut at = self.next;
        if at > HEAD_STRUCTURALS || self.grammar.byte(at) == b']' {
            match self.grammar.byte(at) {
                b',' => at += 1,
                b']' => return self.rest(at + 1).map(|()| false),
                _ => return Err(self.stop(self.grammar.fault("comma or bracket expected", at), at)),
            }
        }
        self.element = at;
        Ok(true)
    }

    /// Reads the element as the record at place `index`: `None` where it is none on the face of it.
    pub(super) fn read(
        &mut self,
        index: u32,
        record: &mut Record<'a>,
    ) -> Result<Option<Result<(), RejectReason>>, Stop> {
        record.begin(index);
        let read = match self.members(record) {
            Ok(Some(next)) => {
                self.next = next;
                Some(record.end())
            }
            Ok(None) => {
                self.check()?;
                None
            }
            Err(fault) => return Err(self.stop(fault, self.element)),
        };
        Ok(read)
    }

    /// The element as it stands in the file, once it was read.
    pub(super) fn raw(&self) -> &'a [u8] {
        self.cursor.between(self.element, self.next)
    }

    /// Checks the element as such and puts the cursor in front of it.
    pub(super) fn check(&mut self) -> Result<(), Stop> {
        match self.grammar.value(self.element, DEPTH, Some(self.spans)) {
            Ok(next) => self.next = next,
            Err(fault) => return Err(self.stop(fault, self.element)),
        }
        self.cursor.go_to(self.element, true);
        Ok(())
    }

    /// Checks and reads the members of an object; the structural behind it.
    fn members(&mut self, record: &mut Record<'a>) -> Result<Option<usize>, Fault> {
        let mut at = self.element + 1;
        let is_object = self.grammar.byte(self.element) == b'{' && self.grammar.byte(at) != b'}';
        if !is_object || self.grammar.max_depth() <= DEPTH {
            return Ok(None);
        }
        for _ in 0..KEYS_MAX {
            let next = self.member(record, at)?;
            match self.grammar.byte(next) {
                b',' => at = next + 1,
                b'}' => return Ok(Some(next + 1)),
                _ => return Err(self.grammar.fault("comma or closing bracket expected", next)),
            }
        }
        Ok(None)
    }

    /// Checks a member and hands it to the record; the structural behind it.
    #[inline]
    fn member(&mut self, record: &mut Record<'a>, at: usize) -> Result<usize, Fault> {
        let value = at + 2;
        let key = match self.grammar.plain_string(at) {
            Some((key, _)) if self.grammar.byte(at + 1) == b':' => key,
            _ => {
                let backslash = self.grammar.backslash();
                self.grammar.key(at)?;
                self.cursor.go_to(at, backslash != self.grammar.backslash());
                self.cursor.key()
            }
        };
        let field = Field::of(key);
        let backslash = self.grammar.backslash();
        let (next, found, raw) = if let Some((text, raw)) = self.grammar.plain_string(value) {
            (value + 1, Value::String(text), raw)
        } else if let Some((word, raw)) = self.grammar.plain_word(value) {
            (value + 1, word, raw)
        } else if matches!(self.grammar.byte(value), b'{' | b'[') {
            let next = self.nested(value, field)?;
            // A record takes it as it stands, whatever is in it.
            (next, Value::Object { len: 0 }, self.cursor.between(value, next))
        } else {
            let next = self.grammar.value(value, DEPTH + 1, None)?;
            self.cursor.go_to(value, true);
            (next, self.cursor.peek(), self.cursor.raw_value())
        };
        if field == Some(Field::RESOURCES) {
            self.names(value..next, backslash != self.grammar.backslash(), record);
        }
        record.member(field, key, found, raw);
        Ok(next)
    }

    /// Checks an object or a list; the structural behind it.
    fn nested(&mut self, at: usize, field: Option<Field>) -> Result<usize, Fault> {
        let repeated = match field {
            Some(Field::Json(Nested::UserIdentity)) => &mut self.identity,
            Some(Field::Json(Nested::TlsDetails)) => &mut self.tls,
            _ => return self.grammar.value(at, DEPTH + 1, None),
        };
        if !repeated.raw.is_empty() && self.cursor.starts_with(at, repeated.raw) {
            let next = at + repeated.structurals;
            self.grammar.pass(next);
            return Ok(next);
        }
        let next = self.grammar.value(at, DEPTH + 1, None)?;
        *repeated = Repeated { raw: self.cursor.between(at, next), structurals: next - at };
        Ok(next)
    }

    /// What resources are called, in a value that was checked: texts under certain keys of the objects in a list.
    fn names(&mut self, value: Range<usize>, escapes: bool, record: &mut Record<'a>) {
        record.resource_arns.clear();
        if self.grammar.byte(value.start) != b'[' {
            return;
        }
        let mut depth = 0;
        for at in value {
            match self.grammar.byte(at) {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' if depth == 2 && self.grammar.byte(at + 1) == b':' => {
                    self.cursor.go_to(at, escapes);
                    if NAME_KEYS.contains(&self.cursor.key())
                        && let Value::String(name) = self.cursor.peek()
                    {
                        record.resource_arns.push(name);
                    }
                }
                _ => {}
            }
        }
    }

    /// What stands behind the list: the end, or further members that hold no records.
    fn rest(&mut self, mut at: usize) -> Result<(), Stop> {
        loop {
            let member = match self.grammar.byte(at) {
                b'}' => break,
                b',' => self.grammar.key(at + 1),
                _ => Err(self.grammar.fault("comma or brace expected", at)),
            };
            let value = member.and_then(|member| self.grammar.value(member, 1, None));
            at = value.map_err(|fault| self.stop(fault, at))?;
        }
        self.grammar.end(at + 1).map_err(|fault| self.stop(fault, at + 1))
    }

    fn stop(&self, fault: Fault, structural: usize) -> Stop {
        Stop { fault, at: self.grammar.offset(structural) }
    }
}
