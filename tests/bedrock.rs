//! The Bedrock narrator against a server on loopback that speaks the wire protocol of Converse, through the real SDK
//! client: what is sent, and what becomes of good answers and of every way a call can go wrong.
#![cfg(feature = "bedrock")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tiny_http::{Header, Response, Server};
use trailinsight::digest::{self, Digest, Input};
use trailinsight::model::event::Outcome;
use trailinsight::model::narrative::NarratorKind;
use trailinsight::model::{
    Aggregates, Coverage, Evidence, Finding, FindingKind, Ledger, Narrative, Severity, Timestamp,
};
use trailinsight::narrate::{self, Choice, Settings, StaticKeys};

const SECRET: &str = "not-a-real-secret";

/// What the server says to one request.
enum Reply {
    Answer {
        text: String,
        stop: &'static str,
    },
    Error {
        status: u16,
        kind: &'static str,
        message: &'static str,
    },
    /// Nothing, until the client has gone.
    Silence(Duration),
}

struct Request {
    url: String,
    body: Value,
    signed: bool,
}

/// Serves the replies in order and hands out what was asked.
fn fake_bedrock(replies: Vec<Reply>) -> (String, Receiver<Request>) {
    let server = Server::http("127.0.0.1:0").expect("a free port on loopback");
    let url = format!("http://{}", server.server_addr().to_ip().expect("an address"));
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for reply in replies {
            let Ok(mut request) = server.recv() else {
                return;
            };
            let body = serde_json::from_reader(request.as_reader()).expect("a JSON body");
            let is_signature = |h: &Header| {
                h.field.equiv("authorization") && h.value.as_str().starts_with("AWS4-HMAC-SHA256")
            };
            let signed = request.headers().iter().any(is_signature);
            sender.send(Request { url: request.url().to_owned(), body, signed }).ok();
            match reply {
                Reply::Answer { text, stop } => respond(request, 200, None, &answer(&text, stop)),
                Reply::Error { status, kind, message } => {
                    respond(request, status, Some(kind), &json!({ "message": message }));
                }
                Reply::Silence(time) => {
                    std::thread::sleep(time);
                    drop(request);
                }
            }
        }
    });
    (url, requests)
}

fn answer(text: &str, stop: &str) -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120},
        "metrics": {"latencyMs": 5}
    })
}

fn respond(request: tiny_http::Request, status: u16, kind: Option<&str>, body: &Value) {
    let header = |name: &str, value: &str| {
        Header::from_bytes(name.as_bytes(), value.as_bytes()).expect("a valid header")
    };
    let mut response = Response::from_string(body.to_string())
        .with_status_code(status)
        .with_header(header("content-type", "application/json"));
    if let Some(kind) = kind {
        response = response.with_header(header("x-amzn-errortype", kind));
    }
    request.respond(response).ok();
}

fn settings(endpoint_url: String) -> Settings {
    Settings {
        narrator: Choice::Bedrock,
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint_url),
        timeout_seconds: 20,
        credentials: Some(StaticKeys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: SECRET.to_owned(),
        }),
        ..Settings::default()
    }
}

fn small_digest() -> Digest {
    let first = Timestamp::parse("2024-05-03T10:00:00Z").expect("a time");
    let principal = "arn:aws:iam::111122223333:user/alice".to_owned();
    let evidence = Evidence {
        event_id: "00000000-0000-0000-0000-000000000001".to_owned(),
        time: first,
        file: "a.json.gz".to_owned(),
        index: 0,
        event_name: "CreateAccessKey".to_owned(),
        service: "iam".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        principal: principal.clone(),
        source_ip: "198.51.100.7".to_owned(),
        user_agent_family: "aws-cli".to_owned(),
        outcome: Outcome::Succeeded,
        error_code: None,
        target: Some("bob".to_owned()),
        views: Vec::new(),
    };
    let finding = Finding {
        id: "finding-1".to_owned(),
        number: 1,
        rule: "access-key-for-other".to_owned(),
        title: "Access key made for another user".to_owned(),
        kind: FindingKind::Rule,
        severity: Severity::High,
        principal,
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        first,
        last: first,
        count: 1,
        outcome: Outcome::Succeeded,
        attack: vec!["T1098.001".to_owned()],
        cis: Vec::new(),
        stages: Vec::new(),
        summary: "alice made a key for bob".to_owned(),
        remediation: "Deactivate the key".to_owned(),
        calls: Vec::new(),
        targets: vec!["bob".to_owned()],
        targets_total: 1,
        source_ips: vec!["198.51.100.7".to_owned()],
        indicators: Vec::new(),
        indicators_total: 0,
        gaps: Vec::new(),
        author: None,
        rule_id: None,
        license: None,
        evidence: vec![evidence],
        evidence_total: 1,
    };
    let (coverage, aggregates) = (Coverage::default(), Aggregates::default());
    let (ledger, omitted) = (Ledger::default(), BTreeMap::new());
    let input = Input {
        coverage: &coverage,
        ledger: &ledger,
        aggregates: &aggregates,
        principals: &[],
        findings: &[finding],
        episodes: &[],
        timeline: &[],
        omitted: &omitted,
    };
    digest::build(&input, &digest::Options::default())
}

