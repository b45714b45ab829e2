//! Which events a case is about. Plain data and how a text matches it; flags and clock are `cli`'s.
//!
//! A selection is part of what a case is: two are equal when they were asked for in the same words,
//! so that "the last 30 days" of an interrupted run is the same window when it goes on.

use super::{Attribute, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

const HOUR_SECONDS: i64 = 3600;

/// A bound in time, with the words it was asked for in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moment {
    /// An age as it was typed, or the time itself.
    pub spelled: String,
    pub at: Timestamp,
}

impl Moment {
    /// Reads RFC 3339, a date (its first moment, UTC), or an age before `now` such as `30d`, `12h`.
    #[must_use]
    pub fn parse(text: &str, now: Timestamp) -> Option<Self> {
        let text = text.trim();
        if let Some(at) = Timestamp::parse(text) {
            return Some(Self { spelled: at.to_string(), at });
        }
        let text = text.to_ascii_lowercase();
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "m" => 60,
            "h" => HOUR_SECONDS,
            "d" => 24 * HOUR_SECONDS,
            "w" => 7 * 24 * HOUR_SECONDS,
            _ => return None,
        };
        let age = digits.parse::<u32>().ok().map(i64::from)?.checked_mul(unit)?;
        Some(Self { at: now.plus_seconds(-age), spelled: text })
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.spelled == other.spelled
    }
}
impl Eq for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_string();
        if self.spelled == at { f.write_str(&at) } else { write!(f, "{} ({at})", self.spelled) }
    }
}

/// Patterns for one field: `*` stands for anything, `!` in front for "not", case does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// In one order and one case, so that equal choices are equal.
    #[must_use]
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Self {
        let lower = |p: T| p.as_ref().trim().to_ascii_lowercase();
        let mut patterns: Vec<String> = patterns.into_iter().map(lower).collect();
        patterns.sort_unstable();
        patterns.dedup();
        Self(patterns)
    }

    /// Event sources, with or without the suffix of a partition.
    #[must_use]
    pub fn sources<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self::new(patterns.into_iter().map(|p| bare_source(p.as_ref().trim()).to_owned()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a field is taken that has these values: one of them is asked for, if any is asked
    /// for, and none is refused.
    #[must_use]
    pub fn accept(&self, values: &[&str]) -> bool {
        let any = |pattern: &str| {
            values.iter().any(|value| matches(pattern.as_bytes(), value.as_bytes()))
        };
        let (mut asked, mut found) = (false, false);
        for pattern in &self.0 {
            match pattern.strip_prefix('!') {
                Some(refused) if any(refused) => return false,
                Some(_) => {}
                None => {
                    asked = true;
                    found = found || any(pattern);
                }
            }
        }
        found || !asked
    }
}

/// Without recursion, so that a pattern of many stars stays cheap. `pattern` is in lower case.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t].to_ascii_lowercase()) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            (p, t) = (after_star, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// What is asked for; empty is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    pub from: Option<Moment>,
    /// The first moment that is not taken any more.
    pub to: Option<Moment>,
    pub account: Patterns,
    pub region: Patterns,
    pub user: Patterns,
    pub event_name: Patterns,
    /// Without the DNS suffix, as in `s3`.
    pub event_source: Patterns,
    pub read_only: Patterns,
    pub category: Patterns,
    /// What an event history is asked for; the source sees to it, and files have none.
    pub lookup: Option<Attribute>,
    /// The newest so many events of each region of an event history.
    pub max_events: Option<u64>,
}

impl Selection {
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn covers(&self, time: Timestamp) -> bool {
        self.from.as_ref().is_none_or(|from| from.at <= time)
            && self.to.as_ref().is_none_or(|to| time < to.at)
    }

    /// For the report, by the name of the setting.
    #[must_use]
    pub fn shown(&self) -> BTreeMap<String, String> {
        let history = [
            ("lookup", self.lookup.as_ref().map(ToString::to_string)),
            ("max-events", self.max_events.map(|count| count.to_string())),
        ];
        let history = history.into_iter().filter_map(|(n, asked)| Some((n, asked?)));
        let moments = [("from", &self.from), ("to", &self.to)];
        let moments = moments.into_iter().filter_map(|(n, m)| Some((n, m.as_ref()?.to_string())));
        let patterns = [
            ("account", &self.account),
            ("region", &self.region),
            ("user", &self.user),
            ("event-name", &self.event_name),
            ("event-source", &self.event_source),
            ("read-only", &self.read_only),
            ("category", &self.category),
        ];
        let patterns = patterns.into_iter().filter(|(_, p)| !p.is_empty());
        let patterns = patterns.map(|(name, p)| (name, p.0.join(", ")));
        moments
            .chain(patterns)
            .chain(history)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        let shown: Vec<String> = self.shown().iter().map(|(n, v)| format!("{n} {v}")).collect();
        f.write_str(&shown.join("; "))
    }
}

/// An event source without the suffix of its partition.
#[must_use]
pub fn bare_source(source: &str) -> &str {
    let lower_end = |suffix: &str| {
        let at = source.len().checked_sub(suffix.len())?;
        let (head, tail) = source.split_at_checked(at)?;
        tail.eq_ignore_ascii_case(suffix).then_some(head)
    };
    [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"]
        .into_iter()
        .find_map(lower_end)
        .unwrap_or(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_is_asked_for_and_nothing_refused() {
        let takes = |patterns: &[&str], value| Patterns::new(patterns).accept(&[value]);
        assert!(takes(&[], "anything"));
        assert!(takes(&["Get*"], "getobject"));
        assert!(takes(&["*Object*", "x"], "GetObjectTagging"));
        assert!(!takes(&["Get*"], "PutObject"));
        assert!(!takes(&["*Object"], "GetObjectTagging"));
        assert!(takes(&["a*b*c"], "a-b-b-c"));
        assert!(takes(&["!Get*"], "PutObject"));
        assert!(!takes(&["!Get*"], "GetObject"));
        assert!(!takes(&["Get*", "!GetObject"], "GetObject"));
        assert!(takes(&["Get*", "!GetObject"], "GetBucketAcl"));
        assert!(!Patterns::new(["x"]).accept(&[]));
        assert!(Patterns::new(["!x"]).accept(&[]));
        assert!(!Patterns::new(["!eve"]).accept(&["arn", "eve"]));
    }

    #[test]
    fn moments_are_times_dates_and_ages() {
        let now = Timestamp::parse("2024-05-31T12:00:00Z").unwrap();
        let at = |text| Moment::parse(text, now).map(|m| m.at.to_string());
        assert_eq!(at("2024-05-03").as_deref(), Some("2024-05-03T00:00:00Z"));
        assert_eq!(at("2024-05-03T02:00:00+02:00").as_deref(), Some("2024-05-03T00:00:00Z"));
        assert_eq!(at("30d").as_deref(), Some("2024-05-01T12:00:00Z"));
        assert_eq!(at("12H").as_deref(), Some("2024-05-31T00:00:00Z"));
        for bad in ["", "d", "-3d", "3", "3y", "yesterday", "ü"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        // The same words are the same window, a day later too.
        let later = now.plus_seconds(86_400);
        assert_eq!(Moment::parse("30d", now), Moment::parse("30d", later));
        assert_ne!(Moment::parse("30d", now), Moment::parse("29d", now));
    }
}
