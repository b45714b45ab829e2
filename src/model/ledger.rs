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
        Parquet = "parquet",
    }
}

words! {
    /// Why a file was not meant to be in the case.
    SkipReason {
        /// By its name it holds no records.
        Name = "name",
        /// An integrity digest, by its name or by what is in it.
        Digest = "digest",
        /// It was read, and no record was in it.
        NoRecords = "no_records",
        /// Not read: nothing that was selected can be in it.
        Pruned = "pruned",
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
    /// Part of `duplicate`: as JSON values, their bodies differ from the longest, which is kept.
    #[serde(default)]
    pub conflict: u64,
    /// Part of `duplicate`: replaced by a later record that says so (`addendum`).
    #[serde(default)]
    pub amended: u64,
    /// Part of `kept`: counts of events over five minutes, in a table of their own.
    #[serde(default)]
    pub aggregated: u64,
    /// Keys that stood more than once in their record: the last one counts.
    #[serde(default)]
    pub duplicate_keys: u64,
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
    /// What the user can do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Files that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    pub reason: SkipReason,
    pub count: u64,
    /// The first of them by name, where names were kept.
    pub files: Vec<String>,
}

#[must_use]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub files: FileCounts,
    pub records: RecordCounts,
    pub rejects: Vec<Reject>,
    /// What `files.skipped` consists of.
    #[serde(default)]
    pub skips: Vec<Skip>,
    pub bytes: ByteCounts,
}

impl RecordCounts {
    /// Rows of the event table.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.kept - self.aggregated
    }
}

impl Ledger {
    /// Asserted at the end of ingest and again before a report is written.
    ///
    /// # Panics
    /// When a file or record is in no bucket or in two: a fault of ours, never of the input.
    pub fn check(&self) {
        let (f, r) = (&self.files, &self.records);
        assert_eq!(f.seen, f.ingested + f.skipped + f.failed, "files do not add up: {f:?}");
        let skipped: u64 = self.skips.iter().map(|skip| skip.count).sum();
        assert_eq!(f.skipped, skipped, "skipped files do not add up: {:?}", self.skips);
        assert_eq!(
            r.seen,
            r.kept + r.duplicate + r.filtered + r.rejected,
            "records do not add up: {r:?}"
        );
        assert!(f.pruned <= f.skipped, "more files pruned than skipped: {f:?}");
        assert!(r.aggregated <= r.kept, "more records aggregated than kept: {r:?}");
        assert!(r.conflict.max(r.amended) <= r.duplicate, "duplicates do not add up: {r:?}");
    }

    /// Whether everything that was meant to be read was read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.files.failed == 0 && self.records.rejected == 0 && self.rejects.is_empty()
    }
}
