//! From SOURCEs to one listed archive.

#[cfg(any(feature = "s3", feature = "lookup"))]
use super::aws::Aws;
use super::combined::Combined;
use super::{Disk, Error, Location, Source};
use crate::model::{Selection, Stop, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// How to list an archive and get at it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is asked for: an archive that is far away is listed only where it can be.
    pub selection: Selection,
    pub aws: AwsSettings,
    /// Whoever lists or waits for bytes looks at this now and then.
    pub stop: Stop,
    pub history: History,
}

/// How an event history is asked.
#[derive(Debug, Clone)]
pub struct History {
    /// It ends here, and reaches back 90 days.
    pub now: Timestamp,
    /// Between two requests to one region.
    pub interval: Duration,
    /// Of each request.
    pub attempts: u32,
    /// The SDK's first pause between two of them; the others grow.
    pub backoff: Duration,
    pub covered: Arc<Covered>,
}

/// How much of its time has been read, over all regions, for whoever shows it.
#[derive(Debug, Default)]
pub struct Covered {
    pub seconds: AtomicU64,
    /// What there is to read.
    pub of_seconds: AtomicU64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            now: Timestamp::default(),
            interval: Duration::from_millis(500),
            attempts: 10,
            backoff: Duration::from_secs(1),
            covered: Arc::default(),
        }
    }
}

/// What of the AWS configuration was set for this run; the rest comes from the environment, the
/// profile, or the machine.
#[derive(Debug, Clone, Default)]
pub struct AwsSettings {
    pub profile: Option<String>,
    /// For every service that is called.
    pub endpoint_url: Option<String>,
    /// Of the bucket; else that of the configuration, or where S3 says the bucket is.
    pub s3_region: Option<String>,
    /// Public buckets are read without credentials.
    pub no_sign_request: bool,
    /// The caller pays for requests and transfer, not the owner of the bucket.
    pub request_payer: bool,
    /// Keys instead of those of the configuration.
    pub keys: Option<Keys>,
}

#[derive(Clone)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// Lists every SOURCE; each may be of another kind.
///
/// # Errors
/// When one of them is unreachable, or holds nothing to read.
pub fn open(locations: &[Location], options: &Options) -> Result<Box<dyn Source>, Error> {
    let Selection { lookup: attribute, max_events, .. } = &options.selection;
    let is_history = |location: &Location| matches!(location, Location::CloudTrail { .. });
    if (attribute.is_some() || max_events.is_some()) && !locations.iter().all(is_history) {
        return Err(Error::Usage {
            what: "--lookup and --max-events are for cloudtrail:REGION".to_owned(),
            hint: "files are read whole; --user, --event-name and their like select from them"
                .to_owned(),
        });
    }
    let several = locations.len() > 1;
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut far: Vec<Box<dyn Source>> = Vec::new();
    let mut regions: Vec<Option<String>> = Vec::new();
    #[cfg(any(feature = "s3", feature = "lookup"))]
    let mut aws = None;
    for location in locations {
        match location {
            Location::Disk(path) => folders.push(path.clone()),
            #[cfg(feature = "s3")]
            Location::S3 { bucket, prefix } => {
                far.push(s3((bucket, prefix), several, options, &mut aws)?);
            }
            #[cfg(not(feature = "s3"))]
            Location::S3 { .. } => {
                return Err(Error::Usage {
                    what: format!("{location}: this program was built without S3"),
                    hint:
                        "copy the archive first, as in `aws s3 sync s3://bucket/AWSLogs ./AWSLogs`"
                            .to_owned(),
                });
            }
            Location::CloudTrail { region } => regions.push(region.clone()),
        }
    }
    if !regions.is_empty() {
        #[cfg(feature = "lookup")]
        far.push(lookup(&regions, options, &mut aws)?);
        #[cfg(not(feature = "lookup"))]
        return Err(Error::Usage {
            what: "this build cannot read an event history (feature lookup)".to_owned(),
            hint: "save it first, as in `aws cloudtrail lookup-events > events.json`".to_owned(),
        });
    }
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if !folders.is_empty() {
        sources.push(Box::new(Disk::list_as(&folders, several)?));
    }
    // What is near comes first: while it is read, what is far away fills up.
    sources.append(&mut far);
    Combined::of(sources)
}

#[cfg(feature = "s3")]
fn s3(
    (bucket, prefix): (&str, &str),
    several: bool,
    options: &Options,
    aws: &mut Option<Aws>,
) -> Result<Box<dyn Source>, Error> {
    let aws = shared(aws, &options.aws)?;
    Ok(Box::new(super::s3::S3::list((bucket, prefix), several, options, aws)?))
}

/// One runtime and one configuration, however many sources need them.
#[cfg(any(feature = "s3", feature = "lookup"))]
fn shared<'a>(aws: &'a mut Option<Aws>, settings: &AwsSettings) -> Result<&'a Aws, Error> {
    if aws.is_none() {
        *aws = Some(Aws::new(settings)?);
    }
    Ok(aws.as_ref().expect("just made"))
}

#[cfg(feature = "lookup")]
fn lookup(
    regions: &[Option<String>],
    options: &Options,
    aws: &mut Option<Aws>,
) -> Result<Box<dyn Source>, Error> {
    let aws = shared(aws, &options.aws)?;
    Ok(Box::new(super::lookup::Lookup::list(regions, options, aws)?))
}
