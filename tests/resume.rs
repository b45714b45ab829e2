//! A case that is stopped anywhere, goes on, grows and changes is the case made in one go.

use crate::support::{Silent, pool, rows};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use trailinsight::archive::Disk;
use trailinsight::case::{self, Case};
use trailinsight::model::Ledger;
use trailinsight_fixtures::{Corpus, Recipe, Shape};

fn ingest(archive: &Path, case: &Path) -> Result<case::Manifest, case::Error> {
    let options = case::Options { memory_bytes: 64 << 20, ..Default::default() };
    let source = Disk::list(&[archive.to_owned()]).unwrap();
    case::ingest(&source, case, &options, &pool(2), &Silent)
}

/// All rows, sorted, and the ledger: what two equal cases have in common.
fn content(dir: &Path) -> (Vec<String>, Ledger) {
    content_of("*", dir)
}

/// Of thousands of rows, enough to know them by.
const SOME: &str = "source_file, source_index, event_id, event_time, actor, request_parameters";

fn content_of(columns: &str, dir: &Path) -> (Vec<String>, Ledger) {
    let case = Case::open(dir).unwrap();
    let rows = rows(&case, &format!("SELECT {columns} FROM events"));
    let mut rows: Vec<String> = rows.iter().map(|row| row.join("\u{1f}")).collect();
    rows.sort_unstable();
    (rows, case.manifest.ledger.clone())
}

fn assert_equal(one: &(Vec<String>, Ledger), other: &(Vec<String>, Ledger), what: &str) {
    assert_eq!(one.1, other.1, "{what}: ledgers differ");
    let sets = |rows: &[String]| rows.iter().cloned().collect::<BTreeSet<_>>();
    let differ: Vec<_> =
        sets(&one.0).symmetric_difference(&sets(&other.0)).take(2).cloned().collect();
    assert!(one.0 == other.0, "{what}: rows differ, such as {differ:?}");
}

/// The case that `archive` gives in one go.
fn in_one_go(archive: &Path) -> (Vec<String>, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    ingest(archive, dir.path()).unwrap();
    content(dir.path())
}

fn event(id: u32, padding: usize) -> Value {
    json!({
        "eventTime": "2024-05-03T10:00:00Z", "eventID": format!("id-{id}"), "eventName": "X",
        "eventSource": "s3.amazonaws.com", "recipientAccountId": "111122223333",
        "requestParameters": {"padding": "x".repeat(padding)},
    })
}

fn put(archive: &Path, name: &str, events: &[Value]) {
    fs::create_dir_all(archive).unwrap();
    fs::write(archive.join(name), json!({ "Records": events }).to_string()).unwrap();
}

#[test]
fn a_case_grows_and_follows_every_change_of_its_archive() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, case) = (dir.path().join("archive"), dir.path().join("case"));
    let step = |what: &str| {
        ingest(&archive, &case).unwrap();
        assert_equal(&content(&case), &in_one_go(&archive), what);
    };
    put(&archive, "b.json", &[event(1, 0), event(2, 5), event(3, 0)]);
    put(&archive, "c.json", &[event(1, 0), event(4, 0)]);
    step("begun");
    put(&archive, "a.json", &[event(1, 0), event(2, 0)]);
    step("a file comes first by name, with repeats on both sides");
    assert_eq!(content(&case).1.records.conflict, 1);
    put(&archive, "b.json", &[event(3, 7)]);
    step("what lost to a row of a changed file comes back");
    put(&archive, "a.json", &[]);
    step("and again");
    put(&archive, "late.json.gz", &[event(9, 0)]);
    fs::write(archive.join("broken.json.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    step("a late file and a broken one");
    fs::write(archive.join("broken.json.gz"), json!({"Records": [event(8, 0)]}).to_string())
        .unwrap();
    step("the broken one was copied again");
    let mut amending = event(10, 0);
    amending["addendum"] = json!({"reason": "UPDATED_DATA", "originalEventID": "id-3"});
    put(&archive, "d.json", &[amending]);
    step("an event is amended");
    assert_eq!(content(&case).1.records.amended, 1);
    put(&archive, "d.json", &[]);
    step("and is itself again");
    ingest(&archive, &case).unwrap();

    // Rows of a file that is gone stay, and so do those it had won over.
    let before = content(&case).0;
    fs::remove_file(archive.join("c.json")).unwrap();
    ingest(&archive, &case).unwrap();
    assert_eq!(content(&case).0, before);
    // The last repeat of event 1 is in no file any more.
    assert!(before.iter().any(|row| row.contains("id-1\u{1f}")), "{before:?}");
}

#[test]
fn repeats_come_back_though_their_file_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, case) = (dir.path().join("archive"), dir.path().join("case"));
    put(&archive, "a.json", &[event(1, 0)]);
    put(&archive, "b.json", &[event(1, 0)]);
    put(&archive, "c.json", &[event(2, 0)]);
    ingest(&archive, &case).unwrap();
    fs::remove_file(archive.join("b.json")).unwrap();
    put(&archive, "a.json", &[event(33, 0)]);
    let manifest = ingest(&archive, &case).unwrap();
    assert_eq!((manifest.rows(), manifest.ledger.records.duplicate), (3, 0));
}

