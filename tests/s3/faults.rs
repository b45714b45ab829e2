//! What goes wrong while reading, and what becomes of it.

use super::server::{Fault, Server};
use super::{BUCKET, bucket, calm, content, from_disk, ingest, names, open};
use std::fs;
use trailinsight::archive::Error;
use trailinsight::model::{Reject, RejectReason};
use trailinsight_fixtures::Shape;

/// The first two files of an archive, by name.
fn two(root: &std::path::Path) -> [String; 2] {
    let disk = trailinsight::archive::Disk::list(&[root.join(BUCKET)]).unwrap();
    let names = names(&disk);
    [names[0].clone(), names[1].clone()]
}

fn only(rejects: &[Reject]) -> &Reject {
    let [reject] = rejects else { panic!("{rejects:?}") };
    reject
}

/// One file fails as planned: it is told by name, with what helps, and all others are there.
fn told(plan: Fault, expected: &str, remedy: &str) {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 60, 6);
    let [bad, _] = two(dir.path());
    let key = bad.clone();
    let server = Server::start(dir.path(), None, move |asked, _, _| (asked == key).then_some(plan));
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    let manifest = ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    let reject = only(&manifest.ledger.rejects);
    assert_eq!((&reject.file, manifest.rows()), (&bad, 50), "{reject:?}");
    assert!(reject.detail.contains(expected), "{reject:?}");
    assert!(reject.remedy.as_deref().unwrap_or_default().contains(remedy), "{reject:?}");
}

#[test]
fn objects_that_cannot_be_read_are_told_with_what_helps() {
    told(
        Fault::Status(403, "AccessDenied"),
        "access denied",
        "s3:GetObject on arn:aws:s3:::trail-logs/AWSLogs",
    );
    told(Fault::Status(403, "InvalidObjectState"), "archived", "restore-object");
    told(Fault::Status(404, "NoSuchKey"), "deleted since it was listed", "");
    told(Fault::Status(400, "KMS.DisabledException"), "KMS key", "kms:Decrypt");
    told(Fault::Truncate(0), "the body ends after 0 of", "run again");
}

#[test]
fn expired_credentials_end_the_run_and_leave_what_can_be_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 60, 6);
    let [_, bad] = two(dir.path());
    let key = bad.clone();
    let expired = move |asked: &str, _: &str, times: u32| {
        (asked == key && times == 0).then_some(Fault::Status(400, "ExpiredToken"))
    };
    let server = Server::start(dir.path(), None, expired);
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    let case = dir.path().join("case");
    let error = ingest(&*source, &case, 64 << 20).unwrap_err();
    assert!(error.to_string().contains("given up"), "{error}");
    ingest(&*source, &case, 64 << 20).unwrap();
    assert_eq!(content(&case), from_disk(dir.path(), &dir.path().join("disk")));
}

#[test]
fn bodies_cut_short_go_on_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 60, 6);
    let cut = |key: &str, _: &str, times: u32| match times {
        _ if key.is_empty() => None,
        0 => Some(Fault::Truncate(100)),
        1 => Some(Fault::Truncate(200)),
        _ => None,
    };
    let server = Server::start(dir.path(), None, cut);
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    assert_eq!(content(&dir.path().join("case")), from_disk(dir.path(), &dir.path().join("disk")));
    let ranges = server.seen().into_iter().filter_map(|mut seen| {
        let range = seen.headers.remove("range")?;
        assert!(seen.headers.contains_key("if-match"), "{seen:?}");
        Some(range)
    });
    let ranges: Vec<String> = ranges.collect();
    assert_eq!(ranges.iter().filter(|range| *range == "bytes=100-").count(), 6, "{ranges:?}");
    assert_eq!(ranges.iter().filter(|range| *range == "bytes=300-").count(), 6, "{ranges:?}");
}

#[test]
fn a_changed_byte_is_found_by_gzip() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 60, 6);
    let [bad, _] = two(dir.path());
    let key = bad.clone();
    let corrupt = move |asked: &str, _: &str, _: u32| (asked == key).then_some(Fault::Corrupt);
    let server = Server::start(dir.path(), None, corrupt);
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    let manifest = ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    let files: Vec<&str> = manifest.ledger.rejects.iter().map(|r| r.file.as_str()).collect();
    assert!(!files.is_empty() && files.iter().all(|file| *file == bad), "{files:?}");
    assert!(!manifest.ledger.is_whole());
}

