//! What a SOURCE names. Pure.

use super::Error;
use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder or a file.
    Disk(PathBuf),
    /// `s3://bucket/prefix`. The bucket may be the ARN of an access point; the prefix is a folder
    /// or the key of one object.
    S3 { bucket: String, prefix: String },
    /// `cloudtrail:REGION`, or all regions that are enabled: the event history of the account.
    CloudTrail { region: Option<String> },
}

impl Location {
    /// # Errors
    /// When the SOURCE begins like none on disk and is not whole.
    pub fn parse(source: &str) -> Result<Self, Error> {
        let usage = |hint: &str| Error::Usage {
            what: format!("{source} is not understood"),
            hint: hint.to_owned(),
        };
        if let Some(rest) = source.strip_prefix("s3://") {
            let (bucket, prefix) = split_bucket(rest);
            if bucket.is_empty() || bucket.starts_with("arn:") && !bucket.contains("accesspoint") {
                return Err(usage(
                    "an archive in S3 is s3://bucket/prefix or s3://arn:aws:s3:region:account:accesspoint/name/prefix",
                ));
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() });
        }
        if let Some(region) = source.strip_prefix("cloudtrail:") {
            let is_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if region.is_empty() || !region.bytes().all(is_region) {
                return Err(usage(
                    "the event history is cloudtrail:REGION, as in cloudtrail:us-east-1, or cloudtrail:all",
                ));
            }
            let region = (region != "all").then(|| region.to_owned());
            return Ok(Self::CloudTrail { region });
        }
        Ok(Self::Disk(PathBuf::from(source)))
    }
}

/// The name in an ARN of an access point comes after a slash or a colon.
fn split_bucket(rest: &str) -> (&str, &str) {
    let name_at = match rest.strip_prefix("arn:").and_then(|_| rest.find("accesspoint")) {
        Some(at) => at + "accesspoint/".len(),
        None => 0,
    };
    let slash = rest.get(name_at..).and_then(|name| name.find('/'));
    slash.map_or((rest, ""), |slash| {
        let end = name_at + slash;
        (&rest[..end], &rest[end + 1..])
    })
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => path.display().fmt(f),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::CloudTrail { region } => {
                write!(f, "cloudtrail:{}", region.as_deref().unwrap_or("all"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let s3 = |bucket: &str, prefix: &str| Location::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        let point = "arn:aws:s3:eu-west-1:111122223333:accesspoint/trail";
        let outpost = "arn:aws:s3-outposts:us-west-2:111122223333:outpost/op-01/accesspoint/trail";
        for (source, expected) in [
            ("./AWSLogs", Location::Disk("./AWSLogs".into())),
            ("c:\\trail", Location::Disk("c:\\trail".into())),
            ("s3://b", s3("b", "")),
            ("s3://b/AWSLogs/o-1/", s3("b", "AWSLogs/o-1/")),
            (&format!("s3://{point}"), s3(point, "")),
            (&format!("s3://{point}/AWSLogs/x"), s3(point, "AWSLogs/x")),
            (&format!("s3://{outpost}/p/"), s3(outpost, "p/")),
            ("cloudtrail:eu-west-1", Location::CloudTrail { region: Some("eu-west-1".to_owned()) }),
            ("cloudtrail:all", Location::CloudTrail { region: None }),
        ] {
            assert_eq!(Location::parse(source).unwrap(), expected, "{source}");
        }
        for bad in
            ["s3://", "s3:///x", "s3://arn:aws:s3:::bucket/x", "cloudtrail:", "cloudtrail:A b"]
        {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
