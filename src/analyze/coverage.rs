//! What of time, place and kind the archive covers, and where it is silent when it should not be.

use super::collect;
use crate::model::{Coverage, Gap, Timestamp};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A silence is a gap when the chance of it is below this. Events come in bursts, so hours are
/// counted, not events: the chance of an hour without any is that of the same hour on other days.
const CHANCE: f64 = 1e-6;
/// What is usual is not known from fewer days than this.
const MIN_DAYS: usize = 3;
/// Hours of a working day, then hours of a day of the weekend: people are why archives sleep.
const USUAL_HOURS: usize = 48;
const HOURS_OF_DAY: i64 = 24;
const HOURS_OF_WEEK: i64 = 7 * HOURS_OF_DAY;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

pub(super) fn of(events: &LazyFrame) -> PolarsResult<Coverage> {
    let by_hour = collect(
        events
            .clone()
            .group_by([
                col("recipient_account_id").alias("account"),
                col("aws_region").alias("region"),
                col("event_time").dt().truncate(lit("1h")).cast(DataType::Int64).alias("hour"),
            ])
            .agg([
                len().cast(DataType::UInt64).alias("count"),
                col("event_time").min().cast(DataType::Int64).alias("first"),
                col("event_time").max().cast(DataType::Int64).alias("last"),
            ]),
    )?;
    let (accounts, regions) = (by_hour.column("account")?.str()?, by_hour.column("region")?.str()?);
    let (hours, counts) = (by_hour.column("hour")?.i64()?, by_hour.column("count")?.u64()?);
    let (first, last) = (by_hour.column("first")?.i64()?, by_hour.column("last")?.i64()?);
    let mut places: BTreeMap<(String, String), BTreeMap<i64, u64>> = BTreeMap::new();
    for i in 0..by_hour.height() {
        let place = (accounts.get(i).unwrap_or_default(), regions.get(i).unwrap_or_default());
        let place = (place.0.to_owned(), place.1.to_owned());
        let hour = hours.get(i).unwrap_or_default() / MICROS_PER_HOUR;
        places.entry(place).or_default().insert(hour, counts.get(i).unwrap_or_default());
    }
    let named =
        |texts: BTreeSet<&String>| texts.into_iter().filter(|t| !t.is_empty()).cloned().collect();
    let categories = categories(events)?;
    let archive = match (hours.min(), hours.max()) {
        (Some(first), Some(last)) => first / MICROS_PER_HOUR..last / MICROS_PER_HOUR + 1,
        _ => 0..0,
    };
    let (judged, unjudged): (Vec<_>, Vec<_>) =
        places.iter().partition(|(_, hours)| can_be_judged(hours));
    let mut not_observable = not_observable(&categories);
    not_observable.extend(unjudged_places(unjudged.len(), places.len()));
    Ok(Coverage {
        first: first.min().map(Timestamp),
        last: last.max().map(Timestamp),
        accounts: named(places.keys().map(|(account, _)| account).collect()),
        regions: named(places.keys().map(|(_, region)| region).collect()),
        gaps: judged
            .iter()
            .flat_map(|((account, region), hours)| gaps(account, region, hours, &archive))
            .collect(),
        unjudged: unjudged.iter().flat_map(|(_, hours)| hours.values()).sum(),
        not_observable,
        categories,
    })
}

/// Before version 1.07 events had no category; whether it is a management event they say since 1.06.
fn categories(events: &LazyFrame) -> PolarsResult<BTreeMap<String, u64>> {
    let data = col("management_event").eq(lit(false)).fill_null(lit(false));
    let derived = when(data).then(lit("Data")).otherwise(lit("Management"));
    let frame = events
        .clone()
        .select([coalesce(&[col("event_category"), derived]).alias("category")])
        .group_by([col("category")])
        .agg([len().cast(DataType::UInt64).alias("count")]);
    let frame = collect(frame)?;
    let (names, counts) = (frame.column("category")?.str()?, frame.column("count")?.u64()?);
    let row = |i| (names.get(i).unwrap_or_default().to_owned(), counts.get(i).unwrap_or_default());
    Ok((0..frame.height()).map(row).collect())
}

fn not_observable(categories: &BTreeMap<String, u64>) -> Vec<String> {
    let absent = |category: &str| !categories.contains_key(category);
    let mut out = Vec::new();
    if absent("Data") {
        out.push("No data events were recorded: reading, writing or deleting single objects (S3), invoking functions (Lambda) and items of tables (DynamoDB) cannot be seen.".to_owned());
    }
    if absent("NetworkActivity") {
        out.push("No network activity events were recorded: calls refused at VPC endpoints cannot be seen.".to_owned());
    }
    if absent("Insight") {
        out.push("No CloudTrail Insights events were recorded.".to_owned());
    }
    out
}

fn unjudged_places(unjudged: usize, all: usize) -> Option<String> {
    (unjudged > 0).then(|| {
        format!(
            "Whether hours are missing cannot be judged in {unjudged} of {all} pairs of account and Region: too few hours there have events to know what is usual."
        )
    })
}

