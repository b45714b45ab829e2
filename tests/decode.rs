//! Decoding against another reader, on documents nobody would write: what both read is equal, and
//! what is broken never brings the program down or the account out of balance.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trailinsight::decode::{Caps, Decoded, Record, Scratch, Sink, decode, decode_reader};

/// Keys of every kind a record has: text, flag, nested, and unknown.
const KEYS: [&str; 14] = [
    "eventName",
    "eventSource",
    "eventID",
    "awsRegion",
    "userAgent",
    "errorCode",
    "readOnly",
    "managementEvent",
    "userIdentity",
    "requestParameters",
    "responseElements",
    "resources",
    "newField",
    "caf\u{e9} \"quoted\"\n",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-zA-Z:/.-]{0,40}".prop_map(Value::from),
        Just(json!("true")),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|pairs| Value::from(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn record() -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(&KEYS[..]), value()), 0..8).prop_map(|pairs| {
        let mut record: Map<String, Value> =
            pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        record.insert("eventTime".to_owned(), json!("2024-05-03T10:00:00Z"));
        record.insert("eventVersion".to_owned(), json!("1.08"));
        Value::from(record)
    })
}

fn document() -> impl Strategy<Value = (Vec<Value>, String)> {
    (prop::collection::vec(record(), 0..6), any::<bool>()).prop_map(|(records, pretty)| {
        let document = json!({"before": 1, "Records": records, "after": []});
        let print = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let text = print(&document).unwrap();
        // As read back: the last digit of a float is the reader's.
        let read: Value = serde_json::from_str(&text).unwrap();
        (read["Records"].as_array().unwrap().clone(), text)
    })
}

/// Puts records together again from their fields, by the names CloudTrail gives them.
#[derive(Default)]
struct Rebuilt(Vec<Value>);

impl Sink for Rebuilt {
    fn record(&mut self, record: &Record<'_>) {
        let mut out = Map::from_iter([("eventTime".to_owned(), json!("2024-05-03T10:00:00Z"))]);
        for (key, text) in [
            ("eventVersion", record.event_version),
            ("eventName", record.event_name),
            ("eventSource", record.event_source),
            ("eventID", record.event_id),
            ("awsRegion", record.aws_region),
            ("userAgent", record.user_agent),
            ("errorCode", record.error_code),
        ] {
            out.extend(text.map(|text| (key.to_owned(), Value::from(text))));
        }
        for (key, flag) in
            [("readOnly", record.read_only), ("managementEvent", record.management_event)]
        {
            out.extend(flag.map(|flag| (key.to_owned(), Value::from(flag))));
        }
        // Numbers out of range and half surrogates are kept as they stand; serde_json refuses them.
        let raw = |bytes: &[u8]| {
            let text = || Value::from(String::from_utf8_lossy(bytes).into_owned());
            serde_json::from_slice::<Value>(bytes).unwrap_or_else(|_| text())
        };
        for (key, nested) in [
            ("userIdentity", record.user_identity),
            ("requestParameters", record.request_parameters),
            ("responseElements", record.response_elements),
            ("resources", record.resources),
        ] {
            out.extend(nested.map(|bytes| (key.to_owned(), raw(bytes))));
        }
        // What no field can give back exactly; it wins over a field that was read from it.
        out.extend(record.extra.iter().map(|(key, bytes)| ((*key).to_owned(), raw(bytes))));
        self.0.push(Value::from(out));
    }
}

fn read(bytes: &[u8]) -> (Vec<Value>, Decoded) {
    let mut rebuilt = Rebuilt::default();
    let mut scratch = Scratch::new(Caps::default().depth);
    let decoded = decode(bytes, &Caps::default(), &mut scratch, &mut rebuilt);
    (rebuilt.0, decoded)
}

