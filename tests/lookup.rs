//! The event history over LookupEvents, against a server on loopback that speaks its protocol, through the real SDK client:
//! what is asked, and what becomes of good answers and of bad ones.
#![cfg(feature = "lookup")]

use crate::cli::{run, stderr};
use crate::support::{Silent, pool, rows};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use trailinsight::archive::{self, AwsSettings, Disk, Error, History, Keys, Location, Source};
use trailinsight::case::{self, Case, Manifest};
use trailinsight::model::selection::Moment;
use trailinsight::model::{Attribute, RejectReason, Selection, Timestamp};

const SECRET: &str = "not-a-real-secret";
const ACCOUNT: &str = "111122223333";
const NOW: &str = "2024-05-31T12:00:00Z";
/// All but where a row came from.
const COLUMNS_NOT_COMPARED: [&str; 2] = ["source_file", "source_index"];

/// One event of the history, as the server keeps it.
#[derive(Clone)]
struct Stored {
    region: String,
    time: Timestamp,
    entry: Value,
}

/// What was asked, in the order in which it came.
#[derive(Debug, Clone)]
struct Asked {
    region: String,
    body: Value,
}

impl Asked {
    fn is_page(&self) -> bool {
        self.body["MaxResults"] == 50
    }
}

/// What goes wrong: by the number of a request and what it asks, a code of the API.
type Fault = Box<dyn Fn(usize, &Asked) -> Option<&'static str> + Send + Sync>;

struct Api {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Api {
    /// A thread for each connection: the SDK opens one for each region and keeps it.
    fn of(events: Vec<Stored>, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, events) = (asked.clone(), Arc::new((events, fault)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, events) = (log.clone(), events.clone());
                std::thread::spawn(move || serve(&stream.unwrap(), &events.0, &events.1, &log));
            }
        });
        Self { url, asked }
    }

    fn sound(events: Vec<Stored>) -> Self {
        Self::of(events, Box::new(|_, _| None))
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn pages(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_page()).count()
    }
}

fn serve(stream: &TcpStream, events: &[Stored], fault: &Fault, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = asked_by(&mut reader) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            log.len() - 1
        };
        let (status, body) = match fault(number, &asked) {
            Some(code) => ("400 Bad Request", json!({"__type": code, "message": "so it is"})),
            None => ("200 OK", answer(events, &asked)),
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = stream;
        if writer.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn asked_by(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            None if line == "\r\n" => break,
            None => assert!(line.starts_with("POST / "), "{line}"),
        }
    }
    assert_eq!(headers["x-amz-target"], "CloudTrail_20131101.LookupEvents");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/cloudtrail/aws4_request, ...
    let signed = &headers["authorization"];
    assert!(signed.contains("/cloudtrail/aws4_request"), "{signed}");
    let region = signed.split('/').nth(2).unwrap().to_owned();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Some(Asked { region, body: serde_json::from_slice(&body).unwrap() })
}

/// As the API does it: both ends included, the newest first, at most 50 at a time.
fn answer(events: &[Stored], asked: &Asked) -> Value {
    let bound = |name: &str| Timestamp((asked.body[name].as_f64().unwrap() * 1e6) as i64);
    let (from, to) = (bound("StartTime"), bound("EndTime"));
    let attribute = &asked.body["LookupAttributes"][0];
    let has = |entry: &Value| match attribute["AttributeKey"].as_str() {
        Some(key) => entry[key] == attribute["AttributeValue"],
        None => true,
    };
    let mut found: Vec<&Stored> = events
        .iter()
        .filter(|e| e.region == asked.region && from <= e.time && e.time <= to && has(&e.entry))
        .collect();
    found.sort_by_key(|e| std::cmp::Reverse(e.time));
    let token = asked.body["NextToken"].as_str();
    let start: usize = token.map_or(0, |t| t.strip_prefix("from-").unwrap().parse().unwrap());
    let max = asked.body["MaxResults"].as_u64().unwrap() as usize;
    assert!((1..=50).contains(&max));
    let end = found.len().min(start + max);
    let page: Vec<&Value> = found[start..end].iter().map(|e| &e.entry).collect();
    let mut answer = json!({ "Events": page });
    if end < found.len() {
        answer["NextToken"] = json!(format!("from-{end}"));
    }
    answer
}

