//! The regions that `cloudtrail:all` asks, by partition.
//!
//! Which of them are enabled would be known by EC2 or the Account API, at the price of another SDK
//! and another permission. So all are asked, once; one that has to be enabled and does not know the
//! caller's keys is not enabled. A region younger than this list can be named as a SOURCE.

/// Enabled in every account.
const ALWAYS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Enabled by those who use them.
const OPTIONAL: [&str; 17] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// All regions of the partition that `configured` is in.
pub(super) fn all(configured: Option<&str>) -> Vec<&'static str> {
    match configured {
        Some(region) if region.starts_with("cn-") => vec!["cn-north-1", "cn-northwest-1"],
        Some(region) if region.starts_with("us-gov-") => vec!["us-gov-east-1", "us-gov-west-1"],
        _ => ALWAYS.iter().chain(&OPTIONAL).copied().collect(),
    }
}

pub(super) fn may_be_off(region: &str) -> bool {
    OPTIONAL.contains(&region)
}
