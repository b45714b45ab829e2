//! A row, printed as the record it was read from: the same JSON value, whatever was in it.

use super::rows::Row;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// CloudTrail's key and our column, for scalars that are text.
const TEXTS: [(&str, &str); 17] = [
    ("eventVersion", "event_version"),
    ("eventSource", "event_source"),
    ("eventName", "event_name"),
    ("awsRegion", "aws_region"),
    ("sourceIPAddress", "source_ip_address"),
    ("userAgent", "user_agent"),
    ("errorCode", "error_code"),
    ("errorMessage", "error_message"),
    ("requestID", "request_id"),
    ("eventID", "event_id"),
    ("eventType", "event_type"),
    ("apiVersion", "api_version"),
    ("recipientAccountId", "recipient_account_id"),
    ("sharedEventID", "shared_event_id"),
    ("vpcEndpointId", "vpc_endpoint_id"),
    ("vpcEndpointAccountId", "vpc_endpoint_account_id"),
    ("eventCategory", "event_category"),
];
const CONSOLE: (&str, &str) = ("sessionCredentialFromConsole", "session_credential_from_console");
const FLAGS: [(&str, &str); 2] =
    [("readOnly", "read_only"), ("managementEvent", "management_event")];
const NESTED: [(&str, &str); 11] = [
    ("userIdentity", "user_identity"),
    ("requestParameters", "request_parameters"),
    ("responseElements", "response_elements"),
    ("additionalEventData", "additional_event_data"),
    ("resources", "resources"),
    ("tlsDetails", "tls_details"),
    ("serviceEventDetails", "service_event_details"),
    ("insightDetails", "insight_details"),
    ("edgeDeviceDetails", "edge_device_details"),
    ("eventContext", "event_context"),
    ("addendum", "addendum"),
];

/// Every column that printing needs.
#[must_use]
pub fn columns() -> Vec<&'static str> {
    let named =
        TEXTS.iter().chain([&CONSOLE]).chain(&FLAGS).chain(&NESTED).map(|(_, column)| *column);
    named.chain(["event_time", "extra", "source_file", "source_index"]).collect()
}

/// The record as JSON text. Fields that no column gives back exactly come from `extra`, which wins.
#[must_use]
pub fn print(row: Row<'_>) -> String {
    // Raw values, so that numbers keep their spelling.
    let mut extra: BTreeMap<String, Box<RawValue>> =
        row.text("extra").and_then(|e| serde_json::from_str(e).ok()).unwrap_or_default();
    // Keys in another case: `extra` is the whole record (`decode::Record`).
    let is_whole = extra.get("eventTime").is_some_and(|time| time.get() == "null");
    if is_whole {
        extra.remove("eventTime");
    }
    let mut out = String::from("{");
    let mut put = |key: &str, value: &str| {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&quote(key));
        out.push(':');
        out.push_str(value);
    };
    if !is_whole {
        columns_of(row, &extra, &mut put);
    }
    for (key, value) in &extra {
        put(key, value.get());
    }
    out.push('}');
    out
}

fn columns_of(
    row: Row<'_>,
    extra: &BTreeMap<String, Box<RawValue>>,
    put: &mut impl FnMut(&str, &str),
) {
    if !extra.contains_key("eventTime") {
        put("eventTime", &quote(&row.time().to_string()));
    }
    for (key, column) in TEXTS.iter().chain([&CONSOLE]).filter(|(key, _)| !extra.contains_key(*key))
    {
        if let Some(text) = row.text(column) {
            put(key, &quote(text));
        }
    }
    for (key, column) in FLAGS.iter().filter(|(key, _)| !extra.contains_key(*key)) {
        if let Some(flag) = row.flag(column) {
            put(key, if flag { "true" } else { "false" });
        }
    }
    for (key, column) in &NESTED {
        if let Some(json) = row.text(column) {
            put(key, json);
        }
    }
}

fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}
