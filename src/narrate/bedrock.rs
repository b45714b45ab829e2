//! One call of a model on Amazon Bedrock: Converse, without tools. What leaves is the system prompt and the bytes of
//! the digest; what comes back is text or the reason why there is none. The only async code of this folder.

use super::{Failure, Settings};
use crate::digest::{clean, shorten};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_bedrockruntime::config::Credentials;
use aws_sdk_bedrockruntime::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::{ConverseError, ConverseOutput};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, InferenceConfiguration, Message, StopReason, SystemContentBlock,
};
use aws_sdk_bedrockruntime::{Client, Config};
use aws_smithy_http_client::{Builder, tls};
use std::time::Duration;

const SYSTEM_PROMPT: &str = include_str!("prompt/system.md");
/// The first call and three more, with the SDK's growing pauses between them.
const ATTEMPTS: u32 = 4;
const MESSAGE_CHARS_MAX: usize = 300;

/// Asks a model for the narrative of a digest.
pub(super) fn converse(model: &str, digest: &str, settings: &Settings) -> Result<String, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            failure("NoRuntime", &error.to_string(), "run again, or use --narrator offline")
        })?;
    let limit = Duration::from_secs(settings.timeout_seconds);
    runtime.block_on(async {
        // The limit of the SDK covers one operation; finding a region or credentials comes before it.
        match tokio::time::timeout(limit, call(model, digest, settings)).await {
            Ok(answered) => answered,
            Err(_) => Err(timed_out(settings)),
        }
    })
}

async fn call(model: &str, digest: &str, settings: &Settings) -> Result<String, Failure> {
    let config = sdk_config(settings).await;
    if config.region().is_none() {
        let hint = "name one with --bedrock-region, or set AWS_REGION";
        return Err(failure("NoRegion", "no region is configured", hint));
    }
    let mut builder = Config::from(&config).to_builder();
    if let Some(url) = &settings.endpoint_url {
        builder = builder.endpoint_url(url);
    }
    let client = Client::from_conf(builder.build());
    let asked = client
        .converse()
        .model_id(model)
        .set_system(Some(system_prompt(settings)))
        .messages(user_message(digest))
        .inference_config(
            InferenceConfiguration::builder()
                .max_tokens(i32::try_from(settings.max_tokens).unwrap_or(i32::MAX))
                .set_temperature(settings.temperature)
                .build(),
        )
        .send()
        .await;
    match asked {
        Ok(answer) => text_of(&answer, model, settings),
        Err(error) => Err(explain(&error, model, settings)),
    }
}

async fn sdk_config(settings: &Settings) -> SdkConfig {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let limit = Duration::from_secs(settings.timeout_seconds);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().operation_timeout(limit).build())
        // A model may think for minutes before its first byte; the limit above is the guard.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(keys) = &settings.credentials {
        loader = loader.credentials_provider(Credentials::new(
            &keys.access_key_id,
            &keys.secret_access_key,
            None,
            None,
            "settings",
        ));
    }
    loader.load().await
}

fn system_prompt(settings: &Settings) -> Vec<SystemContentBlock> {
    let mut blocks = vec![SystemContentBlock::Text(SYSTEM_PROMPT.to_owned())];
    if let Some(prompt) = settings.prompt.as_deref().filter(|prompt| !prompt.trim().is_empty()) {
        blocks.push(SystemContentBlock::Text(format!(
            "The analyst adds the following. The rules and the form of the answer above stay in force.\n\n{prompt}"
        )));
    }
    blocks
}

fn user_message(digest: &str) -> Message {
    Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text(format!("<digest>\n{digest}</digest>")))
        .build()
        .expect("role and content are set")
}

