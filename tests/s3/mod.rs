//! Archives in S3, through the real client against a real server, with and without faults.

mod catalog;
mod faults;
mod listing;
mod program;
mod server;

use crate::support::{Silent, pool, rows};
use server::{Fault, KEY_ID, SECRET, Server};
use std::path::Path;
use trailinsight::archive::{self, AwsSettings, Keys, Location, Source};
use trailinsight::case::{self, Case, Manifest};
use trailinsight::model::{Ledger, Selection};
use trailinsight_fixtures::{Corpus, Recipe, Shape};

const BUCKET: &str = "trail-logs";

/// A bucket in a folder, with an archive of so many files.
fn bucket(root: &Path, shape: Shape, events: u64, files: u64) {
    let corpus = Corpus::new(Recipe::new(shape, events, files));
    corpus.write(&root.join(BUCKET)).unwrap();
}

fn calm(_: &str, _: &str, _: u32) -> Option<Fault> {
    None
}

fn options(server: &Server) -> archive::Options {
    let keys = Keys { access_key_id: KEY_ID.to_owned(), secret_access_key: SECRET.to_owned() };
    let endpoint_url = Some(server.endpoint());
    let aws = AwsSettings { endpoint_url, keys: Some(keys), ..AwsSettings::default() };
    archive::Options { aws, ..Default::default() }
}

fn open(server: &Server, source: &str) -> Result<Box<dyn Source>, archive::Error> {
    archive::open(&[Location::parse(source).unwrap()], &options(server))
}

fn open_selected(server: &Server, source: &str, selection: Selection) -> Box<dyn Source> {
    let options = archive::Options { selection, ..options(server) };
    archive::open(&[Location::parse(source).unwrap()], &options).unwrap()
}

fn ingest(source: &dyn Source, case: &Path, memory_bytes: usize) -> Result<Manifest, case::Error> {
    let options = case::Options { memory_bytes, ..Default::default() };
    case::ingest(source, case, &options, &pool(2), &Silent)
}

/// Rows by what they are known by, and the ledger.
fn content(case: &Path) -> (Vec<String>, Ledger) {
    let case = Case::open(case).unwrap();
    let sql = "SELECT source_file, source_index, event_id, event_time, actor FROM events";
    let mut rows: Vec<String> = rows(&case, sql).iter().map(|row| row.join("\u{1f}")).collect();
    rows.sort_unstable();
    (rows, case.manifest.ledger.clone())
}

fn from_disk(root: &Path, case: &Path) -> (Vec<String>, Ledger) {
    let disk = archive::Disk::list(&[root.join(BUCKET)]).unwrap();
    ingest(&disk, case, 64 << 20).unwrap();
    content(case)
}

fn names(source: &dyn Source) -> Vec<String> {
    source.inputs().iter().map(|input| input.name).collect()
}
