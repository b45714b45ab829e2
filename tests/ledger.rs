//! What the ledger tells: every record and file in one bucket, and why.

use crate::cli::{run, stderr};
use crate::support::{analysis, ingest_path, rows};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use trailinsight::case::Case;
use trailinsight::detect::Rules;
use trailinsight::model::{RejectReason, SkipReason};

fn put(archive: &Path, name: &str, text: &str) {
    let path = archive.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn case_of(files: &[(&str, String)]) -> (tempfile::TempDir, Case) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        put(&dir.path().join("archive"), name, text);
    }
    let case = ingest_path(&dir.path().join("archive"), &dir.path().join("case"));
    (dir, case)
}

fn trail(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

fn event(id: &str, agent: &str) -> Value {
    json!({
        "eventTime": "2024-05-03T10:00:00Z", "eventID": id, "eventName": "X", "userAgent": agent,
        "eventSource": "s3.amazonaws.com", "recipientAccountId": "111122223333",
    })
}

#[test]
fn repeated_keys_are_counted_and_the_last_one_counts() {
    let text = r#"{"Records":[{"eventTime":"2023-01-01T00:00:00Z","eventName":"A","eventName":"B","awsRegion":null,
        "awsRegion":"eu-west-1","readOnly":true,"readOnly":"x","new":1,"new":2,"eventSource":"s3.amazonaws.com",
        "requestParameters":{"a":1},"requestParameters":{"b":2,"b":3},"eventTime":"2024-05-03T10:00:00Z"}]}"#;
    let (dir, case) = case_of(&[("a.json", text.to_owned()), ("b.json", trail(&[event("b", "")]))]);
    assert_eq!(case.manifest.ledger.records.duplicate_keys, 6);
    let printed = rows(&case, "SELECT record FROM events WHERE event_name = 'B'");
    let printed: Value = serde_json::from_str(&printed[0][0]).unwrap();
    let read: Value = serde_json::from_str(text).unwrap();
    assert_eq!(printed, read["Records"][0]);
    drop(case);
    let ingest = ["ingest", "archive", "--case", "case"];
    let output = run(dir.path(), &ingest);
    assert!(stderr(&output).contains("6 repeated keys"), "{}", stderr(&output));
}

#[test]
fn a_repeat_that_says_something_else_is_a_conflict_however_long_it_is() {
    let files = [("a.json", "aaa"), ("b.json", "aaa"), ("c.json", "bbb"), ("d.json", "longer")];
    let files = files.map(|(name, agent)| (name, trail(&[event("1", agent)])));
    let records = |files: &[(&str, String)]| case_of(files).1.manifest.ledger.records.clone();
    let counted = |files: &[(&str, String)]| {
        let records = records(files);
        (records.kept, records.duplicate, records.conflict)
    };
    assert_eq!(counted(&files[..2]), (1, 1, 0));
    assert_eq!(counted(&files[..3]), (1, 2, 1));
    assert_eq!(counted(&files), (1, 3, 3), "the longest one is kept");
}

#[test]
fn a_repeat_that_is_merely_spelled_otherwise_is_no_conflict() {
    let spelled = |text: &str| format!("{{\"Records\":[{text}]}}");
    let one = r#"{"eventTime":"2024-05-03T10:00:00Z","eventID":"1","eventName":"X","recipientAccountId":"1","requestParameters":{"a":1,"b":[10]},"new":{"x":1.0,"y":"\u00e9"}}"#;
    let again = "{ \"new\": {\"y\": \"\u{e9}\", \"x\": 1}, \"requestParameters\": {\"b\": [1e1], \"a\": 1},\n\
        \"recipientAccountId\": \"1\", \"eventName\": \"X\", \"eventID\": \"1\", \"eventTime\": \"2024-05-03T10:00:00Z\" }";
    let other = one.replace("[10]", "[11]");
    let count = json!(aggregated("a1", "2025-12-01 10:00:00"));
    let pretty = serde_json::to_string_pretty(&count).unwrap();
    let mut files = vec![
        ("a.json", spelled(one)),
        ("b.json", spelled(again)),
        ("c.json", spelled(&count.to_string())),
        ("d.json", spelled(&pretty)),
    ];
    let (dir, case) = case_of(&files);
    let records = case.manifest.ledger.records.clone();
    assert_eq!((records.kept, records.duplicate, records.conflict), (2, 2, 0));
    drop(case);
    // Now some of the repeats stand beside the table.
    files.push(("e.json", spelled(&other)));
    put(&dir.path().join("archive"), "e.json", &files[4].1);
    let case = ingest_path(&dir.path().join("archive"), &dir.path().join("case"));
    let records = case.manifest.ledger.records.clone();
    assert_eq!((records.kept, records.duplicate, records.conflict), (2, 3, 1));
    assert_eq!(case.manifest.ledger, case_of(&files).1.manifest.ledger, "as in one go");
}

