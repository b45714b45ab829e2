//! Archives in S3: listed by plan, read ahead of the workers, every fault told with what helps.
//!
//! All of it is async inside, on the runtime that sources on AWS share; outside it is a [`Source`]
//! like any other.

mod ahead;
mod bucket;
mod explain;
mod fetch;
mod limit;
mod list;
mod pieces;
mod plan;
mod split;

use super::aws::Aws;
use super::open::Options;
use super::{Error, Input, Inputs, Reading, Requests, Source, Window};
use crate::model::{ReadError, Stop};
use ahead::Ahead;
use bucket::Bucket;
use pieces::Pieces;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

/// Objects above this are read in ranges, several at a time.
const RANGE_ABOVE_BYTES: u64 = 16 << 20;
const RANGE_BYTES: u64 = 8 << 20;
const RANGE_LEAST_BYTES: u64 = 1 << 20;
/// Ranges of one object under way.
const RANGES: usize = 4;

/// The objects of one prefix, listed once.
pub(super) struct S3 {
    aws: Aws,
    bucket: Arc<Bucket>,
    /// What stands before the name of an input in its key.
    folder: String,
    /// What names begin with where a run has several SOURCEs.
    label: String,
    inputs: Inputs,
    skipped: u64,
    digests: u64,
    list_requests: u64,
    /// Prefixes that could not be listed, by the name of the input that tells of it.
    lost: HashMap<String, ReadError>,
    stop: Stop,
}

impl S3 {
    pub(super) fn list(
        (bucket, prefix): (&str, &str),
        several: bool,
        options: &Options,
        aws: &Aws,
    ) -> Result<Self, Error> {
        let place = format!("s3://{bucket}/{prefix}");
        let label = if several { format!("{place}/") } else { String::new() };
        let work = async {
            let bucket = Arc::new(Bucket::find(aws, &options.aws, bucket, prefix).await?);
            let listed = list::list(&bucket, prefix, &options.selection).await?;
            Ok((bucket, listed))
        };
        let (bucket, mut listed) = aws.wait(&options.stop, work).map_err(|source| {
            if options.stop.is_asked() {
                Error::Stopped
            } else {
                Error::Remote { place: place.clone(), source }
            }
        })?;
        if listed.inputs.is_empty() && listed.lost.is_empty() {
            let (skipped, pruned) = (listed.skipped, listed.pruned);
            return Err(Error::NoObjects { place, skipped, pruned });
        }
        for (name, _) in &listed.lost {
            let (bytes, stamp) = (0, 0);
            listed.inputs.push(list::input(name, bytes, stamp));
        }
        if several {
            for input in &mut listed.inputs {
                input.name.insert_str(0, &label);
            }
        }
        listed.inputs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let lost = listed.lost.into_iter().map(|(name, error)| (format!("{label}{name}"), error));
        let lost = lost.collect();
        Ok(Self {
            aws: aws.clone(),
            list_requests: bucket.requests(),
            bucket,
            folder: listed.folder,
            label,
            inputs: listed.inputs.into_iter().collect(),
            skipped: listed.skipped,
            digests: listed.digests,
            lost,
            stop: options.stop.clone(),
        })
    }

    fn key_of(&self, input: &Input) -> String {
        format!("{}{}", self.folder, &input.name[self.label.len()..])
    }

    /// In ranges so small that those under way fit what may be held.
    fn pieces(&self, input: &Input, ahead_bytes: u64) -> Pieces {
        let range_bytes = (ahead_bytes / (2 * RANGES as u64)).clamp(RANGE_LEAST_BYTES, RANGE_BYTES);
        Pieces::new(self.bucket.clone(), self.key_of(input), range_bytes)
    }
}

impl Source for S3 {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn take_inputs(&mut self) -> Inputs {
        std::mem::take(&mut self.inputs)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn digests(&self) -> u64 {
        self.digests
    }

    fn key<'a>(&'a self, input: &'a Input) -> Cow<'a, str> {
        Cow::Owned(self.key_of(input))
    }

    fn open(&self, input: &Input) -> io::Result<Box<dyn Read + '_>> {
        if let Some(error) = self.lost.get(&input.name) {
            return Err(error.clone().into());
        }
        let pieces = self.pieces(input, RANGE_BYTES * 2 * RANGES as u64);
        Ok(Box::new(pieces::Blocking::new(&self.aws, &self.stop, pieces)))
    }

    fn requests(&self, inputs: &Inputs, todo: &[u32]) -> Requests {
        let gets = todo
            .iter()
            .map(|&number| inputs.bytes_of(number))
            .map(|bytes| if bytes > RANGE_ABOVE_BYTES { bytes.div_ceil(RANGE_BYTES) } else { 1 });
        Requests { list: self.list_requests, get: gets.sum() }
    }

    fn metadata(&self, input: &Input) -> io::Result<Option<super::Metadata>> {
        let work = self.bucket.metadata(self.key_of(input));
        Ok(Some(self.aws.wait(&self.stop, work)?))
    }

    fn reading<'a>(
        &'a self,
        inputs: &'a Inputs,
        todo: Vec<u32>,
        window: Window,
    ) -> Box<dyn Reading + 'a> {
        Box::new(Ahead::new(self, inputs, todo, window))
    }
}
