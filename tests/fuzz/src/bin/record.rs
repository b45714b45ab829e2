//! Any bytes as the fields of a record between two sound ones: the sound one in front is always
//! read, and a document that serde_json can read is read by us with the same values.
#![no_main]

use serde_json::Value;
use trailinsight_fuzz::decode::Scratch;
use trailinsight_fuzz::{NESTED, Seen, TEXTS, read};

const BEFORE: &[u8] =
    br#"{"Records":[{"eventTime":"2024-05-03T10:00:00Z","eventName":"before"},{"eventTime":"2024-05-03T10:00:01Z","#;
const AFTER: &[u8] = br#"},{"eventTime":"2024-05-03T10:00:02Z","eventName":"after"}]}"#;

fn named(seen: &[Seen], name: &str) -> bool {
    seen.iter().any(|record| record.texts[0].as_deref() == Some(name))
}

/// Whether it is one by its own names: what has fewer is opened, and a value in it may be the record.
fn is_record(value: &Value) -> bool {
    let names = ["eventName", "eventSource", "eventTime", "eventID", "eventVersion"];
    names.iter().filter(|name| value.get(name).is_some_and(Value::is_string)).count() >= 2
}

/// Every field of ours says what the reference read.
fn agree(ours: &Seen, reference: &Value) {
    for (key, text) in TEXTS.iter().zip(&ours.texts) {
        if let Some(Value::String(theirs)) = reference.get(*key) {
            assert_eq!(text.as_ref(), Some(theirs), "{key}");
        }
    }
    let nested =
        NESTED.iter().zip(&ours.nested).filter_map(|(key, raw)| Some((*key, raw.as_ref()?)));
    let extra = ours.extra.iter().map(|(key, raw)| (key.as_str(), raw));
    for (key, raw) in nested.chain(extra) {
        let value: Value = serde_json::from_slice(raw).expect("raw bytes are a value");
        assert_eq!(Some(&value), reference.get(key), "{key}");
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let document = [BEFORE, bytes, AFTER].concat();
    let (seen, decoded) = read(&document, &mut Scratch::default());
    assert!(named(&seen, "before"), "the record before the damage is lost: {decoded:?}");
    let Ok(reference) = serde_json::from_slice::<Value>(&document) else { return };
    // More than one list, or one that was closed early, is the container's business.
    let Some(records) = reference.get("Records").and_then(Value::as_array) else { return };
    if records.len() != 3 || records[2]["eventName"] != "after" || decoded.seen != 3 {
        return;
    }
    assert!(named(&seen, "after"), "{decoded:?}");
    for ours in &seen {
        let reference = &records[ours.index as usize];
        if is_record(reference) {
            agree(ours, reference);
        }
    }
});
