//! Reading without parsing: what the archive costs before a single record is looked at. The measure
//! that ingest is held against.

use super::Progress;
use crate::archive::{Body, Next, Source, Window};
use crate::decode::{self, Caps, Scratch};
use std::sync::atomic::{AtomicU64, Ordering};

const AHEAD_BYTES: u64 = 64 << 20;

/// Reads and inflates every input of `source` on the threads of `pool`; returns the bytes inflated.
/// What cannot be read counts as nothing.
pub fn inflate_only(
    source: &dyn Source,
    caps: &Caps,
    pool: &rayon::ThreadPool,
    progress: &dyn Progress,
) -> u64 {
    let inputs = source.inputs();
    let todo = (0..inputs.len() as u32).collect();
    let window = Window { file_bytes: u64::MAX, ahead_bytes: AHEAD_BYTES };
    let (reading, total) = (source.reading(inputs, todo, window), AtomicU64::new(0));
    pool.broadcast(|_| {
        let (mut bytes, mut scratch) = (Vec::new(), Scratch::new(caps.depth));
        while let Some(Next { number, body }) = reading.next(&mut bytes) {
            let inflated = match body {
                Ok(Body::Whole) => decode::inflate_only(&bytes, caps, &mut scratch),
                Ok(Body::Stream(_)) | Err(_) => 0,
            };
            progress.file(inputs.bytes_of(number), inflated, 0);
            total.fetch_add(inflated, Ordering::Relaxed);
        }
    });
    total.into_inner()
}
