//! The bytes of one object, or of a range of it: whole and of one version, or not at all.
//!
//! The SDK makes refused requests again; a body that is cut short it does not, and a changed byte
//! it sees only where the object has a checksum. So bodies are gone on with from where they ended,
//! for the same ETag, and lengths are compared. What is left is gzip's own checksum, in `decode`.

use super::bucket::Bucket;
use crate::model::ReadError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use std::time::Duration;

/// Bodies in a row that may end early without a byte more.
const BARREN_MAX: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// Why there are no bytes.
#[derive(Debug)]
pub(super) enum Fault {
    /// The object is another one by now.
    Changed,
    Failed(ReadError),
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        if error.detail.ends_with("(PreconditionFailed)") {
            Self::Changed
        } else {
            Self::Failed(error)
        }
    }
}

/// An object that changes while it is read, again and again.
pub(super) fn changing() -> ReadError {
    ReadError {
        detail: "changed while it was read, twice".to_owned(),
        remedy: Some("run again when nobody writes to it".to_owned()),
        fatal: false,
    }
}

/// A part of an object.
pub(super) struct Span {
    pub(super) bytes: Vec<u8>,
    /// Of the version these bytes are of.
    pub(super) etag: Option<String>,
    /// Size of the whole object.
    pub(super) total: u64,
}

/// Bytes `from..to` of the version `etag`, or of whatever is there; `None`: to its end.
pub(super) async fn span(
    bucket: &Bucket,
    key: &str,
    (from, to): (u64, Option<u64>),
    etag: Option<String>,
) -> Result<Span, Fault> {
    let mut answer = request(bucket, key, (from, to), etag.as_deref()).await?;
    let version = answer.e_tag().map(str::to_owned);
    if etag.is_some() && version != etag {
        return Err(Fault::Changed);
    }
    let length = length_of(&answer);
    let total = total_of(&answer).unwrap_or(from + length);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut barren = 0;
    loop {
        let before = bytes.len() as u64;
        let error = drain(answer, &mut bytes).await;
        let got = bytes.len() as u64;
        match error {
            None if got == length => return Ok(Span { bytes, etag: version, total }),
            // All bytes are there and yet wrong: its checksum.
            Some(_) if got == length => bytes.clear(),
            _ if got > length => return Err(Fault::Changed),
            _ => {}
        }
        let got = bytes.len() as u64;
        barren = if got > before { 0 } else { barren + 1 };
        if barren > BARREN_MAX {
            let why = error.unwrap_or_default();
            return Err(Fault::Failed(ReadError {
                detail: format!("the body ends after {got} of {length} bytes{why}"),
                remedy: Some("run again: what could not be read is tried anew".to_owned()),
                fatal: false,
            }));
        }
        tokio::time::sleep(PAUSE * barren).await;
        tracing::debug!(key, from = from + got, "body cut short, going on");
        answer = request(bucket, key, (from + got, to), version.as_deref()).await?;
        if answer.e_tag() != version.as_deref() || got + length_of(&answer) != length {
            return Err(Fault::Changed);
        }
    }
}

async fn request(
    bucket: &Bucket,
    key: &str,
    (from, to): (u64, Option<u64>),
    etag: Option<&str>,
) -> Result<GetObjectOutput, Fault> {
    let range = match (from, to) {
        (0, None) => None,
        (from, None) => Some(format!("bytes={from}-")),
        (from, Some(to)) => Some(format!("bytes={from}-{}", to.saturating_sub(1))),
    };
    Ok(bucket.get(key, range, etag).await?)
}

/// Appends the body; what ended it early, if something did.
async fn drain(answer: GetObjectOutput, bytes: &mut Vec<u8>) -> Option<String> {
    let mut body = answer.body;
    loop {
        match body.try_next().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return None,
            Err(error) => {
                let mut cause: &dyn std::error::Error = &error;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                return Some(format!(": {cause}"));
            }
        }
    }
}

fn length_of(answer: &GetObjectOutput) -> u64 {
    answer.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

/// From `bytes 0-99/1234`.
fn total_of(answer: &GetObjectOutput) -> Option<u64> {
    answer.content_range()?.rsplit('/').next()?.parse().ok()
}
