//! How workers get bytes: each asks for the next file that is ready.

use super::{Inputs, Source};
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What reading may hold.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// A file larger than this is streamed.
    pub file_bytes: u64,
    /// Bytes that may be read ahead of the workers.
    pub ahead_bytes: u64,
}

/// The bytes of one file.
pub enum Body<'a> {
    /// All of it is in the buffer.
    Whole,
    /// Larger than the window.
    Stream(Box<dyn Read + 'a>),
}

/// A file that is ready, or that cannot be read.
pub struct Next<'a> {
    /// Its number among the inputs.
    pub number: u32,
    pub body: io::Result<Body<'a>>,
}

/// A run of reads over many files. Dropping it ends what is under way.
pub trait Reading: Sync {
    /// The next file, in whatever order is fastest; `None` when all are taken. Workers call this
    /// at the same time; it waits only while nothing is ready. `buffer` is cleared and filled.
    fn next(&self, buffer: &mut Vec<u8>) -> Option<Next<'_>>;
}

/// Reads each file when it is asked for: right where opening one costs next to nothing.
pub fn in_order<'a, S: Source + ?Sized>(
    source: &'a S,
    inputs: &'a Inputs,
    todo: Vec<u32>,
    window: Window,
) -> Box<dyn Reading + 'a> {
    Box::new(InOrder { source, inputs, todo, window, next: AtomicUsize::new(0) })
}

struct InOrder<'a, S: ?Sized> {
    source: &'a S,
    inputs: &'a Inputs,
    todo: Vec<u32>,
    window: Window,
    next: AtomicUsize,
}

impl<S: Source + ?Sized> Reading for InOrder<'_, S> {
    fn next(&self, buffer: &mut Vec<u8>) -> Option<Next<'_>> {
        let number = *self.todo.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let input = self.inputs.get(number);
        let body = if input.bytes > self.window.file_bytes {
            self.source.open(&input).map(Body::Stream)
        } else {
            self.source.read(&input, buffer).map(|()| Body::Whole)
        };
        Some(Next { number, body })
    }
}
