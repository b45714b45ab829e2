//! A second decoder, slow and plain: every document a tree, every shape a few obvious lines. What it
//! and the real one read must be equal.

use crate::support::shared_data;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use trailinsight::decode::{Caps, Decoded, Record, Scratch, Sink, decode};
use trailinsight::model::Timestamp;
use trailinsight_fixtures::{Corpus, Recipe, Shape};

/// Puts records together again from their fields, by the names CloudTrail gives them.
#[derive(Default)]
pub(crate) struct Rebuilt {
    pub(crate) records: Vec<Value>,
    pub(crate) members: Vec<String>,
}

impl Sink for Rebuilt {
    fn record(&mut self, record: &Record<'_>) {
        let time = Timestamp(record.event_time).to_string();
        let mut out = Map::from_iter([("eventTime".to_owned(), Value::from(time))]);
        let texts = [
            ("eventVersion", record.event_version),
            ("eventSource", record.event_source),
            ("eventName", record.event_name),
            ("awsRegion", record.aws_region),
            ("sourceIPAddress", record.source_ip_address),
            ("userAgent", record.user_agent),
            ("errorCode", record.error_code),
            ("errorMessage", record.error_message),
            ("requestID", record.request_id),
            ("eventID", record.event_id),
            ("eventType", record.event_type),
            ("apiVersion", record.api_version),
            ("recipientAccountId", record.recipient_account_id),
            ("sharedEventID", record.shared_event_id),
            ("vpcEndpointId", record.vpc_endpoint_id),
            ("vpcEndpointAccountId", record.vpc_endpoint_account_id),
            ("eventCategory", record.event_category),
            ("sessionCredentialFromConsole", record.session_credential_from_console),
        ];
        out.extend(texts.iter().filter_map(|(k, v)| Some(((*k).to_owned(), Value::from((*v)?)))));
        let flags = [("readOnly", record.read_only), ("managementEvent", record.management_event)];
        out.extend(flags.iter().filter_map(|(k, v)| Some(((*k).to_owned(), Value::from((*v)?)))));
        let nested = [
            ("userIdentity", record.user_identity),
            ("requestParameters", record.request_parameters),
            ("responseElements", record.response_elements),
            ("additionalEventData", record.additional_event_data),
            ("resources", record.resources),
            ("tlsDetails", record.tls_details),
            ("serviceEventDetails", record.service_event_details),
            ("insightDetails", record.insight_details),
            ("edgeDeviceDetails", record.edge_device_details),
            ("eventContext", record.event_context),
            ("addendum", record.addendum),
        ];
        let raw = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
        out.extend(nested.iter().filter_map(|(k, v)| Some(((*k).to_owned(), raw((*v)?)))));
        // What no field can give back exactly; it wins over a field that was read from it.
        out.extend(record.extra.iter().map(|(key, bytes)| ((*key).to_owned(), raw(bytes))));
        // Keys in another case: that is all of it.
        if out["eventTime"].is_null() {
            let whole = record.extra.iter().filter(|(key, _)| *key != "eventTime");
            out = whole.map(|(key, bytes)| ((*key).to_owned(), raw(bytes))).collect();
        }
        self.records.push(Value::from(out));
    }

    fn member(&mut self, name: &str) {
        self.members.push(name.to_owned());
    }
}

pub(crate) fn read(bytes: &[u8], caps: &Caps) -> (Rebuilt, Decoded) {
    let mut rebuilt = Rebuilt::default();
    let decoded = decode(bytes, caps, &mut Scratch::new(caps.depth), &mut rebuilt);
    let rejected: u64 = decoded.rejected.iter().map(|r| r.count).sum();
    assert_eq!(decoded.pushed, rebuilt.records.len() as u64);
    assert_eq!(decoded.seen, decoded.pushed + rejected, "{decoded:?}");
    (rebuilt, decoded)
}

/// All records of a text, or nothing where a strict reader gives up.
fn records(text: &[u8]) -> Option<Vec<Value>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut out = Vec::new();
    for document in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
        find(&document.ok()?, &mut out);
    }
    Some(out)
}