#[test]
fn two_archives_two_selections_or_two_writers_never_meet_in_a_case() {
    let dir = tempfile::tempdir().unwrap();
    for (archive, id) in [("one", 1), ("other", 2)] {
        put(&dir.path().join(archive), &format!("{archive}.json"), &[event(id, 0)]);
    }
    let analyze = |args: &[&str]| {
        let output = run(dir.path()).arg("analyze").args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(analyze(&["one"]).0, Some(0));
    assert_eq!(analyze(&["one"]).0, Some(0));
    let (code, said) = analyze(&["other"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another archive") && said.contains("--fresh"), "{said}");
    let (code, said) = analyze(&["one", "--event-name", "X", "--from", "2024-01-01"]);
    assert_eq!(code, Some(2), "{said}");
    let both =
        said.contains("made of everything") && said.contains("event-name x; from 2024-01-01");
    assert!(both, "{said}");
    assert_eq!(analyze(&["other", "--fresh", "--event-name", "X"]).0, Some(0));
    let report = fs::read(dir.path().join("trailinsight-report/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["run"]["settings"]["event-name"], "x");
    assert_eq!(report["ledger"]["records"]["kept"], 1);

    let case = dir.path().join("trailinsight-report/case");
    let reader = Case::open(&case).unwrap();
    let (code, said) = analyze(&["other", "--event-name", "X"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    drop(reader);
    assert_eq!(analyze(&["other", "--event-name", "X"]).0, Some(0));
}

fn run(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trailinsight"));
    command.current_dir(dir);
    command
}

fn ended_well(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Log-normal sizes, some files twice; small enough for the dev profile.
fn corpus(root: &Path) {
    let recipe = Recipe { repeats: 12, ..Recipe::new(Shape::Mixed, 6_000, 120) };
    Corpus::new(recipe).write(root).unwrap();
}

/// Many parts, so that there is much to stop between.
const SMALL: [&str; 4] = ["--memory", "8MiB", "--threads", "2"];

fn report(dir: &Path, case: &str) -> Value {
    let output = run(dir).args(["report", "--case", case, "--out", "out", "--quiet"]).output();
    ended_well(&output.unwrap());
    let mut report: Value =
        serde_json::from_slice(&fs::read(dir.join("out/report.json")).unwrap()).unwrap();
    report.as_object_mut().unwrap().remove("run").unwrap();
    report
}

/// While a file of a part is being written there is most to break: waits until so many have come.
fn until_new_files(case: &Path, count: usize, child: &mut Child) {
    let files = || -> BTreeSet<PathBuf> {
        let folders = ["keys", "events", "spare"].map(|f| fs::read_dir(case.join(f)));
        folders.into_iter().flatten().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let mut seen = files();
    let before = seen.len();
    while seen.len() < before + count && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
        seen.extend(files());
    }
}

#[test]
fn an_ingest_killed_at_any_moment_goes_on_and_ends_equal() {
    const KILLS: u32 = 20;
    let dir = tempfile::tempdir().unwrap();
    corpus(&dir.path().join("archive"));
    let ingest = |case: &str| {
        let mut command = run(dir.path());
        command.args(["ingest", "archive", "--case", case]).args(SMALL);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let began = Instant::now();
    ended_well(&ingest("whole").output().unwrap());
    let whole_time = began.elapsed();
    let whole = content_of(SOME, &dir.path().join("whole"));
    assert!(whole.1.records.duplicate > 0 && whole.0.len() > 1000);

    let (mut kills, mut cases, mut resumed, mut seed) = (0, 0, 0, 20_240_503_u64);
    while kills < KILLS {
        cases += 1;
        let case = format!("case-{cases}");
        loop {
            let mut child = ingest(&case).spawn().unwrap();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = seed >> 40;
            if kills % 2 == 0 {
                sleep(whole_time.mul_f64(random as f64 / f64::from(1 << 24)));
            } else {
                until_new_files(&dir.path().join(&case), 1 + random as usize % 8, &mut child);
            }
            if kills < KILLS && child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                continue;
            }
            let output = child.wait_with_output().unwrap();
            ended_well(&output);
            resumed += u32::from(String::from_utf8_lossy(&output.stderr).contains("resuming: "));
            break;
        }
        assert_equal(&content_of(SOME, &dir.path().join(&case)), &whole, &case);
    }
    assert!(resumed > 0, "every kill came before the first part: the test shows nothing");
    assert_eq!(report(dir.path(), "case-1"), report(dir.path(), "whole"));
}

/// Parts of one file are written while it is read: killed in its middle, an ingest leaves rows that
/// count only when the file has been read to its end.
#[test]
fn a_large_file_makes_many_parts_and_killed_in_its_middle_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    let corpus = Corpus::new(Recipe::new(Shape::FewLarge, 12_000, 12));
    let mut json = Vec::new();
    for file in 0..corpus.files() {
        corpus.file_bytes(file, &mut json);
        let document: Value = serde_json::from_slice(&json).unwrap();
        for record in document["Records"].as_array().unwrap() {
            lines += &format!("{record}\n");
        }
    }
    fs::create_dir(dir.path().join("archive")).unwrap();
    fs::write(dir.path().join("archive/all.ndjson"), lines).unwrap();
    let ingest = |case: &str| {
        let mut command = run(dir.path());
        command.args(["ingest", "archive", "--case", case]).args(SMALL);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    ended_well(&ingest("whole").output().unwrap());
    let whole = content_of(SOME, &dir.path().join("whole"));
    let parts = Case::open(&dir.path().join("whole")).unwrap().manifest.parts.len();
    assert!(whole.0.len() == 12_000 && parts > 2, "{} rows in {parts} parts", whole.0.len());

    let case = dir.path().join("case");
    let mut child = ingest("case").spawn().unwrap();
    until_new_files(&case, 5, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = fs::read_to_string(case.join("journal.ndjson")).unwrap();
    assert!(journal.contains("part-00000") && !journal.contains("all.ndjson"), "{journal}");
    ended_well(&ingest("case").output().unwrap());
    assert_equal(&content_of(SOME, &case), &whole, "killed within a file");
}

/// An ingest that may write no file larger than so many bytes: that fails as a full disk does, and needs no rights.
#[cfg(unix)]
fn ingest_with_a_full_disk(dir: &Path, bytes: usize) -> String {
    let program = env!("CARGO_BIN_EXE_trailinsight");
    let script = format!("trap '' XFSZ; ulimit -f {}; exec {program} \"$@\"", bytes / 512);
    let output = Command::new("sh")
        .args(["-c", &script, "sh", "ingest", "archive", "--case", "case"])
        .args(SMALL)
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("free some space"), "{said}");
    said
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_with_4_and_the_case_opens_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    corpus(&dir.path().join("archive"));
    let first = dir.path().join("first");
    fs::create_dir(&first).unwrap();
    put(&first, "trail.json", &[event(1, 0)]);
    ended_well(&run(dir.path()).args(["ingest", "first", "--case", "case"]).output().unwrap());
    fs::rename(first.join("trail.json"), dir.path().join("archive/trail.json")).unwrap();
    // Smaller than any full part, larger than its keys.
    let said = ingest_with_a_full_disk(dir.path(), 40 << 10);
    assert!(said.contains("case/events/part-0000"), "{said}");
    let begun = fs::read_dir(dir.path().join("case/keys")).unwrap().count();
    assert!(begun <= 3, "{begun}: one that was there, and one of each worker");

    assert_eq!(content(&dir.path().join("case")).0.len(), 1, "the last manifest stands");
    let again = run(dir.path()).args(["ingest", "archive", "--case", "case"]).output().unwrap();
    ended_well(&again);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains(" of 133 files are already in the case"), "{said}");
    let whole = dir.path().join("whole");
    ingest(&dir.path().join("archive"), &whole).unwrap();
    let (case, whole) = (content_of(SOME, &dir.path().join("case")), content_of(SOME, &whole));
    assert_equal(&case, &whole, "after a full disk");
}

/// Parts go on being written while the journal cannot be: what it said before stays true, and no more is said.
#[cfg(unix)]
#[test]
fn a_journal_that_cannot_be_written_stops_the_workers_and_keeps_what_it_said() {
    // Larger than any part; a line of the journal has hundreds of files.
    const LIMIT: usize = 256 << 10;
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    Corpus::new(Recipe::new(Shape::ManyTiny, 12_000, 6_000)).write(&archive).unwrap();
    let output =
        run(dir.path()).args(["ingest", "archive", "--case", "whole"]).args(SMALL).output();
    ended_well(&output.unwrap());
    let whole = dir.path().join("whole");
    let in_whole = Case::open(&whole).unwrap().manifest.parts.len();

    let said = ingest_with_a_full_disk(dir.path(), LIMIT);
    assert!(said.contains("case/journal.ndjson"), "{said}");
    let case = dir.path().join("case");
    let journal = fs::read_to_string(case.join("journal.ndjson")).unwrap();
    assert!(journal.ends_with('\n') && journal.len() <= LIMIT, "{} bytes", journal.len());
    let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<Value> = lines
        .flat_map(|line| line["read"]["parts"].as_array().cloned().unwrap_or_default())
        .collect();
    assert!(!told.is_empty(), "nothing was told before: the test shows nothing");
    for part in told.iter().map(|part| part["name"].as_str().unwrap()) {
        assert!(case.join("keys").join(part).is_file(), "{part}");
        assert!(case.join(format!("events/{part}.parquet")).is_file(), "{part}");
    }
    let begun = fs::read_dir(case.join("keys")).unwrap().count();
    assert!(begun < in_whole, "{begun} of {in_whole} parts were begun, {} told", told.len());

    let again = run(dir.path()).args(["ingest", "archive", "--case", "case"]).output().unwrap();
    ended_well(&again);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("of 6,000 files are already in the case"), "{said}");
    let (case, whole) = (content_of(SOME, &case), content_of(SOME, &whole));
    assert_equal(&case, &whole, "after a full disk");
}
