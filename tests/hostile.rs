//! Files that fight back, against what their makers say can be read of them; and real files cut,
//! bent and spliced by the thousand.

use crate::containers::small_files;
use crate::reference::files;
use crate::support::shared_data;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use trailinsight::decode::{Caps, Decoded, Record, Scratch, Sink, decode, decode_reader};
use trailinsight::model::RejectReason;
use trailinsight_fixtures::{Corpus, Recipe, Shape};

#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn record(&mut self, _: &Record<'_>) {
        self.0 += 1;
    }
}

fn account(bytes: &[u8], caps: &Caps, scratch: &mut Scratch) -> Decoded {
    let mut count = Count::default();
    let decoded = decode(bytes, caps, scratch, &mut count);
    let rejected: u64 = decoded.rejected.iter().map(|r| r.count).sum();
    assert_eq!(decoded.pushed, count.0);
    assert_eq!(decoded.seen, decoded.pushed + rejected, "{decoded:?}");
    decoded
}

fn reasons(decoded: &Decoded) -> String {
    let rejected = decoded.rejected.iter();
    let texts: Vec<String> =
        rejected.map(|r| format!("{} {}", r.reason.as_str(), r.count)).collect();
    texts.join(", ")
}

/// Records read and bad members where we read otherwise than the manifest says, and why.
const OTHERWISE: [(&str, u64, u64, &str); 3] = [
    (
        "31_time_variants.json",
        9,
        6,
        "without a readable time, or one in year 1 or 9999, an event has no place on a timeline",
    ),
    ("33_huge_request.json.gz", 1, 1, "8 MB are over the default cap of one record, 4 MiB"),
    ("34_deep_nesting.json", 1, 1, "5,000 levels are over the default cap of 128"),
];