fn assert_account(decoded: &Decoded, pushed: usize) {
    let rejected: u64 = decoded.rejected.iter().map(|r| r.count).sum();
    assert_eq!(decoded.pushed, pushed as u64);
    assert_eq!(decoded.seen, decoded.pushed + rejected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decoding_agrees_with_serde_json((records, text) in document()) {
        let (rebuilt, decoded) = read(text.as_bytes());
        prop_assert_eq!(&rebuilt, &records);
        assert_account(&decoded, records.len());
        prop_assert!(decoded.rejected.is_empty());
    }

    #[test]
    fn damage_costs_only_what_it_touches(
        (records, text) in document(),
        at in any::<prop::sample::Index>(),
        byte in prop::option::of(any::<u8>()),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match byte {
            Some(byte) => bytes[at] = byte,
            None => bytes.truncate(at),
        }
        let (rebuilt, decoded) = read(&bytes);
        assert_account(&decoded, rebuilt.len());
        // A record whose bytes are all there, before the damage, is read.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut from = text.find("\"Records\"").unwrap_or(text.len());
        let mut ends_before_damage = |record: &&Value| {
            let printed = serde_json::to_string(record).unwrap();
            from = text[from..].find(&printed).map_or(text.len() + 1, |i| from + i + printed.len());
            from <= at.min(text.len())
        };
        let intact: Vec<&Value> =
            records.iter().take_while(|record| ends_before_damage(record)).collect();
        prop_assert!(rebuilt.iter().take(intact.len()).eq(intact), "{decoded:?}");
    }

    #[test]
    fn any_bytes_are_accounted_for(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (rebuilt, decoded) = read(&bytes);
        assert_account(&decoded, rebuilt.len());
    }
}

/// Everything that was read of each record.
#[derive(Default)]
struct Printed(Vec<String>);

impl Sink for Printed {
    fn record(&mut self, record: &Record<'_>) {
        self.0.push(format!("{record:?}"));
    }
}

/// Members as trail files have them, and as they could have them: escapes, white space, other types.
const MEMBERS: [&str; 24] = [
    r#""eventTime":"2024-05-03T10:00:00Z""#,
    r#""eventTime":"2024-05-03T10:00:00Z""#,
    r#""eventTime" : "2024-05-03T12:00:00+02:00" "#,
    r#""eventTime":1714730400"#,
    r#""eventName":"GetObject""#,
    r#""event\u004eame":"Get\u004fbject""#,
    r#""eventVersion":"1.\u0031""#,
    r#""awsRegion":7"#,
    r#""userAgent":null"#,
    r#""readOnly":true"#,
    r#""readOnly":"false""#,
    r#""userIdentity":{"type":"Root","x":[1,{"y":"a\"\\b"}]}"#,
    r#""userIdentity":{"type":"Root","x":[1,{"y":"a\"\\b"}]}"#,
    r#""userIdentity":{"type":"Root"}"#,
    r#""userIdentity" : { "type" : "Root" } "#,
    r#""userIdentity":null"#,
    r#""tlsDetails":[{"tlsVersion":"TLSv1.3"}]"#,
    r#""tlsDetails":"""#,
    r#""resources":[{"ARN":"arn:\u0031","type":"a"},{"ARNPrefix":"p"},[]]"#,
    r#""resources":{"ARN":"arn:2"}"#,
    r#""resources":null"#,
    r#""responseElements":{"a":[{}],"b":-1e3}"#,
    r#""new\nField":[[]]"#,
    r#""newField":{}"#,
];

/// A plain trail file is read while it is checked, any other document afterwards.
#[test]
fn a_plain_trail_file_is_read_like_any_document() {
    let mut random = 1u64;
    let mut below = |end: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % end
    };
    let mut read = 0;
    for _ in 0..3_000 {
        let mut record = || {
            let members: Vec<_> =
                (0..4 + below(9)).map(|_| MEMBERS[below(MEMBERS.len())]).collect();
            format!("{{{}}}", members.join(","))
        };
        let records = [record(), record(), record()].join(",");
        let [plain, other] = ["", "\"before\":0,"].map(|before| {
            let (mut printed, mut scratch) = (Printed::default(), Scratch::default());
            let text = format!("{{{before}\"Records\":[{records}],\"after\":[{{}}]}}");
            let decoded = decode(text.as_bytes(), &Caps::default(), &mut scratch, &mut printed);
            let told = (decoded.seen, decoded.duplicate_keys, decoded.rejected);
            (printed.0, told)
        });
        assert_eq!(plain, other, "{records}");
        read += plain.0.len();
    }
    assert!(read > 3_000, "{read}");
}