/// An event of `region`; some lack what their envelope has.
fn event(region: &str, id: u32, time: Timestamp, account: &str) -> Stored {
    let (id_text, user) = (format!("{region}-{id}"), ["mira", "eve"][id as usize % 2]);
    let mut record = json!({
        "eventVersion": "1.09", "eventTime": time.to_string(), "eventID": id_text,
        "eventSource": "iam.amazonaws.com", "eventName": "GetUser", "awsRegion": region,
        "readOnly": true, "sourceIPAddress": "198.51.100.20", "eventCategory": "Management",
        "userAgent": "aws-cli/2.15.0 \"quoted\" \u{fc}", "recipientAccountId": account,
        "requestParameters": {"userName": format!("u{id}")},
    });
    let mut entry = json!({
        "EventId": id_text, "EventName": "GetUser", "ReadOnly": "true", "Username": user,
        "EventTime": time.seconds(), "EventSource": "iam.amazonaws.com", "Resources": [],
    });
    if !id.is_multiple_of(5) {
        record["userIdentity"] = json!({
            "type": "IAMUser", "userName": user, "accountId": account,
            "arn": format!("arn:aws:iam::{account}:user/{user}"),
        });
    }
    if id.is_multiple_of(3) {
        entry["Resources"] = json!([
            {"ResourceType": "AWS::IAM::User", "ResourceName": format!("u{id}")},
            {"ResourceName": format!("arn:aws:iam::{account}:user/u{id}")},
        ]);
    }
    entry["CloudTrailEvent"] = json!(record.to_string());
    Stored { region: region.to_owned(), time, entry }
}

/// So many events of a region, `step` seconds between them, from `first` on.
fn events(region: &str, count: u32, first: &str, step: i64) -> Vec<Stored> {
    let first = Timestamp::parse(first).unwrap();
    (0..count)
        .map(|id| event(region, id, first.plus_seconds(i64::from(id) * step), ACCOUNT))
        .collect()
}

fn options(api: &Api, selection: Selection, now: &str) -> archive::Options {
    archive::Options {
        selection,
        aws: AwsSettings {
            endpoint_url: Some(api.url.clone()),
            keys: Some(Keys {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
                secret_access_key: SECRET.to_owned(),
            }),
            ..Default::default()
        },
        history: History {
            now: Timestamp::parse(now).unwrap(),
            interval: Duration::ZERO,
            attempts: 3,
            backoff: Duration::from_millis(1),
            covered: Arc::default(),
        },
        ..Default::default()
    }
}

fn open(api: &Api, regions: &[&str], selection: &Selection) -> Result<Box<dyn Source>, Error> {
    open_at(api, regions, selection, NOW)
}

fn open_at(
    api: &Api,
    regions: &[&str],
    selection: &Selection,
    now: &str,
) -> Result<Box<dyn Source>, Error> {
    let location = |r: &&str| Location::parse(&format!("cloudtrail:{r}")).unwrap();
    let locations: Vec<Location> = regions.iter().map(location).collect();
    archive::open(&locations, &options(api, selection.clone(), now))
}

fn ingest(source: &dyn Source, dir: &Path, selection: &Selection) -> Result<Manifest, case::Error> {
    let options = case::Options {
        memory_bytes: 64 << 20,
        selection: selection.clone(),
        ..Default::default()
    };
    case::ingest(source, dir, &options, &pool(2), &Silent)
}

fn since(age: &str) -> Selection {
    let from = Moment::parse(age, Timestamp::parse(NOW).unwrap());
    Selection { from, ..Selection::default() }
}

