//! The rules against tests that others wrote for theirs, and against attacks that were really run.
//!
//! `cargo test ground_truth -- --nocapture` prints every test with what was found; the asserts hold what was reached.

use crate::support::{analysis, shared_data};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use trailinsight::analyze::Analysis;
use trailinsight::detect::Rules;
use trailinsight::model::{Finding, Severity};

/// Public tests that no event alone can decide, with the reason; so are those with mocks.
const UNDECIDABLE: [(&str, &str); 11] = [
    ("AWS.CloudTrail.IAMAssumeRoleBlacklistIgnored", "a list of roles kept by the user"),
    ("AWS.CloudTrail.PasswordSpraying", "counts ten events"),
    ("AWS.ECR.EVENTS", "a list of accounts and Regions kept by the user"),
    ("AWS.IAM.Group.Read.Only.Events", "counts two events"),
    ("AWS.IAMUser.ReconAccessDenied", "counts fifteen events"),
    ("AWS.SecretsManager.BatchRetrieveSecrets", "counts five events"),
    ("AWS.Software.Discovery", "counts fifty events"),
    ("AWS.UnusedRegion", "a list of Regions kept by the user"),
    ("Standard.GreyNoiseV3.MaliciousIP", "needs a feed of addresses"),
    ("Standard.OTX.MaliciousIndicator", "needs a feed of addresses"),
    ("Standard.BruteForceByIP", "counts twenty events"),
];

/// Rules that speak of the caller, not of the call: no answer but to a test about the caller.
const OF_THE_CALLER: [&str; 1] = ["root_activity"];

/// Ingests `events` as one trail file of their own accounts and the rest of the main job.
fn analyzed(events: &[Value], rules: &Rules) -> Analysis {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, json!({ "Records": events }).to_string()).unwrap();
    analysis(&file, &dir.path().join("case"), rules, 1).1
}

/// What a test of a rule leaves out of its event, or holds a placeholder for.
fn completed(mut event: Value) -> Value {
    // Some records have all keys in lower case.
    let lower = event["eventname"].is_string();
    let (time, id) = if lower { ("eventtime", "eventid") } else { ("eventTime", "eventID") };
    if !event[time].as_str().is_some_and(|time| time.starts_with("20")) {
        event[time] = "2024-05-03T08:00:00Z".into();
    }
    event[id] = "5c1a3a5e-6f0b-4e0d-9d4e-000000000001".into();
    if event["eventSource"] == "..." {
        // Calls that only one service has.
        let name = event["eventName"].as_str().unwrap_or_default();
        let services = [("NetworkAcl", "ec2"), ("ObjectAcl", "s3"), ("BucketAcl", "s3")];
        if let Some((_, service)) = services.iter().find(|(part, _)| name.contains(part)) {
            event["eventSource"] = format!("{service}.amazonaws.com").into();
        }
    }
    event
}

/// The tool that ran the attacks names itself.
fn blanked(mut event: Value) -> Value {
    event["userAgent"] = "".into();
    event
}

/// Findings of medium or higher, as `rule severity`.
fn raised(findings: &[Finding]) -> Vec<String> {
    told(findings, |rule| !OF_THE_CALLER.contains(&rule))
}

fn told(findings: &[Finding], counts: impl Fn(&str) -> bool) -> Vec<String> {
    let told = findings.iter().filter(|f| f.severity >= Severity::Medium && counts(&f.rule));
    let told: BTreeSet<String> = told.map(|f| format!("{} {}", f.rule, f.severity)).collect();
    told.into_iter().collect()
}

/// One event of somebody's test and what it should do.
struct Trial {
    rule: String,
    name: String,
    expected: bool,
    event: Value,
}

