//! Reading without parsing: what the archive costs before a single record is looked at. The measure
//! that ingest is held against.

use super::Progress;
use crate::archive::Source;
use crate::decode::{self, Caps, Scratch};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Reads and inflates every input of `source` on the threads of `pool`; returns the bytes inflated.
/// What cannot be read counts as nothing.
pub fn inflate_only(
    source: &dyn Source,
    caps: &Caps,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> u64 {
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    pool.broadcast(|_| {
        let (mut bytes, mut scratch) = (Vec::new(), Scratch::new(caps.depth));
        while let Some(input) = source.inputs().get(next.fetch_add(1, Ordering::Relaxed)) {
            let inflated = match source.read(input, &mut bytes) {
                Ok(()) => decode::inflate_only(&bytes, caps, &mut scratch),
                Err(_) => 0,
            };
            progress.file(input.bytes, inflated, 0);
            total.fetch_add(inflated, Ordering::Relaxed);
        }
    });
    total.into_inner()
}