#[test]
fn every_hostile_file_gives_what_its_manifest_says() {
    let Some(folder) = shared_data("hostile") else { return };
    let manifest = fs::read(folder.join("MANIFEST.json")).unwrap();
    let manifest: Vec<Value> = serde_json::from_slice(&manifest).unwrap();
    let mut differ = Vec::new();
    for entry in &manifest {
        let file = entry["file"].as_str().unwrap();
        let expected = OTHERWISE.iter().find(|(name, ..)| *name == file).map_or(
            (
                entry["recoverable_records"].as_u64().unwrap(),
                entry["bad_or_nonevents"].as_u64().unwrap(),
            ),
            |(_, records, bad, _)| (*records, *bad),
        );
        let bytes = fs::read(folder.join(file)).unwrap();
        let decoded = account(&bytes, &Caps::default(), &mut Scratch::default());
        let got = (decoded.pushed, decoded.seen - decoded.pushed);
        if got != expected {
            differ.push(format!(
                "{file}: expected {expected:?}, got {got:?} ({})",
                reasons(&decoded)
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Records that are read, and values that are none or cannot be read: samples without a time (the other
/// rules' tests), with `"eventTime": "eventTime"`, settings that are broken JSON.
const SAMPLES: [(&str, u64, u64); 10] = [
    ("awsdocs", 37, 7),
    ("awsdocs_new", 5, 0),
    ("plaso", 6, 0),
    ("trailscraper", 7, 0),
    ("cloud_custodian_cwe", 23, 1),
    ("fivexl_test_events.json", 9, 0),
    ("streamalert_tests.ndjson", 42, 19),
    ("panther_tests.ndjson", 233, 13),
    ("umccr", 206, 0),
    ("stratus", 130, 0),
];

#[test]
fn samples_are_read_to_the_last_readable_record() {
    let mut differ = Vec::new();
    let mut scratch = Scratch::default();
    for (part, pushed, rejected) in SAMPLES {
        let Some(path) = shared_data(part) else { return };
        let mut all = Vec::new();
        files(&path, &mut all);
        let (mut got, mut told) = ((0, 0), BTreeMap::<&str, u64>::new());
        for file in all.iter().filter(|file| file.to_string_lossy().contains("json")) {
            let decoded = account(&fs::read(file).unwrap(), &Caps::default(), &mut scratch);
            got.0 += decoded.pushed;
            got.1 += decoded.seen - decoded.pushed;
            for reject in &decoded.rejected {
                *told.entry(reject.reason.as_str()).or_default() += reject.count;
            }
        }
        if got != (pushed, rejected) {
            differ
                .push(format!("{part}: expected {:?}, got {got:?}: {told:?}", (pushed, rejected)));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % limit.max(1) as u64) as usize
    }

    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len());
        start..start + self.below((bytes.len() - start).min(400))
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        match random.below(6) {
            0 => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            1 => bytes.truncate(random.below(bytes.len())),
            2 => {
                let cut = random.range(bytes);
                bytes.drain(cut);
            }
            3 => {
                let (at, spliced) = (random.below(bytes.len()), random.range(other));
                bytes.splice(at..at, other[spliced].iter().copied());
            }
            4 => {
                let block = random.range(bytes);
                let (at, block) = (random.below(bytes.len()), bytes[block].repeat(3));
                bytes.splice(at..at, block);
            }
            _ => {
                let (at, byte) =
                    (random.below(bytes.len()), b"\"\\{}[],:\n\0\xff"[random.below(11)]);
                bytes[at] = byte;
            }
        }
    }
}

/// Small files of every shape, and real ones where they are at hand.
fn originals() -> Vec<Vec<u8>> {
    let mut originals: Vec<Vec<u8>> =
        small_files().into_iter().filter(|bytes| bytes.len() < 6 << 10).collect();
    for part in ["hostile", "trailscraper"] {
        let mut all = Vec::new();
        if let Some(folder) = shared_data(part) {
            files(&folder, &mut all);
        }
        all.sort();
        let small = all.iter().map(|file| fs::read(file).unwrap());
        originals.extend(small.filter(|bytes| (1..6 << 10).contains(&bytes.len())));
    }
    originals
}

/// Rounds: more are run by hand, with another seed.
fn rounds() -> (usize, u64) {
    let number = |text: Option<&'static str>| text.and_then(|text| text.parse().ok());
    let rounds = number(option_env!("MUTATION_ROUNDS")).unwrap_or(100_000);
    (rounds, number(option_env!("MUTATION_SEED")).unwrap_or(1) as u64)
}

#[test]
fn nothing_that_happens_to_a_file_brings_decoding_down() {
    let originals = originals();
    let (rounds, seed) = rounds();
    let workers = 2;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let originals = &originals;
            scope.spawn(move || {
                let mut random = Random(seed * 1_000 + worker as u64);
                let mut scratch = Scratch::default();
                let tiny = Caps { window_bytes: 2 << 10, record_bytes: 2 << 10, ..Caps::default() };
                for round in 0..rounds / workers {
                    let mut bytes = originals[random.below(originals.len())].clone();
                    let other = &originals[random.below(originals.len())];
                    mutate(&mut bytes, other, &mut random);
                    let caps = if round % 4 == 0 { tiny } else { Caps::default() };
                    let _ = account(&bytes, &caps, &mut scratch);
                }
            });
        }
    });
}

/// The texts of one archive in the shapes that files have most.
fn texts() -> Vec<Vec<u8>> {
    let corpus = Corpus::new(Recipe::new(Shape::FewLarge, 40, 1));
    let mut json = Vec::new();
    corpus.file_bytes(0, &mut json);
    let document: Value = serde_json::from_slice(&json).unwrap();
    let records = document["Records"].as_array().unwrap();
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let list = document["Records"].to_string();
    let pretty = serde_json::to_string_pretty(&document).unwrap();
    let others = [list, pretty, lines.join("\n"), lines.concat()].map(String::into_bytes);
    [json].into_iter().chain(others).collect()
}

/// Ids of the records in a damaged text.
#[derive(Default)]
struct Ids(Vec<String>);

impl Sink for Ids {
    fn record(&mut self, record: &Record<'_>) {
        self.0.push(record.event_id.unwrap_or_default().to_owned());
    }
}

/// How much is held at a time decides where the search for brackets that are lost begins and ends, and so, in one
/// text of some thousands, on a record beside the damage; on anything else it must not.
#[test]
fn damaged_texts_give_the_same_records_whole_and_in_pieces() {
    const ROUNDS: usize = 6_000;
    let texts = texts();
    let whole = Caps { record_bytes: 6 << 10, ..Caps::default() };
    let pieces = Caps { window_bytes: 6 << 10, ..whole };
    let (mut random, mut scratch, mut differ) = (Random(1), Scratch::default(), Vec::new());
    for _ in 0..ROUNDS {
        let mut bytes = texts[random.below(texts.len())].clone();
        let other = &texts[random.below(texts.len())];
        mutate(&mut bytes, other, &mut random);
        let (mut held, mut read) = (Ids::default(), Ids::default());
        let _ = decode(&bytes, &whole, &mut scratch, &mut held);
        let _ = decode_reader(&mut &bytes[..], &pieces, &mut scratch, &mut read);
        let apart = held.0.len().abs_diff(read.0.len());
        if held.0 != read.0 {
            differ.push(apart);
        }
    }
    assert!(differ.len() <= ROUNDS / 2_000, "{} of {ROUNDS} texts differ", differ.len());
    let most = differ.iter().max().copied().unwrap_or_default();
    assert!(most <= 3, "{most} records differ in one text");
}

/// Beginnings without ends, each of which might reach to the end of the file: what stands before is
/// read, and the search is given up instead of taking quadratic time.
#[test]
fn dense_damage_is_given_up_and_told() {
    let sound = r#"{"eventVersion":"1.08","eventID":"a","eventTime":"2024-05-03T10:00:00Z"}"#;
    for (unit, end) in [
        (r#"{"eventVersion":"#, ""),
        (r#"{"eventVersion":""#, ""),
        (r#"{"eventVersion":[1}"#, ""),
        (r#"{"eventVersion":x"#, "}"),
    ] {
        let count = (256 << 10) / unit.len();
        let text = format!("{{\"Records\":[{sound},{}{}", unit.repeat(count), end.repeat(count));
        let decoded = account(text.as_bytes(), &Caps::default(), &mut Scratch::default());
        assert_eq!(decoded.pushed, 1, "{unit}: {decoded:?}");
        let given_up = decoded.rejected.iter().any(|r| r.reason == RejectReason::TooDamaged);
        assert!(given_up, "{unit}: {}", reasons(&decoded));
    }
}