/// Rows without where they came from, sorted.
fn content(dir: &Path) -> Vec<String> {
    let case = Case::open(dir).unwrap();
    let columns: Vec<String> = case.columns().unwrap().into_iter().map(|(name, _)| name).collect();
    let columns = columns.into_iter().filter(|c| !COLUMNS_NOT_COMPARED.contains(&c.as_str()));
    let columns: Vec<String> = columns.collect();
    let rows = rows(&case, &format!("SELECT {} FROM events", columns.join(", ")));
    let mut rows: Vec<String> = rows.iter().map(|row| row.join("\u{1f}")).collect();
    rows.sort_unstable();
    rows
}

fn ids(dir: &Path) -> BTreeSet<String> {
    let case = Case::open(dir).unwrap();
    rows(&case, "SELECT event_id FROM events").into_iter().map(|row| row[0].clone()).collect()
}

#[test]
fn the_api_gives_the_case_that_its_saved_answers_give() {
    let dir = tempfile::tempdir().unwrap();
    // 130 events on one day, 70 on the next; midnight is one of them.
    let mut stored = events("eu-west-1", 130, "2024-05-29T10:00:00Z", 60);
    stored.extend((200..270).map(|id| {
        let midnight = Timestamp::parse("2024-05-30").unwrap();
        event("eu-west-1", id, midnight.plus_seconds(i64::from(id - 200) * 600), ACCOUNT)
    }));
    let api = Api::sound(stored.clone());
    let location = [Location::parse("cloudtrail:eu-west-1").unwrap()];
    let options = options(&api, since("3d"), NOW);
    let source = archive::open(&location, &options).unwrap();
    let manifest = ingest(&*source, &dir.path().join("api"), &since("3d")).unwrap();
    let covered = &options.history.covered;
    for seconds in [&covered.seconds, &covered.of_seconds] {
        assert_eq!(seconds.load(Ordering::Relaxed), 3 * 86_400);
    }
    assert!(manifest.ledger.is_whole(), "{:?}", manifest.ledger);
    assert_eq!((manifest.ledger.records.seen, manifest.ledger.records.kept), (200, 200));
    // A look; 29 May in three pages, 30 May in two, 28 May in one; 31 May lies behind the newest.
    let asked = api.asked();
    assert_eq!(asked.len(), 1 + 3 + 2 + 1, "{asked:#?}");
    assert_eq!(asked[0].body["MaxResults"], 1);

    let saved: Vec<&Value> = stored.iter().map(|s| &s.entry).collect();
    fs::write(dir.path().join("f.json"), json!({ "Events": saved }).to_string()).unwrap();
    let disk = Disk::list(&[dir.path().join("f.json")]).unwrap();
    let saved = ingest(&disk, &dir.path().join("saved"), &since("3d")).unwrap();
    assert_eq!(content(&dir.path().join("api")), content(&dir.path().join("saved")));
    assert_eq!(manifest.ledger.records, saved.ledger.records);
    let case = Case::open(&dir.path().join("api")).unwrap();
    // What the record lacks is its envelope's.
    let filled = rows(&case, "SELECT record FROM events WHERE event_id = 'eu-west-1-15'");
    assert!(filled[0][0].contains("\"Username\":\"eve\""), "{filled:?}");
    assert!(filled[0][0].contains("\"ResourceName\":\"u15\""), "{filled:?}");
}

#[test]
fn a_large_day_streams_through_small_memory() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::sound(events("eu-west-1", 5000, "2024-05-30T00:00:00Z", 10));
    let source = open(&api, &["eu-west-1"], &since("2d")).unwrap();
    let options =
        case::Options { memory_bytes: 1 << 20, selection: since("2d"), ..Default::default() };
    let manifest = case::ingest(&*source, dir.path(), &options, &pool(1), &Silent).unwrap();
    assert_eq!(manifest.ledger.records.kept, 5000);
    assert_eq!(ids(dir.path()).len(), 5000);
}

