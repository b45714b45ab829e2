//! Whatever records travel in, they come out the same: every shape in every packing, held whole or
//! read in pieces.

use crate::reference::{Rebuilt, read};
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use trailinsight::decode::{Caps, Decoded, Kind, Scratch, decode_reader};
use trailinsight::model::RejectReason;
use trailinsight_fixtures::{Corpus, Recipe, Shape};

const RECORDS: usize = 40;

/// Records of a seeded corpus.
fn records() -> Vec<Value> {
    let corpus = Corpus::new(Recipe::new(Shape::FewLarge, RECORDS as u64, 1));
    let mut json = Vec::new();
    corpus.file_bytes(0, &mut json);
    let document: Value = serde_json::from_slice(&json).unwrap();
    document["Records"].as_array().unwrap().clone()
}

fn lines(records: &[Value], line: impl Fn(&Value) -> String) -> String {
    records.iter().map(line).collect()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Every shape of the same records.
fn shapes(records: &[Value]) -> Vec<(&'static str, String)> {
    let wrapped = |wrap: &dyn Fn(&Value) -> Value| lines(records, |r| format!("{}\n", wrap(r)));
    let list = |wrap: &dyn Fn(&Value) -> Value| records.iter().map(wrap).collect::<Vec<_>>();
    let message = |r: &Value| json!({"id": "1", "timestamp": 1, "message": r.to_string()});
    let subscription = json!({"messageType": "DATA_MESSAGE", "owner": "111122223333",
        "logGroup": "g", "logEvents": list(&message)});
    let packed = base64(&gz(subscription.to_string().as_bytes()));
    let lookup = |r: &Value| {
        json!({"EventId": r["eventID"], "EventName": r["eventName"],
        "Username": "u", "Resources": [], "CloudTrailEvent": r.to_string()})
    };
    let pretty = |r: &Value| serde_json::to_string_pretty(r).unwrap();
    vec![
        ("Records", json!({"Records": records}).to_string()),
        ("Records, pretty", pretty(&json!({"x": {}, "Records": records, "y": []}))),
        ("array", json!(records).to_string()),
        ("lines", lines(records, |r| format!("{r}\n"))),
        ("lines with CRLF and gaps", lines(records, |r| format!("{r}\r\n\r\n"))),
        ("concatenated", lines(records, Value::to_string)),
        ("pretty, one after the other", lines(records, |r| format!("{}\n", pretty(r)))),
        ("Records documents as lines", wrapped(&|r| json!({"Records": [r]}))),
        ("LookupEvents page", json!({"Events": list(&lookup), "NextToken": "t"}).to_string()),
        ("LookupEvents entries", wrapped(&lookup)),
        (
            "EventBridge",
            wrapped(&|r| {
                json!({"version": "0", "source": "aws.s3",
            "detail-type": "AWS API Call via CloudTrail", "detail": r})
            }),
        ),
        ("log export", lines(records, |r| format!("2024-05-03T10:00:00.000Z {r}\n"))),
        ("syslog", lines(records, |r| format!("<13>May  3 10:00:00 host trail[7]: {r}\n"))),
        ("log subscription", subscription.to_string()),
        ("log subscription, packed", packed.clone()),
        ("log subscription to a function", json!({"awslogs": {"data": packed}}).to_string()),
        (
            "search hits",
            json!({"took": 1, "hits": {"total": {"value": 40},
            "hits": list(&|r| json!({"_index": "i", "_source": r}))}})
            .to_string(),
        ),
        (
            "Elastic",
            wrapped(&|r| {
                json!({"@timestamp": "x", "event": {"kind": "event",
            "original": r.to_string()}, "aws": {"cloudtrail": {"event_version": "1.08"}}})
            }),
        ),
        ("Logstash", wrapped(&|r| json!({"@version": "1", "message": r.to_string()}))),
        ("Splunk", wrapped(&|r| json!({"preview": false, "result": {"_raw": r.to_string()}}))),
        ("byte order mark", format!("\u{feff}{}", json!({"Records": records}))),
        ("NUL padding", format!("{}{}", json!({"Records": records}), "\0".repeat(512))),
    ]
}

/// Few records in every shape, and the first shape in every packing.
pub(crate) fn small_files() -> Vec<Vec<u8>> {
    let shapes = shapes(&records()[..2]);
    let text = shapes[0].1.as_bytes();
    let member = [("trail.json", text)];
    let packed = [gz(text), bz2(text), zstd::encode_all(text, 1).unwrap(), zip_of(&member)];
    let tar = gz(&tar_of(&member));
    shapes.iter().map(|(_, text)| text.clone().into_bytes()).chain(packed).chain([tar]).collect()
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A window of a few KiB: everything goes through in pieces.
fn small() -> Caps {
    Caps { window_bytes: 6 << 10, record_bytes: 6 << 10, ..Caps::default() }
}

fn read_pieces(bytes: &[u8]) -> (Rebuilt, Decoded) {
    let mut rebuilt = Rebuilt::default();
    let caps = small();
    let mut scratch = Scratch::new(caps.depth);
    let decoded = decode_reader(&mut &bytes[..], &caps, &mut scratch, &mut rebuilt);
    (rebuilt, decoded)
}

fn assert_read(what: &str, bytes: &[u8], records: &[Value]) {
    for (how, (rebuilt, decoded)) in
        [("whole", read(bytes, &Caps::default())), ("in pieces", read_pieces(bytes))]
    {
        assert_eq!(decoded.kind, Kind::Records, "{what}, {how}: {decoded:?}");
        assert!(decoded.rejected.is_empty(), "{what}, {how}: {:?}", decoded.rejected);
        assert_eq!(decoded.seen, records.len() as u64, "{what}, {how}");
        assert!(rebuilt.records == records, "{what}, {how}: {} records", rebuilt.records.len());
    }
}

#[test]
fn every_shape_gives_the_same_records_whole_and_in_pieces() {
    let records = records();
    for (shape, text) in shapes(&records) {
        // Held as one string, so it cannot be larger than what is held.
        if !shape.starts_with("log subscription") {
            assert_read(shape, text.as_bytes(), &records);
        }
        let (rebuilt, decoded) = read(text.as_bytes(), &Caps::default());
        assert!(decoded.rejected.is_empty(), "{shape}: {:?}", decoded.rejected);
        assert_eq!(rebuilt.records, records, "{shape}");
    }
}

#[test]
fn every_packing_gives_the_same_records_whole_and_in_pieces() {
    let records = records();
    for (shape, text) in shapes(&records).into_iter().take(6) {
        let text = text.as_bytes();
        let (a, b) = text.split_at(text.len() / 2);
        let noise: (&str, &[u8]) = ("pictures/logo.png", b"\x89PNG\r\n\x1a\n\0\0");
        let members = [noise, ("a/trail.json.gz", &gz(text)[..])];
        let utf16 = |to: fn(u16) -> [u8; 2]| {
            let text = std::str::from_utf8(text).unwrap();
            text.encode_utf16().flat_map(to).collect::<Vec<u8>>()
        };
        for (packing, bytes) in [
            ("gzip", gz(text)),
            ("gzip of two members", [gz(a), gz(b)].concat()),
            ("gzip of gzip", gz(&gz(text))),
            ("gzip with padding", [gz(text), vec![0; 512]].concat()),
            ("zstd", zstd::encode_all(text, 1).unwrap()),
            ("bzip2", bz2(text)),
            ("zip", zip_of(&members)),
            ("tar", tar_of(&members)),
            ("tar.gz", gz(&tar_of(&members))),
            (
                "tar.zst of zip",
                zstd::encode_all(&tar_of(&[("x.zip", &zip_of(&members))])[..], 1).unwrap(),
            ),
            ("UTF-16 LE", utf16(u16::to_le_bytes)),
            ("UTF-16 BE", utf16(u16::to_be_bytes)),
        ] {
            assert_read(&format!("{shape} in {packing}"), &bytes, &records);
        }
    }
}

#[test]
fn members_are_named() {
    let records = records();
    let good = json!({"Records": records}).to_string();
    let cut = &gz(good.as_bytes())[..200];
    let bytes =
        tar_of(&[("one.json", good.as_bytes()), ("digest.json", b"{\"x\":1}"), ("b.gz", cut)]);
    let (rebuilt, decoded) = read(&bytes, &Caps::default());
    assert_eq!(rebuilt.members, ["one.json", "digest.json", "b.gz"]);
    assert_eq!(rebuilt.records[..records.len()], records);
    assert_eq!(decoded.kind, Kind::Records);
    assert!(decoded.rejected.iter().all(|r| r.file("t.tar") == "t.tar!b.gz"), "{decoded:?}");
    assert!(decoded.rejected.iter().any(|r| r.reason == RejectReason::TruncatedGzip));
    // Nothing but files of another kind: the archive is one as well.
    let foreign = zip_of(&[("digest.json", b"{\"x\":1}"), ("logo.png", b"\x89PNG")]);
    assert_eq!(read(&foreign, &Caps::default()).1.kind, Kind::Foreign);
}

#[test]
fn tables_are_records_by_their_header() {
    let lake = "eventVersion,userIdentity,eventTime,eventSource,eventName,readOnly,errorCode\n\
        1.08,\"{\"\"type\"\":\"\"Root\"\"}\",2024-05-03 10:00:00.000,iam.amazonaws.com,ListUsers,true,\n\
        1.08,\"{type=IAMUser, userName=eve}\",2024-05-03 10:00:01.000,iam.amazonaws.com,ListRoles,false,AccessDenied\n";
    let (rebuilt, decoded) = read(lake.as_bytes(), &Caps::default());
    assert!(decoded.rejected.is_empty(), "{decoded:?}");
    assert_eq!(rebuilt.records[0]["userIdentity"], json!({"type": "Root"}));
    assert_eq!(rebuilt.records[0]["readOnly"], json!(true));
    assert_eq!(rebuilt.records[0].get("errorCode"), None);
    assert_eq!(rebuilt.records[1]["userIdentity"], json!("{type=IAMUser, userName=eve}"));
    assert_eq!(rebuilt.records[1]["errorCode"], json!("AccessDenied"));

    let history = "User name,Event time,Event source,Event name,Event ID,AWS access key\r\n\
        eve,2024-05-03T10:00:00Z,s3.amazonaws.com,ListBuckets,e1,AKIAIOSFODNN7EXAMPLE\r\n";
    for bytes in [history.as_bytes().to_vec(), gz(history.as_bytes())] {
        let (rebuilt, decoded) = read(&bytes, &Caps::default());
        assert!(decoded.rejected.is_empty(), "{decoded:?}");
        let identity = json!({"userName": "eve", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"});
        assert_eq!(rebuilt.records[0]["userIdentity"], identity);
        assert_eq!(rebuilt.records[0]["eventID"], json!("e1"));
    }
}

/// Damage and its account: what is read, and what is told, whole and in pieces.
#[test]
fn damage_costs_its_record_and_is_told_whole_and_in_pieces() {
    use RejectReason as R;
    let records = records();
    let good = |i: usize| records[i].to_string();
    let deep = format!(
        "{{\"eventVersion\":\"1\",\"eventName\":{}",
        "[".repeat(200) + &"]".repeat(200) + "}"
    );
    let large = format!("{{\"eventVersion\":\"1\",\"eventName\":\"{}\"}}", "x".repeat(7 << 10));
    let aggregated =
        json!({"eventVersion": "1.0", "eventCategory": "Aggregated", "timeWindow": {}}).to_string();
    for (what, bad, expected) in [
        ("no object", "5".to_owned(), Some((R::NotARecord, 1))),
        ("an empty one", "{}".to_owned(), Some((R::NotARecord, 1))),
        (
            "foreign",
            r#"{"detail-type":"Scheduled Event","detail":{"eventName":"a","eventID":"b"}}"#
                .to_owned(),
            Some((R::NotARecord, 1)),
        ),
        (
            "no time",
            r#"{"eventName":"a","eventID":"b"}"#.to_owned(),
            Some((R::MissingEventTime, 1)),
        ),
        ("aggregated", aggregated, Some((R::MissingEventTime, 1))),
        ("too deep", deep, Some((R::TooDeep, 1))),
        ("too large", large, Some((R::OverRecordCap, 1))),
        ("bad syntax", r#"{"eventName":}"#.to_owned(), Some((R::InvalidJson, 1))),
        ("a comma too many", format!("{},", good(2)), None),
    ] {
        let kept: Vec<Value> = records[..2].iter().chain(&records[3..6]).cloned().collect();
        let list = [good(0), good(1), bad, good(3), good(4), good(5)].join(",");
        let text = format!("{{\"Records\":[{list}]}}");
        for (how, (rebuilt, decoded)) in [
            ("whole", read(text.as_bytes(), &small())),
            ("in pieces", read_pieces(text.as_bytes())),
        ] {
            let Some((reason, count)) = expected else {
                // Commas are forgiven in pieces, mended and told where the document is whole.
                assert_eq!(rebuilt.records, records[..6], "{what}, {how}: {decoded:?}");
                continue;
            };
            assert!(rebuilt.records == kept, "{what}, {how}: {decoded:?}");
            let told: Vec<_> = decoded.rejected.iter().map(|r| (r.reason, r.count)).collect();
            assert_eq!(told, [(reason, count)], "{what}, {how}");
        }
    }
}

/// A file that ends in the middle, of its records or of its gzip.
#[test]
fn what_stands_before_a_cut_is_read_whole_and_in_pieces() {
    let records = records();
    for (shape, text) in shapes(&records).iter().take(6) {
        let packed = gz(text.as_bytes());
        for (what, bytes) in
            [("text", &text.as_bytes()[..text.len() / 2]), ("gzip", &packed[..packed.len() / 2])]
        {
            let ((whole, account), (pieces, other)) =
                (read(bytes, &Caps::default()), read_pieces(bytes));
            assert!(whole.records.len() > 10, "{shape} {what}: {account:?}");
            assert_eq!(whole.records, records[..whole.records.len()], "{shape} {what}");
            assert_eq!(pieces.records, whole.records, "{shape} {what}");
            let told = |decoded: &Decoded| {
                decoded.rejected.iter().map(|r| (r.reason, r.count)).collect::<Vec<_>>()
            };
            assert_eq!(told(&account), told(&other), "{shape} {what}");
            assert_eq!(account.inflated_bytes, other.inflated_bytes, "{shape} {what}");
        }
    }
}

#[test]
fn text_that_is_no_utf8_is_kept_and_told() {
    let mut text = json!({"Records": records()}).to_string().into_bytes();
    let at = memchr::memmem::find(&text, b"amazonaws").unwrap();
    text[at] = 0xe9;
    let (rebuilt, decoded) = read(&text, &Caps::default());
    assert_eq!(rebuilt.records.len(), RECORDS);
    assert_eq!(decoded.rejected.len(), 1);
    assert_eq!(
        (decoded.rejected[0].reason, decoded.rejected[0].count),
        (RejectReason::InvalidUtf8, 0)
    );
    // The same in a text that ends in the middle.
    let (rebuilt, decoded) = read(&text[..text.len() - 10], &Caps::default());
    assert_eq!((rebuilt.records.len(), decoded.seen), (RECORDS - 1, RECORDS as u64), "{decoded:?}");
    let lone = json!({"Records": records()}).to_string().replacen("amazonaws", "\\ud800", 1);
    let (rebuilt, decoded) = read(lone.as_bytes(), &Caps::default());
    assert_eq!((rebuilt.records.len(), decoded.rejected.len()), (RECORDS, 0));
}

#[test]
fn caps_hold_over_all_members_and_layers() {
    let caps = Caps {
        inflated_bytes: 1 << 20,
        window_bytes: 256 << 10,
        record_bytes: 64 << 10,
        ..Caps::default()
    };
    let big = vec![b' '; 700 << 10];
    for (what, bytes) in [
        ("gzip", gz(&[&big[..], &big[..]].concat())),
        ("zip", zip_of(&[("a", &big), ("b", &big)])),
        ("tar.gz", gz(&tar_of(&[("a", &big), ("b", &big)]))),
        ("zstd", zstd::encode_all(&[&big[..], &big[..]].concat()[..], 1).unwrap()),
    ] {
        let (_, decoded) = read(&bytes, &caps);
        let reasons: Vec<_> = decoded.rejected.iter().map(|r| r.reason).collect();
        assert!(reasons.contains(&RejectReason::OverInflateCap), "{what}: {decoded:?}");
    }
    let mut packed = b"{}".to_vec();
    for _ in 0..20 {
        packed = gz(&packed);
    }
    assert_eq!(read(&packed, &caps).1.rejected[0].reason, RejectReason::TooDeep);
    let (_, decoded) = read(b"PAR1\x15\x04", &caps);
    assert_eq!((decoded.kind, decoded.rejected[0].reason), (Kind::Broken, RejectReason::Parquet));
}
