//! What each step costs, in bytes of JSON and in events: `cargo bench --bench stages [NAME]`.
//!
//! `inflate`, `decode` and `build` each hold the step before, as in the program: the difference is
//! the price of the step. `part` starts from finished columns. `ingest` is the whole way from a
//! folder to a case, syncing to disk included. Ratios that must hold are `scripts/bench`'s business.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot be taken has no answer")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use trailinsight::archive::{Disk, Input, Source};
use trailinsight::case::stage::Columns;
use trailinsight::case::{self, Options, Progress};
use trailinsight::decode::{Caps, Record, Scratch, Sink, decode, inflate_only};
use trailinsight_fixtures::{Corpus, Recipe, Shape};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 40_000;
/// Of 2,500 events each, as busy trails deliver them.
const FILES: u64 = 16;
const MEMORY_BYTES: usize = 1 << 30;

fn main() {
    divan::main();
}

struct Archive {
    root: PathBuf,
    files: Vec<Vec<u8>>,
    json_bytes: u64,
}

static ARCHIVE: LazyLock<Archive> = LazyLock::new(|| {
    let root = scratch_folder("archive");
    let summary = Corpus::new(Recipe::new(Shape::FewLarge, EVENTS, FILES)).write(&root).unwrap();
    let disk = Disk::list(std::slice::from_ref(&root)).unwrap();
    let read = |input: Input| {
        let mut bytes = Vec::new();
        disk.read(&input, &mut bytes).map(|()| bytes)
    };
    let files = disk.inputs().iter().map(read).collect::<Result<_, _>>().unwrap();
    Archive { root, files, json_bytes: summary.json_bytes }
});

/// A new, empty folder of this name.
fn scratch_folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stages").join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

fn json() -> BytesCount {
    BytesCount::new(ARCHIVE.json_bytes)
}

fn events() -> ItemsCount {
    ItemsCount::new(EVENTS)
}

/// Looks at each record, so that none is optimized away.
struct Nothing;

impl Sink for Nothing {
    fn record(&mut self, record: &Record<'_>) {
        black_box(record);
    }
}

fn read_all(scratch: &mut Scratch, mut sink: impl Sink) {
    for bytes in &ARCHIVE.files {
        let _ = black_box(decode(bytes, &Caps::default(), scratch, &mut sink));
    }
}

#[divan::bench(name = "1 inflate")]
fn inflating(bencher: Bencher) {
    let mut scratch = Scratch::default();
    bencher.counter(json()).counter(events()).bench_local(|| {
        for bytes in &ARCHIVE.files {
            black_box(inflate_only(bytes, &Caps::default(), &mut scratch));
        }
    });
}

#[divan::bench(name = "2 decode")]
fn decoding(bencher: Bencher) {
    let mut scratch = Scratch::default();
    bencher.counter(json()).counter(events()).bench_local(|| read_all(&mut scratch, Nothing));
}

#[divan::bench(name = "3 build")]
fn building(bencher: Bencher) {
    let mut scratch = Scratch::default();
    bencher.counter(json()).counter(events()).bench_local(|| {
        let mut columns = Columns::default();
        read_all(&mut scratch, columns.file("bench"));
        columns
    });
}

#[divan::bench(name = "4 part")]
fn writing(bencher: Bencher) {
    let path = scratch_folder("part").join("part.parquet");
    let mut scratch = Scratch::default();
    bencher
        .counter(json())
        .counter(events())
        .with_inputs(|| {
            let mut columns = Columns::default();
            read_all(&mut scratch, columns.file("bench"));
            columns
        })
        .bench_local_values(|mut columns| columns.write(&path).unwrap());
}

struct Silent;

impl Progress for Silent {
    fn file(&self, _: u64, _: u64, _: u64) {}
}

#[divan::bench(name = "5 ingest", args = [1, 2], sample_count = 20)]
fn whole_way(bencher: Bencher, threads: usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let options = Options { memory_bytes: MEMORY_BYTES, ..Options::default() };
    bencher
        .counter(json())
        .counter(events())
        .with_inputs(|| scratch_folder("case"))
        .bench_local_values(|dir| {
            let source = Disk::list(std::slice::from_ref(&ARCHIVE.root)).unwrap();
            case::ingest(&source, &dir, &options, &pool, &Silent).unwrap()
        });
}
