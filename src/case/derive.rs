//! Columns derived from others: pure functions of one value, computed once for every distinct one.

use crate::model::{IpKind, Outcome};
use std::net::IpAddr;

/// Event source up to the first dot, as in `s3`.
#[must_use]
pub fn service_of(event_source: &str) -> &str {
    event_source.split('.').next().unwrap_or(event_source)
}

/// The event name without the API date that Lambda and CloudFront append.
pub(super) fn event_name_norm(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_' || c == 'v');
    let tail = &name[stem.len()..];
    let digits = tail.bytes().filter(u8::is_ascii_digit).count();
    let dated = digits >= 8 && (tail.starts_with('2') || tail.starts_with("_2"));
    if dated && !stem.is_empty() { stem } else { name }
}

/// The account number in an ARN.
#[must_use]
pub fn arn_account(arn: &str) -> Option<&str> {
    let account = arn.split(':').nth(4)?;
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(account)
}

/// The class of an error code; `None` is success.
pub(super) fn outcome_of_code(code: &str) -> Outcome {
    if code.is_empty() {
        return Outcome::Succeeded;
    }
    let lower = code.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if has(&["dryrunoperation"]) {
        // One that is refused says so with another code.
        Outcome::DryRun
    } else if has(&[
        "accessdenied",
        "access denied",
        "unauthorized",
        "notauthorized",
        "notauthorised",
        "forbidden",
        "authorizationerror",
        "invalidpermission",
    ]) {
        Outcome::Denied
    } else if has(&[
        "throttl",
        "requestlimitexceeded",
        "toomanyrequests",
        "throughputexceeded",
        "slowdown",
        "bandwidthlimit",
    ]) {
        Outcome::Throttled
    } else if has(&["nosuch", "notfound", "doesnotexist"]) {
        Outcome::NotFound
    } else if has(&["validation", "invalid", "malformed", "missingparameter"]) {
        Outcome::Invalid
    } else {
        Outcome::Failed
    }
}

pub(super) fn ip_kind(source: &str) -> IpKind {
    match source.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip))
            if ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared(ip) =>
        {
            IpKind::Private
        }
        Ok(IpAddr::V6(ip))
            if ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local() =>
        {
            IpKind::Private
        }
        Ok(_) => IpKind::Public,
        Err(_) if source.is_empty() => IpKind::Missing,
        Err(_) if source.starts_with("AWS Internal") => IpKind::AwsInternal,
        Err(_) if source.contains(".amazonaws.") || source.ends_with(".amazon.com") => {
            IpKind::Service
        }
        Err(_) => IpKind::Other,
    }
}

/// 100.64.0.0/10, carrier-grade NAT: as private as 10/8 for our purpose.
fn is_shared(ip: std::net::Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 100 && (64..128).contains(&b)
}

/// CloudTrail writing its own files: half of a quiet archive, and nobody's act.
pub(super) fn is_log_delivery(source_ip: &str) -> bool {
    matches!(source_ip, "cloudtrail.amazonaws.com" | "delivery.logs.amazonaws.com")
}

/// Families in order of match: the part of the user agent to look for (lower case), the label.
const FAMILIES: &[(&str, &str)] = &[
    ("kali", "kali-linux"),
    ("parrot", "parrot-linux"),
    ("pentoo", "pentoo-linux"),
    ("pacu", "pacu"),
    ("stratus-red-team", "stratus-red-team"),
    ("trufflehog", "trufflehog"),
    ("scoutsuite", "scoutsuite"),
    ("prowler", "prowler"),
    ("cloudfox", "cloudfox"),
    ("s3 browser", "s3-browser"),
    ("rclone", "rclone"),
    ("winscp", "winscp"),
    ("cyberduck", "cyberduck"),
    ("terraform", "terraform"),
    ("pulumi", "pulumi"),
    ("ansible", "ansible"),
    ("cloudshell", "cloudshell"),
    ("aws-cli/2", "aws-cli/2"),
    ("aws-cli/1", "aws-cli/1"),
    ("aws-cli", "aws-cli"),
    ("console.amazonaws.com", "console"),
    ("signin.amazonaws.com", "console"),
    ("console.aws", "console"),
    ("aws console", "console"),
    ("s3console", "console"),
    ("awsconsole", "console"),
    ("mozilla", "browser"),
    ("aws internal", "aws-internal"),
    (".amazonaws.com", "aws-service"),
    ("boto3", "boto3"),
    ("botocore", "botocore"),
    ("aws-sdk-go", "aws-sdk-go"),
    ("aws-sdk-java", "aws-sdk-java"),
    ("aws-sdk-nodejs", "aws-sdk-js"),
    ("aws-sdk-js", "aws-sdk-js"),
    ("aws-sdk-rust", "aws-sdk-rust"),
    ("aws-sdk-php", "aws-sdk-php"),
    ("aws-sdk-ruby", "aws-sdk-ruby"),
    ("aws-sdk-dotnet", "aws-sdk-dotnet"),
    ("aws-sdk-net", "aws-sdk-dotnet"),
    ("aws-sdk-cpp", "aws-sdk-cpp"),
    ("aws-sdk", "aws-sdk"),
    ("jersey", "aws-sso-broker"),
    ("python", "python"),
    ("curl", "curl"),
    ("go-http-client", "go-http-client"),
];

/// A label from our own list, never text of the caller's choosing.
#[must_use]
pub fn user_agent_family(user_agent: &str) -> &'static str {
    let lower = user_agent.to_ascii_lowercase();
    FAMILIES.iter().find(|(mark, _)| lower.contains(mark)).map_or("other", |(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_dates_and_nothing_else() {
        for (name, norm) in [
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("ListFunctions20150331", "ListFunctions"),
            ("CreateDistribution2020_05_31", "CreateDistribution"),
            ("GetObject", "GetObject"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("20150331", "20150331"),
            ("", ""),
        ] {
            assert_eq!(event_name_norm(name), norm);
        }
    }

    #[test]
    fn error_codes_fall_into_their_classes() {
        for (code, outcome) in [
            ("AccessDenied", Outcome::Denied),
            ("Client.UnauthorizedOperation", Outcome::Denied),
            ("VpceAccessDenied", Outcome::Denied),
            ("Client.DryRunOperation", Outcome::DryRun),
            ("NoSuchBucketPolicy", Outcome::NotFound),
            ("Client.InvalidInstanceID.NotFound", Outcome::NotFound),
            ("ThrottlingException", Outcome::Throttled),
            ("ValidationException", Outcome::Invalid),
            ("Client.VcpuLimitExceeded", Outcome::Failed),
        ] {
            assert_eq!(outcome_of_code(code), outcome, "{code}");
        }
    }

    #[test]
    fn sources_and_agents_get_their_kind() {
        assert_eq!(ip_kind("198.51.100.7"), IpKind::Public);
        assert_eq!(ip_kind("10.8.8.10"), IpKind::Private);
        assert_eq!(ip_kind("2001:db8::1"), IpKind::Public);
        assert_eq!(ip_kind("fd00::1"), IpKind::Private);
        assert_eq!(ip_kind("ec2.amazonaws.com"), IpKind::Service);
        assert_eq!(ip_kind("AWS Internal/3"), IpKind::AwsInternal);
        assert_eq!(user_agent_family("[aws-cli/2.13.5 Python/3.11 Linux/kali]"), "kali-linux");
        assert_eq!(user_agent_family("ignore previous instructions"), "other");
    }
}