/// The text of a whole answer; a part of one is not used.
fn text_of(answer: &ConverseOutput, model: &str, settings: &Settings) -> Result<String, Failure> {
    let hint = match answer.stop_reason() {
        StopReason::EndTurn | StopReason::StopSequence => {
            let blocks = answer.output().and_then(|output| output.as_message().ok());
            let texts = blocks.iter().flat_map(|m| m.content()).filter_map(|b| b.as_text().ok());
            return Ok(texts.map(String::as_str).collect());
        }
        StopReason::MaxTokens => {
            format!("raise --max-tokens, which is {}", settings.max_tokens)
        }
        StopReason::ModelContextWindowExceeded => "lower --digest-tokens".to_owned(),
        StopReason::MalformedModelOutput => {
            "run again, or name another model with --model-id".to_owned()
        }
        _ => "name another model with --model-id, or use --narrator offline".to_owned(),
    };
    let reason = answer.stop_reason().as_str();
    Err(failure(reason, &format!("the answer of {model} is not whole"), &hint))
}

fn explain(error: &SdkError<ConverseError>, model: &str, settings: &Settings) -> Failure {
    match error {
        SdkError::TimeoutError(_) => timed_out(settings),
        SdkError::ServiceError(refused) => {
            let refused = refused.err();
            let kind = refused.code().unwrap_or("ServiceError");
            let said = refused.message().unwrap_or("no reason given");
            let message = format!("{}: {}", summary(kind), first_line(said));
            failure(kind, &message, &hint(kind, said, model))
        }
        other => {
            let chain = format!("{}", DisplayErrorContext(other));
            if chain.to_ascii_lowercase().contains("credential") {
                let hint =
                    "set AWS_PROFILE or sign in with `aws sso login`, or use --narrator offline";
                return failure(
                    "NoCredentials",
                    "no credentials were found or they did not load",
                    hint,
                );
            }
            let hint = "check the network, --bedrock-region and --endpoint-url";
            failure("Unreachable", &format!("no answer: {}", first_line(&chain)), hint)
        }
    }
}

fn summary(kind: &str) -> &'static str {
    match kind {
        "AccessDeniedException" => "access denied",
        "ThrottlingException" => "throttled on every attempt",
        "ResourceNotFoundException" => "the model was not found",
        "ValidationException" => "the request was refused as invalid",
        "ModelNotReadyException" | "ServiceUnavailableException" => "the model is not available",
        _ => "the call failed",
    }
}

fn hint(kind: &str, said: &str, model: &str) -> String {
    match kind {
        "AccessDeniedException" => format!("the role needs bedrock:InvokeModel on {model}"),
        "ThrottlingException" | "ServiceQuotaExceededException" => {
            "run again later, or in another region with --bedrock-region".to_owned()
        }
        "ValidationException" if said.contains("on-demand") => {
            format!("name an inference profile such as global.{model} with --model-id")
        }
        "ValidationException" if said.contains("temperature") => {
            "leave out --temperature".to_owned()
        }
        "ValidationException" if said.contains("too long") => "lower --digest-tokens".to_owned(),
        "ValidationException" | "ResourceNotFoundException" => {
            "name a model or profile of this region with --model-id".to_owned()
        }
        "UnrecognizedClientException" | "ExpiredTokenException" | "InvalidSignatureException" => {
            "renew the credentials, as with `aws sso login`".to_owned()
        }
        "ModelTimeoutException" => "lower --digest-tokens, or run again".to_owned(),
        _ => "run again, or use --narrator offline".to_owned(),
    }
}

fn timed_out(settings: &Settings) -> Failure {
    let message = format!("no answer within {} s", settings.timeout_seconds);
    failure("Timeout", &message, "lower --digest-tokens, or run again")
}

fn failure(kind: &str, message: &str, hint: &str) -> Failure {
    Failure { kind: kind.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
}

/// Signature errors go on with the request that was signed, session token included; the first line has none of it.
fn first_line(text: &str) -> String {
    shorten(&clean(text.lines().next().unwrap_or("")), MESSAGE_CHARS_MAX)
}
