//! Where the structure of a text is: every bracket, colon, comma and beginning of a scalar.

use super::parser::Fault;
use crate::model::RejectReason;
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Tape};

/// Structurals that fit before the buffers first grow.
const STRUCTURALS: usize = 1 << 16;

/// Buffers that are kept from text to text.
pub(super) struct Structurals {
    found: Vec<u32>,
    buffers: Buffers,
    /// Never filled, but simd-json makes room in it: only the allocation is kept.
    tape: Option<Tape<'static>>,
}

/// Why a text has no structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NotUtf8,
    /// A string without an end, a bare control character in one, or no text at all.
    NoJson,
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let (reason, detail) = match refused {
            Refused::NotUtf8 => (RejectReason::InvalidUtf8, "text that is not UTF-8"),
            Refused::NoJson => (
                RejectReason::InvalidJson,
                "an open string, a control character in one, or no text at all",
            ),
        };
        Self { reason, detail: detail.to_owned() }
    }
}

impl Default for Structurals {
    fn default() -> Self {
        // No depth at all: the second half of simd-json gives up at the first bracket.
        Self {
            found: Vec::with_capacity(STRUCTURALS),
            buffers: Buffers::with_max_depth(0, 0),
            tape: None,
        }
    }
}

impl Structurals {
    /// The text, which is afterwards as it was, and the offsets of its structurals.
    pub(super) fn find<'p>(
        &'p mut self,
        raw: &'p mut Vec<u8>,
    ) -> Result<(&'p str, &'p [u32]), Refused> {
        #[cfg(target_arch = "x86_64")]
        let found = super::avx512::find(raw, &mut self.found);
        #[cfg(not(target_arch = "x86_64"))]
        let found = None;
        let structurals = match found {
            Some(found) => found.map(|()| &*self.found)?,
            None => self.find_anywhere(raw)?,
        };
        // SAFETY: either way these very bytes have just been found to be UTF-8.
        #[allow(unsafe_code, reason = "a second look at every byte costs as much as the first")]
        let text = unsafe { std::str::from_utf8_unchecked(raw) };
        Ok((text, structurals))
    }

    /// On any processor, by simd-json.
    pub(super) fn find_anywhere(&mut self, raw: &mut Vec<u8>) -> Result<&[u32], Refused> {
        let len = raw.len();
        // simd-json stops at a bracket; the string that a text may be instead it unescapes in its place.
        let root = raw.iter().find(|byte| !byte.is_ascii_whitespace());
        let whole = (!matches!(root, Some(b'{' | b'['))).then(|| raw.clone());
        raw.resize(len + INPUT_PADDING, b' ');
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let found = simd_json::fill_tape_padded(raw, len, &mut self.buffers, &mut tape);
        self.tape = Some(tape.reset());
        raw.truncate(len);
        if let Some(whole) = whole {
            *raw = whole;
        }
        match found {
            Ok(()) => {}
            Err(error) => match error.error() {
                ErrorType::DepthLimitExceeded => {}
                ErrorType::InvalidUtf8 => return Err(Refused::NotUtf8),
                _ => return Err(Refused::NoJson),
            },
        }
        Ok(self.buffers.structural_indexes())
    }

    pub(super) fn capacity(&self) -> usize {
        self.found.capacity() * size_of::<u32>()
    }
}
