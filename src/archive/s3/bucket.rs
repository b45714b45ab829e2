//! One bucket and the calls we make of it.

use super::super::aws::Aws;
use super::super::open::AwsSettings;
use super::super::{Metadata, aws};
use super::explain::{Asked, explain, region_of};
use crate::model::ReadError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, Region, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::RequestPayer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where nobody says: S3 answers there with the region of any bucket.
const REGION: &str = "us-east-1";
/// Of the first request: whoever mistyped a host should hear of it soon.
const FIRST_ATTEMPTS: u32 = 3;

pub(super) struct Bucket {
    client: Client,
    name: String,
    payer: Option<RequestPayer>,
    seen: Seen,
}

/// Every attempt, also those that the SDK makes again by itself.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    attempts: AtomicU64,
    slowed: AtomicU64,
}

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.attempts.fetch_add(1, Ordering::Relaxed);
        if context.response().is_some_and(|r| r.status().as_u16() == 503) {
            self.0.slowed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What to list: keys after `after`, rolled up at `delimiter`.
#[derive(Default, Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: Option<&'a str>,
    pub(super) delimiter: Option<&'a str>,
    pub(super) most: Option<i32>,
    /// Other than the configuration has.
    pub(super) attempts: Option<u32>,
}

impl Bucket {
    /// Tries the bucket where the configuration says it is, and then where S3 says.
    pub(super) async fn find(
        aws: &Aws,
        settings: &AwsSettings,
        name: &str,
        prefix: &str,
    ) -> Result<Self, ReadError> {
        let configured = aws.config.region().map(ToString::to_string);
        let mut region =
            settings.s3_region.clone().or(configured).unwrap_or_else(|| REGION.to_owned());
        loop {
            let bucket = Self::in_region(aws, settings, name, region.clone());
            let attempts = Some(FIRST_ATTEMPTS);
            let page = Page { prefix, most: Some(1), attempts, ..Page::default() };
            let Err(error) = bucket.try_list(page).await else { return Ok(bucket) };
            match region_of(&error).filter(|elsewhere| *elsewhere != region) {
                Some(elsewhere) if settings.s3_region.is_none() => {
                    tracing::debug!(bucket = name, from = region, to = elsewhere, "region");
                    region = elsewhere;
                }
                Some(elsewhere) => {
                    return Err(ReadError {
                        detail: format!("the bucket is in {elsewhere}, not in {region}"),
                        remedy: Some(format!("leave out --s3-region, or name {elsewhere}")),
                        fatal: true,
                    });
                }
                None => return Err(explain(&error, Asked::List { bucket: name, prefix })),
            }
        }
    }

    fn in_region(aws: &Aws, settings: &AwsSettings, name: &str, region: String) -> Self {
        let seen = Seen::default();
        let mut config = aws_sdk_s3::config::Builder::from(&aws.config)
            .region(Region::new(region))
            .interceptor(seen.clone());
        // Servers that are not AWS know no names of buckets in host names, and access points no paths.
        if aws::has_endpoint(&aws.config, "S3") && !name.starts_with("arn:") {
            config = config.force_path_style(true);
        }
        Self {
            client: Client::from_conf(config.build()),
            name: name.to_owned(),
            payer: settings.request_payer.then_some(RequestPayer::Requester),
            seen,
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.seen.0.attempts.load(Ordering::Relaxed)
    }

    /// How often S3 has asked to go slower.
    pub(super) fn slowed(&self) -> u64 {
        self.seen.0.slowed.load(Ordering::Relaxed)
    }

    async fn try_list(
        &self,
        page: Page<'_>,
    ) -> Result<
        ListObjectsV2Output,
        aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error>,
    > {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(page.prefix)
            .set_start_after(page.after.map(str::to_owned))
            .set_delimiter(page.delimiter.map(str::to_owned))
            .set_max_keys(page.most)
            .set_request_payer(self.payer.clone());
        let Some(attempts) = page.attempts else { return request.send().await };
        let retry = RetryConfig::standard().with_max_attempts(attempts);
        let once = aws_sdk_s3::config::Builder::new().retry_config(retry);
        request.customize().config_override(once).send().await
    }

    pub(super) async fn list(&self, page: Page<'_>) -> Result<ListObjectsV2Output, ReadError> {
        let asked = Asked::List { bucket: &self.name, prefix: page.prefix };
        self.try_list(page).await.map_err(|error| explain(&error, asked))
    }

    /// `range` as in `bytes=0-99`. The answer may be of another version than `etag` where a server
    /// does not look at it.
    pub(super) async fn get(
        &self,
        key: &str,
        range: Option<String>,
        etag: Option<&str>,
    ) -> Result<GetObjectOutput, ReadError> {
        self.client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .set_range(range)
            .set_if_match(etag.map(str::to_owned))
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| explain(&error, Asked::Get { bucket: &self.name, key }))
    }

    pub(super) async fn metadata(&self, key: String) -> Result<Metadata, ReadError> {
        let head = self
            .client
            .head_object()
            .bucket(&self.name)
            .key(&key)
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| explain(&error, Asked::Get { bucket: &self.name, key: &key }))?;
        Ok(Metadata {
            etag: head.e_tag().unwrap_or_default().to_owned(),
            modified: head.last_modified().map(|at| crate::model::Timestamp(at.secs() * 1_000_000)),
            user: head
                .metadata()
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        })
    }
}
