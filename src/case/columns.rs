//! The columns of the event table that come straight from a record: the one list of their names.
//! Those derived from them are added in `builder`, those of `userIdentity` in `identity`.

use crate::decode::Record;

type Text = for<'r, 'a> fn(&'r Record<'a>) -> Option<&'r [u8]>;
type Flag = fn(&Record<'_>) -> Option<bool>;

/// Values that repeat: kept as dictionary codes.
pub(super) const DICTS: [(&str, Text); 17] = [
    ("event_name", |r| bytes(r.event_name)),
    ("event_source", |r| bytes(r.event_source)),
    ("aws_region", |r| bytes(r.aws_region)),
    ("recipient_account_id", |r| bytes(r.recipient_account_id)),
    ("source_ip_address", |r| bytes(r.source_ip_address)),
    ("user_agent", |r| bytes(r.user_agent)),
    ("error_code", |r| bytes(r.error_code)),
    ("error_message", |r| bytes(r.error_message)),
    ("event_type", |r| bytes(r.event_type)),
    ("event_category", |r| bytes(r.event_category)),
    ("event_version", |r| bytes(r.event_version)),
    ("api_version", |r| bytes(r.api_version)),
    ("vpc_endpoint_id", |r| bytes(r.vpc_endpoint_id)),
    ("vpc_endpoint_account_id", |r| bytes(r.vpc_endpoint_account_id)),
    ("session_credential_from_console", |r| bytes(r.session_credential_from_console)),
    ("user_identity", |r| r.user_identity),
    ("tls_details", |r| r.tls_details),
];

/// Places in [`DICTS`] that other columns are derived from.
pub(super) const EVENT_NAME: usize = 0;
pub(super) const EVENT_SOURCE: usize = 1;
pub(super) const SOURCE_IP: usize = 4;
pub(super) const USER_AGENT: usize = 5;
pub(super) const ERROR_CODE: usize = 6;
pub(super) const USER_IDENTITY: usize = 15;

/// Values that hardly repeat: ids and nested objects, the latter as JSON text.
pub(super) const TEXTS: [(&str, Text); 12] = [
    ("event_id", |r| bytes(r.event_id)),
    ("request_id", |r| bytes(r.request_id)),
    ("shared_event_id", |r| bytes(r.shared_event_id)),
    ("request_parameters", |r| r.request_parameters),
    ("response_elements", |r| r.response_elements),
    ("additional_event_data", |r| r.additional_event_data),
    ("resources", |r| r.resources),
    ("service_event_details", |r| r.service_event_details),
    ("insight_details", |r| r.insight_details),
    ("edge_device_details", |r| r.edge_device_details),
    ("event_context", |r| r.event_context),
    ("addendum", |r| r.addendum),
];

/// Whether a column of texts or flags is one of values that repeat.
pub(super) fn repeats(name: &str) -> bool {
    name != "extra" && TEXTS.iter().all(|(text, _)| *text != name)
}

/// Whether a column is one of texts that repeat, which are read as codes of all rows.
#[must_use]
pub fn is_coded(name: &str) -> bool {
    repeats(name) && FLAGS.iter().all(|(flag, _)| *flag != name)
}

pub(super) const FLAGS: [(&str, Flag); 2] =
    [("read_only", |r| r.read_only), ("management_event", |r| r.management_event)];

fn bytes(text: Option<&str>) -> Option<&[u8]> {
    text.map(str::as_bytes)
}