/// Found by fuzzing.
#[test]
fn what_stands_around_damage_is_read_and_the_damage_told() {
    let text = br#"{"Records":[{"eventTime":"2024-05-03T10:00:00Z","eventName":"before"},{"eventTime":"2024-05-03T10:00:01Z",]]},{"eventTime":"2024-05-03T10:00:02Z","eventName":"after"}]}"#;
    let (rebuilt, decoded) = read(text);
    let names: Vec<&Value> = rebuilt.iter().map(|r| &r["eventName"]).collect();
    assert_eq!(names, ["before", "after"], "{decoded:?}");
    assert!(!decoded.rejected.is_empty());

    // Brackets that close the list too soon, so that the names of the damaged record stand beside it.
    for names in ["\"eventName\":\"x\",\"eventID\":\"1\"", "\"eventTime\":1,\"eventName\":\"x\""] {
        let text = format!(
            r#"{{"Records":[{{"eventTime":"2024-05-03T10:00:00Z","eventName":"before"}},{{"eventTime":"2024-05-03T10:00:01Z"}}],{names}}},{{"eventTime":"2024-05-03T10:00:02Z","eventName":"after"}}]}}"#
        );
        let (rebuilt, decoded) = read(text.as_bytes());
        let names: Vec<&Value> = rebuilt.iter().map(|r| &r["eventName"]).collect();
        assert_eq!(names, ["before", "after"], "{decoded:?}");
        assert!(!decoded.rejected.is_empty());
    }

    let caps = Caps { window_bytes: 2 << 10, record_bytes: 1 << 10, ..Caps::default() };
    // A list without an end that is larger than a record may be, and whose records begin otherwise.
    let padding = "x".repeat(1 << 10);
    let text = format!(
        "{{\"Records\":[{{\"eventTime\":\"2024-05-03T10:00:00Z\",\"eventName\":\"a\"}},{{\"userAgent\":\"{padding}"
    );
    let mut whole = Rebuilt::default();
    let decoded = decode(text.as_bytes(), &caps, &mut Scratch::default(), &mut whole);
    assert_eq!(whole.0.len(), 1, "{decoded:?}");

    for caps in [caps, Caps::default()] {
        let decoded = decode(b"{,},", &caps, &mut Scratch::default(), &mut Rebuilt::default());
        assert!(decoded.pushed == 0 && !decoded.rejected.is_empty(), "{decoded:?}");
    }
}

/// With a quote lost, brackets in texts count and those outside do not: what is cut as one value ends in the
/// midst of a later record.
#[test]
fn a_lost_quote_costs_its_record_and_not_the_one_that_seems_to_end_it() {
    let record = |id: &str, rest: &str| {
        format!(
            r#"{{"eventVersion":"1.08","eventTime":"2024-05-03T10:00:00Z","eventID":"{id}","x":"{rest}"#
        )
    };
    let [sound, broken, ends_it, last] = [
        record("sound", "\"}"),
        record("broken", "v}"),
        record("ends it", "x}y\"}"),
        record("last", "\"}"),
    ];
    let one_after_the_other = [&sound, &broken, &ends_it, &last].map(String::as_str).concat();
    let padding = format!("{sound},").repeat(40);
    let list = format!(r#"{{"Records":[{padding}{sound},{broken},{ends_it},{last}]}}"#);
    let small = Caps { window_bytes: 2 << 10, record_bytes: 2 << 10, ..Caps::default() };
    for text in [one_after_the_other, list] {
        for caps in [small, Caps::default()] {
            let mut rebuilt = Rebuilt::default();
            let mut bytes = text.as_bytes();
            let decoded = decode_reader(&mut bytes, &caps, &mut Scratch::default(), &mut rebuilt);
            let ids: Vec<&Value> = rebuilt.0.iter().rev().take(3).map(|r| &r["eventID"]).collect();
            assert_eq!(ids, ["last", "ends it", "sound"], "{decoded:?}");
            assert_eq!(decoded.seen, decoded.pushed + 1, "{decoded:?}");
        }
    }
}
