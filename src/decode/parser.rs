//! One JSON document to a cursor over it, in buffers that are kept.

use super::text;
use super::walk::Cursor;
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Tape};

use crate::model::RejectReason;

/// Structurals that fit before the parser's buffers first grow.
const STRUCTURALS: usize = 1 << 16;

pub(super) struct Parser {
    /// A copy that simd-json unescapes strings in, with its padding behind.
    copy: Vec<u8>,
    buffers: Buffers,
    /// Empty between documents: only the allocation is kept.
    tape: Option<Tape<'static>>,
}

/// Why a document could not be read.
pub(super) struct Fault {
    pub(super) reason: RejectReason,
    pub(super) detail: String,
}

impl Parser {
    pub(super) fn new(max_depth: usize) -> Self {
        Self {
            copy: Vec::new(),
            buffers: Buffers::with_max_depth(STRUCTURALS, max_depth),
            tape: Some(Tape::null()),
        }
    }

    /// Parses all of `raw` and hands a cursor at its value to `read`.
    pub(super) fn parse<R>(
        &mut self,
        raw: &[u8],
        read: impl FnOnce(&mut Cursor<'_>) -> R,
    ) -> Result<R, Fault> {
        self.fill(raw);
        match self.parse_copy(raw, read) {
            Ok(answer) => Ok(answer),
            Err((error, read)) => {
                self.fill(raw);
                // What the parser cannot represent is replaced by something of the same length.
                let is_replaced = match error.error() {
                    ErrorType::InvalidUnicodeCodepoint | ErrorType::InvalidUnicodeEscape => {
                        text::replace_lone_surrogates(&mut self.copy)
                    }
                    ErrorType::InvalidNumber => text::replace_huge_numbers(&mut self.copy),
                    _ => false,
                };
                if is_replaced {
                    return self.parse_copy(raw, read).map_err(|(error, _)| Fault::of(&error));
                }
                Err(Fault::of(&error))
            }
        }
    }

    fn fill(&mut self, raw: &[u8]) {
        self.copy.clear();
        self.copy.extend_from_slice(raw);
        self.copy.resize(raw.len() + INPUT_PADDING, b' ');
    }

    /// Gives `read` back where it was not called.
    fn parse_copy<R, F: FnOnce(&mut Cursor<'_>) -> R>(
        &mut self,
        raw: &[u8],
        read: F,
    ) -> Result<R, (simd_json::Error, F)> {
        let Self { copy, buffers, tape } = self;
        let mut nodes = tape.take().unwrap_or_else(Tape::null).reset();
        let parsed = simd_json::fill_tape_padded(copy, raw.len(), buffers, &mut nodes);
        let answer = match parsed {
            Ok(()) => Ok(read(&mut Cursor::new(&nodes.0, buffers.structural_indexes(), raw))),
            Err(error) => Err((error, read)),
        };
        *tape = Some(nodes.reset());
        answer
    }

    pub(super) fn capacity(&self) -> usize {
        self.copy.capacity()
    }
}

impl Fault {
    fn of(error: &simd_json::Error) -> Self {
        let reason = match error.error() {
            ErrorType::InvalidUtf8 => RejectReason::InvalidUtf8,
            ErrorType::DepthLimitExceeded => RejectReason::TooDeep,
            _ => RejectReason::InvalidJson,
        };
        Self { reason, detail: format!("{:?} near byte {}", error.error(), error.index()) }
    }
}
