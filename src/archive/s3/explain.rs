//! Errors of S3 in our words: what happened, and which permission or step helps.

use crate::model::ReadError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

const MESSAGE_CHARS_MAX: usize = 300;

#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    List { bucket: &'a str, prefix: &'a str },
    Get { bucket: &'a str, key: &'a str },
}

/// Where S3 says that the bucket is, when it was asked for in another region.
pub(super) fn region_of<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let response = error.raw_response()?;
    matches!(response.status().as_u16(), 301 | 307 | 400)
        .then(|| response.headers().get("x-amz-bucket-region").map(str::to_owned))?
}

pub(super) fn explain<E>(error: &SdkError<E, HttpResponse>, asked: Asked<'_>) -> ReadError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(refused) = error else { return unanswered(error) };
    let status = refused.raw().status().as_u16();
    let code = refused.err().code().unwrap_or(match status {
        403 => "AccessDenied",
        404 => "NotFound",
        412 => "PreconditionFailed",
        _ => "",
    });
    let said = first_line(refused.err().message().unwrap_or_default());
    refused_as(code, status, &said, asked)
}

/// No answer: the network, or credentials that did not load. What these print may go on with the
/// request that was signed, so only the innermost cause is told.
fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> ReadError
where
    E: std::error::Error + 'static,
{
    let mut cause: &dyn std::error::Error = error;
    let mut credentials = false;
    while let Some(inner) = cause.source() {
        cause = inner;
        credentials |= cause.to_string().to_ascii_lowercase().contains("credential");
    }
    if credentials {
        return ReadError {
            detail: "no credentials were found, or they did not load".to_owned(),
            remedy: Some(
                "set AWS_PROFILE or --profile, sign in with `aws sso login`, or use --no-sign-request for a public bucket"
                    .to_owned(),
            ),
            fatal: true,
        };
    }
    ReadError {
        detail: format!("no answer: {}", first_line(&cause.to_string())),
        remedy: Some("check the network, the region and --endpoint-url, and run again".to_owned()),
        fatal: false,
    }
}

fn refused_as(code: &str, status: u16, said: &str, asked: Asked<'_>) -> ReadError {
    let error = |detail: &str, remedy: &str, fatal: bool| ReadError {
        detail: format!("{detail} ({code})"),
        remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
        fatal,
    };
    let of_kms = code.starts_with("KMS") || said.contains("kms:") || said.contains("KMS");
    match code {
        "AccessDenied" if said.contains("kms:") => error(
            "access denied to the key that encrypts it",
            "the role needs kms:Decrypt on the KMS key, in its policy and in that of the key",
            false,
        ),
        "AccessDenied" | "AllAccessDisabled" | "Forbidden" => {
            error("access denied", &permission(asked), false)
        }
        _ if of_kms => error(
            &format!("the KMS key cannot be used: {said}"),
            "enable the key or cancel its deletion, and grant kms:Decrypt on it",
            false,
        ),
        "InvalidObjectState" => error(
            "the object is archived",
            "restore it first, as with `aws s3api restore-object`, and run again",
            false,
        ),
        "NoSuchKey" | "NotFound" if matches!(asked, Asked::Get { .. }) => {
            error("deleted since it was listed", "", false)
        }
        "NoSuchBucket" | "NotFound" => {
            error("no such bucket", "check the spelling, and the account of the profile", true)
        }
        "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" | "RequestExpired" => error(
            "the credentials have expired",
            "renew them, as with `aws sso login`, and run the same command: it goes on from there",
            true,
        ),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp" | "AuthFailure" => error(
            "the credentials are not accepted",
            "check --profile and AWS_PROFILE, or renew the credentials",
            true,
        ),
        "RequestTimeTooSkewed" => {
            error("the clock is wrong", "set the clock of this machine", true)
        }
        "SlowDown" | "ServiceUnavailable" | "InternalError" => {
            error("S3 was busy at every attempt", "run again later", false)
        }
        _ => error(&format!("S3 refused with status {status}: {said}"), "", false),
    }
}

fn permission(asked: Asked<'_>) -> String {
    let arn = |bucket: &str| {
        if bucket.starts_with("arn:") {
            bucket.to_owned()
        } else {
            format!("arn:aws:s3:::{bucket}")
        }
    };
    match asked {
        Asked::List { bucket, prefix } => {
            format!("the role needs s3:ListBucket on {} for the prefix {prefix:?}", arn(bucket))
        }
        Asked::Get { bucket, key } => {
            format!("the role needs s3:GetObject on {}/{key}", arn(bucket))
        }
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_is_told() {
        let get = Asked::Get { bucket: "b", key: "AWSLogs/x.json.gz" };
        let list = Asked::List { bucket: "b", prefix: "AWSLogs/" };
        let told = |code: &str, said: &str, asked| {
            let error = refused_as(code, 403, said, asked);
            (error.detail, error.remedy.unwrap_or_default(), error.fatal)
        };
        let (detail, remedy, fatal) = told("AccessDenied", "Access Denied", get);
        assert!(!fatal && detail == "access denied (AccessDenied)", "{detail}");
        assert_eq!(remedy, "the role needs s3:GetObject on arn:aws:s3:::b/AWSLogs/x.json.gz");
        let (_, remedy, _) = told("AccessDenied", "Access Denied", list);
        assert_eq!(
            remedy,
            "the role needs s3:ListBucket on arn:aws:s3:::b for the prefix \"AWSLogs/\""
        );
        let said = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt";
        assert!(told("AccessDenied", said, get).1.contains("kms:Decrypt on the KMS key"));
        assert!(told("KMS.DisabledException", "disabled", get).1.contains("enable the key"));
        assert!(told("InvalidObjectState", "", get).1.contains("restore-object"));
        assert!(told("NoSuchKey", "", get).0.contains("deleted since"));
        assert!(told("ExpiredToken", "", get).2);
        assert!(told("NoSuchBucket", "", list).2);
    }
}