#[test]
fn throttling_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    // Of three requests, two are refused: each gets through on its last attempt.
    let fault: Fault = Box::new(|number, _| (number % 3 < 2).then_some("ThrottlingException"));
    let api = Api::of(events("eu-west-1", 120, "2024-05-30T00:00:00Z", 60), fault);
    let selection = Selection { to: since("1d").from, ..since("36h") };
    let source = open(&api, &["eu-west-1"], &selection).unwrap();
    let manifest = ingest(&*source, dir.path(), &selection).unwrap();
    assert!(manifest.ledger.is_whole(), "{:?}", manifest.ledger);
    assert_eq!(ids(dir.path()).len(), 120);
}

#[test]
fn what_was_read_before_the_credentials_expired_is_kept_and_the_rest_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let stored = events("eu-west-1", 240, "2024-05-28T00:00:00Z", 900);
    let whole = Api::sound(stored.clone());
    let source = open(&whole, &["eu-west-1"], &since("4d")).unwrap();
    ingest(&*source, &dir.path().join("whole"), &since("4d")).unwrap();

    // A day has 96 events, two pages. The second page of 29 May never comes.
    let fault: Fault = Box::new(|_, asked| {
        let start = asked.body["StartTime"].as_i64().unwrap();
        let is_29 = start == Timestamp::parse("2024-05-29").unwrap().seconds();
        (is_29 && asked.body["NextToken"].is_string()).then_some("ExpiredTokenException")
    });
    let api = Api::of(stored, fault);
    let case = dir.path().join("case");
    let source = open(&api, &["eu-west-1"], &since("4d")).unwrap();
    let manifest = ingest(&*source, &case, &since("4d")).unwrap();
    let rejects = &manifest.ledger.rejects;
    let cut = rejects.iter().find(|r| r.file.contains("2024-05-29")).unwrap();
    assert_eq!(cut.reason, RejectReason::Unreadable);
    assert!(cut.detail.contains("the credentials have expired"), "{}", cut.detail);
    assert!(cut.remedy.as_ref().unwrap().contains("aws sso login"), "{cut:?}");
    assert_eq!(cut.file, format!("cloudtrail/{ACCOUNT}/2024-05-29/eu-west-1"));
    assert!(rejects.iter().all(|r| r.reason == RejectReason::Unreadable), "{rejects:?}");
    // Both days behind it and the first page of the day itself.
    let kept = ids(&case);
    assert!(kept.len() >= 48 + 50 && kept.len() < 240, "{}", kept.len());
    assert!(kept.is_subset(&ids(&dir.path().join("whole"))));

    // With new credentials the same command goes on, and asks for nothing it has.
    let before = whole.pages();
    let source = open(&whole, &["eu-west-1"], &since("4d")).unwrap();
    let manifest = ingest(&*source, &case, &since("4d")).unwrap();
    assert!(manifest.ledger.is_whole(), "{:?}", manifest.ledger);
    assert_eq!(content(&case), content(&dir.path().join("whole")));
    let asked_again: BTreeSet<i64> = whole.asked()[before + 1..]
        .iter()
        .filter(|asked| asked.is_page())
        .map(|asked| asked.body["StartTime"].as_i64().unwrap())
        .collect();
    let at_midnight = |day| Timestamp::parse(day).unwrap().seconds();
    assert!(asked_again.contains(&at_midnight("2024-05-29")), "{asked_again:?}");
    assert!(!asked_again.contains(&at_midnight("2024-05-30")), "{asked_again:?}");
}

#[test]
fn a_region_without_events_costs_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::sound(Vec::new());
    let everything = Selection::default();
    let source = open(&api, &["eu-west-1", "us-east-1"], &everything).unwrap();
    let manifest = ingest(&*source, dir.path(), &everything).unwrap();
    assert_eq!(api.asked().len(), 2);
    assert!(manifest.ledger.is_whole());
    assert_eq!((manifest.ledger.files.failed, manifest.ledger.records.seen), (0, 0));
    assert_eq!(manifest.ledger.files.ingested, manifest.ledger.files.seen);
}

