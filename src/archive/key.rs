//! What the key of an object says about it before a byte is read. Pure.

/// What the kind folder or the file name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Trail files of events, Insights or network activity.
    Events,
    /// Integrity digests: no events.
    Digest,
    /// Five-minute roll-ups with a schema of their own.
    Aggregated,
    /// Looks like a file that may hold records, wherever it came from.
    Candidate,
    /// A text, a picture, an index: nothing to read.
    Other,
}

/// The parts of `[prefix/]AWSLogs/[o-id/]account/kind/region/YYYY/MM/DD/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'a> {
    pub kind: KeyKind,
    pub account: Option<&'a str>,
    pub region: Option<&'a str>,
}

/// Endings under which people keep records.
const ENDINGS: [&str; 14] = [
    ".json",
    ".gz",
    ".jsonl",
    ".ndjson",
    ".log",
    ".csv",
    ".zip",
    ".tar",
    ".tgz",
    ".zst",
    ".bz2",
    ".tbz2",
    ".tzst",
    // Security Lake: recognized and told, not read.
    ".gz.parquet",
];

impl<'a> Key<'a> {
    /// Never refuses: a key that follows no layout is a candidate by its ending, or nothing.
    #[must_use]
    pub fn parse(key: &'a str) -> Self {
        Self::from_layout(key).unwrap_or_else(|| {
            let name = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
            let kind = if name.contains("_cloudtrail-digest_") {
                KeyKind::Digest
            } else if ENDINGS.iter().any(|e| name.ends_with(e)) {
                KeyKind::Candidate
            } else {
                KeyKind::Other
            };
            Self { kind, account: None, region: None }
        })
    }

    fn from_layout(key: &'a str) -> Option<Self> {
        let at = key.rfind("AWSLogs/")?;
        let mut segments = key[at + "AWSLogs/".len()..].split('/');
        let mut account = segments.next()?;
        if account.starts_with("o-") {
            account = segments.next()?;
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let kind = match segments.next()? {
            "CloudTrail" | "CloudTrail-Insight" | "CloudTrail-NetworkActivity" => KeyKind::Events,
            "CloudTrail-Digest" => KeyKind::Digest,
            "CloudTrail-Aggregated" => KeyKind::Aggregated,
            _ => return None,
        };
        Some(Self { kind, account: Some(account), region: segments.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_layout_are_understood() {
        let kind = |key| Key::parse(key).kind;
        let org = Key::parse(
            "p/AWSLogs/o-abcdefghij/111122223333/CloudTrail/eu-west-1/2024/05/03/x.json.gz",
        );
        assert_eq!(
            (org.kind, org.account, org.region),
            (KeyKind::Events, Some("111122223333"), Some("eu-west-1"))
        );
        assert_eq!(
            kind("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2024/05/03/d.json.gz"),
            KeyKind::Digest
        );
        assert_eq!(
            kind("111122223333_CloudTrail-Digest_us-east-2_t_us-east-2_20150817T150131Z.json.gz"),
            KeyKind::Digest
        );
        assert_eq!(kind("flattened.json.gz"), KeyKind::Candidate);
        assert_eq!(kind("2024/trail.tar.zst"), KeyKind::Candidate);
        assert_eq!(kind("case/events/part-00000.parquet"), KeyKind::Other);
        assert_eq!(kind("AWSLogs/notes.txt"), KeyKind::Other);
        assert_eq!(kind("README.md"), KeyKind::Other);
    }
}
