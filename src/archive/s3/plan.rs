//! Where in a bucket to look: what the layout of CloudTrail and the selection say of a prefix before
//! anything is listed. Pure.
//!
//! `[prefix/]AWSLogs/[o-id/]account/kind/region/YYYY/MM/DD/` is gone down by delimiter; whatever
//! cannot hold what is asked for is never listed. Below a region keys sort by day, so that a window
//! in time is a range of keys: days need not be discovered.

use super::super::select;
use crate::model::{Selection, Timestamp};

const DAY_SECONDS: i64 = 86_400;
/// So few days are listed one by one, without a key beyond them; more as one range.
const DAYS_ONE_BY_ONE: i64 = 4;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No layout is known here.
    Look,
    /// Has folders of the layout in it.
    Open,
    /// All keys of these prefixes, after one key and up to another.
    Take(Vec<Keys>),
    /// Nothing of it is asked for.
    Leave,
}

/// Keys that begin with `prefix`, sort after `after` and not after `upto`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) prefix: String,
    pub(super) after: Option<String>,
    pub(super) upto: Option<String>,
}

/// What to do with a prefix, which is empty or ends in a slash.
pub(super) fn step(prefix: &str, selection: &Selection) -> Step {
    let all = || Step::Take(vec![Keys { prefix: prefix.to_owned(), ..Keys::default() }]);
    let Some(at) = prefix.rfind("AWSLogs/") else { return Step::Look };
    let below = &prefix[at + "AWSLogs/".len()..];
    let mut segments = below.split_terminator('/').peekable();
    segments.next_if(|first| first.starts_with("o-"));
    let Some(account) = segments.next() else { return Step::Open };
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return all();
    }
    if !selection.account.accept(&[account]) {
        return Step::Leave;
    }
    let Some(kind) = segments.next() else { return Step::Open };
    if !is_asked(kind, selection) {
        return Step::Leave;
    }
    let Some(region) = segments.next() else { return Step::Open };
    let end = prefix.len() - segments.map(|s| s.len() + 1).sum::<usize>();
    days(&prefix[..end], region, prefix, selection)
}

/// Whether a kind of files holds a category that is asked for.
fn is_asked(kind: &str, selection: &Selection) -> bool {
    let categories: &[&str] = match kind {
        "CloudTrail" => &["Management", "Data"],
        "CloudTrail-Insight" => &["Insight"],
        "CloudTrail-NetworkActivity" => &["NetworkActivity"],
        "CloudTrail-Aggregated" => &["Aggregated"],
        // Digests, and logs of other services.
        _ => return false,
    };
    categories.iter().any(|category| selection.category.accept(&[category]))
}

