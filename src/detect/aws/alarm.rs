//! CloudWatch alarms over the metrics that filters make: when one would have gone to ALARM.
//!
//! Each period of the clock is a data point; after every period the alarm looks back over its
//! evaluation range, as the user guide describes it under "How alarm state is evaluated when data is
//! missing". Events count at their own time, as if CloudTrail had delivered them at once; before
//! the archive begins nothing is known, and nothing is missing.

use super::value::Order;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const MICROSECONDS: i64 = 1_000_000;
/// CloudWatch Logs publishes a metric once a minute.
const MINUTE_SECONDS: i64 = 60;
/// Periods that CloudWatch looks at beyond those it evaluates, in place of missing ones. The guide
/// gives no number; its tables have two.
const EXTRA_PERIODS: i64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Sum,
    SampleCount,
    Average,
    Minimum,
    Maximum,
}

/// What a period without data counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

/// When an alarm goes off; what it is called is its rule's business.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    pub statistic: Statistic,
    pub period_seconds: i64,
    pub(super) comparison: Order,
    pub threshold: f64,
    pub evaluation_periods: usize,
    pub datapoints_to_alarm: usize,
    pub missing: Missing,
    /// What the metric is when there are log events in a minute and none matches.
    pub default: Option<f64>,
}

/// What the archive says besides the hits.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Time of the first and the last event, in microseconds.
    pub first: i64,
    pub last: i64,
    /// Minutes since the epoch with any event; only needed by alarms with a default.
    pub minutes: BTreeSet<i64>,
}

/// When an alarm went off, and on what.
#[derive(Debug, Default, PartialEq)]
pub struct Alarms {
    /// Moments (microseconds) at which it went to ALARM.
    pub times: Vec<i64>,
    /// Of the points given: those of breaching periods for which it was in ALARM.
    pub points: Vec<Range<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Alarm,
    InsufficientData,
}

/// One period: its samples, and which points they are.
#[derive(Debug, Clone)]
struct Period {
    sum: f64,
    count: f64,
    low: f64,
    high: f64,
    points: Range<usize>,
}

impl Alarm {
    /// `points`: time in microseconds and value, in order of time.
    #[must_use]
    pub fn goes_off(&self, points: &[(i64, f64)], watch: &Watch) -> Alarms {
        let periods = self.periods(points, watch);
        let micros = self.period_seconds * MICROSECONDS;
        let breaching: BTreeMap<i64, bool> =
            periods.iter().map(|(at, period)| (*at, self.is_breaching(period))).collect();
        let bounds = (watch.first.div_euclid(micros), watch.last.div_euclid(micros));
        let mut out = Alarms::default();
        let (mut state, mut now) = (State::InsufficientData, bounds.0);
        let mut told: BTreeSet<i64> = BTreeSet::new();
        while now <= bounds.1 {
            let range = self.range(now).max(bounds.0);
            let seen: Vec<(i64, bool)> =
                breaching.range(range..=now).map(|(at, is)| (*at, *is)).collect();
            let next = self.evaluate(&seen, now, bounds.0, state);
            if next == State::Alarm {
                if state != State::Alarm {
                    out.times.push((now + 1) * micros);
                }
                told.extend(self.newest(&seen).iter().filter(|(_, is)| *is).map(|(at, _)| *at));
            }
            // Where nothing is to be seen, nothing changes until something is.
            let idle = seen.is_empty() && next == state && now - bounds.0 >= self.reach();
            state = next;
            now = match breaching.range(now + 1..).next() {
                Some((at, _)) if idle => (*at).max(now + 1),
                None if idle => break,
                _ => now + 1,
            };
        }
        out.points = told.iter().map(|at| periods[at].points.clone()).collect();
        out.points.retain(|range| !range.is_empty());
        out
    }

    fn periods(&self, points: &[(i64, f64)], watch: &Watch) -> BTreeMap<i64, Period> {
        let micros = self.period_seconds * MICROSECONDS;
        let mut periods: BTreeMap<i64, Period> = BTreeMap::new();
        let mut add = |at: i64, value: f64, points: Range<usize>| {
            let of = |points| Period { sum: 0.0, count: 0.0, low: value, high: value, points };
            let period = periods.entry(at).or_insert_with(|| of(points.clone()));
            period.sum += value;
            period.count += 1.0;
            period.low = period.low.min(value);
            period.high = period.high.max(value);
            period.points.end = period.points.end.max(points.end);
        };
        for (number, (time, value)) in points.iter().enumerate() {
            add(time.div_euclid(micros), *value, number..number + 1);
        }
        if let Some(default) = self.default {
            let minute = |time: i64| time.div_euclid(MINUTE_SECONDS * MICROSECONDS);
            let matched: BTreeSet<i64> = points.iter().map(|(time, _)| minute(*time)).collect();
            for minute in watch.minutes.difference(&matched) {
                let at = (minute * MINUTE_SECONDS).div_euclid(self.period_seconds);
                add(at, default, 0..0);
            }
        }
        periods
    }