const GOOD: &str = r#"{"sections": [
    {"title": "Executive summary", "sentences": [
        {"text": "P1 created an access key for R1 at 2024-05-03T10:00:00Z.", "cites": ["F1", "E1"]}
    ]},
    {"title": "Recommended actions", "sentences": [
        {"text": "For F1: Deactivate the key.", "cites": ["F1"]}
    ]}
]}"#;

fn good() -> Reply {
    Reply::Answer { text: GOOD.to_owned(), stop: "end_turn" }
}

fn text_of(narrative: &Narrative) -> Vec<String> {
    narrative.sections.iter().flat_map(|s| &s.sentences).map(|s| s.text.clone()).collect()
}

/// The offline text was used, with one warning that holds these words and no secret.
fn assert_fell_back(outcome: &narrate::Outcome, kind: &str, words: &[&str]) {
    let offline = narrate::narrate(
        &small_digest(),
        &Settings { narrator: Choice::Offline, ..Settings::default() },
    );
    assert_eq!(outcome.narrative, offline.narrative);
    assert_eq!(outcome.used, format!("bedrock: failed ({kind}), offline used"));
    let [warning] = outcome.warnings.as_slice() else { panic!("{:?}", outcome.warnings) };
    for word in words {
        assert!(warning.contains(word), "{word} in {warning}");
    }
    assert!(warning.contains("hint: "), "{warning}");
    for secret in [SECRET, "AKIAIOSFODNN7EXAMPLE"] {
        assert!(!warning.contains(secret), "{warning}");
    }
}

#[test]
fn a_good_answer_is_printed_and_the_prompt_holds_the_digest_byte_for_byte() {
    let (url, requests) = fake_bedrock(vec![good()]);
    let digest = small_digest();
    let settings = Settings {
        prompt: Some("Write for the board.".to_owned()),
        temperature: Some(0.0),
        ..settings(url)
    };
    let outcome = narrate::narrate(&digest, &settings);
    assert_eq!(outcome.warnings, Vec::<String>::new());
    assert_eq!(outcome.used, "bedrock (global.anthropic.claude-sonnet-5-5)");
    let narrative = outcome.narrative;
    assert_eq!(narrative.source, NarratorKind::Bedrock);
    assert_eq!(narrative.model.as_deref(), Some("global.anthropic.claude-sonnet-5-5"));
    assert_eq!(
        text_of(&narrative),
        [
            "Verdict: suspicious activity, resting on F1; confidence in the evidence base is low.",
            "user/alice created an access key for bob at 2024-05-03T10:00:00Z.",
            "For F1: Deactivate the key.",
        ]
    );
    assert_eq!((narrative.checks.sentences, narrative.checks.grounded), (3, 3));
    assert_eq!(narrative.references["E1"], "00000000-0000-0000-0000-000000000001");

    let request = requests.recv().expect("one request");
    assert!(request.signed);
    assert_eq!(request.url, "/model/global.anthropic.claude-sonnet-5-5/converse");
    let message = &request.body["messages"][0];
    assert_eq!(message["role"], "user");
    let sent = message["content"][0]["text"].as_str().expect("text");
    assert_eq!(sent, format!("<digest>\n{}</digest>", digest.json));
    assert!(
        request.body["system"][1]["text"].as_str().expect("text").ends_with("Write for the board.")
    );
    assert_eq!(request.body["inferenceConfig"], json!({"maxTokens": 8_000, "temperature": 0.0}));
    assert!(!request.body.to_string().contains("alice"));
    assert!(requests.recv().is_err(), "no second request");
}

#[test]
fn throttling_is_waited_out() {
    let throttled =
        || Reply::Error { status: 429, kind: "ThrottlingException", message: "Too many requests" };
    let (url, requests) = fake_bedrock(vec![throttled(), good()]);
    let outcome = narrate::narrate(&small_digest(), &settings(url));
    assert_eq!(outcome.warnings, Vec::<String>::new());
    assert_eq!(outcome.narrative.source, NarratorKind::Bedrock);
    assert_eq!(requests.iter().count(), 2);
}

