//! Nothing is lost: every record prints from the case as it was read.

use crate::support::{ingest_path, rows, shared_data};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use trailinsight::case::{self, Case};

/// Every record of a case by file and place, as JSON.
fn printed(case: &Case) -> BTreeMap<(String, u32), Value> {
    let mut out = BTreeMap::new();
    for part in 0..case.part_paths().len() {
        let rows = case.part(part).unwrap().rows(&case::record_columns()).unwrap();
        for number in 0..rows.len() {
            let row = rows.row(number);
            let text = case::print_record(row);
            let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
            let evidence = row.evidence(None);
            out.insert((evidence.file, evidence.index), value);
        }
    }
    out
}

fn assert_same(archive: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let case = ingest_path(archive, dir.path());
    let printed = printed(&case);
    assert!(!printed.is_empty());
    let mut documents: BTreeMap<&str, Value> = BTreeMap::new();
    for ((file, index), value) in &printed {
        let document = documents.entry(file).or_insert_with(|| {
            serde_json::from_slice(&std::fs::read(archive.join(file)).unwrap()).unwrap()
        });
        assert_eq!(&document["Records"][*index as usize], value, "{file}#{index}");
    }
}

#[test]
fn texts_read_a_stretch_at_a_time_are_those_of_all_rows() {
    let dir = tempfile::tempdir().unwrap();
    let case = ingest_path(Path::new("fixtures/incident"), dir.path());
    let file = case.part(0).unwrap();
    let all = file.rows(&case::record_columns()).unwrap();
    let some: Vec<u32> = (0..all.len() as u32).step_by(7).collect();
    let fewer: Vec<u32> = some.iter().copied().step_by(3).collect();
    let wanted = [("request_parameters", some.clone()), ("event_id", fewer.clone())].into();
    let mut walk = case::Walk::new(&file, &some, &wanted).unwrap();
    let mut seen = 0;
    loop {
        let numbers = walk.go_on(100).unwrap();
        if numbers.is_empty() {
            break;
        }
        for number in numbers {
            let (row, whole) = (walk.rows().row(number), all.row(some[number] as usize));
            let id = fewer.contains(&some[number]).then(|| whole.text("event_id")).flatten();
            assert_eq!(row.text("request_parameters"), whole.text("request_parameters"));
            assert_eq!((row.text("event_id"), row.time()), (id, whole.time()));
            seen += 1;
        }
    }
    assert!(seen == some.len() && seen > 300);
}

#[test]
fn real_records_print_back_as_they_were() {
    let Some(archive) = shared_data("invictus/CloudTrail") else { return };
    assert_same(&archive);
}

#[test]
fn odd_records_print_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let odd = r#"{"Records":[
      {"eventVersion":"1.08","eventTime":"2024-05-03T10:00:00Z","eventID":"a","eventName":"X","eventSource":"s3.amazonaws.com",
       "readOnly":"true","recipientAccountId":111122223333,"responseElements":null,"errorCode":null,
       "requestParameters":{"a" : [1, 2.50, {"b":"\u00e9\n"}], "n":12345678901234567890},"newField":{"x":[ ]},"userIdentity":"odd"},
      {"eventTime":"2024-05-03T12:00:00.5+02:00","eventID":"b","eventName":null,"readOnly":1,"managementEvent":false,
       "resources":[{"ARN":"arn:aws:s3:::b","n":[]},7,{}],"eventSource":"x.amazonaws.com"},
      {"eventTime":"2024-05-03T10:00:00Z","eventID":"","userAgent":"a\"b\\c\u0007","extra":"mine","source_file":"theirs"}
    ]}"#;
    std::fs::write(dir.path().join("odd.json"), odd).unwrap();
    assert_same(dir.path());
}

/// Tables that know no case give records back in lower case. In any other record, a key that differs
/// from a known one in its case is a key of its own.
#[test]
fn records_in_another_case_are_understood_and_print_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let records = r#"{"Records":[
      {"eventversion":"1.08","eventtime":"2024-05-03 10:00:00","eventid":"a","eventname":"DeleteTrail",
       "eventsource":"cloudtrail.amazonaws.com","readonly":false,"recipientAccountId":"111122223333",
       "useridentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/eve","accountid":"1"},
       "resources":[{"arn":"arn:aws:s3:::b"}],"errorcode":null,"p_log_type":"AWS.CloudTrail"},
      {"EVENTTIME":"2024-05-03T10:00:01Z","EVENTNAME":"GetUser","EVENTSOURCE":"iam.amazonaws.com"},
      {"eventTime":"2024-05-03T10:00:02Z","eventID":"c","eventName":"ListUsers","eventname":"Other",
       "eventtime":"never","EVENTID":null,"eventSource":"iam.amazonaws.com"}
    ]}"#;
    std::fs::write(dir.path().join("records.json"), records).unwrap();
    assert_same(dir.path());
    let case = tempfile::tempdir().unwrap();
    let case = ingest_path(dir.path(), case.path());
    let columns = "event_time, event_name, event_id, actor, user_identity_account_id, error_code";
    let rows = rows(&case, &format!("SELECT {columns} FROM events ORDER BY event_time"));
    assert_eq!(
        rows,
        [
            ["2024-05-03T10:00:00Z", "DeleteTrail", "a", "arn:aws:iam::1:user/eve", "1", ""],
            ["2024-05-03T10:00:01Z", "GetUser", "", "", "", ""],
            ["2024-05-03T10:00:02Z", "ListUsers", "c", "", "", ""],
        ]
    );
}
