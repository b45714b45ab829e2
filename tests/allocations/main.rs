//! What the steady state of decoding allocates: something per file at most, nothing per record.
//!
//! A binary of its own, with one test: the counter is the allocator of the whole process.

#![allow(clippy::unwrap_used, reason = "a test that panics has said why")]

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use std::alloc::System;
use std::io::Write;
use trailinsight::case::stage::Columns;
use trailinsight::decode::{Caps, Record, Scratch, Sink, decode};
use trailinsight_fixtures::{Corpus, Recipe, Shape};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u64 = 2_500;
/// The vectors of the one `Record` that is reused within a file, and what the test harness does on
/// its own thread meanwhile.
const PER_FILE_MAX: usize = 32;
/// Columns grow by doubling, each on its own; there are some sixty, of two or three vectors.
const GROWTH_MAX: usize = 250;

struct Count(u64);

impl Sink for Count {
    fn record(&mut self, record: &Record<'_>) {
        self.0 += 1 + u64::from(record.event_name.is_none());
    }
}

fn json(index: u64) -> Vec<u8> {
    let mut json = Vec::new();
    Corpus::new(Recipe::new(Shape::FewLarge, 2 * RECORDS, 2)).file_bytes(index, &mut json);
    json
}

fn gzip(json: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(json).unwrap();
    encoder.finish().unwrap()
}

fn calls(stats: Stats) -> usize {
    stats.allocations + stats.reallocations
}

/// Calls to the allocator while one file is decoded into `sink`.
fn cost(bytes: &[u8], scratch: &mut Scratch, sink: &mut impl Sink) -> usize {
    let region = Region::new(ALLOCATOR);
    let decoded = decode(bytes, &Caps::default(), scratch, sink);
    let calls = calls(region.change());
    assert_eq!((decoded.pushed, decoded.rejected.len()), (RECORDS, 0));
    calls
}

#[test]
fn a_record_costs_no_allocation() {
    let region = Region::new(ALLOCATOR);
    let files = [json(0), json(1)];
    assert!(calls(region.change()) > 2, "the counter does not count");

    for bytes in [gzip(&files[0]), files[0].clone()] {
        let mut scratch = Scratch::default();
        let mut count = Count(0);
        let first = cost(&bytes, &mut scratch, &mut count);
        let second = cost(&bytes, &mut scratch, &mut count);
        assert_eq!(count.0, 2 * RECORDS);
        assert!(second <= PER_FILE_MAX && second <= first, "{first}, then {second}");
    }

    let (mut scratch, mut columns) = (Scratch::default(), Columns::default());
    for bytes in &files {
        cost(bytes, &mut scratch, &mut columns.file("first"));
    }
    let again = cost(&files[1], &mut scratch, &mut columns.file("again"));
    assert_eq!(columns.rows() as u64, 3 * RECORDS);
    assert!(again <= GROWTH_MAX, "{again}");
}
