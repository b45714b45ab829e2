//! The decoder with an account of what it says, for the targets in `bin/`.
//!
//! `decode` uses nothing of the crate but `model`, so both are compiled here from where they stand:
//! an instrumented build takes a minute instead of that of Polars.

#[allow(dead_code, unused_imports, reason = "only what decoding needs is used here")]
#[path = "../../../src/decode/mod.rs"]
pub mod decode;
#[allow(dead_code, unused_imports, reason = "only what decoding needs is used here")]
#[path = "../../../src/model/mod.rs"]
pub mod model;

use decode::{Caps, Decoded, Kind, Record, Scratch, Sink, decode};

/// Small, so that bombs stay cheap, caps are met and texts are read in pieces.
#[must_use]
pub fn caps() -> Caps {
    Caps {
        inflated_bytes: 4 << 20,
        record_bytes: 1 << 10,
        window_bytes: 2 << 10,
        ..Caps::default()
    }
}

/// The fields that are compared, copied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub index: u32,
    pub event_time: i64,
    pub texts: [Option<String>; 4],
    pub nested: [Option<Vec<u8>>; 4],
    pub extra: Vec<(String, Vec<u8>)>,
}

pub const TEXTS: [&str; 4] = ["eventName", "userAgent", "errorMessage", "eventID"];
pub const NESTED: [&str; 4] =
    ["userIdentity", "requestParameters", "responseElements", "resources"];

#[derive(Default)]
pub struct Copied(pub Vec<Seen>);

impl Sink for Copied {
    fn record(&mut self, record: &Record<'_>) {
        let texts = [record.event_name, record.user_agent, record.error_message, record.event_id];
        let nested = [
            record.user_identity,
            record.request_parameters,
            record.response_elements,
            record.resources,
        ];
        let extra = |(key, raw): &(&str, &[u8])| ((*key).to_owned(), raw.to_vec());
        self.0.push(Seen {
            index: record.index,
            event_time: record.event_time,
            texts: texts.map(|text| text.map(str::to_owned)),
            nested: nested.map(|raw| raw.map(<[u8]>::to_vec)),
            extra: record.extra.iter().map(extra).collect(),
        });
    }
}

/// Decodes, and panics when the account does not add up.
pub fn read(bytes: &[u8], scratch: &mut Scratch) -> (Vec<Seen>, Decoded) {
    let mut sink = Copied::default();
    let decoded = decode(bytes, &caps(), scratch, &mut sink);
    let rejected: u64 = decoded.rejected.iter().map(|r| r.count).sum();
    assert_eq!(decoded.pushed, sink.0.len() as u64);
    assert_eq!(decoded.seen, decoded.pushed + rejected);
    assert!(decoded.pushed == 0 || decoded.kind == Kind::Records, "{decoded:?}");
    assert!(decoded.kind != Kind::Broken || !decoded.rejected.is_empty(), "broken without a word");
    (sink.0, decoded)
}