/// The days below `folder` of a region, as far as they lie below `prefix`.
fn days(folder: &str, region: &str, prefix: &str, selection: &Selection) -> Step {
    let (before, after) = select::days(selection, Some(region));
    let midnight = |at: i64| at.div_euclid(DAY_SECONDS) * DAY_SECONDS;
    let first = before.map(|t| midnight(t.seconds()) + DAY_SECONDS);
    let last = after.map(|t| midnight((t.0 - 1).div_euclid(1_000_000)));
    let path = |seconds: i64| {
        let day = Timestamp(seconds * 1_000_000).to_string();
        format!("{folder}{}", day[..10].replace('-', "/"))
    };
    if let (Some(first), Some(last)) = (first, last) {
        if last < first {
            return Step::Leave;
        }
        let count = (last - first) / DAY_SECONDS + 1;
        if count <= DAYS_ONE_BY_ONE {
            let days = (0..count).map(|day| format!("{}/", path(first + day * DAY_SECONDS)));
            // One of the two is the other's folder, or they have nothing in common.
            let common = days.filter_map(|day| match () {
                () if day.starts_with(prefix) => Some(day),
                () if prefix.starts_with(&day) => Some(prefix.to_owned()),
                () => None,
            });
            let keys = common.map(|prefix| Keys { prefix, ..Keys::default() });
            let keys: Vec<Keys> = keys.collect();
            return if keys.is_empty() { Step::Leave } else { Step::Take(keys) };
        }
    }
    let after = first.map(path);
    let upto = last.map(|last| path(last + DAY_SECONDS));
    Step::Take(vec![Keys { prefix: prefix.to_owned(), after, upto }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::selection::{Moment, Patterns};

    const TRAIL: &str = "p/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/";

    fn window(from: Option<&str>, to: Option<&str>) -> Selection {
        let at = |text: Option<&str>| text.and_then(|t| Moment::parse(t, Timestamp(0)));
        Selection { from: at(from), to: at(to), ..Default::default() }
    }

    fn taken(prefix: &str, selection: &Selection) -> Vec<(String, Option<String>, Option<String>)> {
        match step(prefix, selection) {
            Step::Take(keys) => keys.into_iter().map(|k| (k.prefix, k.after, k.upto)).collect(),
            Step::Leave => Vec::new(),
            other => panic!("{prefix}: {other:?}"),
        }
    }

    #[test]
    fn the_layout_is_gone_down_and_what_is_not_asked_for_is_left() {
        let all = Selection::default();
        for (prefix, expected) in [
            ("", Step::Look),
            ("trails/", Step::Look),
            ("p/AWSLogs/", Step::Open),
            ("AWSLogs/o-abc/", Step::Open),
            ("AWSLogs/111122223333/", Step::Open),
            ("AWSLogs/111122223333/CloudTrail/", Step::Open),
            ("AWSLogs/111122223333/CloudTrail-Insight/", Step::Open),
            ("AWSLogs/111122223333/CloudTrail-Digest/", Step::Leave),
            ("AWSLogs/111122223333/elasticloadbalancing/", Step::Leave),
        ] {
            assert_eq!(step(prefix, &all), expected, "{prefix}");
        }
        assert_eq!(taken(TRAIL, &all), [(TRAIL.to_owned(), None, None)]);
        let some = Selection {
            account: Patterns::new(["!1111*"]),
            category: Patterns::new(["Management"]),
            ..Default::default()
        };
        assert_eq!(step("AWSLogs/111122223333/", &some), Step::Leave);
        assert_eq!(step("AWSLogs/222222223333/CloudTrail-Insight/", &some), Step::Leave);
        assert_eq!(step("AWSLogs/222222223333/CloudTrail/", &some), Step::Open);
    }

    #[test]
    fn a_window_in_time_is_a_range_of_keys() {
        let day = |day: &str| (format!("{TRAIL}2024/05/{day}/"), None, None);
        let one = window(Some("2024-05-03"), Some("2024-05-04"));
        assert_eq!(taken(TRAIL, &one), [day("02"), day("03"), day("04")]);
        assert_eq!(taken(&format!("{TRAIL}2024/05/03/"), &one), [day("03")]);
        assert_eq!(taken(&format!("{TRAIL}2024/05/"), &one).len(), 3);
        assert!(taken(&format!("{TRAIL}2023/"), &one).is_empty());

        let at = |day: &str| Some(format!("{TRAIL}2024/{day}"));
        let month = window(Some("2024-05-03T12:00:00Z"), Some("2024-06-03T12:00:00Z"));
        assert_eq!(taken(TRAIL, &month), [(TRAIL.to_owned(), at("05/02"), at("06/05"))]);
        let since = window(Some("2024-05-03"), None);
        assert_eq!(taken(TRAIL, &since), [(TRAIL.to_owned(), at("05/02"), None)]);

        let mut elsewhere = window(Some("2024-05-03"), None);
        elsewhere.region = Patterns::new(["us-east-1"]);
        assert_eq!(step(TRAIL, &elsewhere), Step::Leave);
        // Before November 2021 a folder may hold events of other regions.
        elsewhere.from = None;
        let (_, after, upto) = taken(TRAIL, &elsewhere).remove(0);
        assert_eq!((after, upto), (None, Some(format!("{TRAIL}2021/11/24"))));
    }
}
