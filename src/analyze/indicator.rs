//! What of a finding to search for elsewhere or to take away: foreign accounts, keys used and made, instances,
//! objects. Looked up in the events of the finding once all findings are known, so that rules and heuristics
//! need not carry them.

use super::collect;
use crate::case::{Row, Rows};
use crate::detect::SigmaEvent;
use crate::model::{Finding, Indicator, IndicatorKind, SEVERAL, Severity};
use polars::prelude::*;
use rsigma_eval::event::{Event, EventValue};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Lesser findings are context and have none.
const LEAST: Severity = Severity::Medium;
/// Findings of more events would bring half the archive into memory.
const MOST_EVENTS: u64 = 10_000;
/// Kept of each kind.
const EACH: usize = 10;
const COLUMNS: [&str; 8] = [
    "event_time",
    "source_index",
    "actor",
    "recipient_account_id",
    "event_name",
    "request_parameters",
    "response_elements",
    "user_identity_access_key_id",
];

/// Adds them to `findings`. `own`: whose archive this is.
pub(super) fn add(
    events: &LazyFrame,
    findings: &mut [Finding],
    own: &BTreeSet<String>,
) -> PolarsResult<()> {
    let mut by_actor: BTreeMap<String, Vec<&mut Finding>> = BTreeMap::new();
    for finding in findings.iter_mut().filter(|f| f.severity >= LEAST && f.count <= MOST_EVENTS) {
        by_actor.entry(finding.principal.clone()).or_default().push(finding);
    }
    let calls = by_actor.values().flatten().flat_map(|f| f.calls.iter().map(|c| c.name.as_str()));
    let calls: BTreeSet<&str> = calls.collect();
    let is_in = |column: &str, values: Vec<&str>| {
        col(column).is_in(lit(Series::new(column.into(), values)).implode(false), false)
    };
    let wanted = is_in("actor", by_actor.keys().map(String::as_str).collect())
        .and(is_in("event_name", calls.into_iter().collect()));
    let columns: Vec<Expr> = COLUMNS.iter().map(|name| col(*name)).collect();
    // What the principal did long before or after is not brought into memory.
    let time = || col("event_time").cast(DataType::Int64);
    let near = events
        .clone()
        .filter(wanted)
        .join(
            spans(&by_actor)?.lazy(),
            [col("actor")],
            [col("actor")],
            JoinArgs::new(JoinType::Inner),
        )
        .filter(time().gt_eq(col("from")).and(time().lt_eq(col("to"))));
    let frame = collect(near.select(columns))?;
    let rows = Rows::new(&frame).map_err(|e| PolarsError::ComputeError(e.to_string().into()))?;
    let mut found: BTreeMap<String, BTreeSet<Indicator>> = BTreeMap::new();
    for row in (0..rows.len()).map(|number| rows.row(number)) {
        let of_actor = row.text("actor").and_then(|actor| by_actor.get(actor));
        let findings = of_actor.into_iter().flatten().filter(|f| is_of(row, f));
        let ids: Vec<&String> = findings.map(|f| &f.id).collect();
        if !ids.is_empty() {
            let indicators = of(row, own);
            for id in ids {
                found.entry(id.clone()).or_default().extend(indicators.iter().cloned());
            }
        }
    }
    for finding in by_actor.into_values().flatten() {
        let indicators = found.remove(&finding.id).unwrap_or_default();
        finding.indicators_total = indicators.len() as u64;
        finding.indicators = few_of_each(indicators);
    }
    Ok(())
}

/// From the first to the last event of the findings of each principal.
fn spans(by_actor: &BTreeMap<String, Vec<&mut Finding>>) -> PolarsResult<DataFrame> {
    let bound = |findings: &Vec<&mut Finding>| {
        let first = findings.iter().map(|f| f.first.0).min().unwrap_or_default();
        (first, findings.iter().map(|f| f.last.0).max().unwrap_or_default())
    };
    let (from, to): (Vec<i64>, Vec<i64>) = by_actor.values().map(bound).unzip();
    let actors: Vec<&str> = by_actor.keys().map(String::as_str).collect();
    df!("actor" => actors, "from" => from, "to" => to)
}

/// Whether an event of its principal is one of the finding: as its query asks.
fn is_of(row: Row, finding: &Finding) -> bool {
    (finding.first..=finding.last).contains(&row.time())
        && (finding.account == SEVERAL
            || row.text("recipient_account_id").unwrap_or_default() == finding.account)
        && finding.calls.iter().any(|call| Some(call.name.as_str()) == row.text("event_name"))
}

fn few_of_each(indicators: BTreeSet<Indicator>) -> Vec<Indicator> {
    let mut kept: BTreeMap<IndicatorKind, usize> = BTreeMap::new();
    let mut has_room = |indicator: &Indicator| {
        let count = kept.entry(indicator.kind).or_default();
        *count += 1;
        *count <= EACH
    };
    indicators.into_iter().filter(|indicator| has_room(indicator)).collect()
}

fn of(row: Row, own: &BTreeSet<String>) -> BTreeSet<Indicator> {
    let mut out = BTreeSet::new();
    let mut add = |kind, value: &str| {
        if !value.is_empty() {
            out.insert(Indicator { kind, value: value.to_owned() });
        }
    };
    add(IndicatorKind::AccessKey, row.text("user_identity_access_key_id").unwrap_or_default());
    let event = SigmaEvent::new(row, own);
    if let Some(EventValue::Array(accounts)) = event.get_field("trailinsight.foreign_accounts") {
        for account in accounts.iter().filter_map(EventValue::as_str) {
            add(IndicatorKind::Account, &account);
        }
    }
    if let Some(key) = event.first_text("responseElements.accessKey.accessKeyId") {
        add(IndicatorKind::CreatedKey, &key);
    }
    if let Some(request) = event.request() {
        let text = |field: &str| request.get(field).and_then(Value::as_str);
        if let (Some(bucket), Some(key)) = (text("bucketName"), text("key")) {
            add(IndicatorKind::Object, &format!("{bucket}/{key}"));
        }
        for_each_text(request, &mut |text| {
            if is_instance(text) {
                add(IndicatorKind::Instance, text);
            }
        });
    }
    out
}

fn for_each_text(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| for_each_text(value, see)),
        Value::Object(fields) => fields.values().for_each(|value| for_each_text(value, see)),
        _ => {}
    }
}

fn is_instance(text: &str) -> bool {
    let id = |prefix| text.strip_prefix(prefix);
    id("i-").or_else(|| id("mi-")).is_some_and(|id: &str| {
        (8..=17).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    })
}