#[test]
fn all_regions_are_asked_and_those_that_fail_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut stored = events("eu-west-1", 60, "2024-05-30T00:00:00Z", 60);
    stored.extend(events("us-east-1", 60, "2024-05-30T00:00:00Z", 60));
    let fault: Fault = Box::new(|_, asked| match asked.region.as_str() {
        "af-south-1" => Some("UnrecognizedClientException"),
        "us-west-2" => Some("AccessDeniedException"),
        _ => None,
    });
    let api = Api::of(stored, fault);
    let source = open(&api, &["all"], &since("2d")).unwrap();
    assert!(source.notes().iter().any(|n| n.contains("not enabled: af-south-1")));
    let manifest = ingest(&*source, dir.path(), &since("2d")).unwrap();
    assert_eq!(manifest.ledger.records.kept, 120);
    let [reject] = &manifest.ledger.rejects[..] else { panic!("{:?}", manifest.ledger.rejects) };
    assert_eq!(reject.file, format!("cloudtrail/{ACCOUNT}/us-west-2"));
    assert!(reject.detail.contains("access denied"), "{reject:?}");
    assert!(reject.remedy.as_ref().unwrap().contains("cloudtrail:LookupEvents"), "{reject:?}");
    let asked: BTreeSet<String> = api.asked().into_iter().map(|asked| asked.region).collect();
    assert!(asked.len() >= 34, "{asked:?}");
    // Three days of two regions, two pages on the day that has 60 events.
    assert_eq!(api.pages(), 2 * (2 + 1), "the empty ones and 31 May are not asked again");
}

#[test]
fn a_case_grows_by_the_last_days_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut stored = events("eu-west-1", 200, "2024-05-28T00:00:00Z", 1200);
    let (case, selection) = (dir.path().join("case"), since("4d"));
    let api = Api::sound(stored.clone());
    let source = open_at(&api, &["eu-west-1"], &selection, "2024-05-31T11:00:00Z").unwrap();
    ingest(&*source, &case, &selection).unwrap();

    // Two hours later: one more, and one of the night before that came late.
    for (id, time) in [(300, "2024-05-31T12:30:00Z"), (301, "2024-05-30T23:50:00Z")] {
        stored.push(event("eu-west-1", id, Timestamp::parse(time).unwrap(), ACCOUNT));
    }
    let api = Api::sound(stored.clone());
    let later = "2024-05-31T13:00:00Z";
    let source = open_at(&api, &["eu-west-1"], &selection, later).unwrap();
    let manifest = ingest(&*source, &case, &selection).unwrap();
    assert!(manifest.ledger.is_whole());
    assert_eq!(ids(&case).len(), 202);
    let starts: BTreeSet<i64> = api
        .asked()
        .iter()
        .filter(|asked| asked.is_page())
        .map(|asked| asked.body["StartTime"].as_i64().unwrap())
        .collect();
    // 30 May ended 13 hours ago, so it is settled now, but was not when it was read.
    let midnights = ["2024-05-30", "2024-05-31"].map(|d| Timestamp::parse(d).unwrap().seconds());
    assert_eq!(starts, midnights.into());

    // Another account is another archive.
    let other = (0..9).map(|id| {
        let time = Timestamp::parse("2024-05-30T01:00:00Z").unwrap();
        event("eu-west-1", id, time, "999988887777")
    });
    let api = Api::sound(other.collect());
    let source = open_at(&api, &["eu-west-1"], &selection, later).unwrap();
    let refused = ingest(&*source, &case, &selection).unwrap_err();
    assert!(matches!(refused, case::Error::OtherArchive { .. }), "{refused}");
}

