//! Rules of AWS over the incident: what they find is what SQL, or a plain look at the JSON, counts.

use crate::cli::{run, stderr, stdout};
use crate::support::{analysis, ingest_path, rows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use trailinsight::case::Case;
use trailinsight::detect::Rules;
use trailinsight::model::Severity;

/// Each control of CIS AWS Foundations and what its metric filter counts, said in SQL.
pub(crate) const CONTROLS: [(&str, &str); 15] = [
    (
        "4.1",
        "(error_code LIKE '%UnauthorizedOperation' OR error_code LIKE 'AccessDenied%') AND source_ip_address <> 'delivery.logs.amazonaws.com' AND event_name <> 'HeadBucket'",
    ),
    (
        "4.2",
        r#"event_name = 'ConsoleLogin' AND additional_event_data NOT LIKE '%"MFAUsed":"Yes"%' AND user_identity_type = 'IAMUser' AND response_elements LIKE '%"ConsoleLogin":"Success"%'"#,
    ),
    (
        "4.3",
        "user_identity_type = 'Root' AND user_identity_invoked_by IS NULL AND event_type <> 'AwsServiceEvent'",
    ),
    (
        "4.4",
        "event_source = 'iam.amazonaws.com' AND (event_name LIKE 'Delete%Policy' OR event_name LIKE 'Put%Policy' OR event_name LIKE 'Create%Policy' OR event_name IN ('CreatePolicyVersion', 'DeletePolicyVersion') OR event_name LIKE 'Attach%Policy' OR event_name LIKE 'Detach%Policy') AND event_name <> 'DeleteAccountPasswordPolicy'",
    ),
    (
        "4.5",
        "event_name IN ('CreateTrail', 'UpdateTrail', 'DeleteTrail', 'StartLogging', 'StopLogging')",
    ),
    ("4.6", "event_name = 'ConsoleLogin' AND error_message = 'Failed authentication'"),
    (
        "4.7",
        "event_source = 'kms.amazonaws.com' AND event_name IN ('DisableKey', 'ScheduleKeyDeletion')",
    ),
    (
        "4.8",
        "event_source = 's3.amazonaws.com' AND event_name IN ('PutBucketAcl', 'PutBucketPolicy', 'PutBucketCors', 'PutBucketLifecycle', 'PutBucketReplication', 'DeleteBucketPolicy', 'DeleteBucketCors', 'DeleteBucketLifecycle', 'DeleteBucketReplication')",
    ),
    (
        "4.9",
        "event_source = 'config.amazonaws.com' AND event_name IN ('StopConfigurationRecorder', 'DeleteDeliveryChannel', 'PutDeliveryChannel', 'PutConfigurationRecorder')",
    ),
    (
        "4.10",
        "event_name IN ('AuthorizeSecurityGroupIngress', 'AuthorizeSecurityGroupEgress', 'RevokeSecurityGroupIngress', 'RevokeSecurityGroupEgress', 'CreateSecurityGroup', 'DeleteSecurityGroup')",
    ),
    ("4.11", "event_name LIKE '%NetworkAcl%' AND event_name NOT LIKE 'Describe%'"),
    (
        "4.12",
        "event_name IN ('CreateCustomerGateway', 'DeleteCustomerGateway', 'AttachInternetGateway', 'CreateInternetGateway', 'DeleteInternetGateway', 'DetachInternetGateway')",
    ),
    (
        "4.13",
        "event_source = 'ec2.amazonaws.com' AND event_name IN ('CreateRoute', 'CreateRouteTable', 'ReplaceRoute', 'ReplaceRouteTableAssociation', 'DeleteRouteTable', 'DeleteRoute', 'DisassociateRouteTable')",
    ),
    (
        "4.14",
        "event_name IN ('CreateVpc', 'DeleteVpc', 'ModifyVpcAttribute', 'AcceptVpcPeeringConnection', 'CreateVpcPeeringConnection', 'DeleteVpcPeeringConnection', 'RejectVpcPeeringConnection')",
    ),
    (
        "4.15",
        "event_source = 'organizations.amazonaws.com' AND (event_name LIKE '%Handshake' OR event_name LIKE '%Policy' OR event_name LIKE '%OrganizationalUnit' OR event_name LIKE '%Account' OR event_name LIKE '%Organization') AND event_name NOT LIKE 'Describe%'",
    ),
];
const PERIOD_SECONDS: i64 = 300;
/// How long an alarm of one period stays on after the last match: what CloudWatch still looks at.
const PERIODS_ON: i64 = 3;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native").join(name)
}

fn incident() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/incident")
}

fn count(case: &Case, condition: &str) -> u64 {
    let sql = format!("SELECT count(*) AS n FROM events WHERE {condition}");
    rows(case, &sql)[0][0].parse().unwrap()
}

