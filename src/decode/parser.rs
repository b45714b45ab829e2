//! One JSON document to a cursor over it, in buffers that are kept.
//!
//! The structure of the text is found first ([`Structurals`]). What simd-json would do next, build a tape
//! of every value, is not done: a record's nested values are kept as the bytes that stand in the file,
//! and only some thirty scalars of it are looked at. So the structure is checked against JSON's grammar
//! here, which costs half as much, leaves the text untouched (no string is unescaped in place, so no
//! second copy of the file is needed), and notes where each bracket closes, so that a nested value is
//! stepped over in one go.

use super::elements::Elements;
use super::grammar::{Grammar, Open, Spans};
use super::structurals::Structurals;
use super::walk::Cursor;
use crate::model::RejectReason;
use typed_arena::Arena;

pub(super) struct Parser {
    /// For documents that are part of a larger text: they may want padding behind.
    copy: Vec<u8>,
    core: Core,
}

struct Core {
    structurals: Structurals,
    spans: Spans,
    open: Vec<Open>,
    max_depth: usize,
}

/// A text whose structure is known, but not yet whether it is JSON.
struct Structure<'p> {
    text: &'p str,
    structurals: &'p [u32],
    spans: &'p Spans,
    open: &'p mut Vec<Open>,
    max_depth: usize,
}

/// Why a document could not be read.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: RejectReason,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn syntax(what: &str, at: usize) -> Self {
        let detail = format!("{what} near byte {at}");
        Self { reason: RejectReason::InvalidJson, detail }
    }
}

impl Parser {
    pub(super) fn new(max_depth: usize) -> Self {
        let (structurals, spans, open) = Default::default();
        Self { copy: Vec::new(), core: Core { structurals, spans, open, max_depth } }
    }

    /// Parses all of `raw` and hands a cursor at its value to `read`.
    pub(super) fn parse<R>(
        &mut self,
        raw: &[u8],
        read: impl FnOnce(&mut Cursor<'_>) -> R,
    ) -> Result<R, Fault> {
        self.copy.clear();
        self.copy.extend_from_slice(raw);
        let Structure { text, structurals, spans, open, max_depth } =
            self.core.structure(&mut self.copy)?;
        Grammar::new(text, structurals, max_depth, open).document(spans)?;
        Ok(read(&mut Cursor::new(text, structurals, spans, &Arena::new())))
    }

    /// Hands the elements of a plain trail file to `read`, without a copy: `raw` begins with
    /// [`super::elements::HEAD`] and is afterwards as it was.
    pub(super) fn elements<R>(
        &mut self,
        raw: &mut Vec<u8>,
        read: impl FnOnce(&mut Elements<'_>) -> R,
    ) -> Result<R, Fault> {
        let Structure { text, structurals, spans, open, max_depth } = self.core.structure(raw)?;
        let unescaped = Arena::new();
        let cursor = Cursor::new(text, structurals, spans, &unescaped);
        let grammar = Grammar::new(text, structurals, max_depth, open);
        Ok(read(&mut Elements::new(grammar, spans, cursor)))
    }

    pub(super) fn capacity(&self) -> usize {
        self.copy.capacity() + self.core.structurals.capacity() + self.core.spans.capacity()
    }
}

impl Core {
    /// Refuses what is not UTF-8, holds an open string or a bare control character in one.
    fn structure<'p>(&'p mut self, raw: &'p mut Vec<u8>) -> Result<Structure<'p>, Fault> {
        let (text, structurals) = self.structurals.find(raw)?;
        self.spans.make_room(structurals.len());
        let (spans, open, max_depth) = (&self.spans, &mut self.open, self.max_depth);
        Ok(Structure { text, structurals, spans, open, max_depth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<RejectReason> {
        Parser::new(4).parse(text.as_bytes(), |_| ()).err().map(|f| f.reason)
    }

    /// What those who find the structure are trusted with, and what is checked after it.
    #[test]
    fn takes_json_and_nothing_else() {
        for good in [
            "{}",
            "[]",
            " { } ",
            "[[],{}]",
            r#"{"a":{"b":[1,-2.5e+3,0,"x",true,false,null]}}"#,
            "1",
            "\"x\"",
            "null",
            r#"["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"]"#,
            "[1 , 2]",
            "[\r\n1\t]",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r"{a:1}",
            "[1 2]",
            "[tru]",
            "[nul]",
            "[TRUE]",
            "[NaN]",
            "[01]",
            "[1.]",
            "[.5]",
            "[-]",
            "[1e]",
            "[+1]",
            "[0x1]",
            "[1]]",
            "{} {}",
            "[\"a]",
            r#"["\x"]"#,
            r#"["\u12g4"]"#,
            r#"["\u12"]"#,
            "[\"a\nb\"]",
            "[\"a\"b]",
            "[1\"a\"]",
            "[1\x0c]",
            "[true\x0c,1]",
            "[1,\x0c2]",
            "[}",
            "{]",
            r#"{"a":1]"#,
            "[1}",
            "[,1]",
            ":",
            ",",
        ] {
            assert_eq!(fault(bad), Some(RejectReason::InvalidJson), "{bad}");
        }
        assert_eq!(fault("[[[[1]]]]"), None);
        assert_eq!(fault("[[[[[1]]]]]"), Some(RejectReason::TooDeep));
        let latin = Parser::new(4).parse(b"[\"\xe9\"]", |_| ()).err().map(|f| f.reason);
        assert_eq!(latin, Some(RejectReason::InvalidUtf8));
    }
}
