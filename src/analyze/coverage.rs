//! What of time, place and kind the archive covers, and where it is silent when it should not be.

use super::collect;
use crate::model::{Coverage, Gap, Timestamp};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A silence is a gap when the chance of it is below this. Events come in bursts, so hours are
/// counted, not events: the chance of an hour without any is that of the same hour on other days.
const CHANCE: f64 = 1e-6;
/// Hours of a working day, then hours of a day of the weekend: people are why archives sleep.
const USUAL_HOURS: usize = 48;
const HOURS_OF_DAY: i64 = 24;
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
    Ok(Coverage {
        first: first.min().map(Timestamp),
        last: last.max().map(Timestamp),
        accounts: named(places.keys().map(|(account, _)| account).collect()),
        regions: named(places.keys().map(|(_, region)| region).collect()),
        gaps: places
            .iter()
            .flat_map(|((account, region), hours)| gaps(account, region, hours))
            .collect(),
        not_observable: not_observable(&categories),
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

/// Silences of one account and region, judged against its own other days.
fn gaps(account: &str, region: &str, hours: &BTreeMap<i64, u64>) -> Vec<Gap> {
    let silent_chance = silent_chance(hours);
    let mut gaps = Vec::new();
    let active: Vec<i64> = hours.keys().copied().collect();
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

    #[test]
    fn silence_is_a_gap_only_where_events_are_usual() {
        // Three weeks, 9 events every working hour from 8 to 18; nothing at night and on weekends.
        let mut hours = BTreeMap::new();
        for day in (0..21i64).filter(|day| (day + 3) % 7 < 5) {
            for hour in 8..18 {
                hours.insert(day * 24 + hour, 9);
            }
        }
        assert_eq!(gaps("1", "r", &hours), []);
        // An hour or two without events can be chance; a working day cannot.
        for hour in 10..12 {
            hours.remove(&(4 * 24 + hour));
        }
        assert_eq!(gaps("1", "r", &hours), []);
        for hour in 8..18 {
            hours.remove(&(4 * 24 + hour));
        }
        let gaps = gaps("1", "r", &hours);
        assert_eq!(gaps.len(), 1);
        // A Monday is missing: from the last event of Friday to the first of Tuesday.
        assert_eq!(gaps[0].from, Timestamp((24 + 18) * MICROS_PER_HOUR));
        assert_eq!(gaps[0].to, Timestamp((5 * 24 + 8) * MICROS_PER_HOUR));
    }
}