fn aggregated(id: &str, start: &str) -> Value {
    json!({
        "eventVersion": "1.0", "accountId": "111122223333", "eventId": id, "eventCategory": "Aggregated",
        "eventType": "AwsAggregatedEvent", "awsRegion": "eu-west-1", "eventSource": "s3.amazonaws.com",
        "timeWindow": {"windowStart": start, "windowEnd": "2025-12-01 10:05:00", "windowSize": "PT5M"},
        "summary": {
            "primaryDimension": {
                "dimension": "eventName", "aggregationType": "Count",
                "statistics": [{"name": "GetObject", "value": 7}, {"name": "PutObject", "value": 2}],
            },
            "details": [],
        },
    })
}

#[test]
fn aggregated_events_have_a_table_of_their_own_and_count_as_kept() {
    let key = |kind: &str| format!("AWSLogs/111122223333/{kind}/eu-west-1/2025/12/01/x.json");
    let (one, start) = (aggregated("a1", "2025-12-01 10:00:00"), "2025-12-01T10:00:00Z");
    let mut by_content = aggregated("a2", start);
    by_content.as_object_mut().unwrap().remove("eventCategory");
    let list = json!([one, by_content, aggregated("a3", "soon")]).to_string();
    let insight = json!({
        "eventVersion": "1.08", "eventTime": start, "eventID": "i1", "eventType": "AwsCloudTrailInsight",
        "eventCategory": "Insight", "insightDetails": {"state": "Start"}, "recipientAccountId": "1",
    });
    let network = json!({
        "eventVersion": "1.09", "eventTime": start, "eventID": "n1", "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com", "eventCategory": "NetworkActivity", "vpcEndpointId": "vpce-1",
    });
    let (dir, case) = case_of(&[
        (&key("CloudTrail-Aggregated"), list),
        ("mixed.json", trail(&[event("e1", ""), one.clone(), insight])),
        (&key("CloudTrail-NetworkActivity"), trail(&[network])),
    ]);
    let ledger = case.manifest.ledger.clone();
    let records = &ledger.records;
    assert_eq!(
        (records.seen, records.kept, records.aggregated, records.duplicate, records.rejected),
        (7, 5, 2, 1, 1)
    );
    assert_eq!(ledger.rejects[0].reason, RejectReason::BadEventTime);
    let sql = "SELECT event_id, account_id, window_start, window_end, window_size, dimension, source_index, record
        FROM aggregated WHERE window_start >= '2025-12-01' ORDER BY event_id";
    let table = rows(&case, sql);
    assert_eq!(table.len(), 2);
    let place = &table[0][..7];
    let end = "2025-12-01T10:05:00Z";
    assert_eq!(place, ["a1", "111122223333", start, end, "PT5M", "eventName", "0"]);
    assert_eq!(serde_json::from_str::<Value>(&table[0][7]).unwrap(), one);
    let events = rows(&case, "SELECT event_id, event_category FROM events ORDER BY event_id");
    assert_eq!(events, [["e1", ""], ["i1", "Insight"], ["n1", "NetworkActivity"]]);

    // A file that changes takes its rows along.
    drop(case);
    put(&dir.path().join("archive"), "mixed.json", &trail(&[event("e1", "")]));
    fs::remove_file(dir.path().join("archive").join(key("CloudTrail-Aggregated"))).unwrap();
    put(
        &dir.path().join("archive"),
        &key("CloudTrail-Aggregated"),
        &json!([aggregated("a4", start)]).to_string(),
    );
    let case = ingest_path(&dir.path().join("archive"), &dir.path().join("case"));
    assert_eq!(rows(&case, "SELECT event_id FROM aggregated"), [["a4"]]);
    assert_eq!(case.manifest.ledger.records.aggregated, 1);
    let selected = ["ingest", "archive", "--case", "other", "--from", "2025-12-02"];
    assert!(run(dir.path(), &selected).status.success());
    let other = Case::open(&dir.path().join("other")).unwrap();
    assert_eq!(rows(&other, "SELECT count(*) FROM aggregated"), [["0"]]);
}