/// Whether a silent week would be noticed: what happens now and then has no gaps, and no proof that
/// there are none either.
fn can_be_judged(hours: &BTreeMap<i64, u64>) -> bool {
    let days: BTreeSet<i64> = hours.keys().map(|hour| hour.div_euclid(HOURS_OF_DAY)).collect();
    let silent_chance = silent_chance(hours);
    let week = (0..HOURS_OF_WEEK).map(|hour| silent_chance[usual_hour(hour)]);
    days.len() >= MIN_DAYS && week.product::<f64>() < CHANCE
}

/// Silences of one account and region in the archive's span, judged against its own other days.
fn gaps(account: &str, region: &str, hours: &BTreeMap<i64, u64>, archive: &Range<i64>) -> Vec<Gap> {
    let silent_chance = silent_chance(hours);
    let mut gaps = Vec::new();
    let mut active: Vec<i64> = hours.keys().copied().collect();
    active.insert(0, archive.start - 1);
    active.push(archive.end);
    for pair in active.windows(2) {
        let silent = pair[0] + 1..pair[1];
        let chance: f64 = silent.clone().map(|hour| silent_chance[usual_hour(hour)]).product();
        if chance < CHANCE {
            gaps.push(Gap {
                account: account.to_owned(),
                region: region.to_owned(),
                from: Timestamp(silent.start * MICROS_PER_HOUR),
                to: Timestamp(silent.end * MICROS_PER_HOUR),
            });
        }
    }
    gaps
}

/// Which of the [`USUAL_HOURS`] an hour since the epoch is (which was a Thursday).
fn usual_hour(hour: i64) -> usize {
    let weekday = (hour.div_euclid(HOURS_OF_DAY) + 3).rem_euclid(7);
    let of_day = hour.rem_euclid(HOURS_OF_DAY) + if weekday >= 5 { HOURS_OF_DAY } else { 0 };
    usize::try_from(of_day).expect("a remainder is not negative")
}

/// For every usual hour the chance that it has no event: 1 − k / (n + 1) when k of n days had one, so
/// that a few days of history promise little.
fn silent_chance(hours: &BTreeMap<i64, u64>) -> [f64; USUAL_HOURS] {
    let (mut active, mut days) = ([0.0; USUAL_HOURS], [0.0; USUAL_HOURS]);
    if let (Some(first), Some(last)) = (hours.keys().next(), hours.keys().last()) {
        for hour in *first..=*last {
            days[usual_hour(hour)] += 1.0;
            active[usual_hour(hour)] += f64::from(u8::from(hours.contains_key(&hour)));
        }
    }
    std::array::from_fn(|i| 1.0 - active[i] / (days[i] + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three weeks, 9 events every working hour from 8 to 18; nothing at night and on weekends.
    fn office_hours() -> BTreeMap<i64, u64> {
        let working = |day: &i64| (day + 3) % 7 < 5;
        let days = (0..21i64).filter(working);
        days.flat_map(|day| (8..18).map(move |hour| (day * 24 + hour, 9))).collect()
    }

    fn silences(hours: &BTreeMap<i64, u64>, archive: Range<i64>) -> Vec<(i64, i64)> {
        let gaps = gaps("1", "r", hours, &archive);
        gaps.iter().map(|g| (g.from.0 / MICROS_PER_HOUR, g.to.0 / MICROS_PER_HOUR)).collect()
    }

    #[test]
    fn silence_is_a_gap_only_where_events_are_usual() {
        let (mut hours, archive) = (office_hours(), 0..21 * 24);
        assert!(can_be_judged(&hours));
        assert_eq!(silences(&hours, archive.clone()), []);
        // An hour or two without events can be chance; a working day cannot.
        for hour in 10..12 {
            hours.remove(&(4 * 24 + hour));
        }
        assert_eq!(silences(&hours, archive.clone()), []);
        for hour in 8..18 {
            hours.remove(&(4 * 24 + hour));
        }
        // A Monday is missing: from the last event of Friday to the first of Tuesday.
        assert_eq!(silences(&hours, archive), [(24 + 18, 5 * 24 + 8)]);
    }

    #[test]
    fn silence_before_the_first_event_and_after_the_last_is_a_gap_as_well() {
        let mut hours = office_hours();
        hours.retain(|hour, _| *hour < 16 * 24);
        let (first, friday, week) = (8, 15 * 24 + 18, HOURS_OF_WEEK);
        assert_eq!(silences(&hours, first..friday + 60), [], "a weekend is silent by habit");
        assert_eq!(silences(&hours, first..friday + week), [(friday, friday + week)]);
        assert_eq!(silences(&hours, first - week..friday), [(first - week, first)]);
    }

    #[test]
    fn now_and_then_is_no_habit() {
        let weekly: BTreeMap<i64, u64> = (0..400).map(|week| (week * 168 + 9, 1)).collect();
        assert!(!can_be_judged(&weekly));
        let one_long_day: BTreeMap<i64, u64> = (0..24).map(|hour| (hour, 50)).collect();
        assert!(!can_be_judged(&one_long_day));
        assert_eq!(unjudged_places(0, 3), None);
    }
}
