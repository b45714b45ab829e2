//! A case of some events only: what is read, what is left out, and how both are counted.

use crate::support::{Silent, pool, rows};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use trailinsight::archive::Disk;
use trailinsight::case::{self, Case};
use trailinsight::model::selection::{Moment, Patterns};
use trailinsight::model::{Ledger, Selection, Timestamp};

const KEY: &str = "AWSLogs/111122223333/CloudTrail";

fn event(id: u32, time: &str, name: &str, change: &Value) -> Value {
    let mut event = json!({
        "eventVersion": "1.09", "eventTime": time, "eventName": name, "eventID": format!("id-{id}"),
        "eventSource": "iam.amazonaws.com", "awsRegion": "eu-west-1", "readOnly": false,
        "eventCategory": "Management", "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "userName": "mira", "accessKeyId": "AKIAMIRA",
            "arn": "arn:aws:iam::111122223333:user/mira", "accountId": "111122223333"},
    });
    event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    event
}

fn archive(root: &Path) {
    let put = |key: &str, events: &[Value]| {
        let path = root.join(KEY).join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, json!({ "Records": events }).to_string()).unwrap();
    };
    put(
        "eu-west-1/2024/05/01/a.json",
        &[event(1, "2024-05-01T10:00:00Z", "CreateUser", &json!({}))],
    );
    put(
        "eu-west-1/2024/05/03/b.json",
        &[
            event(2, "2024-05-02T23:59:59Z", "CreateUser", &json!({})),
            event(3, "2024-05-03T00:00:00Z", "CreateUser", &json!({})),
            event(4, "2024-05-03T10:00:00Z", "ListUsers", &json!({"readOnly": true})),
            event(
                5,
                "2024-05-03T11:00:00Z",
                "GetObject",
                &json!({
                    "eventSource": "s3.amazonaws.com", "eventCategory": "Data", "readOnly": true,
                    "userIdentity": {"type": "AssumedRole", "accessKeyId": "ASIAROLE",
                        "arn": "arn:aws:sts::111122223333:assumed-role/app/i-1",
                        "sessionContext": {"sessionIssuer": {"userName": "app",
                            "arn": "arn:aws:iam::111122223333:role/app"}}},
                }),
            ),
            event(6, "2024-05-04T00:00:00Z", "DeleteUser", &json!({})),
        ],
    );
    put(
        "us-east-1/2024/05/03/c.json",
        &[event(7, "2024-05-03T12:00:00Z", "ConsoleLogin", &json!({"awsRegion": "us-east-1"}))],
    );
    put(
        "eu-west-1/2024/05/09/d.json",
        &[event(8, "2024-05-09T10:00:00Z", "CreateUser", &json!({}))],
    );
}

fn select(archive: &Path, selection: &Selection) -> (Vec<String>, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let options = case::Options {
        memory_bytes: 64 << 20,
        selection: selection.clone(),
        ..Default::default()
    };
    let source = Disk::list(&[archive.to_owned()]).unwrap();
    case::ingest(&source, dir.path(), &options, &pool(2), &Silent).unwrap();
    let case = Case::open(dir.path()).unwrap();
    let ids = rows(&case, "SELECT event_id FROM events ORDER BY event_id");
    let ids = ids.iter().map(|row| row[0].replace("id-", "")).collect();
    (ids, case.manifest.ledger.clone())
}

#[test]
fn every_key_of_a_selection_takes_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let p = |words: &[&str]| Patterns::new(words);
    let all = Selection::default;
    for (selection, expected) in [
        (all(), "12345678"),
        (Selection { event_name: p(&["*user"]), ..all() }, "12368"),
        (Selection { event_name: p(&["*User*", "!list*"]), ..all() }, "12368"),
        (Selection { event_source: Patterns::sources(["S3.amazonaws.com"]), ..all() }, "5"),
        (Selection { event_source: Patterns::sources(["!s3"]), ..all() }, "1234678"),
        (Selection { region: p(&["us-*"]), ..all() }, "7"),
        (Selection { read_only: p(&["true"]), ..all() }, "45"),
        (Selection { category: p(&["data"]), ..all() }, "5"),
        (Selection { account: p(&["!111122223333"]), ..all() }, ""),
        (Selection { user: p(&["MIRA"]), ..all() }, "1234678"),
        (Selection { user: p(&["akiamira"]), ..all() }, "1234678"),
        (Selection { user: p(&["*:role/app"]), ..all() }, "5"),
        (Selection { user: p(&["app"]), event_name: p(&["!GetObject"]), ..all() }, ""),
    ] {
        let (ids, ledger) = select(dir.path(), &selection);
        assert_eq!(ids.concat(), expected, "{selection}");
        let read = ledger.records.kept + ledger.records.filtered;
        assert_eq!(read, ledger.records.seen, "{selection}");
    }
}

#[test]
fn a_window_is_half_open_and_files_beyond_it_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    archive(dir.path());
    let at = |text| Moment::parse(text, Timestamp(0));
    let window = Selection { from: at("2024-05-03"), to: at("2024-05-04"), ..Default::default() };
    let (ids, ledger) = select(dir.path(), &window);
    assert_eq!(ids.concat(), "3457");
    // 1 May ends a day before the window, 9 May begins a day behind it.
    assert_eq!((ledger.files.seen, ledger.files.ingested), (4, 2));
    assert_eq!((ledger.files.pruned, ledger.files.skipped), (2, 2));
    assert_eq!((ledger.records.seen, ledger.records.filtered), (6, 2));
    let region = Selection { region: Patterns::new(["us-east-1"]), ..Default::default() };
    let (ids, ledger) = select(dir.path(), &region);
    assert_eq!((ids.concat().as_str(), ledger.files.pruned), ("7", 3));
}
