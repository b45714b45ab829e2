//! The program against a bucket: the same report as from disk, Ctrl-C, plans, and no credentials
//! anywhere.

use super::server::{Fault, KEY_ID, SECRET, Server};
use super::{BUCKET, bucket, calm, content, from_disk};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use trailinsight_fixtures::Shape;

fn program(dir: &Path, server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailinsight"));
    server.environment(&mut command);
    command.current_dir(dir);
    command
}

fn report(path: &Path) -> Value {
    let mut report: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    report.as_object_mut().unwrap().remove("run").expect("every report has a run");
    report
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every twentieth answer is a bad one, of all kinds, as often as a key is asked for.
fn faulty(key: &str, prefix: &str, times: u32) -> Option<Fault> {
    let name = format!("{key}{prefix}{times}");
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
    let faults = [
        Fault::SlowDown,
        Fault::Reset,
        Fault::Truncate(300),
        Fault::Slow(30),
        Fault::Status(500, "InternalError"),
    ];
    (hash % 20 == 0).then(|| faults[hash as usize / 20 % faults.len()])
}

/// No file below `dir` holds what nobody may see.
fn no_credentials(dir: &Path) {
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            for secret in [SECRET, KEY_ID] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} holds credentials", entry.path().display());
            }
        }
    }
}

#[test]
fn the_report_is_that_from_disk_with_one_answer_in_twenty_bad() {
    let dir = tempfile::tempdir().unwrap();
    bucket(&dir.path().join("s3"), Shape::ManyTiny, 10_000, 0);
    let server = Server::start(&dir.path().join("s3"), None, faulty);
    let run = |source: &str, out: &str| {
        let mut command = program(dir.path(), &server);
        command.args(["analyze", source, "--out", out, "--json-log"]);
        // All that logs can say is said.
        command.env("RUST_LOG", "trace").output().unwrap()
    };
    let disk = run(&format!("s3/{BUCKET}"), "out/disk");
    assert_eq!(disk.status.code(), Some(0), "{}", said(&disk));
    let s3 = run(&format!("s3://{BUCKET}"), "out/s3");
    assert_eq!(s3.status.code(), Some(0), "{}", said(&s3).lines().last().unwrap());
    let gets = server.gets().len();
    assert!(gets > 5_000 && server.gets().len() > gets * 98 / 100, "{gets}");
    let (from_disk, from_s3) = (
        report(&dir.path().join("out/disk/report.json")),
        report(&dir.path().join("out/s3/report.json")),
    );
    assert_eq!(from_s3["ledger"], from_disk["ledger"]);
    assert_eq!(from_s3["ledger"]["records"]["kept"], 10_000);
    assert!(from_s3 == from_disk, "reports differ");
    no_credentials(&dir.path().join("out"));
    let logs = said(&s3) + &String::from_utf8_lossy(&s3.stdout);
    assert!(logs.len() > 10_000, "nothing was logged: the test shows nothing");
    for secret in [SECRET, KEY_ID] {
        assert!(!logs.contains(secret), "credentials are in the log");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_case_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 400, 200);
    // A few files hang when they are asked for first, so that the first run cannot end by itself.
    let hanging = |key: &str, _: &str, times: u32| {
        let hash: u32 = key.bytes().map(u32::from).sum();
        (!key.is_empty() && hash.is_multiple_of(25) && times == 0).then_some(Fault::Slow(60_000))
    };
    let server = Server::start(dir.path(), None, hanging);
    let ingest = |server: &Server| {
        let mut command = program(dir.path(), server);
        command.args(["ingest", &format!("s3://{BUCKET}"), "--case", "case"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let child = ingest(&server).spawn().unwrap();
    while server.gets().len() < 150 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("it goes on where it stopped"), "{}", said(&output));
    let again = ingest(&server).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("resuming: "), "{}", said(&again));
    let disk = from_disk(dir.path(), &dir.path().join("disk"));
    assert_eq!(content(&dir.path().join("case")), disk);
}

#[test]
fn a_dry_run_says_what_reading_would_take_and_reads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 60, 6);
    let server = Server::start(dir.path(), None, calm);
    let mut command = program(dir.path(), &server);
    let output =
        command.args(["analyze", &format!("s3://{BUCKET}"), "--dry-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(plan.starts_with("6 files, ") && plan.contains("6 GET"), "{plan}");
    assert!(plan.contains('$'), "{plan}");
    assert_eq!(server.gets().len(), 0);
    assert!(!dir.path().join("trailinsight-report").exists());

    let output = program(dir.path(), &server)
        .args(["ingest", &format!("s3://{BUCKET}"), "--case", "case"])
        .output()
        .unwrap();
    assert!(said(&output).contains("to read: 6 objects"), "{}", said(&output));
}

#[test]
fn a_source_that_cannot_be_reached_ends_with_4_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(BUCKET)).unwrap();
    let server =
        Server::start(dir.path(), None, |_, _, _| Some(Fault::Status(403, "AccessDenied")));
    let output =
        program(dir.path(), &server).args(["analyze", "s3://trail-logs/AWSLogs"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = said(&output);
    assert!(said.contains("cannot read s3://trail-logs/AWSLogs"), "{said}");
    assert!(said.contains("the role needs s3:ListBucket on arn:aws:s3:::trail-logs"), "{said}");
    let mut nobody = program(dir.path(), &server);
    nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let output = nobody.args(["analyze", "s3://trail-logs/AWSLogs"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(self::said(&output).contains("aws sso login"), "{}", self::said(&output));
}
