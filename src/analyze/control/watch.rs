//! Metric filters and alarms that were made or taken away while the archive was written, and which controls each was
//! for: a filter is tried on the calls of a control, and an alarm is for what the filter of its metric counts.

use super::any;
use super::benchmark::{CONTROLS, harmless};
use crate::analyze::collect;
use crate::case::{Row, Rows};
use crate::detect::aws::Filter;
use crate::model::{Watch, WatchAct};
use polars::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

const COLUMNS: [&str; 8] = [
    "event_time",
    "event_id",
    "event_name",
    "actor",
    "recipient_account_id",
    "aws_region",
    "request_parameters",
    "source_index",
];

/// By number of the control, in order of time.
pub(super) type Watches = BTreeMap<usize, Vec<Watch>>;

/// A control, how many kinds of its calls are counted, and how many there are.
type Aim = (usize, u32, u32);
/// Account, region and names within them.
type Key = (String, String, String, String);

#[derive(Default)]
struct Watching {
    filters: BTreeMap<Key, Vec<Aim>>,
    /// By namespace and name.
    metrics: BTreeMap<Key, Vec<Aim>>,
    alarms: BTreeMap<Key, Vec<Aim>>,
    watches: Watches,
}

pub(super) fn all(events: &LazyFrame) -> PolarsResult<Watches> {
    // An alarm is for nothing that is known here before a filter is.
    if !any(events, col("event_name").eq(lit("PutMetricFilter")))? {
        return Ok(Watches::new());
    }
    let name = |names: &[&str]| {
        let names = Series::new("names".into(), names);
        col("event_name").is_in(lit(names).implode(false), false)
    };
    let succeeded = col("outcome").eq(lit("succeeded"));
    // Alarms on what services measure themselves are many, and for no control.
    let of_aws = col("request_parameters").str().contains_literal(lit("\"namespace\":\"AWS/"));
    let filters =
        col("service").eq(lit("logs")).and(name(&["PutMetricFilter", "DeleteMetricFilter"]));
    let alarms = col("service").eq(lit("monitoring")).and(name(&[
        "PutMetricAlarm",
        "DeleteAlarms",
        "DisableAlarmActions",
        "EnableAlarmActions",
    ]));
    let columns: Vec<Expr> = COLUMNS.iter().map(|name| col(*name)).collect();
    let wanted = filters.or(alarms).and(succeeded).and(of_aws.fill_null(lit(false)).not());
    let order = ["event_time", "event_id", "source_index"];
    let frame = collect(events.clone().filter(wanted).select(columns))?;
    let frame = frame.sort(order, SortMultipleOptions::default())?;
    let rows = Rows::new(&frame).map_err(|e| PolarsError::ComputeError(e.to_string().into()))?;
    let mut watching = Watching::default();
    for row in (0..rows.len()).map(|number| rows.row(number)) {
        let request = row.text("request_parameters").and_then(|t| serde_json::from_str(t).ok());
        if let Some(request) = request {
            watching.see(row, &request);
        }
    }
    Ok(watching.watches)
}

impl Watching {
    fn see(&mut self, row: Row<'_>, request: &Value) {
        let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
        let filter = key(row, text("logGroupName"), text("filterName"));
        match row.text("event_name").unwrap_or_default() {
            "PutMetricFilter" => {
                let aims = aims(text("filterPattern"));
                for metric in request["metricTransformations"].as_array().into_iter().flatten() {
                    let part = |key: &str| metric.get(key).and_then(Value::as_str);
                    let (space, name) = (part("metricNamespace"), part("metricName"));
                    let metric = key(row, space.unwrap_or_default(), name.unwrap_or_default());
                    self.metrics.insert(metric, aims.clone());
                }
                self.tell(row, WatchAct::FilterMade, text("filterName"), &aims);
                self.filters.insert(filter, aims);
            }
            "DeleteMetricFilter" => {
                let aims = self.filters.remove(&filter).unwrap_or_default();
                self.tell(row, WatchAct::FilterDeleted, text("filterName"), &aims);
            }
            "PutMetricAlarm" => {
                let metric = key(row, text("namespace"), text("metricName"));
                let aims = self.metrics.get(&metric).cloned().unwrap_or_default();
                self.tell(row, WatchAct::AlarmMade, text("alarmName"), &aims);
                self.alarms.insert(key(row, "", text("alarmName")), aims);
            }
            other => {
                let act = match other {
                    "DeleteAlarms" => WatchAct::AlarmDeleted,
                    "DisableAlarmActions" => WatchAct::AlarmMuted,
                    _ => WatchAct::AlarmUnmuted,
                };
                for name in request["alarmNames"].as_array().into_iter().flatten() {
                    let name = name.as_str().unwrap_or_default();
                    let alarm = key(row, "", name);
                    let aims = self.alarms.get(&alarm).cloned().unwrap_or_default();
                    self.tell(row, act, name, &aims);
                    if act == WatchAct::AlarmDeleted {
                        self.alarms.remove(&alarm);
                    }
                }
            }
        }
    }

    fn tell(&mut self, row: Row<'_>, act: WatchAct, name: &str, aims: &[Aim]) {
        let text = |column: &str| row.text(column).unwrap_or_default().to_owned();
        for (control, counts, of) in aims {
            self.watches.entry(*control).or_default().push(Watch {
                time: row.time(),
                event_id: text("event_id"),
                principal: text("actor"),
                act,
                name: name.to_owned(),
                of: *of,
                counts: *counts,
            });
        }
    }
}

fn key(row: Row<'_>, outer: &str, name: &str) -> Key {
    let text = |column: &str| row.text(column).unwrap_or_default().to_owned();
    (text("recipient_account_id"), text("aws_region"), outer.to_owned(), name.to_owned())
}

/// The controls that a filter is for. One that counts everything is for none.
fn aims(pattern: &str) -> Vec<Aim> {
    let Ok(filter) = Filter::parse(pattern) else { return Vec::new() };
    if filter.matches(&harmless()) {
        return Vec::new();
    }
    let mut aims = Vec::new();
    for (number, control) in CONTROLS.iter().enumerate() {
        let probes = control.probes();
        let counted = probes.iter().filter(|probe| filter.matches(*probe)).count();
        if counted > 0 {
            aims.push((number, counted as u32, probes.len() as u32));
        }
    }
    aims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_for_the_controls_whose_calls_it_counts() {
        let file = include_str!("../../../tests/native/cis-metric-filters.json");
        let file: Value = serde_json::from_str(file).unwrap();
        for filter in file["metricFilters"].as_array().unwrap() {
            let name = filter["filterName"].as_str().unwrap();
            let found = aims(filter["filterPattern"].as_str().unwrap());
            let [(number, counts, of)] = found[..] else { panic!("{name}: {found:?}") };
            assert_eq!((format!("CIS-{}", CONTROLS[number].id).as_str(), counts), (name, of));
        }
        assert_eq!(aims("{ $.eventName = StopLogging }"), [(4, 1, 5)]);
        for none in ["", "{ $.eventSource = * }", "{ $.eventName = RunInstances }", "{ ("] {
            assert_eq!(aims(none), [], "{none}");
        }
    }
}
