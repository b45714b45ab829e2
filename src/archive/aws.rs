//! One configuration, one HTTP client and one runtime for whatever of an archive is on AWS.
//!
//! Credentials live in the SDK alone: nothing here prints them, and errors are told by
//! their codes, never by the request that was signed.

use super::{AwsSettings, Error};
use crate::model::{ReadError, Stop};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The first call and nine more, with the SDK's growing pauses between them: a bucket that is
/// read fast says SlowDown for some seconds before S3 has grown.
const ATTEMPTS: u32 = 10;
const THREADS_MAX: usize = 4;
/// How often those who wait look whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// Shared by all sources on AWS.
#[derive(Clone)]
pub(super) struct Aws {
    pub(super) runtime: Arc<Runtime>,
    pub(super) config: SdkConfig,
}

impl Aws {
    pub(super) fn new(settings: &AwsSettings) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.min(THREADS_MAX))
            .thread_name("aws")
            .enable_all()
            .build()
            .map_err(|error| Error::Remote {
                place: "from AWS".to_owned(),
                source: ReadError { detail: error.to_string(), remedy: None, fatal: true },
            })?;
        let config = runtime.block_on(load(settings));
        Ok(Self { runtime: Arc::new(runtime), config })
    }

    /// Waits for `work` on the calling thread, which is none of the runtime's.
    #[cfg(feature = "s3")]
    pub(super) fn wait<T>(
        &self,
        stop: &Stop,
        work: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        let stopped =
            || Err(ReadError { detail: "stopped".to_owned(), remedy: None, fatal: false });
        self.runtime.block_on(unless_stopped(stop, work)).unwrap_or_else(stopped)
    }
}

/// What `work` comes to, or nothing when somebody asks to stop before.
pub(super) async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    while !stop.is_asked() {
        if let Ok(done) = tokio::time::timeout(GLANCE, &mut work).await {
            return Some(done);
        }
    }
    None
}

/// Whether calls to a service go elsewhere than to AWS, by flag, environment or profile.
#[cfg(feature = "s3")]
pub(super) fn has_endpoint(config: &SdkConfig, service: &str) -> bool {
    let key = aws_types::service_config::ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = || config.service_config()?.load_config(key.ok()?);
    config.endpoint_url().is_some() || of_service().is_some()
}

async fn load(settings: &AwsSettings) -> SdkConfig {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if settings.no_sign_request {
        loader = loader.no_credentials();
    } else if let Some(keys) = &settings.keys {
        loader = loader.credentials_provider(aws_credential_types::Credentials::new(
            &keys.access_key_id,
            &keys.secret_access_key,
            None,
            None,
            "settings",
        ));
    }
    loader.load().await
}