#[test]
fn an_object_that_changed_is_read_as_it_is_and_one_that_keeps_changing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 60, 6);
    let [once, always] = two(dir.path());
    let root = dir.path().join(BUCKET);
    let event = |id: u32| {
        let pad = "x".repeat(500 + id as usize);
        format!(
            r#"{{"Records":[{{"eventTime":"2024-05-03T10:00:00Z","eventID":"id-{id}","eventName":"X","eventSource":"s3.amazonaws.com","errorMessage":"{pad}"}}]}}"#
        )
    };
    let (first, second) = (once.clone(), always.clone());
    let change = move |asked: &str, _: &str, times: u32| {
        let changes = asked == first && times <= 1 || asked == second;
        if changes {
            fs::write(root.join(asked), event(times)).unwrap();
        }
        // Cut short, so that the rest is asked for and is of another version.
        (changes && times != 1 || asked == second).then_some(Fault::Truncate(200))
    };
    let server = Server::start(dir.path(), None, change);
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    let manifest = ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    let reject = only(&manifest.ledger.rejects);
    assert_eq!((&reject.file, reject.reason), (&always, RejectReason::Unreadable));
    assert!(reject.detail.contains("changed while it was read"), "{reject:?}");
    let (rows, _) = content(&dir.path().join("case"));
    assert_eq!(rows.iter().filter(|row| row.starts_with(&format!("{once}\u{1f}"))).count(), 1);
    assert_eq!(rows.len(), 41);
}

#[test]
fn a_prefix_that_may_not_be_listed_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 120, 24);
    let org = two(dir.path())[0].split('/').nth(1).unwrap().to_owned();
    let account = two(dir.path())[0].split('/').nth(2).unwrap().to_owned();
    let denied = format!("AWSLogs/{org}/{account}/");
    let prefix = denied.clone();
    let server = Server::start(dir.path(), None, move |_, listed, _| {
        listed.starts_with(&prefix).then_some(Fault::Status(403, "AccessDenied"))
    });
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    let manifest = ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    let reject = only(&manifest.ledger.rejects);
    assert_eq!(reject.file, denied);
    assert!(reject.remedy.as_ref().unwrap().contains("s3:ListBucket on arn:aws:s3:::trail-logs"));
    assert_eq!((manifest.ledger.files.failed, manifest.ledger.files.ingested), (1, 20));
}

#[test]
fn a_large_object_is_read_in_ranges_and_streamed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(BUCKET);
    fs::create_dir(&folder).unwrap();
    let record = |n: u32| {
        let pad = format!("{:x}", n.wrapping_mul(2_654_435_761)).repeat(500);
        format!(
            r#"{{"eventTime":"2024-05-03T10:00:00Z","eventID":"id-{n}","eventName":"X","eventSource":"s3.amazonaws.com","requestParameters":{{"pad":"{pad}"}}}}"#
        )
    };
    let lines: Vec<String> = (0..4_500).map(record).collect();
    fs::write(folder.join("large.jsonl"), lines.join("\n")).unwrap();
    let cut = |key: &str, _: &str, times: u32| {
        (!key.is_empty() && times % 3 == 1).then_some(Fault::Truncate(100_000))
    };
    let server = Server::start(dir.path(), None, cut);
    let source = open(&server, &format!("s3://{BUCKET}")).unwrap();
    let bytes = source.inputs().get(0).bytes;
    assert!(bytes > 17 << 20, "{bytes}");
    let disk = from_disk(dir.path(), &dir.path().join("disk"));
    // A window larger than the object, and a small one.
    for (case, memory) in [("whole", 1 << 30), ("streamed", 16 << 20)] {
        ingest(&*source, &dir.path().join(case), memory).unwrap();
        assert_eq!(content(&dir.path().join(case)), disk, "{case}");
    }
    let ranges = server.seen().into_iter().filter_map(|mut seen| seen.headers.remove("range"));
    assert!(ranges.count() > 6);
}

#[test]
fn what_cannot_be_reached_at_all_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(BUCKET)).unwrap();
    let server = Server::start(dir.path(), None, calm);
    let fails = |source: &str| {
        let Err(Error::Remote { source, .. }) = open(&server, source) else { panic!("{source}") };
        source
    };
    let missing = fails("s3://no-such-bucket/x");
    assert!(missing.detail.contains("no such bucket"), "{missing:?}");
    let mut stranger = super::options(&server);
    stranger.aws.keys.as_mut().unwrap().secret_access_key = "wrong".to_owned();
    let source = super::Location::parse(&format!("s3://{BUCKET}/")).unwrap();
    let Err(Error::Remote { source, .. }) = super::archive::open(&[source], &stranger) else {
        panic!("was let in")
    };
    assert!(source.detail.contains("not accepted") && source.fatal, "{source:?}");
    assert!(!format!("{source:?}").contains("AKIA"), "{source:?}");
    drop(server);
    stranger.aws.endpoint_url = Some("http://127.0.0.1:9".to_owned());
    let source = super::Location::parse(&format!("s3://{BUCKET}/")).unwrap();
    let Err(Error::Remote { source, .. }) = super::archive::open(&[source], &stranger) else {
        panic!("nobody is there")
    };
    assert!(source.remedy.as_deref().is_some_and(|remedy| remedy.contains("--endpoint-url")));
}