    fn is_breaching(&self, period: &Period) -> bool {
        let value = match self.statistic {
            Statistic::Sum => period.sum,
            Statistic::SampleCount => period.count,
            Statistic::Average => period.sum / period.count,
            Statistic::Minimum => period.low,
            Statistic::Maximum => period.high,
        };
        self.comparison.holds(value, self.threshold)
    }

    fn reach(&self) -> i64 {
        self.evaluation_periods as i64 + EXTRA_PERIODS
    }

    /// The first period that is looked at after `now`.
    fn range(&self, now: i64) -> i64 {
        now + 1 - self.reach()
    }

    /// Of the periods with data, as many as are evaluated.
    fn newest<'s>(&self, seen: &'s [(i64, bool)]) -> &'s [(i64, bool)] {
        &seen[seen.len().saturating_sub(self.evaluation_periods)..]
    }

    /// The state after the period `now`. `seen`: periods of the range that have data, and whether
    /// they breach; `first`: the first period of the archive.
    fn evaluate(&self, seen: &[(i64, bool)], now: i64, first: i64, state: State) -> State {
        let used = self.newest(seen);
        let breaching = used.iter().filter(|(_, is)| *is).count();
        let when = |is: bool| if is { State::Alarm } else { State::Ok };
        if breaching >= self.datapoints_to_alarm {
            return State::Alarm;
        }
        let known = usize::try_from((now - first + 1).min(self.reach())).unwrap_or_default();
        let empty = known - seen.len();
        let filled = empty.min(self.evaluation_periods - used.len());
        match self.missing {
            Missing::Breaching => when(breaching + filled >= self.datapoints_to_alarm),
            Missing::NotBreaching => State::Ok,
            Missing::Missing if used.is_empty() => State::InsufficientData,
            Missing::Ignore if used.is_empty() => state,
            Missing::Missing | Missing::Ignore => {
                // Nothing but breaches, the oldest long enough ago: "premature", says the guide.
                let oldest = now - used[0].0 + 1;
                let early = used.len() < self.evaluation_periods
                    && breaching == used.len()
                    && oldest >= self.datapoints_to_alarm as i64;
                match self.missing {
                    Missing::Ignore if early => state,
                    _ => when(early),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: i64 = 300;

    fn alarm(evaluation_periods: usize, datapoints_to_alarm: usize, missing: Missing) -> Alarm {
        Alarm {
            statistic: Statistic::Sum,
            period_seconds: PERIOD,
            comparison: Order::GreaterOrEqual,
            threshold: 1.0,
            evaluation_periods,
            datapoints_to_alarm,
            missing,
            default: None,
        }
    }

    /// `X` breaches, `0` does not, `-` is missing; one period each.
    fn points(drawn: &str) -> (Vec<(i64, f64)>, Watch) {
        let at = |i: usize| i as i64 * PERIOD * MICROSECONDS;
        let drawn: Vec<char> = drawn.chars().filter(|c| *c != ' ').collect();
        let value = |(i, c): (usize, &char)| match c {
            'X' => Some((at(i), 1.0)),
            '0' => Some((at(i), 0.0)),
            _ => None,
        };
        let points = drawn.iter().enumerate().filter_map(value).collect();
        (points, Watch { first: 0, last: at(drawn.len() - 1), minutes: BTreeSet::new() })
    }

    /// The state after all of five periods, from OK; `None` for "retain the current state".
    fn after(drawn: &str, alarm: &Alarm) -> Option<State> {
        let (points, watch) = points(drawn);
        let periods = alarm.periods(&points, &watch);
        let seen: Vec<(i64, bool)> =
            periods.iter().map(|(at, p)| (*at, alarm.is_breaching(p))).collect();
        let from = |state| alarm.evaluate(&seen, 4, 0, state);
        (from(State::Ok) == from(State::Alarm)).then(|| from(State::Ok))
    }

    #[test]
    fn the_tables_of_the_user_guide_hold() {
        use State::{Alarm as A, InsufficientData as I, Ok as O};
        type Row = (&'static str, [Option<State>; 4]);
        let three_of_three: [Row; 5] = [
            ("0 - X - X", [Some(O); 4]),
            ("0 - - - -", [Some(O); 4]),
            ("- - - - -", [Some(I), None, Some(A), Some(O)]),
            ("0 X X - X", [Some(A); 4]),
            ("- - X - -", [Some(A), None, Some(A), Some(O)]),
        ];
        let two_of_three: [Row; 5] = [
            ("0 - X - X", [Some(A); 4]),
            ("0 0 X 0 X", [Some(A); 4]),
            ("0 - X - -", [Some(O), Some(O), Some(A), Some(O)]),
            ("- - - - 0", [Some(O), Some(O), Some(A), Some(O)]),
            ("- - - X -", [Some(A), None, Some(A), Some(O)]),
        ];
        let how = [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching];
        for (rows, datapoints) in [(three_of_three, 3), (two_of_three, 2)] {
            for (drawn, states) in rows {
                let found = how.map(|missing| after(drawn, &alarm(3, datapoints, missing)));
                assert_eq!(found, states, "{datapoints} of 3: {drawn}");
            }
        }
    }

    #[test]
    fn each_statistic_and_comparison_counts_in_its_way() {
        let (points, watch) = (vec![(0, 2.0), (1, 4.0), (2, 6.0)], Watch::default());
        let fires = |statistic, comparison, threshold| {
            let alarm =
                Alarm { statistic, comparison, threshold, ..alarm(1, 1, Missing::NotBreaching) };
            alarm.goes_off(&points, &watch).times.len() == 1
        };
        for (statistic, value) in [
            (Statistic::Sum, 12.0),
            (Statistic::SampleCount, 3.0),
            (Statistic::Average, 4.0),
            (Statistic::Minimum, 2.0),
            (Statistic::Maximum, 6.0),
        ] {
            assert!(fires(statistic, Order::GreaterOrEqual, value), "{statistic:?}");
            assert!(!fires(statistic, Order::Greater, value), "{statistic:?}");
            assert!(fires(statistic, Order::LessOrEqual, value), "{statistic:?}");
            assert!(!fires(statistic, Order::Less, value), "{statistic:?}");
        }
    }

    #[test]
    fn it_goes_off_again_after_it_was_quiet() {
        let alarm = alarm(1, 1, Missing::NotBreaching);
        let (points, watch) = points("X X - - - - X 0 X");
        let found = alarm.goes_off(&points, &watch);
        let minutes: Vec<i64> = found.times.iter().map(|t| t / MICROSECONDS / PERIOD).collect();
        assert_eq!(minutes, [1, 7, 9]);
        assert_eq!(found.points, [0..1, 1..2, 2..3, 4..5]);
    }

    #[test]
    fn a_default_fills_minutes_with_events_and_no_match() {
        let quiet = Alarm {
            comparison: Order::Less,
            default: Some(0.0),
            ..alarm(1, 1, Missing::NotBreaching)
        };
        let watch = Watch { first: 0, last: 600 * MICROSECONDS, minutes: BTreeSet::from([0, 10]) };
        let found = quiet.goes_off(&[(0, 1.0)], &watch);
        assert_eq!(
            found.times,
            [900 * MICROSECONDS],
            "the second period has an event and no match"
        );
        assert!(found.points.is_empty(), "and nothing to show for it");
        let silent = Alarm { default: None, ..quiet };
        assert!(silent.goes_off(&[(0, 1.0)], &watch).times.is_empty());
    }

    /// Period by period, over the whole past, with nothing skipped.
    fn obvious(alarm: &Alarm, drawn: &str) -> Vec<i64> {
        let (points, watch) = points(drawn);
        let all = alarm.periods(&points, &watch);
        let (mut state, mut times) = (State::InsufficientData, Vec::new());
        for now in 0..drawn.len() as i64 {
            let from = (now + 1 - alarm.evaluation_periods as i64 - 2).max(0);
            let seen: Vec<(i64, bool)> = (from..=now)
                .filter_map(|at| all.get(&at).map(|p| (at, alarm.is_breaching(p))))
                .collect();
            let next = alarm.evaluate(&seen, now, 0, state);
            if next == State::Alarm && state != State::Alarm {
                times.push((now + 1) * PERIOD * MICROSECONDS);
            }
            state = next;
        }
        times
    }

    proptest! {
        #[test]
        fn leaps_over_silence_miss_nothing(
            drawn in "[X0-]{1,3}-{0,20}[X0-]{1,9}-{0,20}[X0-]{0,5}",
            periods in 1usize..5, less in 0usize..4,
            missing in prop_oneof![
                Just(Missing::Missing), Just(Missing::Ignore),
                Just(Missing::Breaching), Just(Missing::NotBreaching)],
        ) {
            let alarm = alarm(periods, periods.saturating_sub(less).max(1), missing);
            let (points, watch) = points(&drawn);
            prop_assert_eq!(alarm.goes_off(&points, &watch).times, obvious(&alarm, &drawn));
        }
    }
}
