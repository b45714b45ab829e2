//! What is listed, and what is not.

use super::catalog::Catalog;
use super::server::{Fault, Server};
use super::{BUCKET, bucket, calm, from_disk, ingest, names, open, open_selected};
use std::collections::BTreeSet;
use std::fs;
use trailinsight::archive::Error;
use trailinsight::case;
use trailinsight::model::selection::{Moment, Patterns};
use trailinsight::model::{Selection, Timestamp};
use trailinsight_fixtures::Shape;

/// A trail of an organization: one file a day, kinds that nobody asks for beside it.
fn year() -> Catalog {
    let mut keys = BTreeSet::new();
    for account in ["111122223333", "222233334444", "333344445555"] {
        let root = format!("logs/AWSLogs/o-abcdefghij/{account}");
        for region in 1..=20 {
            for day in 0..365 {
                let day =
                    Timestamp::parse("2025-01-01").unwrap().plus_seconds(day * 86_400).to_string();
                let (day, flat) = (day[..10].replace('-', "/"), day[..10].replace('-', ""));
                let name = format!("{account}_CloudTrail_r-{region}_{flat}T1200Z_x.json.gz");
                keys.insert(format!("{root}/CloudTrail/r-{region}/{day}/{name}"));
                keys.insert(format!("{root}/CloudTrail-Digest/r-{region}/{day}/{account}_CloudTrail-Digest_{flat}.json.gz"));
                keys.insert(format!("{root}/Config/r-{region}/{day}/ConfigHistory.json.gz"));
            }
        }
    }
    Catalog { keys, bytes: 100 }
}

fn day(from: &str, to: &str) -> Selection {
    let at = |text| Moment::parse(text, Timestamp(0));
    Selection { from: at(from), to: at(to), ..Default::default() }
}

#[test]
fn one_day_of_a_year_lists_a_hundredth_of_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Some(year()), calm);
    let selection = day("2025-05-03", "2025-05-04");
    let source = open_selected(&server, "s3://catalog/logs", selection.clone());
    // 365 days, 20 regions and 3 accounts: the day asked for and one on both sides.
    assert_eq!(source.inputs().len(), 3 * 20 * 3);
    assert!(
        names(&*source).iter().all(|name| !name.contains("Digest") && !name.contains("Config"))
    );
    let keys = 365 * 20 * 3;
    assert!(server.listed() * 100 <= keys * 3, "{} of {keys} keys and folders", server.listed());
    assert!(server.listings() <= 300, "{} requests", server.listings());
    let (plan, todo) = case::plan(&*source, &selection);
    assert_eq!((plan.files, todo.len(), plan.bytes), (180, 180, 18_000));

    let whole = open(&server, "s3://catalog/logs/").unwrap();
    assert_eq!(whole.inputs().len() as u64, keys);
    let one = Selection { account: Patterns::new(["1111*"]), ..day("2025-05-03", "2025-07-01") };
    let source = open_selected(&server, "s3://catalog/logs", one.clone());
    assert_eq!(case::plan(&*source, &one).0.files, 20 * 61);
}

#[test]
fn a_flat_bucket_is_listed_in_ranges_and_every_key_once() {
    let keys: BTreeSet<String> = (0..30_000)
        .map(|n| {
            format!(
                "111122223333_CloudTrail_eu-west-1_2025{:04}T{:04}Z_x{n}.json.gz",
                n % 900,
                n / 30
            )
        })
        .collect();
    let count = keys.len();
    let catalog = Catalog { keys, bytes: 100 };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Some(catalog), calm);
    let source = open(&server, "s3://catalog").unwrap();
    let found: BTreeSet<String> = names(&*source).into_iter().collect();
    assert_eq!((found.len(), source.inputs().len()), (count, count));
    // One page after the other would begin where the one before ended; ranges begin elsewhere.
    let seen = server.seen();
    let pages = seen.iter().filter(|seen| !seen.query.contains_key("max-keys"));
    let begins = pages.filter_map(|seen| seen.query.get("start-after"));
    let cuts: Vec<_> = begins.filter(|after| after.contains('\u{10FFFF}')).collect();
    assert!(cuts.len() >= 6, "{cuts:?}");
    assert!(server.listings() < 150, "{} requests", server.listings());
}

