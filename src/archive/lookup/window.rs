//! Which days the API is asked for. Pure.

use crate::model::{Selection, Timestamp};

/// As far back as the API reaches.
const REACH_DAYS: i64 = 90;
const DAY_SECONDS: i64 = 86_400;
/// Events come some minutes after the call, a few much later; a day that ended longer ago than this
/// is taken to be whole.
const SETTLED_SECONDS: i64 = 12 * 3600;

/// A stretch of one region's event history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: Timestamp,
    /// The first moment that is not in it.
    pub(super) to: Timestamp,
}

impl Slice {
    /// Nothing can be added to it any more.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        self.to.plus_seconds(SETTLED_SECONDS) <= now
    }

    pub(super) fn seconds(&self) -> u64 {
        u64::try_from(self.to.seconds() - self.from.seconds()).unwrap_or(0)
    }

    /// The date it is of.
    pub(super) fn day(&self) -> String {
        self.from.to_string().chars().take_while(|c| *c != 'T').collect()
    }

    /// Cut at midnight UTC.
    pub(super) fn days(&self) -> Vec<Self> {
        let mut days = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let midnight = (from.seconds().div_euclid(DAY_SECONDS) + 1) * DAY_SECONDS;
            let to = Timestamp(0).plus_seconds(midnight).min(self.to);
            days.push(Self { from, to });
            from = to;
        }
        days
    }
}

/// What there is of a selection, and whether that is less than was asked for.
pub(super) fn window(selection: &Selection, now: Timestamp) -> Option<(Slice, bool)> {
    let reach = now.plus_seconds(-REACH_DAYS * DAY_SECONDS);
    let asked = selection.from.as_ref().map(|from| from.at);
    let from = asked.map_or(reach, |from| from.max(reach));
    // What comes while it is read is for the next time.
    let to = selection.to.as_ref().map_or(now, |to| to.at.min(now));
    let is_cut = asked.is_some_and(|asked| asked < reach);
    (from < to).then_some((Slice { from, to }, is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::selection::Moment;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_window_is_whole_days_but_for_its_ends() {
        let slice = Slice { from: at("2024-05-03T10:00:00Z"), to: at("2024-05-05T01:00:00Z") };
        let days = slice.days();
        let names: Vec<String> = days.iter().map(Slice::day).collect();
        assert_eq!(names, ["2024-05-03", "2024-05-04", "2024-05-05"]);
        assert_eq!((days[0].from, days[2].to), (slice.from, slice.to));
        assert!(days.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(days[1].to, at("2024-05-05"));
        assert!(days[1].is_settled(at("2024-05-05T12:00:00Z")));
        assert!(!days[1].is_settled(at("2024-05-05T11:59:59Z")));
    }

    #[test]
    fn the_api_reaches_ninety_days_back() {
        let now = at("2024-05-31T12:00:00Z");
        let of = |from: Option<&str>, to: Option<&str>| {
            let moment = |text: Option<&str>| Moment::parse(text?, now);
            let selection =
                Selection { from: moment(from), to: moment(to), ..Selection::default() };
            window(&selection, now)
                .map(|(slice, is_cut)| (slice.from.to_string(), slice.to.to_string(), is_cut))
        };
        let told = |from: &str, to: &str, is_cut| Some((from.to_owned(), to.to_owned(), is_cut));
        let (reach, end) = ("2024-03-02T12:00:00Z", "2024-05-31T12:00:00Z");
        assert_eq!(of(None, None), told(reach, end, false));
        assert_eq!(of(Some("3d"), None), told("2024-05-28T12:00:00Z", end, false));
        assert_eq!(of(Some("90d"), Some("2030-01-01")), told(reach, end, false));
        assert_eq!(of(Some("91d"), Some("80d")), told(reach, "2024-03-12T12:00:00Z", true));
        assert_eq!(of(None, Some("2024-03-01")), None);
        assert_eq!(of(Some("2024-06-01"), None), None);
    }
}
