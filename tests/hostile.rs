//! Files that fight back, against what their makers say can be read of them; and real files cut,
//! bent and spliced by the thousand.

use crate::support::shared_data;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use trailinsight::decode::{Caps, Decoded, Kind, Record, Scratch, Sink, decode};

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
    ("31_time_variants.json", 8, 7, "an event without a readable time has no place on a timeline"),
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
        println!("{file} {:?} {got:?} {}", decoded.kind, reasons(&decoded));
        if got != expected {
            differ.push(format!(
                "{file}: expected {expected:?}, got {got:?} ({})",
                reasons(&decoded)
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

#[test]
fn zz_table() {
    for folder in [
        "awsdocs",
        "awsdocs_new",
        "plaso",
        "trailscraper",
        "cloud_custodian_cwe",
        "fivexl_test_events.json",
        "streamalert_tests.ndjson",
        "panther_tests.ndjson",
        "umccr",
        "stratus",
        "invictus",
        "scenario_enrichment-example.json",
    ] {
        let Some(path) = shared_data(folder) else { return };
        let mut all = Vec::new();
        if path.is_dir() {
            files(&path, &mut all)
        } else {
            all.push(path)
        }
        all.sort();
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        for file in all {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !name.contains("json") {
                continue;
            }
            let decoded =
                account(&fs::read(&file).unwrap(), &Caps::default(), &mut Scratch::default());
            *totals.entry(format!("{:?}", decoded.kind)).or_default() += 1;
            *totals.entry("pushed".into()).or_default() += decoded.pushed;
            *totals.entry("seen".into()).or_default() += decoded.seen;
            for r in &decoded.rejected {
                *totals.entry(r.reason.as_str().to_owned()).or_default() += r.count;
            }
            if decoded.kind != Kind::Records || !decoded.rejected.is_empty() {
                println!("   {name} {:?} {} {:?}", decoded.kind, decoded.pushed, decoded.rejected);
            }
        }
        println!("{folder} {totals:?}");
    }
}