/// Hits of each rule of the user's, by name, over the incident.
fn found(rules: &[&str], dir: &Path) -> (Case, BTreeMap<String, (u64, String)>) {
    let paths: Vec<PathBuf> = rules.iter().map(|name| file(name)).collect();
    let rules = Rules::load(&paths).unwrap();
    assert!(rules.broken().is_empty(), "{:?}", rules.broken());
    let (case, analysis) = analysis(&incident(), dir, &rules, 2);
    let mut found: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for finding in analysis.findings.iter().filter(|f| f.author.is_some()) {
        let entry = found.entry(finding.rule.clone()).or_default();
        entry.0 += finding.count;
        entry.1.clone_from(&finding.summary);
    }
    (case, found)
}

#[test]
fn metric_filters_of_the_cis_benchmark_count_what_sql_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (case, found) = found(&["cis-metric-filters.json"], dir.path());
    let mut with_hits = 0;
    for (control, condition) in CONTROLS {
        let hits = found.get(&format!("CIS-{control}")).map_or(0, |(count, _)| *count);
        assert_eq!(hits, count(&case, condition), "{control}");
        with_hits += usize::from(hits > 0);
    }
    assert!(with_hits >= 7, "only {with_hits} controls have hits: the incident proves little");
}

#[test]
fn alarms_go_off_when_a_plain_count_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (case, found) = found(&["cis-metric-filters.json", "cis-alarms.json"], dir.path());
    let mut went_off = 0;
    for (control, condition) in CONTROLS {
        let sql = format!("SELECT event_time FROM events WHERE {condition} ORDER BY event_time");
        let times = rows(&case, &sql).into_iter().map(|row| {
            let time = trailinsight::model::Timestamp::parse(&row[0]).unwrap();
            time.seconds().div_euclid(PERIOD_SECONDS)
        });
        let periods: Vec<i64> = times.collect::<BTreeSet<_>>().into_iter().collect();
        let again = periods.windows(2).filter(|pair| pair[1] - pair[0] > PERIODS_ON).count();
        let times = if periods.is_empty() { 0 } else { again + 1 };
        let name = found.keys().find(|name| name.starts_with(&format!("CIS-{control}-")));
        let Some(name) = name else {
            assert_eq!(times, 0, "{control} found nothing");
            continue;
        };
        let (hits, summary) = &found[name];
        assert_eq!(*hits, count(&case, condition), "{control}: every period with a match breaches");
        let told = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        let first = trailinsight::model::Timestamp((periods[0] + 1) * PERIOD_SECONDS * 1_000_000);
        assert!(summary.contains(&format!("gone off {told},")), "{control}: {summary}, not {told}");
        assert!(summary.contains(&format!("at {first}.")), "{control}: {summary}, not {first}");
        went_off += 1;
    }
    assert!(went_off >= 7);
    assert!(
        found.keys().all(|name| name.matches('-').count() == 2),
        "filters speak through alarms: {found:?}"
    );
}

#[test]
fn event_patterns_find_what_a_look_at_the_json_finds() {
    let dir = tempfile::tempdir().unwrap();
    let (case, found) = found(&["eventbridge-rules.json"], dir.path());
    let hits = |name: &str| found.get(name).map_or(0, |(count, _)| *count);
    let records = rows(&case, "SELECT record FROM events");
    let records: Vec<Value> =
        records.iter().map(|r| serde_json::from_str(&r[0]).unwrap()).collect();
    let plain = |test: &dyn Fn(&Value, &str) -> bool| {
        records.iter().filter(|r| test(r, r["eventName"].as_str().unwrap())).count() as u64
    };
    let attached = plain(&|r, name| {
        let put = name.starts_with("Put") && name.ends_with("Policy");
        r["eventSource"] == "iam.amazonaws.com" && (name.starts_with("Attach") || put)
    });
    let open = plain(&|r, name| {
        name == "AuthorizeSecurityGroupIngress"
            && r["requestParameters"].to_string().contains("\"cidrIp\":\"0.0.0.0/0\"")
    });
    let secrets = plain(&|r, name| {
        r["eventSource"] == "secretsmanager.amazonaws.com" && name == "GetSecretValue"
    });
    let failed = plain(&|r, _| {
        r["eventType"] == "AwsConsoleSignIn" && r["responseElements"]["ConsoleLogin"] == "Failure"
    });
    let refused = plain(&|r, _| {
        let code = r["errorCode"].as_str().unwrap_or_default();
        let identity = &r["userIdentity"];
        let root = identity["type"] == "Root" && identity.get("invokedBy").is_none();
        code.ends_with("UnauthorizedOperation") || code.starts_with("AccessDenied") || root
    });
    assert!(attached > 0 && secrets > 0 && refused > 0 && failed > 0);
    assert_eq!(hits("iam-attachments"), attached);
    assert_eq!(hits("open-ingress"), open);
    assert_eq!(
        hits("secrets-unseen"),
        0,
        "calls that read do not reach a rule that is merely enabled"
    );
    assert_eq!(hits("secrets-seen"), secrets);
    assert_eq!(hits("failed-console-login"), failed);
    assert_eq!(hits("refused-or-root"), refused);
}

