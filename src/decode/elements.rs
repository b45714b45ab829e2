//! The records of a plain trail file, one at a time: each is checked right before it is read, while
//! it is in the nearest cache, and what stands before damage is read without a second thought.

use super::grammar::{Grammar, Spans};
use super::parser::Fault;
use super::walk::Cursor;

/// How a plain trail file begins.
pub(super) const HEAD: &[u8] = b"{\"Records\":[";
/// Structurals of it.
const HEAD_STRUCTURALS: usize = 4;

/// Why and where reading stopped.
pub(super) struct Stop {
    pub(super) fault: Fault,
    /// Where the element begins that is no JSON, or where something else stands than JSON wants.
    pub(super) at: usize,
}

pub(super) struct Elements<'a> {
    grammar: Grammar<'a>,
    spans: &'a Spans,
    /// At the element in hand.
    pub(super) cursor: Cursor<'a>,
    next: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn new(grammar: Grammar<'a>, spans: &'a Spans, cursor: Cursor<'a>) -> Self {
        Self { grammar, spans, cursor, next: HEAD_STRUCTURALS }
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
        let backslash = self.grammar.backslash();
        match self.grammar.value(at, 2, self.spans) {
            Ok(next) => self.next = next,
            Err(fault) => return Err(self.stop(fault, at)),
        }
        self.cursor.go_to(at, backslash != self.grammar.backslash());
        Ok(true)
    }

    /// What stands behind the list: the end, or further members that hold no records.
    fn rest(&mut self, mut at: usize) -> Result<(), Stop> {
        loop {
            let member = match self.grammar.byte(at) {
                b'}' => break,
                b',' => self.grammar.key(at + 1),
                _ => Err(self.grammar.fault("comma or brace expected", at)),
            };
            let value = member.and_then(|member| self.grammar.value(member, 1, self.spans));
            at = value.map_err(|fault| self.stop(fault, at))?;
        }
        self.grammar.end(at + 1).map_err(|fault| self.stop(fault, at + 1))
    }

    fn stop(&self, fault: Fault, structural: usize) -> Stop {
        Stop { fault, at: self.grammar.offset(structural) }
    }
}
