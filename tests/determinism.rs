//! Same input, same bytes: any number of threads, any order of the files.

use crate::support::{Silent, pool};
use serde_json::Value;
use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::process::Command;
use trailinsight::archive::{Disk, Input, Inputs, Reading, Source, Window, in_order};
use trailinsight::case;

fn incident() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/incident")
}

/// `report.json` without `run`, and `digest.json`.
fn report(args: &[&str], out: &Path) -> (Value, String) {
    let status = Command::new(env!("CARGO_BIN_EXE_trailinsight"))
        .args(args)
        .arg("--out")
        .arg(out)
        .arg("--quiet")
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let mut report: Value =
        serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    report.as_object_mut().unwrap().remove("run").expect("every report has a run");
    (report, std::fs::read_to_string(out.join("digest.json")).unwrap())
}

/// An archive listed backwards.
struct Backwards(Disk, Inputs);

impl Source for Backwards {
    fn inputs(&self) -> &Inputs {
        &self.1
    }
    fn skipped(&self) -> u64 {
        self.0.skipped()
    }
    fn take_inputs(&mut self) -> Inputs {
        std::mem::take(&mut self.1)
    }
    fn key<'a>(&'a self, input: &'a Input) -> Cow<'a, str> {
        self.0.key(input)
    }
    fn reading<'a>(
        &'a self,
        inputs: &'a Inputs,
        todo: Vec<u32>,
        window: Window,
    ) -> Box<dyn Reading + 'a> {
        in_order(self, inputs, todo, window)
    }
    fn open(&self, input: &Input) -> io::Result<Box<dyn io::Read + '_>> {
        self.0.open(input)
    }
}

#[test]
fn threads_and_order_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let archive = incident();
    let archive_arg = archive.to_str().unwrap();
    let one = report(&["analyze", archive_arg, "--threads", "1"], &dir.path().join("one"));
    let two = report(&["analyze", archive_arg, "--threads", "2"], &dir.path().join("two"));
    assert!(one == two, "1 and 2 threads differ");
    let again = report(&["analyze", archive_arg, "--threads", "2"], &dir.path().join("two"));
    assert!(two == again, "a second run over the first differs");

    let disk = Disk::list(&[archive]).unwrap();
    let mut inputs: Vec<Input> = disk.inputs().iter().collect();
    inputs.reverse();
    let case = dir.path().join("backwards");
    let options = case::Options { memory_bytes: 64 << 20, ..Default::default() };
    case::ingest(
        &Backwards(disk, inputs.into_iter().collect()),
        &case,
        &options,
        &pool(2),
        &Silent,
    )
    .unwrap();
    let backwards =
        report(&["report", "--case", case.to_str().unwrap()], &dir.path().join("three"));
    assert!(one == backwards, "another order of files differs");
}