#[test]
fn findings_carry_the_name_the_arn_and_a_severity_of_the_rule() {
    let dir = tempfile::tempdir().unwrap();
    let rules = Rules::load(&[file("eventbridge-rules.json")]).unwrap();
    assert_eq!(rules.skipped(), ["nightly (no event pattern)"]);
    let (_, analysis) = analysis(&incident(), dir.path(), &rules, 2);
    let finding = analysis.findings.iter().find(|f| f.rule == "iam-attachments").unwrap();
    assert_eq!(
        finding.rule_id.as_deref(),
        Some("arn:aws:events:us-east-1:111122223333:rule/iam-attachments")
    );
    assert_eq!(finding.author.as_deref(), Some("EventBridge of account 111122223333"));
    assert!(finding.severity <= Severity::Medium);
    assert!(finding.title.ends_with("EventBridge rule iam-attachments"), "{}", finding.title);
}

#[test]
fn selectors_say_what_a_trail_would_have_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let case = ingest_path(&incident(), &dir.path().join("case"));
    let all = r#"{"TrailARN": "arn:aws:cloudtrail:eu-central-1:111122223333:trail/all", "AdvancedEventSelectors": [
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]},
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["NetworkActivity"]}]}]}"#;
    let writes = r#"{"TrailARN": "t", "EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true, "DataResources": []}]}"#;
    std::fs::write(dir.path().join("all.json"), all).unwrap();
    std::fs::write(dir.path().join("writes.json"), writes).unwrap();
    let json = |file: &str| -> Value {
        let output =
            run(dir.path(), &["rules", "selectors", file, "--case", "case", "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let of_all = json("all.json");
    let events = case.manifest.ledger.records.kept;
    assert_eq!(
        (&of_all["total"]["events"], &of_all["total"]["recorded"]),
        (&events.into(), &events.into())
    );
    let findings = of_all["findings"].as_array().unwrap();
    assert!(findings.iter().all(|f| f["events"] == f["recorded"]) && findings.len() > 10);
    let of_writes = json("writes.json");
    let wanted = count(
        &case,
        "read_only = false AND (event_category IS NULL OR event_category = 'Management')",
    );
    assert_eq!(of_writes["total"]["recorded"], wanted);
    let sum = |key: &str| {
        of_writes["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(of_writes["total"]["recorded_bytes"], sum("recorded_bytes"));
    let bytes: u64 =
        rows(&case, "SELECT record FROM events").iter().map(|r| r[0].len() as u64).sum();
    assert_eq!(of_writes["total"]["bytes"], bytes);
    let lost =
        of_writes["findings"].as_array().unwrap().iter().find(|f| f["events"] != f["recorded"]);
    assert!(lost.is_some(), "reading secrets leaves no write");
    let output = run(dir.path(), &["rules", "selectors", "writes.json", "--case", "case"]);
    let text = stdout(&output);
    assert!(text.starts_with("Of this case, t would have recorded\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    std::fs::write(
        dir.path().join("bad.json"),
        "{\"EventSelectors\": [{\"ReadWriteType\": \"x\"}]}",
    )
    .unwrap();
    let output = run(dir.path(), &["rules", "selectors", "bad.json", "--case", "case"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("bad.json: EventSelectors[0]: ReadWriteType is All"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn broken_rules_of_aws_are_named_and_the_rest_runs() {
    let dir = tempfile::tempdir().unwrap();
    let text = "{\"Rules\": [\n  {\"Name\": \"good\", \"EventPattern\": \"{\\\"source\\\":[\\\"aws.iam\\\"]}\"},\n  {\"Name\": \"bad\", \"EventPattern\": \"{\\\"source\\\":\\\"aws.iam\\\"}\"}\n]}";
    std::fs::write(dir.path().join("rules.json"), text).unwrap();
    let rules = Rules::load(&[dir.path().to_owned()]).unwrap();
    let [broken] = rules.broken() else { panic!("{:?}", rules.broken()) };
    assert!(broken.file.ends_with("rules.json"));
    assert_eq!(
        (broken.line, broken.reason.as_str()),
        (3, "bad: EventPattern: source: expected a list of values, or an object")
    );
    assert!(rules.metas().iter().any(|meta| meta.name == "good"));
}
