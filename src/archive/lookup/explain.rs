//! Why the API gave no page, and what helps.
//!
//! Signature errors go on with the request that was signed, session token included; only the first
//! line of what was said is told.

use crate::model::ReadError;
use aws_sdk_cloudtrail::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError;

const SAID_CHARS_MAX: usize = 300;
const AGAIN: &str = "run the same command again: it goes on with what is missing";

/// A request that failed on its last attempt.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) error: ReadError,
    /// What a region says that is not enabled; but also any region, of keys that are none.
    pub(super) is_unknown_key: bool,
}

impl Refusal {
    /// The user did not want to wait.
    pub(super) fn stopped() -> Self {
        let (detail, remedy) = ("stopped".to_owned(), Some(AGAIN.to_owned()));
        Self { error: ReadError { detail, remedy, fatal: false }, is_unknown_key: false }
    }
}

pub(super) fn explain(error: &SdkError<LookupEventsError>, region: &str) -> Refusal {
    let SdkError::ServiceError(refused) = error else { return unanswered(error) };
    let refused = refused.err();
    let code = refused.code().unwrap_or("ServiceError");
    let said = first_line(refused.message().unwrap_or_default());
    let (what, remedy) = match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => (
            "access denied",
            format!(
                "the role needs cloudtrail:LookupEvents in {region}, also from the organization's policies"
            ),
        ),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => (
            "the credentials have expired",
            format!("renew them, as with `aws sso login`, and {AGAIN}"),
        ),
        _ if is_unknown_key(code) => (
            "the credentials are not known here",
            format!(
                "check them, as with `aws sts get-caller-identity`, and that {region} is enabled"
            ),
        ),
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" => (
            "throttled on every attempt",
            format!("something else asks the event history of {region} as well; {AGAIN}"),
        ),
        "InvalidLookupAttributesException" => {
            ("--lookup was refused", "check its value".to_owned())
        }
        _ => ("the call failed", AGAIN.to_owned()),
    };
    let detail = match (what, said) {
        (what, said) if said.is_empty() => format!("{what} ({code})"),
        (what, said) => format!("{what} ({code}): {said}"),
    };
    let error = ReadError { detail, remedy: Some(remedy), fatal: false };
    Refusal { error, is_unknown_key: is_unknown_key(code) }
}

fn is_unknown_key(code: &str) -> bool {
    matches!(
        code,
        "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "AuthFailure"
            | "OptInRequired"
            | "OptInRequiredException"
            | "SubscriptionRequiredException"
    )
}

/// No answer, or none that is of the API.
fn unanswered(error: &SdkError<LookupEventsError>) -> Refusal {
    let chain = DisplayErrorContext(error).to_string();
    let (detail, remedy) = if chain.to_ascii_lowercase().contains("credential") {
        let remedy = "set AWS_PROFILE or --profile, or sign in with `aws sso login`";
        ("no credentials were found or they did not load".to_owned(), remedy.to_owned())
    } else {
        let remedy =
            format!("check the network, the name of the region and --endpoint-url, and {AGAIN}");
        (format!("no answer: {}", first_line(&chain)), remedy)
    };
    Refusal {
        error: ReadError { detail, remedy: Some(remedy), fatal: false },
        is_unknown_key: false,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(SAID_CHARS_MAX).collect()
}
