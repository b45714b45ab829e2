//! Buffers of one worker, kept between files so that the steady state allocates nothing.

use super::parser::Parser;

/// Records inside strings inside strings: a log export of a message of a notification.
const NESTED: usize = 4;

pub struct Scratch {
    /// The file as inflated; nested values are borrowed from here.
    pub(super) raw: Vec<u8>,
    /// What is held of a file that is read in pieces.
    pub(super) window: Vec<u8>,
    /// Pieces put together to one document.
    pub(super) batch: Vec<u8>,
    pub(super) parser: Parser,
    /// For JSON in strings, one for each level of it.
    pub(super) nested: Vec<Parser>,
}

impl Scratch {
    #[must_use]
    pub fn new(max_depth: usize) -> Self {
        Self {
            raw: Vec::new(),
            window: Vec::new(),
            batch: Vec::new(),
            parser: Parser::new(max_depth),
            nested: (0..NESTED).map(|_| Parser::new(max_depth)).collect(),
        }
    }

    /// Bytes held by the text buffers, for tests that the second equal file grows nothing.
    #[must_use]
    pub fn capacity(&self) -> usize {
        let parsers = std::iter::once(&self.parser).chain(&self.nested);
        let parsers: usize = parsers.map(Parser::capacity).sum();
        self.raw.capacity() + self.window.capacity() + self.batch.capacity() + parsers
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new(super::Caps::default().depth)
    }
}
