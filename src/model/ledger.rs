//! The account of the input: every file and record seen ends in exactly one bucket.

use super::event::words;
use serde::{Deserialize, Serialize};

words! {
    /// Why a file or record is not in the case. Few, so that counts can be compared between runs.
    RejectReason {
        Unreadable = "unreadable",
        Empty = "empty",
        TruncatedGzip = "truncated_gzip",
        CorruptGzip = "corrupt_gzip",
        TrailingData = "trailing_data",
        CorruptArchive = "corrupt_archive",
        OverInflateCap = "over_inflate_cap",
        OverRecordCap = "over_record_cap",
        InvalidJson = "invalid_json",
        InvalidUtf8 = "invalid_utf8",
        TooDeep = "too_deep",
        TooDamaged = "too_damaged",
        NotCloudTrail = "not_cloudtrail",
        NotARecord = "not_a_record",
        MissingEventTime = "missing_event_time",
        BadEventTime = "bad_event_time",
        Aggregated = "aggregated",
        Parquet = "parquet",
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCounts {
    pub seen: u64,
    pub ingested: u64,
    /// On purpose: digest files, files that are no trail files, files pruned by selection.
    pub skipped: u64,
    pub failed: u64,
    /// Part of `skipped`: not read because nothing that was selected can be in them.
    #[serde(default)]
    pub pruned: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    pub seen: u64,
    pub kept: u64,
    pub duplicate: u64,
    pub filtered: u64,
    pub rejected: u64,
    /// Part of `duplicate`: their bodies differ from the one that was kept.
    #[serde(default)]
    pub conflict: u64,
    /// Part of `duplicate`: replaced by a later record that says so (`addendum`).
    #[serde(default)]
    pub amended: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCounts {
    pub compressed: u64,
    pub inflated: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    pub file: String,
    pub reason: RejectReason,
    /// How many records it cost; 0 where that cannot be known.
    pub count: u64,
    pub detail: String,
}

#[must_use]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub files: FileCounts,
    pub records: RecordCounts,
    pub rejects: Vec<Reject>,
    pub bytes: ByteCounts,
}

impl Ledger {
    /// Asserted at the end of ingest and again before a report is written.
    ///
    /// # Panics
    /// When a file or record is in no bucket or in two: a fault of ours, never of the input.
    pub fn check(&self) {
        let (f, r) = (&self.files, &self.records);
        assert_eq!(f.seen, f.ingested + f.skipped + f.failed, "files do not add up: {f:?}");
        assert_eq!(
            r.seen,
            r.kept + r.duplicate + r.filtered + r.rejected,
            "records do not add up: {r:?}"
        );
        assert!(f.pruned <= f.skipped, "more files pruned than skipped: {f:?}");
        assert!(r.conflict.max(r.amended) <= r.duplicate, "duplicates do not add up: {r:?}");
    }

    /// Whether everything that was meant to be read was read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.files.failed == 0 && self.records.rejected == 0 && self.rejects.is_empty()
    }
}
