//! Aggregated events: the calls of five minutes, counted. They have a schema of their own, and no time
//! but that of their window; who stores them reads the rest from the record as it stands.

use super::record::{Record, moment};
use crate::model::RejectReason;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeWindow<'a> {
    #[serde(borrow)]
    window_start: Option<std::borrow::Cow<'a, str>>,
}

/// By what it calls itself, or by what only such an event has.
pub(super) fn is_aggregated(record: &Record<'_>, read: Result<(), RejectReason>) -> bool {
    let has = |key| raw(record, key).is_some();
    record.event_category == Some("Aggregated")
        || (read == Err(RejectReason::MissingEventTime) && has("timeWindow") && has("summary"))
}

/// Fills in what every record has, under the names that these events give it.
#[cold]
pub(super) fn read(record: &mut Record<'_>) -> Result<(), RejectReason> {
    record.is_aggregated = true;
    record.event_id = record.event_id.or_else(|| text(record, "eventId"));
    record.recipient_account_id = record.recipient_account_id.or_else(|| text(record, "accountId"));
    let window = raw(record, "timeWindow").ok_or(RejectReason::MissingEventTime)?;
    let window: TimeWindow<'_> =
        serde_json::from_slice(window).map_err(|_| RejectReason::BadEventTime)?;
    let start = window.window_start.ok_or(RejectReason::MissingEventTime)?;
    record.event_time = moment(&start).ok_or(RejectReason::BadEventTime)?;
    Ok(())
}

fn raw<'a>(record: &Record<'a>, key: &str) -> Option<&'a [u8]> {
    record.extra.iter().find(|(k, _)| *k == key).map(|(_, raw)| *raw)
}

/// Ids hold no escapes.
fn text<'a>(record: &Record<'a>, key: &str) -> Option<&'a str> {
    serde_json::from_slice(raw(record, key)?).ok()
}
