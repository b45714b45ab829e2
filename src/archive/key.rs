//! What the key of an object says about it before a byte is read. Pure.

use crate::model::Timestamp;

/// What the kind folder or the file name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Trail files of events, Insights, network activity or aggregated events.
    Events,
    /// Integrity digests: no events.
    Digest,
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
    /// Midnight of the day of delivery.
    pub day: Option<Timestamp>,
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
            let plain = Self { kind, account: None, region: None, day: None };
            Self::from_name(key.rsplit('/').next().unwrap_or(key), kind).unwrap_or(plain)
        })
    }

    /// `account_CloudTrail_region_YYYYMMDDTHHmmZ_suffix.json.gz`, wherever people have put it.
    fn from_name(name: &'a str, kind: KeyKind) -> Option<Self> {
        let mut words = name.split('_');
        let account = words.next().filter(|a| is_account(a))?;
        let "CloudTrail" = words.next()? else { return None };
        let region = words.next()?;
        let date = words.next().filter(|d| d.is_ascii() && d.get(8..9) == Some("T"))?;
        let day = day(&date[..4], &date[4..6], &date[6..8])?;
        Some(Self { kind, account: Some(account), region: Some(region), day: Some(day) })
    }

    fn from_layout(key: &'a str) -> Option<Self> {
        let at = key.rfind("AWSLogs/")?;
        let mut segments = key[at + "AWSLogs/".len()..].split('/');
        let mut account = segments.next()?;
        if account.starts_with("o-") {
            account = segments.next()?;
        }
        if !is_account(account) {
            return None;
        }
        let kind = match segments.next()? {
            "CloudTrail"
            | "CloudTrail-Insight"
            | "CloudTrail-NetworkActivity"
            | "CloudTrail-Aggregated" => KeyKind::Events,
            "CloudTrail-Digest" => KeyKind::Digest,
            _ => return None,
        };
        let region = segments.next();
        let mut date = || Some((segments.next()?, segments.next()?, segments.next()?));
        let day = date().and_then(|(year, month, date)| day(year, month, date));
        Some(Self { kind, account: Some(account), region, day })
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn day(year: &str, month: &str, date: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{year}-{month}-{date}"))
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
