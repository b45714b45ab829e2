//! A cursor over a checked document that moves along its structural index.

use super::grammar::Spans;
use typed_arena::Arena;

/// A value at the cursor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    String(&'a str),
    /// As it is spelled.
    Number(&'a str),
    Bool(bool),
    Null,
    Object {
        len: usize,
    },
    Array {
        len: usize,
    },
}

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    raw: &'a str,
    /// Byte offsets in `raw` of every bracket, colon, comma and start of a scalar.
    structurals: &'a [u32],
    spans: &'a Spans,
    /// Strings that had to be unescaped.
    unescaped: &'a Arena<String>,
    structural: usize,
    /// Whether strings here may hold escapes: looking for them costs more than anything else does.
    escapes: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(
        raw: &'a str,
        structurals: &'a [u32],
        spans: &'a Spans,
        unescaped: &'a Arena<String>,
    ) -> Self {
        Self { raw, structurals, spans, unescaped, structural: 0, escapes: true }
    }

    /// Onto another value, which is known to hold escapes or not to.
    pub(super) fn go_to(&mut self, structural: usize, escapes: bool) {
        self.structural = structural;
        self.escapes = escapes;
    }

    /// Whether these bytes stand from a structural on.
    pub(super) fn starts_with(&self, structural: usize, bytes: &[u8]) -> bool {
        self.raw.as_bytes()[self.structurals[structural] as usize..].starts_with(bytes)
    }

    /// The bytes of an object or list, from its bracket to the structural behind it.
    pub(super) fn between(&self, structural: usize, next: usize) -> &'a [u8] {
        let [start, end] = [structural, next - 1].map(|at| self.structurals[at] as usize);
        &self.raw.as_bytes()[start..=end]
    }

    #[inline]
    pub(super) fn peek(&self) -> Value<'a> {
        let at = self.mark();
        match self.raw.as_bytes()[at] {
            b'"' => Value::String(self.string()),
            b'{' => Value::Object { len: self.spans.count(self.structural) },
            b'[' => Value::Array { len: self.spans.count(self.structural) },
            b't' => Value::Bool(true),
            b'f' => Value::Bool(false),
            b'n' => Value::Null,
            _ => Value::Number(self.raw[at..self.end()].trim_ascii_end()),
        }
    }

    /// Steps into the object or array at the cursor: onto its first key or element.
    pub(super) fn enter(&mut self) {
        self.structural += 1;
    }

    /// Takes the key at the cursor and steps onto its value.
    #[inline]
    pub(super) fn key(&mut self) -> &'a str {
        let key = self.string();
        self.structural += 2; // the key and its colon
        key
    }

    /// Steps over the separator behind a value: the comma, or the closing bracket of what is left.
    #[inline]
    pub(super) fn separator(&mut self) {
        self.structural += 1;
    }

    /// Leaves an empty object or array that was entered.
    pub(super) fn leave_empty(&mut self) {
        self.structural += 1;
    }

    /// Steps over a scalar, leaving the cursor on the separator.
    #[inline]
    pub(super) fn skip_scalar(&mut self) {
        self.structural += 1;
    }

    /// Steps over any value and returns its bytes as they stood in the file.
    #[inline]
    pub(super) fn raw_value(&mut self) -> &'a [u8] {
        let start = self.mark();
        if matches!(self.raw.as_bytes()[start], b'{' | b'[') {
            self.structural = self.spans.close(self.structural) + 1;
            return self.since(start);
        }
        let end = self.end();
        self.skip_scalar();
        self.raw.as_bytes()[start..end].trim_ascii_end()
    }

    /// The same; hands out the texts that stand under one of `keys` in the objects of a list.
    pub(super) fn members(&mut self, keys: &[&str], mut take: impl FnMut(&'a str)) -> &'a [u8] {
        let Value::Array { len } = self.peek() else { return self.raw_value() };
        let start = self.mark();
        self.enter();
        if len == 0 {
            self.leave_empty();
        }
        for _ in 0..len {
            if let Value::Object { len } = self.peek() {
                self.enter();
                if len == 0 {
                    self.leave_empty();
                }
                for _ in 0..len {
                    let key = self.key();
                    match self.peek() {
                        Value::String(text) if keys.contains(&key) => {
                            take(text);
                            self.skip_scalar();
                        }
                        _ => {
                            self.raw_value();
                        }
                    }
                    self.separator();
                }
            } else {
                self.raw_value();
            }
            self.separator();
        }
        self.since(start)
    }

    /// The offset of the value at the cursor.
    #[inline]
    pub(super) fn mark(&self) -> usize {
        self.structurals[self.structural] as usize
    }

    /// The bytes from `start` to the end of the object or array that was just left.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        let end = self.structurals[self.structural - 1] as usize;
        &self.raw.as_bytes()[start..=end]
    }

    /// Where the scalar at the cursor ends, and perhaps white space behind it.
    #[inline]
    fn end(&self) -> usize {
        self.structurals.get(self.structural + 1).map_or(self.raw.len(), |&at| at as usize)
    }

    /// The string at the cursor.
    #[inline]
    fn string(&self) -> &'a str {
        let start = self.mark() + 1;
        let mut end = self.end() - 1;
        while self.raw.as_bytes()[end] != b'"' {
            end -= 1; // white space in front of the separator
        }
        let text = &self.raw[start..end];
        if !self.escapes || memchr::memchr(b'\\', text.as_bytes()).is_none() {
            return text;
        }
        self.unescaped.alloc(unescape(text))
    }
}

/// Escapes were checked before; half a surrogate pair becomes U+FFFD.
#[cold]
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or_default();
        rest = &rest[at + 2..];
        match escape {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let mut units = vec![unit(&mut rest)];
                if matches!(units[0], 0xd800..=0xdbff) && rest.starts_with("\\u") {
                    let mut after = &rest[2..];
                    let low = unit(&mut after);
                    if matches!(low, 0xdc00..=0xdfff) {
                        units.push(low);
                        rest = after;
                    }
                }
                out.extend(
                    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)),
                );
            }
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    out
}

/// Takes four hexadecimal digits.
fn unit(rest: &mut &str) -> u16 {
    let (digits, after) = rest.split_at(4);
    *rest = after;
    u16::from_str_radix(digits, 16).unwrap_or(0xfffd)
}
