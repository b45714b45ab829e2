//! Buffers of one worker, kept between files so that the steady state allocates nothing.

use super::parser::Parser;

pub struct Scratch {
    /// The file as inflated; nested values are borrowed from here.
    pub(super) raw: Vec<u8>,
    pub(super) parser: Parser,
}

impl Scratch {
    #[must_use]
    pub fn new(max_depth: usize) -> Self {
        Self { raw: Vec::new(), parser: Parser::new(max_depth) }
    }

    /// Bytes held by the text buffers, for tests that the second equal file grows nothing.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.raw.capacity() + self.parser.capacity()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new(super::Caps::default().depth)
    }
}
