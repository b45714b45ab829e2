//! The strip of bars over the time covered: counts as plain geometry, computed once so that the page needs no library.

use super::layout::{clock, number};
use crate::model::{HourCount, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

const HOUR_SECONDS: i64 = 3600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;
/// Beyond this many bars of one unit the next larger unit is taken.
const HOURLY_UP_TO_SECONDS: i64 = 10 * DAY_SECONDS;
const DAILY_UP_TO_SECONDS: i64 = 400 * DAY_SECONDS;
/// Heights of the drawing above and below its base line, in its own units. Denied events have the lower part and a
/// scale of their own: beside all events a burst of them would not be seen.
const HEIGHT: f64 = 100.0;
const DENIED_HEIGHT: f64 = 38.0;
/// So that a bar of one event beside one of a million is still seen.
const LEAST_SHARE: f64 = 0.02;

#[derive(Serialize)]
pub(super) struct Activity {
    unit: &'static str,
    /// Width of the drawing: one unit of length a bar.
    slots: i64,
    peak: u64,
    denied_peak: u64,
    from: Timestamp,
    to: Timestamp,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    slot: i64,
    height: f64,
    denied_height: f64,
    label: String,
}

impl Activity {
    /// `None` when there is no hour with an event.
    pub(super) fn of(hours: &[HourCount]) -> Option<Self> {
        let (first, last) = (hours.first()?.hour, hours.last()?.hour);
        let (unit, step) = match last.seconds() - first.seconds() {
            span if span <= HOURLY_UP_TO_SECONDS => ("hour", HOUR_SECONDS),
            span if span <= DAILY_UP_TO_SECONDS => ("day", DAY_SECONDS),
            _ => ("week", 7 * DAY_SECONDS),
        };
        // Weeks start where the archive does; days and hours at their own start.
        let day = first.seconds().div_euclid(DAY_SECONDS) * DAY_SECONDS;
        let origin = if unit == "hour" { first.hour().seconds() } else { day };
        let mut slots: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        for hour in hours {
            let slot = (hour.hour.seconds() - origin).div_euclid(step);
            let (count, denied) = slots.entry(slot).or_default();
            *count += hour.count;
            *denied += hour.denied;
        }
        let peak = slots.values().map(|(count, _)| *count).max()?;
        let denied_peak = slots.values().map(|(_, denied)| *denied).max()?;
        let at = |slot: i64| Timestamp(0).plus_seconds(origin + slot * step);
        let width = (last.seconds() - origin).div_euclid(step) + 1;
        let bars = slots.iter().map(|(slot, (count, denied))| Bar {
            slot: *slot,
            height: HEIGHT * share(*count, peak),
            denied_height: DENIED_HEIGHT * share(*denied, denied_peak),
            label: format!(
                "{}: {} events, {} denied",
                clock(at(*slot)),
                number(*count),
                number(*denied)
            ),
        });
        Some(Self {
            unit,
            slots: width,
            peak,
            denied_peak,
            from: at(0),
            to: at(width),
            bars: bars.collect(),
        })
    }
}

/// Of the peak, in thousandths.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn share(count: u64, peak: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    ((count as f64 / peak as f64).max(LEAST_SHARE) * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(at: &str, count: u64, denied: u64) -> HourCount {
        HourCount { hour: Timestamp::parse(at).unwrap(), count, denied }
    }

    #[test]
    fn hours_become_days_then_weeks() {
        assert!(Activity::of(&[]).is_none());
        let one = hour("2024-05-01T23:00:00Z", 10, 0);
        let short = Activity::of(&[one.clone(), hour("2024-05-02T01:00:00Z", 40, 1)]).unwrap();
        assert_eq!((short.unit, short.slots, short.peak), ("hour", 3, 40));
        let heights: Vec<_> =
            short.bars.iter().map(|b| (b.slot, b.height, b.denied_height)).collect();
        assert_eq!(heights, [(0, 25.0, 0.0), (2, 100.0, 38.0)]);
        let long = Activity::of(&[one.clone(), hour("2024-06-01T01:00:00Z", 1, 0)]).unwrap();
        assert_eq!((long.unit, long.slots), ("day", 32));
        assert_eq!(long.bars[0].label, "2024-05-01 00:00:00: 10 events, 0 denied");
        let years = Activity::of(&[one, hour("2026-05-01T01:00:00Z", 1, 0)]).unwrap();
        assert_eq!((years.unit, years.slots), ("week", 105));
    }
}
