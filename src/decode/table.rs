//! CSV of CloudTrail Lake and of the event history: each row is printed as the record it tells of,
//! and read like any other.

use super::container::Reader;
use super::pieces::Batch;
use super::{Scratch, Sink};
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// What a column holds of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Text(String),
    Flag(&'static str),
    /// A member of `userIdentity`, which the event history shows in columns of its own.
    Identity(&'static str),
}

/// The keys of a record; a header may spell them with spaces and in any case.
const KEYS: [&str; 29] = [
    "additionalEventData",
    "addendum",
    "apiVersion",
    "awsRegion",
    "edgeDeviceDetails",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventContext",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "insightDetails",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "resources",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "tlsDetails",
    "userAgent",
    "userIdentity",
    "vpcEndpointId",
];

fn column(header: &str) -> Column {
    let plain: String =
        header.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    match plain.as_str() {
        "readonly" => return Column::Flag("readOnly"),
        "managementevent" => return Column::Flag("managementEvent"),
        "username" => return Column::Identity("userName"),
        "awsaccesskey" | "accesskeyid" => return Column::Identity("accessKeyId"),
        _ => {}
    }
    let known = KEYS.iter().find(|key| key.to_lowercase() == plain);
    Column::Text(known.map_or(header, |key| key).to_owned())
}

fn columns(header: &csv::ByteRecord) -> Vec<Column> {
    header.iter().map(|name| column(String::from_utf8_lossy(name).trim())).collect()
}

/// Whether the first line names at least two of the fields by which records are known.
pub(super) fn is_table(text: &[u8]) -> bool {
    let line = &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())];
    if line.len() > 16 << 10 || !line.contains(&b',') || line.contains(&b'{') {
        return false;
    }
    let mut header = csv::ByteRecord::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let read = reader.read_byte_record(&mut header).unwrap_or(false);
    let is_name = |column: &Column| {
        let Column::Text(name) = column else { return false };
        matches!(
            name.as_str(),
            "eventName" | "eventSource" | "eventTime" | "eventID" | "eventVersion"
        )
    };
    read && columns(&header).iter().filter(|column| is_name(column)).count() >= 2
}

/// Reads every row of `input`. An error of `input` ends it and is given back.
pub(super) fn read<S: Sink>(
    input: &mut dyn Read,
    reader: &mut Reader<'_, S>,
    scratch: &mut Scratch,
) -> io::Result<()> {
    reader.recognized = true;
    let (mut batch, row_text) = Batch::new(reader, scratch);
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let columns = columns(rows.byte_headers()?);
    let mut row = csv::ByteRecord::new();
    let outcome = loop {
        match rows.read_byte_record(&mut row) {
            Ok(true) => {
                row_text.clear();
                print(&columns, &row, row_text);
                batch.push(row_text);
            }
            Ok(false) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    batch.reader.decoded.inflated_bytes += rows.position().byte();
    batch.flush();
    outcome
}

/// One row as a JSON object. Empty cells are absent fields.
fn print(columns: &[Column], row: &csv::ByteRecord, out: &mut Vec<u8>) {
    let mut identity = serde_json::Map::new();
    out.push(b'{');
    for (column, cell) in columns.iter().zip(row) {
        let cell = String::from_utf8_lossy(cell.trim_ascii());
        if cell.is_empty() {
            continue;
        }
        match column {
            Column::Identity(key) => {
                identity.insert((*key).to_owned(), cell.into());
            }
            Column::Flag(key) => match cell.to_ascii_lowercase().as_str() {
                bare @ ("true" | "false") => member(key, bare.as_bytes(), out),
                _ => member(key, &quoted(&cell), out),
            },
            Column::Text(key) if is_json(&cell) => member(key, cell.as_bytes(), out),
            Column::Text(key) => member(key, &quoted(&cell), out),
        }
    }
    let has_identity = columns.contains(&Column::Text("userIdentity".to_owned()));
    if !identity.is_empty() && !has_identity {
        let identity = serde_json::Value::from(identity).to_string();
        member("userIdentity", identity.as_bytes(), out);
    }
    out.push(b'}');
}

fn member(key: &str, value: &[u8], out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.extend(quoted(key));
    out.push(b':');
    out.extend_from_slice(value);
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a string can be printed")
}

/// Nested values are JSON text in one export and Presto's own notation in the other.
fn is_json(cell: &str) -> bool {
    cell.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(cell).is_ok()
}
