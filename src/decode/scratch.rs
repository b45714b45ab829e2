//! Buffers of one worker, kept between files so that the steady state allocates nothing.

use simd_json::{Buffers, Tape};

pub struct Scratch {
    /// The file as inflated; nested values are borrowed from here.
    pub(super) raw: Vec<u8>,
    /// A copy that simd-json unescapes strings in, with its padding behind.
    pub(super) parse: Vec<u8>,
    pub(super) buffers: Buffers,
    /// Empty between files: only the allocation is kept.
    pub(super) tape: Option<Tape<'static>>,
}

impl Scratch {
    #[must_use]
    pub fn new(max_depth: usize) -> Self {
        Self {
            raw: Vec::new(),
            parse: Vec::new(),
            buffers: Buffers::with_max_depth(1 << 20, max_depth),
            tape: Some(Tape::null()),
        }
    }

    /// Bytes held by the text buffers, for tests that the second equal file grows nothing.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.raw.capacity() + self.parse.capacity()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new(super::Caps::default().depth)
    }
}
