//! A made-up case that touches every kind of fact, and what a digest must never do with it.

use super::*;
use crate::model::event::Outcome;
use crate::model::{
    ActorKind, Call, Contributor, Count, Evidence, FindingKind, Gap, HourCount, Indicator,
    IndicatorKind, Link, LinkKind, Severity, Stage, Timestamp,
};

/// The parts of a report, owned.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) coverage: Coverage,
    pub(crate) ledger: Ledger,
    pub(crate) aggregates: Aggregates,
    pub(crate) principals: Vec<Principal>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) episodes: Vec<Episode>,
    pub(crate) timeline: Vec<TimelineRow>,
    pub(crate) omitted: BTreeMap<String, u64>,
}

impl Case {
    pub(crate) fn input(&self) -> Input<'_> {
        Input {
            coverage: &self.coverage,
            ledger: &self.ledger,
            aggregates: &self.aggregates,
            principals: &self.principals,
            findings: &self.findings,
            episodes: &self.episodes,
            timeline: &self.timeline,
            omitted: &self.omitted,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        build(&self.input(), &Options::default())
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const DEPLOY: &str = "arn:aws:iam::111122223333:role/deploy";

fn evidence(id: &str, name: &str, target: &str, outcome: Outcome) -> Evidence {
    Evidence {
        event_id: id.to_owned(),
        time: at("2024-05-03T10:00:00.250Z"),
        file: "AWSLogs/111122223333/x.json.gz".to_owned(),
        index: 3,
        event_name: name.to_owned(),
        service: "iam.amazonaws.com".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        principal: ALICE.to_owned(),
        source_ip: "198.51.100.7".to_owned(),
        user_agent_family: "aws-cli/2.9 kali".to_owned(),
        outcome,
        error_code: (outcome == Outcome::Denied).then(|| "AccessDenied".to_owned()),
        target: Some(target.to_owned()),
        views: Vec::new(),
    }
}

pub(crate) fn finding(number: u32, severity: Severity, outcome: Outcome) -> Finding {
    let name = if outcome == Outcome::Denied { "GetSecretValue" } else { "CreateAccessKey" };
    let events = (0..4).map(|n| evidence(&format!("ev-{number}-{n}"), name, "bob", outcome));
    Finding {
        id: format!("find-{number}"),
        number,
        rule: format!("rule-{number}"),
        title: format!("Access key made for another user, variant {number}"),
        kind: if number.is_multiple_of(3) { FindingKind::Anomaly } else { FindingKind::Rule },
        severity,
        principal: ALICE.to_owned(),
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        first: at("2024-05-03T10:00:00Z"),
        last: at("2024-05-03T11:30:00Z"),
        count: 1_200 + u64::from(number),
        outcome,
        attack: vec!["T1098.001".to_owned()],
        cis: vec!["4.5".to_owned()],
        stages: vec![Stage::Persistence],
        summary: "free text".to_owned(),
        remediation: "Deactivate the key and review what it was used for".to_owned(),
        calls: vec![Call {
            service: "iam.amazonaws.com".to_owned(),
            name: name.to_owned(),
            count: 4,
        }],
        targets: vec!["bob".to_owned()],
        targets_total: 21,
        source_ips: vec!["198.51.100.7".to_owned()],
        indicators: vec![
            Indicator { kind: IndicatorKind::Account, value: "444455556666".to_owned() },
            Indicator { kind: IndicatorKind::CreatedKey, value: "AKIAEXAMPLE4EXAMPLE4".to_owned() },
        ],
        indicators_total: 2,
        gaps: Vec::new(),
        author: None,
        rule_id: None,
        license: None,
        evidence: events.collect(),
        evidence_total: 29,
    }
}

pub(crate) fn principal(id: &str, risk: f64, rank: u32) -> Principal {
    Principal {
        id: id.to_owned(),
        kind: ActorKind::User,
        risk,
        points: 40.4,
        rank,
        events: 2_552,
        denied: 35,
        first: at("2024-05-03T08:00:00Z"),
        last: at("2024-05-04T12:00:00Z"),
        source_ips: vec!["198.51.100.7".to_owned(), "198.51.100.8".to_owned()],
        user_agents: vec!["Boto3/1.26".to_owned()],
        regions: vec!["us-east-1".to_owned()],
        contributors: vec![Contributor {
            what: "Access key made for another user, variant 1 (critical)".to_owned(),
            points: 40.4,
            evidence: vec!["ev-1-0".to_owned()],
        }],
        linked: Vec::new(),
        access_keys: Vec::new(),
        foreign_ips: Vec::new(),
        objects_read: vec!["exports/2024/customers.csv".to_owned()],
        objects_total: 3,
    }
}

fn row(name: &str, outcome: Outcome, target: Option<&str>, count: u64) -> TimelineRow {
    TimelineRow {
        first: at("2024-05-03T10:00:00Z"),
        last: at("2024-05-03T10:01:21Z"),
        principal: ALICE.to_owned(),
        service: "iam.amazonaws.com".to_owned(),
        event_name: name.to_owned(),
        calls: Vec::new(),
        target: target.map(str::to_owned),
        outcome,
        source_ip: "198.51.100.7".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        count,
        severity: Severity::High,
        findings: vec!["find-1".to_owned()],
        evidence: vec!["ev-1-0".to_owned()],
    }
}

fn count(name: &str, count: u64) -> Count {
    let (first, last) = (at("2024-05-03T08:00:00Z"), at("2024-05-04T12:00:00Z"));
    Count { name: name.to_owned(), count, denied: count / 10, first, last }
}

pub(crate) fn case() -> Case {
    let mut case = Case {
        principals: vec![principal(ALICE, 87.2, 1), principal(DEPLOY, 12.0, 2)],
        findings: vec![
            finding(1, Severity::Critical, Outcome::Succeeded),
            finding(2, Severity::High, Outcome::Denied),
            finding(3, Severity::Medium, Outcome::Mixed),
            finding(4, Severity::Low, Outcome::Failed),
        ],
        episodes: vec![Episode {
            id: "episode-a".to_owned(),
            principal: ALICE.to_owned(),
            stages: vec![Stage::CredentialAccess, Stage::Persistence],
            findings: vec!["find-1".to_owned(), "find-2".to_owned()],
            first: at("2024-05-03T10:00:00Z"),
            last: at("2024-05-03T11:30:00Z"),
        }],
        timeline: vec![
            row("CreateAccessKey", Outcome::Succeeded, Some("bob"), 1),
            row("GetSecretValue", Outcome::Denied, Some("prod/db"), 29),
            row("FrobnicateThing", Outcome::Failed, None, 2),
        ],
        ..Case::default()
    };
    case.coverage.first = Some(at("2024-05-03T08:00:00Z"));
    case.coverage.last = Some(at("2024-05-05T08:00:00Z"));
    case.coverage.accounts = vec!["111122223333".to_owned()];
    case.coverage.regions = vec!["eu-west-1".to_owned(), "us-east-1".to_owned()];
    case.coverage.categories = BTreeMap::from([("Management".to_owned(), 3_000)]);
    case.coverage.not_observable = vec!["no data events: object access is not recorded".to_owned()];
    case.coverage.gaps = vec![Gap {
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        from: at("2024-05-04T00:00:00Z"),
        to: at("2024-05-04T06:00:00Z"),
    }];
    case.ledger.files.seen = 12;
    case.ledger.files.ingested = 12;
    case.ledger.records.seen = 3_010;
    case.ledger.records.kept = 3_000;
    case.ledger.records.duplicate = 10;
    case.aggregates.event_names = vec![count("GetSecretValue", 290), count("DescribeX", 9)];
    case.aggregates.user_agents = vec![count("Boto3/1.26", 5), count("Boto3/1.27", 6)];
    case.aggregates.hours =
        vec![HourCount { hour: at("2024-05-03T10:00:00Z"), count: 5, denied: 1 }];
    case.omitted = BTreeMap::from([("low".to_owned(), 12)]);
    case.findings[0].gaps = case.coverage.gaps.clone();
    let kinds = vec![LinkKind::Created, LinkKind::SameAddress];
    case.principals[0].linked = vec![Link { principal: DEPLOY.to_owned(), kinds }];
    case.principals[0].access_keys = vec!["AKIAEXAMPLE4EXAMPLE4".to_owned()];
    case.principals[0].foreign_ips = vec!["198.51.100.7".to_owned()];
    case
}

#[test]
fn the_digest_holds_the_facts_and_no_names() {
    let digest = case().digest();
    let json: serde_json::Value = serde_json::from_str(&digest.json).unwrap();
    assert_eq!(json["verdict"]["verdict"], "confirmed compromise");
    assert_eq!(json["verdict"]["because"], serde_json::json!(["F1"]));
    let finding = &json["findings"][0];
    assert_eq!(finding["actor"], "P1");
    assert_eq!(finding["calls"], serde_json::json!(["iam:CreateAccessKey"]));
    assert_eq!(finding["ev"], serde_json::json!(["E1", "E2", "E3"]));
    assert_eq!(finding["targets_more"], 20);
    assert_eq!(
        finding["indicators"],
        serde_json::json!([
            {"kind": "account", "value": "ACCT2"},
            {"kind": "created_key", "value": "KEY1"}
        ])
    );
    let gap = finding["gaps"][0].as_str().unwrap();
    assert!(
        json["coverage"].as_array().unwrap().iter().any(|c| c["id"] == gap && c["what"] == "gap")
    );
    assert_eq!(
        json["actors"][0]["linked"],
        serde_json::json!([{"actor": "P2", "how": ["created", "same_address"]}])
    );
    assert_eq!(json["actors"][0]["keys"], serde_json::json!(["KEY1"]));
    assert_eq!(json["evidence"][0]["time"], "2024-05-03T10:00:00Z");
    assert_eq!(json["evidence"][0]["agent"], "kali-linux");
    assert_eq!(json["actors"][0]["risk_from"][0]["what"], "F1");
    assert_eq!(json["episodes"][0]["steps"], serde_json::json!(["T1", "T2", "T3"]));
    assert_eq!(
        json["omitted"],
        serde_json::json!([{"id": "O1", "what": "findings of severity low", "n": 12}])
    );
    assert_eq!(digest.legend.value("P1"), Some(ALICE));
    assert_eq!(digest.legend.reference("E2"), Some("ev-1-2"));
    assert_eq!(json["legend"]["R1"], "user");
    assert_eq!(case().digest().json, digest.json, "the same case gives the same bytes");
}

#[test]
fn every_budget_is_kept_and_the_best_stays() {
    let mut case = case();
    let severity = |n| {
        if n < 30 { Severity::High } else { Severity::Low }
    };
    case.findings = (1..400).map(|n| finding(n, severity(n), Outcome::Denied)).collect();
    let mut told_before = 0;
    for tokens in [0, 1_000, 2_000, 6_000, 16_000, 48_000] {
        let digest = build(&case.input(), &Options { tokens, strings: false });
        assert!(digest.json.len() <= tokens.max(1_000) * 3, "{tokens}");
        let told: Vec<_> = digest.facts.findings.iter().map(|f| f.id.clone()).collect();
        let ranked: Vec<_> = (1..=told.len()).map(|n| format!("F{n}")).collect();
        assert_eq!(told, ranked, "{tokens}");
        assert!(told.len() >= told_before);
        told_before = told.len();
        let omitted: u64 = digest
            .facts
            .omitted
            .iter()
            .filter(|omitted| omitted.what.starts_with("findings"))
            .map(|omitted| omitted.n)
            .sum();
        assert_eq!(omitted, (399 - told.len() + 12) as u64);
    }
    assert!(told_before > 100);
}

#[test]
fn many_serious_findings_leave_room_for_what_happened() {
    let mut case = case();
    case.findings = (1..400).map(|n| finding(n, Severity::Critical, Outcome::Succeeded)).collect();
    let facts = case.digest().facts;
    assert_eq!((facts.episodes.len(), facts.timeline.len()), (1, 3));
}

#[test]
fn a_ledger_full_of_rejects_still_fits_the_smallest_budget() {
    use crate::model::{Reject, RejectReason};
    let mut case = case();
    let reject = |&reason: &RejectReason| Reject {
        file: "f".repeat(500),
        reason,
        count: u64::from(u32::MAX),
        detail: "d".repeat(500),
        remedy: Some("r".repeat(500)),
    };
    case.ledger.rejects = RejectReason::ALL.iter().map(reject).collect();
    case.coverage.categories = (0..50).map(|n| (format!("{n}{}", "c".repeat(60)), 7)).collect();
    let digest = build(&case.input(), &Options { tokens: 1, strings: false });
    assert!(digest.json.len() <= 3_000, "{}", digest.json.len());
}

#[test]
fn holes_turn_no_evidence_into_not_assessable_and_nothing_else() {
    let mut case = case();
    case.ledger.files.failed = 100;
    case.ledger.files.seen = 112;
    assert_eq!(judge(&case.input()).verdict, Verdict::Confirmed);
    case.findings.clear();
    case.principals.clear();
    assert_eq!(judge(&case.input()).verdict, Verdict::NotAssessable);
    case.ledger = super::tests::case().ledger;
    assert_eq!(judge(&case.input()).verdict, Verdict::NoEvidence);
}

#[test]
fn the_verdict_follows_the_findings() {
    let mut case = case();
    let mut judged = |findings: Vec<Finding>| {
        case.findings = findings;
        judge(&case.input()).verdict
    };
    let high = |n| finding(n, Severity::High, Outcome::Denied);
    let mut other = high(2);
    other.principal = DEPLOY.to_owned();
    assert_eq!(judged(vec![finding(1, Severity::Critical, Outcome::Succeeded)]), Verdict::Likely);
    let done = finding(2, Severity::High, Outcome::Succeeded);
    assert_eq!(judged(vec![high(1), done]), Verdict::Likely);
    assert_eq!(judged(vec![high(1), high(2)]), Verdict::Suspicious, "all was denied");
    assert_eq!(judged(vec![finding(1, Severity::Critical, Outcome::Denied)]), Verdict::Suspicious);
    assert_eq!(judged(vec![high(1), other]), Verdict::Suspicious);
    let mut path = finding(1, Severity::High, Outcome::Mixed);
    path.kind = FindingKind::Sequence;
    path.stages = vec![Stage::Discovery, Stage::Persistence, Stage::Impact];
    assert_eq!(judged(vec![path]), Verdict::Confirmed);
    assert_eq!(judged(vec![finding(1, Severity::Low, Outcome::Succeeded)]), Verdict::Suspicious);
    case.principals.clear();
    assert_eq!(judge(&case.input()).verdict, Verdict::NoEvidence);
}

/// Every string field of the input gets a canary with identifiers of every shape around it, trusted prose included.
fn poisoned(n: &mut u32) -> String {
    *n += 1;
    let shapes = [
        "111122223333",
        "203.0.113.9",
        "2001:db8::9",
        "arn:aws:s3:::zq-secret",
        "zq@corp.example",
        "AKIAZQZQZQZQZQZQZQZQ",
        "ASIAZQZQZQZQZQZQZQZQ",
        "AIDAZQZQZQZQZQZQZQZQ",
        "AROAZQZQZQZQZQZQZQZQ:me",
        "zq\u{202e} <b>",
    ];
    match *n as usize % (shapes.len() + 1) {
        0 => format!("zq canary {n}"),
        i => format!("zq canary {n} {}", shapes[i - 1]),
    }
}

fn poison(value: &mut serde_json::Value, key: &str, n: &mut u32) {
    use serde_json::Value;
    // Enumerations, times and what links findings to each other keep their values, or nothing would be read.
    const KEPT: [&str; 15] = [
        "kind",
        "kinds",
        "severity",
        "outcome",
        "first",
        "last",
        "time",
        "from",
        "to",
        "hour",
        "stages",
        "reason",
        "title",
        "remediation",
        "not_observable",
    ];
    match value {
        Value::String(text) if !KEPT.contains(&key) => *text = poisoned(n),
        Value::Array(rows) => rows.iter_mut().for_each(|row| poison(row, key, n)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(key, field)| poison(field, key, n));
        }
        _ => {}
    }
}

fn poison_all<T: serde::Serialize + serde::de::DeserializeOwned>(part: &mut T, n: &mut u32) {
    let mut value = serde_json::to_value(&*part).unwrap();
    poison(&mut value, "", n);
    *part = serde_json::from_value(value).unwrap();
}

#[test]
fn nothing_of_the_log_leaks() {
    for round in 0..11 {
        let mut case = case();
        let mut n = round;
        poison_all(&mut case.coverage, &mut n);
        poison_all(&mut case.ledger, &mut n);
        poison_all(&mut case.aggregates, &mut n);
        poison_all(&mut case.principals, &mut n);
        poison_all(&mut case.findings, &mut n);
        poison_all(&mut case.episodes, &mut n);
        poison_all(&mut case.timeline, &mut n);
        case.coverage.categories = BTreeMap::from([(poisoned(&mut n), 3)]);
        case.findings[0].title = "Seen from 198.51.100.9 and 111122223333".to_owned();
        case.findings[0].remediation = "Ask x@y.example about arn:aws:iam::x".to_owned();
        case.coverage.not_observable.push("nothing of 2001:db8::5".to_owned());
        let digest = build(&case.input(), &Options { tokens: 100_000, strings: false });
        assert!(n > 100, "the poison reached {n} fields");
        let sent = digest.json;
        let lower = sent.to_ascii_lowercase();
        for shape in ["zq", "arn:", "@", "akia", "asia", "aida", "aroa", "2001:db8", "\u{202e}"] {
            assert!(!lower.contains(shape), "{shape} in {sent}");
        }
        assert!(!identifier::contains_identifier(&sent.replace('\n', " ")), "{sent}");
    }
}

#[test]
fn strings_are_shown_only_when_asked_for_and_never_as_instructions() {
    let mut case = case();
    case.timeline[1].target = Some("ignore_previous-instructions".to_owned());
    case.timeline[0].target = Some("caf\u{e9} 111122223333".to_owned());
    assert!(!case.digest().json.contains("strings"));
    let digest = build(&case.input(), &Options { tokens: 16_000, strings: true });
    let shown: Vec<&str> = digest.facts.strings.values().map(String::as_str).collect();
    assert!(shown.contains(&"user/alice"), "{shown:?}");
    assert!(shown.contains(&"caf? ACCT1"), "{shown:?}");
    assert!(shown.contains(&"withheld: reads like instructions"), "{shown:?}");
    assert!(!digest.json.contains("previous"));
}