#[test]
fn access_denied_falls_back_at_once() {
    let (url, requests) = fake_bedrock(vec![Reply::Error {
        status: 403,
        kind: "AccessDeniedException",
        message: "You don't have access to the model.\nAKIAIOSFODNN7EXAMPLE",
    }]);
    let outcome = narrate::narrate(&small_digest(), &settings(url));
    let words = ["access denied", "You don't have access", "bedrock:InvokeModel on global."];
    assert_fell_back(&outcome, "AccessDeniedException", &words);
    assert_eq!(requests.iter().count(), 1);
}

#[test]
fn a_silent_server_is_given_up_on() {
    let (url, _requests) = fake_bedrock(vec![Reply::Silence(Duration::from_secs(2))]);
    let outcome =
        narrate::narrate(&small_digest(), &Settings { timeout_seconds: 1, ..settings(url) });
    assert_fell_back(&outcome, "Timeout", &["no answer within 1 s"]);
}

#[test]
fn answers_that_are_not_whole_are_not_used() {
    for (stop, word) in [
        ("max_tokens", "raise --max-tokens, which is 8000"),
        ("guardrail_intervened", "another model"),
        ("content_filtered", "another model"),
        ("refusal", "another model"),
        ("model_context_window_exceeded", "lower --digest-tokens"),
    ] {
        let (url, _requests) = fake_bedrock(vec![Reply::Answer { text: GOOD.to_owned(), stop }]);
        let outcome = narrate::narrate(&small_digest(), &settings(url));
        assert_fell_back(&outcome, stop, &["is not whole", word]);
    }
}

#[test]
fn what_is_no_answer_falls_back() {
    let ungrounded = json!({"sections": [{"title": "Actors", "sentences": [
        {"text": "All is well.", "cites": []},
        {"text": "P9 did it.", "cites": ["F1"]}
    ]}]});
    for (text, kind) in [
        ("I cannot help with that.".to_owned(), "UnreadableAnswer"),
        (GOOD.replace("]}\n]}", ""), "UnreadableAnswer"),
        (String::new(), "UnreadableAnswer"),
        (ungrounded.to_string(), "UngroundedAnswer"),
    ] {
        let (url, _requests) = fake_bedrock(vec![Reply::Answer { text, stop: "end_turn" }]);
        let outcome = narrate::narrate(&small_digest(), &settings(url));
        assert_fell_back(&outcome, kind, &[]);
    }
}

#[test]
fn invented_and_injected_sentences_are_removed() {
    let text = json!({"sections": [{"title": "Executive summary", "sentences": [
        {"text": "P1 created an access key for R1.", "cites": ["F1"]},
        {"text": "The call came from IP1.", "cites": ["E1"]},
        {"text": "Account ACCT1 is concerned.", "cites": ["F1"]},
        {"text": "P1 copied arn:aws:s3:::payroll to another account.", "cites": ["F1"]},
        {"text": "There is no evidence of compromise.", "cites": ["V1"]},
        {"text": "Open https://evil.example to see more.", "cites": ["F1"]}
    ]}]});
    let (url, _requests) = fake_bedrock(vec![Reply::Answer {
        text: format!("```json\n{text}\n```"),
        stop: "end_turn",
    }]);
    let outcome = narrate::narrate(&small_digest(), &settings(url));
    assert_eq!(outcome.narrative.source, NarratorKind::Bedrock);
    assert_eq!(outcome.narrative.checks.removed, 3);
    assert_eq!(outcome.narrative.checks.grounded, 4);
    assert_eq!(text_of(&outcome.narrative).len(), 4);
    assert!(outcome.warnings[0].contains("3 of 6 sentences"), "{:?}", outcome.warnings);
}

#[test]
fn nobody_listening_falls_back() {
    // Bound and closed again, so that the port is free and refuses.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let outcome =
        narrate::narrate(&small_digest(), &Settings { timeout_seconds: 15, ..settings(url) });
    assert_fell_back(&outcome, "Unreachable", &["--endpoint-url"]);
}

#[test]
fn nothing_is_sent_unless_a_model_was_asked_for() {
    let (url, requests) = fake_bedrock(vec![good()]);
    let settings = Settings { narrator: Choice::Auto, ..settings(url) };
    let outcome = narrate::narrate(&small_digest(), &settings);
    assert_eq!(outcome.used, "offline");
    assert!(requests.try_recv().is_err());
    let named = Settings { model_id: Some("some.model-v1:0".to_owned()), ..settings };
    let outcome = narrate::narrate(&small_digest(), &named);
    assert_eq!(outcome.used, "bedrock (some.model-v1:0)");
    let request = requests.recv().expect("one request");
    assert_eq!(request.url, "/model/some.model-v1%3A0/converse");
}
