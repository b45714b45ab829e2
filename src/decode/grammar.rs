//! Whether a structural index is that of one JSON document, and where its brackets close.

use super::parser::Fault;
use super::walk::Value;
use crate::model::RejectReason;
use std::cell::{Cell, OnceCell};

/// By structural: for an opening bracket, the structural that closes it and how many members or
/// elements stand between. Other places hold what an earlier document left there.
///
/// Cells, because a cursor over one value reads them while the next is being checked. Made when the first is noted:
/// a plain trail file needs none, and they take nearly as much room as its text.
#[derive(Default)]
pub(super) struct Spans {
    spans: OnceCell<Vec<Cell<Span>>>,
    room: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    close: u32,
    count: u32,
}

impl Spans {
    pub(super) fn make_room(&mut self, structurals: usize) {
        if self.room < structurals {
            *self = Self { spans: OnceCell::new(), room: structurals + structurals / 4 };
        }
    }

    fn at(&self, structural: usize) -> &Cell<Span> {
        &self.spans.get_or_init(|| vec![Cell::default(); self.room])[structural]
    }

    pub(super) fn close(&self, structural: usize) -> usize {
        self.at(structural).get().close as usize
    }

    pub(super) fn count(&self, structural: usize) -> usize {
        self.at(structural).get().count as usize
    }

    pub(super) fn capacity(&self) -> usize {
        self.spans.get().map_or(0, Vec::capacity) * size_of::<Span>()
    }
}

/// A container whose end is not yet seen.
pub(super) struct Open {
    structural: u32,
    count: u32,
    is_object: bool,
}

pub(super) struct Grammar<'a> {
    text: &'a str,
    raw: &'a [u8],
    structurals: &'a [u32],
    max_depth: usize,
    open: &'a mut Vec<Open>,
    /// The first backslash not yet looked at.
    backslash: usize,
}

impl<'a> Grammar<'a> {
    pub(super) fn new(
        text: &'a str,
        structurals: &'a [u32],
        max_depth: usize,
        open: &'a mut Vec<Open>,
    ) -> Self {
        let raw = text.as_bytes();
        let mut it = Self { text, raw, structurals, max_depth, open, backslash: 0 };
        it.find_backslash(0);
        it
    }

    /// Checks the whole document and fills `spans`.
    pub(super) fn document(mut self, spans: &Spans) -> Result<(), Fault> {
        let end = self.value(0, 0, Some(spans))?;
        self.end(end)
    }

    /// Where the first backslash stands that was not yet passed.
    pub(super) fn backslash(&self) -> usize {
        self.backslash
    }

    pub(super) fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// The string without escapes at a structural, and the same in its quotes: what keys and most values
    /// are. `None` where something else stands, be it sound or not.
    #[inline]
    pub(super) fn plain_string(&self, i: usize) -> Option<(&'a str, &'a [u8])> {
        let [start, next] = self.structurals.get(i..)?.first_chunk::<2>()?.map(|at| at as usize);
        let raw = self.raw.get(start..next)?;
        if next <= self.backslash && raw.len() > 1 && raw[0] == b'"' && raw.ends_with(b"\"") {
            Some((&self.text[start + 1..next - 1], raw))
        } else {
            None
        }
    }

    /// `true`, `false` or `null` at a structural, and nothing behind it but the next.
    #[inline]
    pub(super) fn plain_word(&self, i: usize) -> Option<(Value<'a>, &'a [u8])> {
        let [start, next] = self.structurals.get(i..)?.first_chunk::<2>()?.map(|at| at as usize);
        let raw = self.raw.get(start..next)?;
        let word = match raw {
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            b"null" => Value::Null,
            _ => return None,
        };
        Some((word, raw))
    }

    /// Steps over what is known to be sound, up to a structural.
    pub(super) fn pass(&mut self, next: usize) {
        let end = self.offset(next);
        if self.backslash < end {
            self.find_backslash(end);
        }
    }

    /// Nothing may stand at this structural.
    pub(super) fn end(&self, i: usize) -> Result<(), Fault> {
        if i == self.structurals.len() {
            Ok(())
        } else {
            Err(self.fault("something behind the end", i))
        }
    }

