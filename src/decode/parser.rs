//! One JSON document to a cursor over it, in buffers that are kept.
//!
//! simd-json finds the structure: every bracket, colon, comma and beginning of a scalar, and that the
//! text is UTF-8. What it would do next, build a tape of every value, is not done: a record's nested
//! values are kept as the bytes that stand in the file, and only some thirty scalars of it are looked
//! at. So the structure is checked against JSON's grammar here, which costs half as much, leaves the
//! text untouched (no string is unescaped in place, so no second copy of the file is needed), and
//! notes where each bracket closes, so that a nested value is stepped over in one go.

use super::grammar::{Grammar, Spans};
use super::walk::Cursor;
use crate::model::RejectReason;
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Tape};

/// Structurals that fit before the parser's buffers first grow.
const STRUCTURALS: usize = 1 << 16;

pub(super) struct Parser {
    /// For documents that are part of a larger text: simd-json wants padding behind.
    copy: Vec<u8>,
    buffers: Buffers,
    /// Never filled, but simd-json makes room in it: only the allocation is kept.
    tape: Option<Tape<'static>>,
    spans: Spans,
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
        Self {
            copy: Vec::new(),
            // No depth at all: the second half of the parser gives up at the first bracket.
            buffers: Buffers::with_max_depth(STRUCTURALS, 0),
            tape: None,
            spans: Spans::default(),
            max_depth,
        }
    }

    /// Parses all of `raw` and hands a cursor at its value to `read`.
    pub(super) fn parse<R>(
        &mut self,
        raw: &[u8],
        read: impl FnOnce(&mut Cursor<'_>) -> R,
    ) -> Result<R, Fault> {
        let mut copy = std::mem::take(&mut self.copy);
        copy.clear();
        copy.extend_from_slice(raw);
        let answer = self.parse_in_place(&mut copy, read);
        self.copy = copy;
        answer
    }

    /// The same without a copy. `raw` is as it was afterwards.
    pub(super) fn parse_in_place<R>(
        &mut self,
        raw: &mut Vec<u8>,
        read: impl FnOnce(&mut Cursor<'_>) -> R,
    ) -> Result<R, Fault> {
        let len = raw.len();
        raw.resize(len + INPUT_PADDING, b' ');
        let structure = self.find_structure(raw, len);
        raw.truncate(len);
        structure?;
        // SAFETY: `find_structure` has just found these very bytes to be UTF-8.
        #[allow(unsafe_code, reason = "a second look at every byte costs as much as the first")]
        let text = unsafe { std::str::from_utf8_unchecked(raw) };
        let structurals = self.buffers.structural_indexes();
        Grammar::new(text, structurals, self.max_depth).check(&mut self.spans)?;
        Ok(read(&mut Cursor::new(text, structurals, &self.spans, &typed_arena::Arena::new())))
    }

    /// Fills the structural index; refuses what is not UTF-8, holds an open string or a bare control
    /// character in one.
    fn find_structure(&mut self, padded: &mut [u8], len: usize) -> Result<(), Fault> {
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let found = simd_json::fill_tape_padded(padded, len, &mut self.buffers, &mut tape);
        self.tape = Some(tape.reset());
        match found {
            Ok(()) => Ok(()),
            Err(error) => match error.error() {
                ErrorType::DepthLimitExceeded => Ok(()),
                ErrorType::InvalidUtf8 => {
                    let detail = "text that is not UTF-8".to_owned();
                    Err(Fault { reason: RejectReason::InvalidUtf8, detail })
                }
                other => Err(Fault::syntax(&format!("{other:?}"), error.index())),
            },
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.copy.capacity() + self.spans.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<RejectReason> {
        Parser::new(4).parse(text.as_bytes(), |_| ()).err().map(|f| f.reason)
    }

    /// What the fast half of simd-json is trusted with, and what is checked after it.
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
            r#"{a:1}"#,
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
