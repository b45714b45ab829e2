//! One CloudTrail record, from its text to borrowed fields.

use super::walk::{Cursor, Value};
use crate::model::RejectReason;

/// The keys by which records are known.
pub(super) const NAMES: [&str; 5] =
    ["eventName", "eventSource", "eventTime", "eventID", "eventVersion"];
/// What a resource is called under, in its element of `resources`.
pub(super) const NAME_KEYS: [&str; 3] = ["ARN", "ARNPrefix", "arn"];
/// How many of them, in another case, make a record: names of that kind are common in other logs.
const NAMES_IN_ANY_CASE: usize = 3;

/// The field of a key as CloudTrail spells it, and of one that is spelled in another case.
macro_rules! keys {
    ($($key:literal => $field:expr,)+) => {
        pub(super) fn of(key: &str) -> Option<Self> {
            Some(match key { $($key => $field,)+ _ => return None })
        }

        fn in_any_case(key: &str) -> Option<Self> {
            $(if key.eq_ignore_ascii_case($key) { return Some($field); })+
            None
        }
    };
}

/// Top-level scalars, in no order that matters. Adding one here and in `case::columns` is all it takes.
macro_rules! text_fields {
    ($($field:ident = $key:literal),+ $(,)?) => {
        /// A record while its buffers live. Scalars as parsed; nested values as raw JSON bytes.
        #[derive(Debug, Clone, Default)]
        pub struct Record<'a> {
            /// Place of the record in its file.
            pub index: u32,
            /// Microseconds since the epoch, UTC.
            pub event_time: i64,
            $(pub $field: Option<&'a str>,)+
            pub read_only: Option<bool>,
            pub management_event: Option<bool>,
            pub user_identity: Option<&'a [u8]>,
            pub request_parameters: Option<&'a [u8]>,
            pub response_elements: Option<&'a [u8]>,
            pub additional_event_data: Option<&'a [u8]>,
            pub resources: Option<&'a [u8]>,
            pub tls_details: Option<&'a [u8]>,
            pub service_event_details: Option<&'a [u8]>,
            pub insight_details: Option<&'a [u8]>,
            pub edge_device_details: Option<&'a [u8]>,
            pub event_context: Option<&'a [u8]>,
            pub addendum: Option<&'a [u8]>,
            /// `ARN` (or `ARNPrefix`) of every element of `resources`.
            pub resource_arns: Vec<&'a str>,
            /// Key and raw value of what no other field can give back exactly: unknown keys, nulls,
            /// values of an unexpected type or spelling.
            pub extra: Vec<(&'a str, &'a [u8])>,
            /// An event that counts others (`aggregated`): its time is the beginning of its window.
            pub is_aggregated: bool,
            /// The record as it stood in the file.
            pub raw: &'a [u8],
            /// Keys that stood in it more than once; the last one counts.
            pub duplicate_keys: u32,
            /// What is known of its time while it is read.
            time: Time,
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(non_camel_case_types, reason = "named after the fields they stand for")]
        pub(super) enum Field { $($field,)+ Time, Bool(Flag), Json(Nested) }

        impl Field {
            pub(super) const RESOURCES: Self = Self::Json(Nested::Resources);

            keys! {
                $($key => Self::$field,)+
                "eventTime" => Self::Time,
                "readOnly" => Self::Bool(Flag::ReadOnly),
                "managementEvent" => Self::Bool(Flag::ManagementEvent),
                "userIdentity" => Self::Json(Nested::UserIdentity),
                "requestParameters" => Self::Json(Nested::RequestParameters),
                "responseElements" => Self::Json(Nested::ResponseElements),
                "additionalEventData" => Self::Json(Nested::AdditionalEventData),
                "resources" => Self::Json(Nested::Resources),
                "tlsDetails" => Self::Json(Nested::TlsDetails),
                "serviceEventDetails" => Self::Json(Nested::ServiceEventDetails),
                "insightDetails" => Self::Json(Nested::InsightDetails),
                "edgeDeviceDetails" => Self::Json(Nested::EdgeDeviceDetails),
                "eventContext" => Self::Json(Nested::EventContext),
                "addendum" => Self::Json(Nested::Addendum),
            }
        }

        impl<'a> Record<'a> {
            fn text(&mut self, field: Field) -> Option<&mut Option<&'a str>> {
                Some(match field { $(Field::$field => &mut self.$field,)+ _ => return None })
            }
        }
    };
}