    /// Checks the value at a structural, `depth` levels down, and fills `spans` for what is in it, where
    /// somebody will go into it: they are far larger than a near cache. Returns the structural behind it.
    pub(super) fn value(
        &mut self,
        mut i: usize,
        depth: usize,
        spans: Option<&Spans>,
    ) -> Result<usize, Fault> {
        self.open.clear();
        loop {
            // At a value.
            let byte = self.byte(i);
            match byte {
                b'{' | b'[' => {
                    if depth + self.open.len() == self.max_depth {
                        let detail = format!("more than {} levels", self.max_depth);
                        return Err(Fault { reason: RejectReason::TooDeep, detail });
                    }
                    let is_object = byte == b'{';
                    let empty = self.byte(i + 1) == if is_object { b'}' } else { b']' };
                    let count = u32::from(!empty);
                    self.open.push(Open { structural: i as u32, count, is_object });
                    i += 1;
                    if !empty {
                        if is_object {
                            i = self.key(i)?;
                        }
                        continue;
                    }
                }
                b'"' => {
                    self.string(i)?;
                    i += 1;
                }
                _ => {
                    self.scalar(i)?;
                    i += 1;
                }
            }
            // Behind a value: as many brackets as close here, then a comma or the end.
            loop {
                let byte = self.byte(i);
                let Some(top) = self.open.last_mut() else { return Ok(i) };
                match (byte, top.is_object) {
                    (b',', is_object) => {
                        top.count += 1;
                        i += 1;
                        if is_object {
                            i = self.key(i)?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        if let Some(spans) = spans {
                            let span = Span { close: i as u32, count: top.count };
                            spans.at(top.structural as usize).set(span);
                        }
                        self.open.pop();
                        i += 1;
                    }
                    _ => return Err(self.fault("comma or closing bracket expected", i)),
                }
            }
        }
    }

    /// The byte at a structural; NUL behind the last.
    #[inline]
    pub(super) fn byte(&self, i: usize) -> u8 {
        self.structurals.get(i).map_or(0, |&at| self.raw[at as usize])
    }

    /// Where the token that begins at a structural can reach at most.
    #[inline]
    fn token_end(&self, i: usize) -> usize {
        self.structurals.get(i + 1).map_or(self.raw.len(), |&at| at as usize)
    }

    /// Checks a key and its colon; returns the structural of its value.
    #[inline]
    pub(super) fn key(&mut self, i: usize) -> Result<usize, Fault> {
        if self.byte(i) != b'"' || self.byte(i + 1) != b':' {
            return Err(self.fault("key expected", i));
        }
        self.string(i)?;
        Ok(i + 2)
    }

    /// Quotes pair up, as was seen while the structure was found: escapes are left to check.
    #[inline]
    fn string(&mut self, i: usize) -> Result<(), Fault> {
        let end = self.token_end(i);
        if self.backslash < end { self.escapes(end) } else { Ok(()) }
    }

    #[cold]
    fn escapes(&mut self, end: usize) -> Result<(), Fault> {
        while self.backslash < end {
            let at = self.backslash;
            let is_hex = |at: usize| {
                self.raw.get(at..at + 4).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit))
            };
            let known = match self.raw.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
                Some(b'u') => is_hex(at + 2),
                _ => false,
            };
            if !known {
                return Err(Fault::syntax("unknown escape", at));
            }
            self.find_backslash(at + 2);
        }
        Ok(())
    }

    fn find_backslash(&mut self, from: usize) {
        let rest = self.raw.get(from..).unwrap_or_default();
        self.backslash = memchr::memchr(b'\\', rest).map_or(usize::MAX, |i| from + i);
    }

    #[inline]
    fn scalar(&self, i: usize) -> Result<(), Fault> {
        let Some(&start) = self.structurals.get(i) else {
            return Err(self.fault("value expected", i));
        };
        let mut token = &self.raw[start as usize..self.token_end(i)];
        // The white space of JSON, which has no form feed.
        while let [shorter @ .., b' ' | b'\t' | b'\n' | b'\r'] = token {
            token = shorter;
        }
        let known = match token {
            b"true" | b"false" | b"null" => true,
            _ => is_number(token),
        };
        if known { Ok(()) } else { Err(self.fault("no value of JSON", i)) }
    }

    #[cold]
    pub(super) fn fault(&self, what: &str, i: usize) -> Fault {
        Fault::syntax(what, self.offset(i))
    }

    /// Where a structural is; the end of the text behind the last.
    pub(super) fn offset(&self, i: usize) -> usize {
        self.structurals.get(i).map_or(self.raw.len(), |&at| at as usize)
    }
}

/// JSON's own grammar of numbers.
fn is_number(token: &[u8]) -> bool {
    let digits = |text: &mut &[u8]| {
        let count = text.iter().take_while(|b| b.is_ascii_digit()).count();
        *text = &text[count..];
        count
    };
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let leading_zero = rest.starts_with(b"0");
    let whole = digits(&mut rest);
    if whole == 0 || (leading_zero && whole > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction;
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            other => other,
        };
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    rest.is_empty()
}