/// Of trials that should raise a finding, and of those that should not: how many, and how many did.
#[derive(Default)]
struct Score {
    should: (usize, usize),
    should_not: (usize, usize),
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Prints a table by rule and counts.
fn tried(trials: &[Trial]) -> Score {
    let rules = Rules::load(&[]).unwrap();
    let one = |trial: &Trial| {
        let is_of_the_caller = trial.rule.contains("root_account");
        let counts = |rule: &str| is_of_the_caller || !OF_THE_CALLER.contains(&rule);
        told(&analyzed(std::slice::from_ref(&trial.event), &rules).findings, counts)
    };
    let answers: Vec<Vec<String>> = trials.iter().map(one).collect();
    let (mut score, mut table) = (Score::default(), String::new());
    for (trial, found) in trials.iter().zip(&answers) {
        let counts = if trial.expected { &mut score.should } else { &mut score.should_not };
        counts.0 += 1;
        counts.1 += usize::from(!found.is_empty());
        let verdict = match (trial.expected, found.is_empty()) {
            (true, true) => "MISSED",
            (false, false) => "FALSE",
            _ => "ok",
        };
        let Trial { rule, name, expected, .. } = trial;
        writeln!(table, "{verdict:6} {rule} | {name} | {expected} | {}", found.join(", ")).unwrap();
    }
    let ((all, hit), (none, wrong)) = (score.should, score.should_not);
    eprintln!("{table}raised: {hit} of {all} that should, {wrong} of {none} that should not");
    score
}

#[test]
fn ground_truth_of_the_public_rule_tests() {
    let Some(path) = shared_data("panther_tests.ndjson") else { return };
    let trial = |test: Value| {
        let text = |key: &str| test[key].as_str().unwrap().to_owned();
        let (rule, name) = (text("rule_id"), text("test_name"));
        let decidable = test["mocks"] == false && UNDECIDABLE.iter().all(|(id, _)| *id != rule);
        let event = completed(test["event"].clone());
        let expected = test["expected"] == true;
        decidable.then_some(Trial { rule, name, expected, event })
    };
    let trials: Vec<Trial> = lines(&path).into_iter().filter_map(trial).collect();
    assert!(trials.len() > 150, "{} trials", trials.len());
    let Score { should: (all, hit), should_not: (none, wrong) } = tried(&trials);
    assert!(hit * 100 >= all * 85, "{hit} of {all} are found");
    assert!(wrong * 100 <= none * 15, "{wrong} of {none} are found that should not be");
}

#[test]
fn ground_truth_of_another_rule_set() {
    let Some(path) = shared_data("streamalert_tests.ndjson") else { return };
    let trial = |test: Value| {
        let rules = test["trigger_rules"].as_array().unwrap();
        let rule = rules.first().and_then(Value::as_str).unwrap_or("none").to_owned();
        let name = test["description"].as_str().unwrap_or_default().chars().take(70).collect();
        let event = Some(test["event"].clone()).filter(|event| event["eventName"].is_string())?;
        let expected = test["expected"] == true;
        // Whom a bucket may be open to by a list of the user's, no event says.
        let by_a_list = test["description"].as_str().is_some_and(|d| d.contains("whitelisted"));
        (!by_a_list).then(|| Trial { rule, name, expected, event: completed(event) })
    };
    let trials: Vec<Trial> = lines(&path).into_iter().filter_map(trial).collect();
    assert!(trials.len() > 40, "{} trials", trials.len());
    let Score { should: (all, hit), should_not: (none, wrong) } = tried(&trials);
    assert!(hit * 100 >= all * 85, "{hit} of {all} are found");
    assert!(wrong * 100 <= none * 15, "{wrong} of {none} are found that should not be");
}

/// Findings of medium or higher with an event of these among their evidence.
fn on(findings: &[Finding], wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let shows = |finding: &&Finding| {
        finding.evidence.iter().any(|event| wanted(&event.event_id, &event.event_name))
    };
    let shown: Vec<Finding> = findings.iter().filter(shows).cloned().collect();
    raised(&shown)
}

#[test]
fn ground_truth_of_simulated_techniques() {
    let Some(folder) = shared_data("stratus") else { return };
    let rules = Rules::load(&[]).unwrap();
    let truth: Value =
        serde_json::from_slice(&fs::read(folder.join("GROUND_TRUTH.json")).unwrap()).unwrap();
    let mut missed = Vec::new();
    for technique in truth.as_array().unwrap().iter().filter(|t| t["has_log"] == true) {
        let name = technique["technique"].as_str().unwrap();
        let events = fs::read(folder.join(format!("{name}.json"))).unwrap();
        let events: Vec<Value> = serde_json::from_slice(&events).unwrap();
        let events: Vec<Value> = events.into_iter().map(blanked).collect();
        let highlighted = technique["highlighted_event_names"].as_array().unwrap();
        let found = on(&analyzed(&events, &rules).findings, |_, name| {
            highlighted.iter().any(|highlight| highlight == name)
        });
        eprintln!("{name}: {}", found.join(", "));
        if found.is_empty() {
            missed.push(name.to_owned());
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn ground_truth_of_a_day_of_attacks() {
    let Some(folder) = shared_data("invictus") else { return };
    let rules = Rules::load(&[]).unwrap();
    let mut techniques: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for label in lines(&folder.join("labels.ndjson")) {
        if label["label"] == "detonation" {
            let technique = label["technique"].as_str().unwrap().to_owned();
            let id = label["eventID"].as_str().unwrap().to_owned();
            techniques.entry(technique).or_default().insert(id);
        }
    }
    assert_eq!(techniques.len(), 26);
    let events = records(&folder.join("CloudTrail"));
    let whole = analyzed(&events, &rules).findings;
    for finding in whole.iter().filter(|f| f.severity >= Severity::Medium) {
        eprintln!("{} {} ×{}: {}", finding.severity, finding.rule, finding.count, finding.summary);
    }
    let mut missed = Vec::new();
    for (technique, ids) in &techniques {
        let of_technique = |event: &&Value| ids.contains(event["eventID"].as_str().unwrap());
        let own: Vec<Value> = events.iter().filter(of_technique).cloned().collect();
        let alone = raised(&analyzed(&own, &rules).findings);
        let shown = on(&whole, |id, _| ids.contains(id));
        eprintln!("{technique}: {} | as evidence: {}", alone.join(", "), shown.join(", "));
        if alone.is_empty() && shown.is_empty() {
            missed.push(technique);
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

/// Every record of a folder of trail files once, user agents blanked.
fn records(folder: &Path) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let read = |path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let records = files.iter().flat_map(|path| read(path)["Records"].as_array().unwrap().clone());
    let fresh = records.filter(|r: &Value| seen.insert(r["eventID"].as_str().unwrap().to_owned()));
    fresh.map(blanked).collect()
}