text_fields! {
    event_version = "eventVersion",
    event_source = "eventSource",
    event_name = "eventName",
    aws_region = "awsRegion",
    source_ip_address = "sourceIPAddress",
    user_agent = "userAgent",
    error_code = "errorCode",
    error_message = "errorMessage",
    request_id = "requestID",
    event_id = "eventID",
    event_type = "eventType",
    api_version = "apiVersion",
    recipient_account_id = "recipientAccountId",
    shared_event_id = "sharedEventID",
    vpc_endpoint_id = "vpcEndpointId",
    vpc_endpoint_account_id = "vpcEndpointAccountId",
    event_category = "eventCategory",
    session_credential_from_console = "sessionCredentialFromConsole",
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    ReadOnly,
    ManagementEvent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nested {
    UserIdentity,
    RequestParameters,
    ResponseElements,
    AdditionalEventData,
    Resources,
    TlsDetails,
    ServiceEventDetails,
    InsightDetails,
    EdgeDeviceDetails,
    EventContext,
    Addendum,
}

impl<'a> Record<'a> {
    /// Reads the value at the cursor into `self` (whose vectors are reused) and steps over it.
    pub(super) fn read(&mut self, index: u32, cursor: &mut Cursor<'a>) -> Result<(), RejectReason> {
        let Value::Object { len } = cursor.peek() else {
            cursor.raw_value();
            return Err(RejectReason::NotARecord);
        };
        self.begin(index);
        cursor.enter();
        if len == 0 {
            cursor.leave_empty();
        }
        for _ in 0..len {
            let key = cursor.key();
            let field = Field::of(key);
            self.member_at(field, key, cursor);
            cursor.separator();
        }
        self.end()
    }

    /// Takes the value at the cursor and steps over it.
    fn member_at(&mut self, field: Option<Field>, key: &'a str, cursor: &mut Cursor<'a>) {
        if field == Some(Field::RESOURCES) {
            self.take_names(cursor.clone());
        }
        let value = cursor.peek();
        self.member(field, key, value, cursor.raw_value());
    }

    /// Takes a value, which stands in the file as `raw`.
    #[inline]
    pub(super) fn member(
        &mut self,
        field: Option<Field>,
        key: &'a str,
        value: Value<'a>,
        raw: &'a [u8],
    ) {
        match field {
            None => self.keep_raw(key, raw),
            Some(Field::Time) => {
                self.duplicate_keys += u32::from(!matches!(self.time, Time::Missing));
                self.time = self.take_time(key, value, raw);
            }
            Some(Field::Bool(flag)) => self.take_flag(flag, key, value, raw),
            Some(Field::Json(nested)) => self.take_nested(nested, raw),
            Some(field) => self.take_text(field, key, value, raw),
        }
    }

    /// All members were read.
    pub(super) fn end(&mut self) -> Result<(), RejectReason> {
        match self.time {
            Time::At(micros) => self.event_time = micros,
            Time::Missing => return Err(RejectReason::MissingEventTime),
            Time::Bad => return Err(RejectReason::BadEventTime),
        }
        Ok(())
    }

    /// Whether what was read is a record whose keys are all spelled in another case, as tables that
    /// know no case give them back. An entry of LookupEvents looks like one and holds one.
    #[cold]
    pub(super) fn is_in_another_case(&self) -> bool {
        let has = |name: &&&str| self.extra.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let is_known = |(key, _): &(&str, _)| NAMES.contains(key) || *key == "CloudTrailEvent";
        let texts = [self.event_name, self.event_source, self.event_id, self.event_version];
        texts.iter().all(Option::is_none)
            && !self.extra.iter().any(is_known)
            && NAMES.iter().filter(has).count() >= NAMES_IN_ANY_CASE
    }

    /// Reads the object at the cursor with its keys in any case. All of it stands in `extra` too, as
    /// it was spelled; the `eventTime` of null there, which no record that is kept has, says so.
    #[cold]
    pub(super) fn read_in_any_case(
        &mut self,
        index: u32,
        cursor: &mut Cursor<'a>,
    ) -> Result<(), RejectReason> {
        let Value::Object { len } = cursor.peek() else { return Err(RejectReason::NotARecord) };
        self.begin(index);
        let mut whole = Self::default();
        cursor.enter();
        for _ in 0..len {
            let key = cursor.key();
            whole.keep_raw(key, cursor.clone().raw_value());
            self.member_at(Field::in_any_case(key), key, cursor);
            cursor.separator();
        }
        whole.extra.push(("eventTime", b"null"));
        self.extra = whole.extra;
        self.duplicate_keys = whole.duplicate_keys;
        self.end()
    }

    /// Empty again, for the record at this place.
    pub(super) fn begin(&mut self, index: u32) {
        let (mut arns, mut extra) =
            (std::mem::take(&mut self.resource_arns), std::mem::take(&mut self.extra));
        arns.clear();
        extra.clear();
        *self = Self { index, resource_arns: arns, extra, ..Self::default() };
    }

    fn keep_raw(&mut self, key: &'a str, raw: &'a [u8]) {
        let repeated = self.set_extra(key, raw);
        self.duplicate_keys += u32::from(repeated);
    }

    /// The last of two equal keys counts, as for every other field. Whether there was another.
    fn set_extra(&mut self, key: &'a str, raw: &'a [u8]) -> bool {
        if let Some(slot) = self.extra.iter_mut().find(|(k, _)| *k == key) {
            slot.1 = raw;
            return true;
        }
        self.extra.push((key, raw));
        false
    }

    /// A later good value takes back what an earlier odd one left in `extra`. Whether there was one.
    fn forget_extra(&mut self, key: &str) -> bool {
        if self.extra.is_empty() {
            return false;
        }
        let before = self.extra.len();
        self.extra.retain(|(k, _)| *k != key);
        self.extra.len() < before
    }

    #[inline]
    fn take_text(&mut self, field: Field, key: &'a str, value: Value<'a>, raw: &'a [u8]) {
        let (text, is_exact) = match value {
            Value::String(text) => (Some(text), true),
            // A number where text belongs (account ids, mostly) is taken as its digits, and the
            // spelling kept.
            Value::Number(digits) => (Some(digits), false),
            _ => (None, false),
        };
        let was_odd = if is_exact { self.forget_extra(key) } else { self.set_extra(key, raw) };
        let slot = self.text(field).expect("every text field has a slot");
        let repeated = was_odd || slot.is_some();
        *slot = text;
        self.duplicate_keys += u32::from(repeated);
    }

    fn take_flag(&mut self, flag: Flag, key: &'a str, value: Value<'a>, raw: &'a [u8]) {
        let (known, exact) = match value {
            Value::Bool(b) => (Some(b), true),
            Value::String(s) if s.eq_ignore_ascii_case("true") => (Some(true), false),
            Value::String(s) if s.eq_ignore_ascii_case("false") => (Some(false), false),
            Value::Number("1") => (Some(true), false),
            Value::Number("0") => (Some(false), false),
            _ => (None, false),
        };
        let was_odd = if exact { self.forget_extra(key) } else { self.set_extra(key, raw) };
        let slot = match flag {
            Flag::ReadOnly => &mut self.read_only,
            Flag::ManagementEvent => &mut self.management_event,
        };
        let repeated = was_odd || slot.is_some();
        *slot = known;
        self.duplicate_keys += u32::from(repeated);
    }

    fn take_time(&mut self, key: &'a str, value: Value<'a>, raw: &'a [u8]) -> Time {
        let micros = match value {
            Value::String(text) => match canonical_time(text.as_bytes()) {
                Some(micros) => {
                    self.forget_extra(key);
                    return Time::within(micros);
                }
                None => crate::model::Timestamp::parse(text).map(|t| t.0).or_else(|| epoch(text)),
            },
            Value::Number(digits) => epoch(digits),
            Value::Null => {
                self.set_extra(key, raw);
                return Time::Missing;
            }
            _ => None,
        };
        self.set_extra(key, raw);
        micros.map_or(Time::Bad, Time::within)
    }

    fn take_nested(&mut self, nested: Nested, raw: &'a [u8]) {
        let slot = match nested {
            Nested::UserIdentity => &mut self.user_identity,
            Nested::RequestParameters => &mut self.request_parameters,
            Nested::ResponseElements => &mut self.response_elements,
            Nested::AdditionalEventData => &mut self.additional_event_data,
            Nested::Resources => &mut self.resources,
            Nested::TlsDetails => &mut self.tls_details,
            Nested::ServiceEventDetails => &mut self.service_event_details,
            Nested::InsightDetails => &mut self.insight_details,
            Nested::EdgeDeviceDetails => &mut self.edge_device_details,
            Nested::EventContext => &mut self.event_context,
            Nested::Addendum => &mut self.addendum,
        };
        let repeated = slot.is_some();
        *slot = Some(raw);
        self.duplicate_keys += u32::from(repeated);
    }

    /// The names in the `resources` at the cursor.
    fn take_names(&mut self, mut cursor: Cursor<'a>) {
        self.resource_arns.clear();
        cursor.members(&NAME_KEYS, |name| self.resource_arns.push(name));
    }
}

#[derive(Debug, Clone, Copy, Default)]
enum Time {
    At(i64),
    #[default]
    Missing,
    Bad,
}

/// No event is older than the epoch (masked samples are of 2000), and a later century is a slip: one such
/// time would stretch every table.
const TIMES: std::ops::Range<i64> = 0..4_102_444_800_000_000;

/// Any spelling of a moment that an event may have.
pub(super) fn moment(text: &str) -> Option<i64> {
    let micros = crate::model::Timestamp::parse(text).map(|t| t.0).or_else(|| epoch(text))?;
    TIMES.contains(&micros).then_some(micros)
}

impl Time {
    fn within(micros: i64) -> Self {
        if TIMES.contains(&micros) { Self::At(micros) } else { Self::Bad }
    }
}

/// Seconds since 1970, perhaps with a fraction, or milliseconds: what is too large for the one is the other.
fn epoch(digits: &str) -> Option<i64> {
    const MILLIS_FROM: f64 = 1e11;
    let number: f64 = digits.parse().ok()?;
    let micros = if number.abs() < MILLIS_FROM { number * 1e6 } else { number * 1e3 };
    micros.is_finite().then_some(micros as i64)
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the only spelling in trail files; anything else takes the slow way.
fn canonical_time(text: &[u8]) -> Option<i64> {
    let t: &[u8; 20] = text.try_into().ok()?;
    if t[4] != b'-'
        || t[7] != b'-'
        || t[10] != b'T'
        || t[13] != b':'
        || t[16] != b':'
        || t[19] != b'Z'
    {
        return None;
    }
    let digit = |i: usize| (t[i] as char).to_digit(10).map(i64::from);
    let two = |i: usize| Some(digit(i)? * 10 + digit(i + 1)?);
    let year = two(0)? * 100 + two(2)?;
    let (month, day, hour, minute, second) = (two(5)?, two(8)?, two(11)?, two(14)?, two(17)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_time_agrees_with_the_slow_one() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "2023-07-10T11:42:18Z",
            "2100-03-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            let slow = crate::model::Timestamp::parse(text).unwrap().0;
            assert_eq!(canonical_time(text.as_bytes()), Some(slow), "{text}");
        }
        for bad in ["2023-02-29T00:00:00Z", "2023-07-10T24:00:00Z", "2023-07-10 11:42:18Z", ""] {
            assert_eq!(canonical_time(bad.as_bytes()), None, "{bad}");
        }
    }
}