#[test]
fn one_attribute_and_the_newest_events_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::sound(events("eu-west-1", 300, "2024-05-20T00:00:00Z", 3000));
    let attribute = Attribute::parse("Username=eve").unwrap();
    let selection =
        Selection { lookup: Some(attribute), max_events: Some(70), ..Selection::default() };
    let source = open(&api, &["eu-west-1"], &selection).unwrap();
    let manifest = ingest(&*source, dir.path(), &selection).unwrap();
    assert!(manifest.ledger.is_whole());
    // The newest of hers have the largest odd numbers.
    let expected = (0..300).filter(|id| id % 2 == 1).rev().take(70);
    let expected: BTreeSet<String> = expected.map(|id| format!("eu-west-1-{id}")).collect();
    assert_eq!(ids(dir.path()), expected);
    assert_eq!(api.pages(), 2);
    let asked = &api.asked()[1].body["LookupAttributes"];
    assert_eq!(*asked, json!([{"AttributeKey": "Username", "AttributeValue": "eve"}]));
    assert_eq!(manifest.selection.shown()["lookup"], "Username=eve");
    assert_eq!(manifest.selection.shown()["max-events"], "70");
}

#[test]
fn a_history_that_cannot_be_had_at_all_is_an_error_with_a_remedy() {
    for (code, detail, remedy) in [
        ("ExpiredTokenException", "expired", "aws sso login"),
        ("AccessDeniedException", "access denied", "cloudtrail:LookupEvents"),
        ("ThrottlingException", "throttled on every attempt", "again"),
        ("UnrecognizedClientException", "not known", "sts get-caller-identity"),
    ] {
        let api = Api::of(Vec::new(), Box::new(move |_, _| Some(code)));
        for regions in [&["eu-west-1"][..], &["all"]] {
            let Err(Error::Remote { place, source }) = open(&api, regions, &since("3d")) else {
                panic!("{code}: not refused");
            };
            assert_eq!(place, format!("cloudtrail:{}", regions[0]));
            assert!(source.detail.contains(detail), "{source:?}");
            assert!(source.remedy.as_ref().unwrap().contains(remedy), "{source:?}");
        }
    }
}

#[test]
fn what_lies_beyond_ninety_days_is_told() {
    let api = Api::sound(Vec::new());
    let source = open(&api, &["eu-west-1"], &since("120d")).unwrap();
    assert!(source.notes()[0].contains("90 days, to 2024-03-02"), "{:?}", source.notes());
    let old = Selection { to: since("100d").from, ..Selection::default() };
    assert!(matches!(open(&api, &["eu-west-1"], &old), Err(Error::Usage { .. })));
    let elsewhere = Selection {
        region: trailinsight::model::selection::Patterns::new(["us-*"]),
        ..since("3d")
    };
    assert!(matches!(open(&api, &["eu-west-1"], &elsewhere), Err(Error::Usage { .. })));
}

#[test]
fn the_program_reads_the_event_history() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp(jiff::Timestamp::now().as_microsecond());
    let stored: Vec<Stored> = (0..60)
        .map(|id| event("eu-west-1", id, now.plus_seconds(-7200 - i64::from(id)), ACCOUNT))
        .collect();
    let api = Api::sound(stored);
    let program = |args: &[&str], keys: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trailinsight"));
        command.args(args).args(["--endpoint-url", &api.url]).current_dir(dir.path());
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", dir.path());
        if keys {
            command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
            command.env("AWS_SECRET_ACCESS_KEY", SECRET);
        }
        command.output().unwrap()
    };
    let source = "cloudtrail:eu-west-1";
    let output = program(&["analyze", source, "--from", "1d", "--lookup", "username=eve"], true);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = fs::read_to_string(dir.path().join("trailinsight-report/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["ledger"]["records"]["kept"], 30);
    assert_eq!(report["run"]["settings"]["lookup"], "Username=eve");
    assert!(!stderr(&output).contains(SECRET));

    let output = program(&["ingest", source, "--case", "c"], false);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("no credentials"), "{}", stderr(&output));
    for (args, message) in [
        (&["ingest", source, "--case", "c", "--lookup", "Who=x"][..], "AccessKeyId"),
        (&["ingest", source, "--case", "c", "--max-events", "0"], "--max-events"),
        (&["ingest", ".", "--case", "c", "--lookup", "Username=x"], "cloudtrail:"),
    ] {
        let output = run(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{args:?}: {}", stderr(&output));
    }
}
