//! `query` as people run it: formats, times, whole records, and what is refused.

use super::cli::{records, run, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

const CASE: &str = "trailinsight-report/case";
const ODD: &str = r#"{"eventVersion":"1.09","eventTime":"2024-05-03T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.20","userAgent":"=1+1 \u001b[31m,\n\"x\"","requestParameters":{
	"size":1.50, "note":"a\u202eb"},"eventID":"00000000-0000-4000-8000-000000000009","recipientAccountId":"111122223333"}"#;

/// A case of the record of `cli` and an odd one.
fn case() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let records = records();
    let both = format!("{},{ODD}]}}", records.strip_suffix("]}").unwrap());
    fs::write(dir.path().join("trail.json"), both).unwrap();
    let output = run(dir.path(), &["analyze", "trail.json", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    dir
}

fn answer(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, &[&["query", "--case", CASE], args].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    assert_eq!(stderr(&output), "", "{args:?}");
    stdout(&output)
}

fn refusal(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, &[&["query", "--case", CASE], args].concat());
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stdout(&output));
    stderr(&output)
}

#[test]
fn whole_records_come_back_as_they_were_read() {
    let dir = case();
    let sql = "SELECT record FROM events WHERE event_name = 'GetObject'";
    let line = answer(dir.path(), &["--format", "ndjson", sql]);
    assert_eq!(line.lines().count(), 1, "{line}");
    let read: Value = serde_json::from_str(ODD).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), read);
    assert!(line.contains("1.50") && line.contains("a\\u202eb"), "{line}");
    let beside = "SELECT event_name, record FROM events ORDER BY event_time DESC LIMIT 1";
    let rows: Value =
        serde_json::from_str(&answer(dir.path(), &["--format", "json", beside])).unwrap();
    assert_eq!(rows, serde_json::json!([{"event_name": "GetObject", "record": read}]));
    // What was printed is a trail file again.
    answer(dir.path(), &["-o", "again.json", "SELECT record FROM events"]);
    let output = run(dir.path(), &["ingest", "again.json", "--case", "again"]);
    assert!(stdout(&output).contains("2 events"), "{}", stderr(&output));
}

#[test]
fn a_file_has_every_row_in_the_format_its_name_tells() {
    let dir = tempfile::tempdir().unwrap();
    let one = records();
    let one = one.strip_prefix("{\"Records\":[").unwrap().strip_suffix("]}").unwrap();
    let many: Vec<String> =
        (0..250).map(|n| one.replace("-000000000001", &format!("-{n:012}"))).collect();
    let text = format!("{{\"Records\":[{}]}}", many.join(","));
    fs::write(dir.path().join("trail.json"), text).unwrap();
    run(dir.path(), &["ingest", "trail.json", "--case", CASE, "--quiet"]);
    let sql = "SELECT event_id FROM events ORDER BY event_id";
    for (name, lines) in [("a.csv", 251), ("a.ndjson", 250), ("a.JSONL", 250), ("a.json", 250)] {
        let told = answer(dir.path(), &["-o", name, sql]);
        assert_eq!(told, format!("{name}: 250 rows\n"));
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text.lines().count(), lines, "{name}");
    }
    answer(dir.path(), &["-o", "a.parquet", sql]);
    assert_eq!(&fs::read(dir.path().join("a.parquet")).unwrap()[..4], b"PAR1");
    answer(dir.path(), &["-o", "a.txt", "--format", "table", sql]);
    let table = fs::read_to_string(dir.path().join("a.txt")).unwrap();
    assert_eq!(table.matches("00000000-0000-4000").count(), 250);
    let unknown = refusal(dir.path(), &["-o", "b.txt", sql]);
    assert!(unknown.contains("--format"), "{unknown}");
    assert!(!dir.path().join("b.txt").exists());
}

#[test]
fn csv_is_safe_for_spreadsheets_and_terminals() {
    let dir = case();
    let sql = "SELECT user_agent, -1 AS n FROM events WHERE event_name = 'GetObject'";
    assert_eq!(
        answer(dir.path(), &["--format", "csv", sql]),
        "user_agent,n\n\"'=1+1 [U+001B][31m,[U+000A]\"\"x\"\"\",-1\n"
    );
}

#[test]
fn times_are_compared_as_people_write_them() {
    let dir = case();
    for condition in [
        "event_time > '2024-05-03T11:00:00Z'",
        "event_time > '2024-05-03T13:30:00+02:00'",
        "event_time >= CAST('2024-05-03 12:00:00' AS TIMESTAMP)",
        "event_time BETWEEN '2024-05-03T12:00:00Z' AND '2024-05-04'",
        "event_time IN ('2024-05-03T12:00:00Z')",
    ] {
        let sql = format!("SELECT event_name FROM events WHERE {condition}");
        let rows = answer(dir.path(), &["--format", "csv", &sql]);
        assert_eq!(rows, "event_name\nGetObject\n", "{condition}");
    }
    let ordered = "SELECT actor, count(*) FROM events WHERE actor IN (SELECT actor FROM events) GROUP BY actor ORDER BY count(*) DESC LIMIT 1";
    let rows = answer(dir.path(), &["--format", "csv", ordered]);
    assert!(rows.starts_with("actor,count\n"), "{rows}");
}

#[test]
fn what_cannot_be_answered_is_told_in_two_lines() {
    let dir = case();
    for (sql, words) in [
        ("SELECT event_nam FROM events", "did you mean event_name"),
        ("SELECT ip FROM events", "source_ip_address"),
        ("SELECT a FROM nowhere", "nowhere"),
        ("SELECT event_name FROM events WHERE event_time LIKE '2024%'", "Error: "),
        ("SELECT event_name FROM events WHERE event_time > 'noon'", "'noon' is no time"),
        ("DROP TABLE events", "only SELECT"),
        ("SELECT 1; SELECT 2", "expected one statement"),
    ] {
        let told = refusal(dir.path(), &[sql]);
        assert!(told.contains(words), "{sql}: {told}");
        assert!(told.lines().count() <= 2, "{sql}: {told}");
    }
}

#[test]
fn rows_too_wide_for_the_terminal_are_blocks() {
    let dir = case();
    let sql = "SELECT * FROM events WHERE event_name = 'StopLogging'";
    let output = run(dir.path(), &["query", "--case", CASE, sql]);
    let text = stdout(&output);
    assert!(text.starts_with("-- row 1\n") && text.contains("event_name: StopLogging\n"), "{text}");
    assert!(stderr(&output).contains("printed as a block"), "{}", stderr(&output));
    let narrow = answer(dir.path(), &["SELECT event_name, event_source FROM events"]);
    assert!(
        narrow.contains("StopLogging") && narrow.contains("cloudtrail.amazonaws.com"),
        "{narrow}"
    );
}
