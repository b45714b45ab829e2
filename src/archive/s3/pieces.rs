//! A large object in ranges, some ahead of the reader, all of one version.

use super::super::aws::Aws;
use super::bucket::Bucket;
use super::fetch::{Fault, Span, changing, span};
use super::{RANGE_ABOVE_BYTES, RANGE_BYTES, RANGES};
use crate::model::{ReadError, Stop};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::task::JoinHandle;

pub(super) struct Pieces {
    bucket: Arc<Bucket>,
    key: String,
    range_bytes: u64,
    /// Known with the first range.
    version: Option<(Option<String>, u64)>,
    /// Where the next range begins.
    at: u64,
    under_way: VecDeque<JoinHandle<Result<Span, Fault>>>,
}

impl Pieces {
    pub(super) fn new(bucket: Arc<Bucket>, key: String, range_bytes: u64) -> Self {
        let (version, at, under_way) = (None, 0, VecDeque::new());
        Self { bucket, key, range_bytes, version, at, under_way }
    }

    /// The bytes that follow; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Some((etag, total)) = self.version.clone() else {
            let first = span(&self.bucket, &self.key, (0, Some(self.range_bytes)), None).await?;
            self.at = first.bytes.len() as u64;
            self.version = Some((first.etag, first.total));
            return Ok(Some(first.bytes));
        };
        while self.at < total && self.under_way.len() < RANGES {
            let to = total.min(self.at + self.range_bytes);
            let (bucket, key, etag) = (self.bucket.clone(), self.key.clone(), etag.clone());
            let range = (self.at, Some(to));
            self.under_way
                .push_back(tokio::spawn(async move { span(&bucket, &key, range, etag).await }));
            self.at = to;
        }
        let Some(next) = self.under_way.pop_front() else { return Ok(None) };
        Ok(Some(next.await.expect("fetching a range does not panic")?.bytes))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        for task in &self.under_way {
            task.abort();
        }
    }
}

/// A whole object: at once, or from ranges that are fetched side by side. One that changed since
/// it was listed is read as it is now; one that changes while it is read gets a second try.
pub(super) async fn whole(
    bucket: &Arc<Bucket>,
    key: &str,
    listed_bytes: u64,
) -> Result<Vec<u8>, ReadError> {
    for _ in 0..2 {
        let read = if listed_bytes <= RANGE_ABOVE_BYTES {
            span(bucket, key, (0, None), None).await.map(|span| span.bytes)
        } else {
            joined(bucket, key, listed_bytes).await
        };
        match read {
            Ok(bytes) => return Ok(bytes),
            Err(Fault::Changed) => tracing::debug!(key, "changed while it was read"),
            Err(Fault::Failed(error)) => return Err(error),
        }
    }
    Err(changing())
}

async fn joined(bucket: &Arc<Bucket>, key: &str, listed_bytes: u64) -> Result<Vec<u8>, Fault> {
    let mut pieces = Pieces::new(bucket.clone(), key.to_owned(), RANGE_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(listed_bytes).unwrap_or(0));
    while let Some(piece) = pieces.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Pieces as a reader for a thread that may wait.
pub(super) struct Blocking<'a> {
    aws: &'a Aws,
    stop: &'a Stop,
    pieces: Pieces,
    piece: io::Cursor<Vec<u8>>,
    begun: bool,
}

impl<'a> Blocking<'a> {
    pub(super) fn new(aws: &'a Aws, stop: &'a Stop, pieces: Pieces) -> Self {
        Self { aws, stop, pieces, piece: io::Cursor::new(Vec::new()), begun: false }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let (pieces, begun) = (&mut self.pieces, self.begun);
        let work = async {
            let mut piece = pieces.next().await;
            if !begun && matches!(piece, Err(Fault::Changed)) {
                piece = pieces.next().await;
            }
            piece.map_err(|fault| match fault {
                Fault::Failed(error) => error,
                Fault::Changed => changing(),
            })
        };
        let Some(piece) = self.aws.wait(self.stop, work)? else { return Ok(false) };
        self.begun = true;
        self.piece = io::Cursor::new(piece);
        Ok(true)
    }
}

impl Read for Blocking<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(out)?;
            if count > 0 || out.is_empty() || !self.fill()? {
                return Ok(count);
            }
        }
    }
}
