//! One JSON document to a cursor over it, in buffers that are kept.

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
        let Self { copy, buffers, tape } = self;
        let len = raw.len();
        copy.clear();
        copy.extend_from_slice(raw);
        copy.resize(len + INPUT_PADDING, b' ');
        let mut nodes = tape.take().unwrap_or_else(Tape::null).reset();
        let parsed = simd_json::fill_tape_padded(copy, len, buffers, &mut nodes);
        let answer = match parsed {
            Ok(()) => Ok(read(&mut Cursor::new(&nodes.0, buffers.structural_indexes(), raw))),
            Err(error) => Err(Fault::of(&error)),
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
