//! Counts over the whole case: the four of the original agent (API calls, users, services,
//! resources) and what else a reviewer asks first. One lazy query each.

use super::collect;
use crate::model::{Aggregates, Count, HourCount, Timestamp};
use polars::prelude::*;
use std::collections::BTreeMap;

/// Every list of a report.
pub(super) fn all(events: &LazyFrame, top: usize) -> PolarsResult<Aggregates> {
    let mut distinct = BTreeMap::new();
    let mut list = |name: &str, key: Expr| -> PolarsResult<Vec<Count>> {
        let (counts, total) = counts(events, key, top)?;
        distinct.insert(name.to_owned(), total);
        Ok(counts)
    };
    Ok(Aggregates {
        event_names: list("event_names", col("event_name"))?,
        // The principal as CloudTrail names it; a service that has no ARN by its own name.
        users: list("users", coalesce(&[col("user_identity_arn"), col("actor")]))?,
        services: list("services", col("service"))?,
        resources: list("resources", every_resource())?,
        source_ips: list("source_ips", col("source_ip_address"))?,
        regions: list("regions", col("aws_region"))?,
        accounts: list("accounts", col("recipient_account_id"))?,
        user_agents: list("user_agents", col("user_agent"))?,
        errors: list("errors", col("error_code"))?,
        hours: hours(events)?,
        distinct,
    })
}

/// The list column itself: `counts` takes its elements apart.
fn every_resource() -> Expr {
    col("resource_arns")
}

pub(super) fn is_denied() -> Expr {
    col("outcome").eq(lit("denied"))
}

fn counts(events: &LazyFrame, key: Expr, top: usize) -> PolarsResult<(Vec<Count>, u64)> {
    let is_list = key == every_resource();
    let mut frame = events.clone().select([
        key.alias("name"),
        is_denied().alias("denied"),
        col("event_time").alias("time"),
    ]);
    if is_list {
        let options = ExplodeOptions { empty_as_null: true, keep_nulls: true };
        frame = frame.explode(by_name(["name"], true, false), options);
    }
    let frame = frame.filter(col("name").is_not_null()).group_by([col("name")]).agg([
        len().cast(DataType::UInt64).alias("count"),
        col("denied").sum().cast(DataType::UInt64).alias("denied"),
        col("time").min().cast(DataType::Int64).alias("first"),
        col("time").max().cast(DataType::Int64).alias("last"),
    ]);
    let frame = collect(frame)?;
    let (names, count) = (frame.column("name")?.str()?, frame.column("count")?.u64()?);
    let (denied, first) = (frame.column("denied")?.u64()?, frame.column("first")?.i64()?);
    let last = frame.column("last")?.i64()?;
    let mut rows: Vec<Count> = (0..frame.height())
        .map(|i| Count {
            name: names.get(i).unwrap_or_default().to_owned(),
            count: count.get(i).unwrap_or_default(),
            denied: denied.get(i).unwrap_or_default(),
            first: Timestamp(first.get(i).unwrap_or_default()),
            last: Timestamp(last.get(i).unwrap_or_default()),
        })
        .collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    let total = rows.len() as u64;
    rows.truncate(top);
    Ok((rows, total))
}

fn hours(events: &LazyFrame) -> PolarsResult<Vec<HourCount>> {
    let frame = events
        .clone()
        .select([
            col("event_time").dt().truncate(lit("1h")).alias("hour"),
            is_denied().alias("denied"),
        ])
        .group_by([col("hour")])
        .agg([
            len().cast(DataType::UInt64).alias("count"),
            col("denied").sum().cast(DataType::UInt64).alias("denied"),
        ])
        .with_column(col("hour").cast(DataType::Int64));
    let frame = collect(frame)?;
    let (hour, count) = (frame.column("hour")?.i64()?, frame.column("count")?.u64()?);
    let denied = frame.column("denied")?.u64()?;
    let mut rows: Vec<HourCount> = (0..frame.height())
        .map(|i| HourCount {
            hour: Timestamp(hour.get(i).unwrap_or_default()),
            count: count.get(i).unwrap_or_default(),
            denied: denied.get(i).unwrap_or_default(),
        })
        .collect();
    rows.sort_by_key(|row| row.hour);
    Ok(rows)
}