fn find(value: &Value, out: &mut Vec<Value>) {
    match value {
        Value::Object(object) if is_record(object) => out.extend(with_time(object)),
        Value::Object(object) => find_inside(object, out),
        Value::Array(list) => list.iter().for_each(|element| find(element, out)),
        Value::String(text) => {
            if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                find(&value, out);
            }
        }
        _ => {}
    }
}

fn is_record(object: &Map<String, Value>) -> bool {
    let names = ["eventName", "eventSource", "eventTime", "eventID", "eventVersion"];
    let named = names.iter().filter(|name| object.get(**name).is_some_and(|v| !v.is_null()));
    let source = object.get("eventSource").and_then(Value::as_str).unwrap_or_default();
    let lower = names.iter().filter(|name| object.contains_key(&name.to_lowercase()));
    let is_lower = lower.count() >= 3 && !names.iter().any(|name| object.contains_key(*name));
    is_lower || named.count() >= 2 && !source.starts_with("aws:")
}

/// The record, unless its time cannot be read.
fn with_time(object: &Map<String, Value>) -> Option<Value> {
    let time = object.get("eventTime").or_else(|| object.get("eventtime"))?;
    Timestamp::parse(time.as_str()?)?;
    Some(Value::from(object.clone()))
}

fn find_inside(object: &Map<String, Value>, out: &mut Vec<Value>) {
    for list in ["Records", "Events", "logEvents", "hits"] {
        if let Some(Value::Array(elements)) = object.get(list) {
            return elements.iter().for_each(|element| find(element, out));
        }
    }
    if let Some(Value::String(text)) = object.get("CloudTrailEvent") {
        let Ok(Value::Object(mut record)) = serde_json::from_str(text) else { return };
        for (theirs, ours) in [("Username", "userIdentity"), ("Resources", "resources")] {
            let has = |v: &&Value| {
                v.as_str() != Some("") && v.as_array().is_none_or(|list| !list.is_empty())
            };
            if let Some(value) = object.get(theirs).filter(has)
                && !record.contains_key(ours)
            {
                record.insert(theirs.to_owned(), value.clone());
            }
        }
        return out.extend(with_time(&record));
    }
    let kind = object.get("detail-type").and_then(Value::as_str);
    if kind.is_some_and(|kind| !kind.ends_with("via CloudTrail")) {
        return;
    }
    let before = out.len();
    for member in object.values() {
        find(member, out);
        if out.len() > before {
            return;
        }
    }
}

pub(crate) fn files(path: &Path, out: &mut Vec<PathBuf>) {
    if path.is_file() {
        return out.push(path.to_owned());
    }
    for entry in fs::read_dir(path).unwrap() {
        files(&entry.unwrap().path(), out);
    }
}

#[test]
fn decoding_agrees_with_a_plain_decoder_on_real_files() {
    let Some(folder) = shared_data(".") else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    all.sort();
    let (mut compared, mut strict_gave_up) = (0, Vec::new());
    for path in all.iter().filter(|p| p.to_string_lossy().contains("json")) {
        let bytes = fs::read(path).unwrap();
        let (real, decoded) = read(&bytes, &Caps::default());
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let text = if bytes.starts_with(&[0x1f, 0x8b]) { inflate(&bytes) } else { bytes };
        match records(&text) {
            // Over a cap, and a year that only one of two readers of time takes.
            Some(_) if name.contains("33_huge") || name.contains("31_time") => {}
            Some(plain) => {
                assert_eq!(real.records, plain, "{name}: {decoded:?}");
                compared += plain.len();
            }
            None => strict_gave_up.push(name),
        }
    }
    assert!(compared > 3000, "{compared} records compared; given up: {strict_gave_up:?}");
}

#[test]
fn decoding_agrees_with_a_plain_decoder_on_a_generated_archive() {
    let corpus = Corpus::new(Recipe::new(Shape::Mixed, 3_000, 20));
    let mut json = Vec::new();
    for index in 0..corpus.files() {
        corpus.file_bytes(index, &mut json);
        let (real, decoded) = read(&json, &Caps::default());
        assert_eq!(real.records, records(&json).unwrap());
        assert_eq!((decoded.pushed, decoded.rejected.len()), (corpus.events_in(index), 0));
    }
}

/// Member by member, as far as it goes.
fn inflate(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    #[allow(clippy::disallowed_types, reason = "files of ours, and a decoder that shares nothing")]
    let _ = flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out);
    out
}