#[test]
fn a_bucket_is_found_in_its_region_and_paid_for_by_whom_it_should_be() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 20, 2);
    let moved = |key: &str, prefix: &str, times: u32| {
        (key.is_empty() && prefix.is_empty() && times == 0).then_some(Fault::Moved("eu-north-1"))
    };
    let server = Server::start(dir.path(), None, moved);
    let mut options = super::options(&server);
    options.aws.request_payer = true;
    let source = &[format!("s3://{BUCKET}").as_str()].map(|s| super::Location::parse(s).unwrap());
    let source = super::archive::open(source, &options).unwrap();
    let manifest = ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    assert_eq!(manifest.ledger.files.ingested, 2);
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.headers["x-amz-request-payer"] == "requester"));
    assert!(seen[1..].iter().all(|seen| seen.headers["authorization"].contains("/eu-north-1/s3/")));
}

#[test]
fn a_public_bucket_is_asked_without_credentials() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 20, 2);
    let server = Server::start(dir.path(), None, calm);
    let mut options = super::options(&server);
    (options.aws.no_sign_request, options.aws.keys) = (true, None);
    let source = super::Location::parse(&format!("s3://{BUCKET}")).unwrap();
    // This server lets nobody in unsigned, so all that can be seen is how it was asked.
    let Err(error) = super::archive::open(&[source], &options) else { panic!("was let in") };
    assert!(matches!(error, Error::Remote { .. }), "{error}");
    assert!(server.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[test]
fn folders_and_buckets_are_read_in_one_run() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 200, 20);
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let record = r#"{"Records":[{"eventTime":"2024-05-03T10:00:00Z","eventID":"only","eventName":"X","eventSource":"s3.amazonaws.com"}]}"#;
    fs::write(folder.join("trail.json"), record).unwrap();
    let server = Server::start(dir.path(), None, calm);
    let sources = [folder.to_str().unwrap(), &format!("s3://{BUCKET}/AWSLogs")];
    let locations = sources.map(|source| super::Location::parse(source).unwrap());
    let source = super::archive::open(&locations, &super::options(&server)).unwrap();
    let manifest = ingest(&*source, &dir.path().join("case"), 64 << 20).unwrap();
    assert_eq!((manifest.ledger.files.ingested, manifest.rows()), (21, 201));
    assert!(
        names(&*source).iter().any(|name| name.starts_with(&format!("s3://{BUCKET}/AWSLogs/o-")))
    );
    let (rows, _) = from_disk(dir.path(), &dir.path().join("disk"));
    assert_eq!(rows.len(), 200);
}

#[test]
fn one_object_is_named_by_its_key_and_tells_its_metadata() {
    let dir = tempfile::tempdir().unwrap();
    bucket(dir.path(), Shape::FewLarge, 20, 2);
    let server = Server::start(dir.path(), None, calm);
    let all = open(&server, &format!("s3://{BUCKET}/")).unwrap();
    let key = all.inputs().get(0).name;
    let one = open(&server, &format!("s3://{BUCKET}/{key}")).unwrap();
    assert_eq!(one.inputs().len(), 1);
    let input = one.inputs().get(0);
    assert!(input.named && key.ends_with(&format!("/{}", input.name)));
    assert_eq!(one.key(&input), key);
    let metadata = one.metadata(&input).unwrap().unwrap();
    assert!(!metadata.etag.is_empty() && metadata.modified.is_some(), "{metadata:?}");
    let Err(error) = open(&server, &format!("s3://{BUCKET}/nothing/here")) else { panic!("found") };
    assert!(matches!(error, Error::NoObjects { .. }), "{error}");
}