#[test]
fn skipped_files_are_told_by_reason() {
    let digest = json!({
        "awsAccountId": "111122223333", "digestStartTime": "2024-05-03T10:00:00Z", "digestS3Object": "d",
        "logFiles": [{"s3Object": "a.json.gz", "oldestEventTime": "2024-05-03T10:00:00Z"}],
    });
    let named = "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2024/05/03/d.json";
    let (_dir, case) = case_of(&[
        ("a.json", trail(&[event("1", "")])),
        ("copied.json", digest.to_string()),
        (named, digest.to_string()),
        ("notes.txt", "hello".to_owned()),
        ("settings.json", "{\"a\":1}".to_owned()),
    ]);
    let ledger = &case.manifest.ledger;
    assert_eq!((ledger.files.seen, ledger.files.ingested, ledger.files.skipped), (5, 1, 4));
    let skips: Vec<_> =
        ledger.skips.iter().map(|s| (s.reason, s.count, s.files.join(","))).collect();
    assert_eq!(
        skips,
        [
            (SkipReason::Name, 1, String::new()),
            (SkipReason::Digest, 2, "copied.json".to_owned()),
            (SkipReason::NoRecords, 1, "settings.json".to_owned()),
        ]
    );
}

#[test]
fn views_of_one_action_count_once() {
    let view = |id: &str, shared: &str, account: &str, second: u32| {
        json!({
            "eventTime": format!("2024-05-03T10:00:0{second}Z"), "eventID": id, "sharedEventID": shared,
            "eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com", "awsRegion": "eu-west-1",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111111111111:user/eve", "accountId": "111111111111"},
            "recipientAccountId": account, "requestParameters": {"name": "main"},
        })
    };
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    let (own, other, third) = ("111111111111", "222222222222", "333333333333");
    put(&archive, "own.json", &trail(&[view("a1", "a", own, 1), view("b1", "b", own, 2)]));
    put(&archive, "other.json", &trail(&[view("a2", "a", other, 1), view("a3", "a", third, 1)]));
    // Of this one, only the other account's view is there.
    put(&archive, "alone.json", &trail(&[view("c2", "c", other, 3)]));
    let rules = Rules::load(&[]).unwrap();
    let (case, analysis) = analysis(&archive, &dir.path().join("case"), &rules, 2);
    assert_eq!(case.manifest.ledger.records.kept, 5);
    let mut found: Vec<_> =
        analysis.findings.iter().filter(|f| f.rule == "trail_stopped").collect();
    found.sort_by(|a, b| a.account.cmp(&b.account));
    let told: Vec<_> = found.iter().map(|f| (f.account.as_str(), f.count)).collect();
    assert_eq!(told, [(own, 2), (other, 1)]);
    let views: Vec<String> =
        found[0].evidence[0].views.iter().map(|v| v.event_id.clone()).collect();
    assert_eq!(views, ["a2", "a3"]);
    assert!(found[0].evidence[1].views.is_empty() && found[1].evidence[0].views.is_empty());
}
