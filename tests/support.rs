//! What several tests need.

use std::path::{Path, PathBuf};
use trailinsight::analyze::Analysis;
use trailinsight::archive::{Disk, Source};
use trailinsight::case::{self, Case, Progress};
use trailinsight::detect::Rules;

/// Public CloudTrail data with ground truth, kept beside a checkout and never in it. Tests that
/// want it say so when it is not there.
pub(crate) fn shared_data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no {} on this machine", path.display());
    None
}

pub(crate) fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

pub(crate) struct Silent;
impl Progress for Silent {
    fn file(&self, _: u64, _: u64, _: u64) {}
}

pub(crate) fn ingest(source: &dyn Source, dir: &Path, threads: usize) -> Case {
    let options = case::Options { memory_bytes: 256 << 20, ..Default::default() };
    case::ingest(source, dir, &options, &pool(threads), &Silent).unwrap();
    Case::open(dir).unwrap()
}

pub(crate) fn ingest_path(path: &Path, dir: &Path) -> Case {
    ingest(&Disk::list(&[path.to_owned()]).unwrap(), dir, 2)
}

/// Ingest, detect and analyze, as the main job does.
pub(crate) fn analysis(
    source: &Path,
    dir: &Path,
    rules: &Rules,
    threads: usize,
) -> (Case, Analysis) {
    let case = ingest(&Disk::list(&[source.to_owned()]).unwrap(), dir, threads);
    let accounts = case.accounts().unwrap();
    let mut detections =
        trailinsight::detect::find(&case, rules, &accounts, &pool(threads)).unwrap();
    let counted = trailinsight::detect::count(&case, rules, &accounts, &pool(threads)).unwrap();
    for (rule, count) in &counted {
        let told = detections.findings.iter().filter(|finding| finding.rule == *rule);
        let told = told.fold((0, 0), |all, finding| (all.0 + finding.count, all.1 + 1));
        assert_eq!((count.events, count.findings), told, "{rule} is counted as it is told");
    }
    assert!(detections.findings.iter().all(|finding| counted.contains_key(&finding.rule)));
    detections.show(&case, &pool(threads), trailinsight::analyze::MAX_FINDINGS).unwrap();
    let options = trailinsight::analyze::Options { top: 1000 };
    let analysis = trailinsight::analyze::run(&case, detections, &options).unwrap();
    (case, analysis)
}

/// All rows of an answer, as text.
pub(crate) fn rows(case: &Case, sql: &str) -> Vec<Vec<String>> {
    let batches: Vec<_> = case.query(sql).unwrap().collect::<Result<_, _>>().unwrap();
    let rows = batches.iter().flat_map(|batch| (0..batch.len()).map(|i| batch.row(i)));
    rows.map(|row| row.iter().map(case::Cell::text).collect()).collect()
}
