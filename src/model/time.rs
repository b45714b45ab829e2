//! Event time: microseconds since the Unix epoch, UTC, printed as RFC 3339.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const ASCTIME: &str = "%a %b %d %H:%M:%S %Y";

/// A point in time in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads RFC 3339 (any offset, fraction, a space for the `T`), a bare date (midnight UTC), or the
    /// spelling of C's `asctime`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Some(Self(at.as_microsecond()));
        }
        let asctime = || jiff::civil::DateTime::strptime(ASCTIME, text);
        let civil = text.parse::<jiff::civil::DateTime>().or_else(|_| asctime()).ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_microsecond()))
    }

    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// The start of the hour this moment lies in.
    #[must_use]
    pub fn hour(self) -> Self {
        const HOUR: i64 = 3600 * MICROS_PER_SECOND;
        Self(self.0.div_euclid(HOUR) * HOUR)
    }

    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "out-of-range"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_spellings_found_in_archives() {
        let canonical = Timestamp::parse("2023-07-10T11:42:18Z").unwrap();
        assert_eq!(canonical, Timestamp(1_688_989_338_000_000));
        for same in [
            "2023-07-10 11:42:18Z",
            "2023-07-10T13:42:18+02:00",
            "2023-07-10T11:42:18.000Z",
            "2023-07-10T11:42:18",
        ] {
            assert_eq!(Timestamp::parse(same), Some(canonical), "{same}");
        }
        assert_eq!(Timestamp::parse("2023-07-10").unwrap().to_string(), "2023-07-10T00:00:00Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(canonical.to_string(), "2023-07-10T11:42:18Z");
    }
}
