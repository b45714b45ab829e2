//! Rules of every kind over whole archives: correlations, filters, first-seen rules, and the rules of SigmaHQ.

use crate::support::{analysis, shared_data};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use trailinsight::analyze::Analysis;
use trailinsight::detect::{Rules, check};
use trailinsight::model::{Finding, FindingKind, Severity};

/// An event of a user: minute of the day 2024-05-01, name, address, request.
fn event(minute: u32, user: &str, name: &str, address: &str, request: &Value) -> Value {
    let arn = format!("arn:aws:iam::111122223333:user/{user}");
    let (hour, rest, day) = (minute / 60 % 24, minute % 60, 1 + minute / 1440);
    json!({
        "eventVersion": "1.09", "eventTime": format!("2024-05-{day:02}T{hour:02}:{rest:02}:00Z"),
        "eventSource": "quiet.amazonaws.com", "eventName": name, "awsRegion": "eu-west-1",
        "sourceIPAddress": address, "eventID": format!("{user}-{name}-{minute}-{address}"),
        "userIdentity": {"type": "IAMUser", "arn": arn, "accountId": "111122223333", "userName": user},
        "requestParameters": request, "recipientAccountId": "111122223333", "readOnly": true
    })
}

/// What rules in `files` find in `events`, by name of the rule.
fn found(files: &[(&str, &str)], events: &[Value]) -> BTreeMap<String, Vec<Finding>> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("rules");
    fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    // In two files, the later events first: an archive has no order.
    let archive = dir.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let (early, late) = events.split_at(events.len() / 2);
    for (name, events) in [("a.json", late), ("b.json", early)] {
        fs::write(archive.join(name), json!({"Records": events}).to_string()).unwrap();
    }
    let rules = Rules::load(&[folder]).unwrap();
    assert_eq!(rules.broken(), []);
    let (_, analysis) = analysis(&archive, &dir.path().join("case"), &rules, 2);
    let mut found: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in analysis.findings.into_iter().filter(|f| f.kind != FindingKind::Anomaly) {
        found.entry(finding.rule.clone()).or_default().push(finding);
    }
    found
}

fn detection(name: &str, selection: &str) -> String {
    format!(
        "title: {name}\nname: {name}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  s: {{{selection}}}\n  condition: s\nlevel: low\n"
    )
}

fn correlation(name: &str, body: &str) -> String {
    format!("title: {name}\nname: {name}\nlevel: medium\ncorrelation: {{{body}}}\n")
}

fn users(findings: &[Finding]) -> Vec<(&str, u64)> {
    let mut users: Vec<_> =
        findings.iter().map(|f| (f.principal.rsplit('/').next().unwrap(), f.count)).collect();
    users.sort_unstable();
    users
}

#[test]
fn a_correlation_tells_the_events_of_its_windows_and_hides_its_own_parts() {
    let tried = detection("tried", "eventName: GetThing");
    let many = correlation(
        "many",
        "type: value_count, rules: [tried], group-by: [trailinsight.actor], timespan: 10m, condition: {field: requestParameters.name, gte: 3}",
    );
    let get = |minute, user, name: &str| {
        event(minute, user, "GetThing", "192.0.2.1", &json!({"name": name}))
    };
    let events = [
        get(0, "eve", "a"),
        get(4, "eve", "b"),
        get(4, "bob", "x"),
        get(5, "bob", "x"),
        get(6, "bob", "x"),
        get(10, "eve", "c"),
        get(30, "eve", "d"),
        get(41, "eve", "e"),
    ];
    let one_file = format!("{tried}---\n{many}");
    let together = found(&[("all.yml", &one_file)], &events);
    assert_eq!(users(&together["many"]), [("eve", 3)]);
    assert!(!together.contains_key("tried"), "a part of the correlation says nothing by itself");
    let apart = found(&[("tried.yml", &tried), ("many.yml", &many)], &events);
    assert_eq!(users(&apart["many"]), [("eve", 3)]);
    assert_eq!(users(&apart["tried"]), [("bob", 3), ("eve", 5)], "a rule of its own goes on");
    let said = format!("{tried}---\n{many}generate: true\n");
    assert!(found(&[("all.yml", &said)], &events).contains_key("tried"));
}

#[test]
fn correlations_follow_aliases_and_chain() {
    let rules = [
        detection("made", "eventName: MakeThing"),
        detection("used", "eventName: UseThing"),
        correlation(
            "made_then_used",
            "type: temporal_ordered, rules: [made, used], group-by: [thing], timespan: 1h, aliases: {thing: {made: requestParameters.new, used: requestParameters.name}}",
        ),
        correlation(
            "again",
            "type: event_count, rules: [made_then_used], group-by: [thing], timespan: 1d, condition: {gte: 2}",
        ),
    ]
    .join("---\n");
    let made =
        |minute, name: &str| event(minute, "eve", "MakeThing", "192.0.2.1", &json!({"new": name}));
    let used = |minute, user, name: &str| {
        event(minute, user, "UseThing", "192.0.2.1", &json!({"name": name}))
    };
    let events = [
        made(0, "a"),
        used(10, "bob", "a"),
        used(11, "bob", "a"),
        used(20, "bob", "b"),
        made(30, "b"),
        made(200, "c"),
        used(400, "bob", "c"),
    ];
    let found = found(&[("all.yaml", &rules)], &events);
    let chain = &found["again"];
    assert_eq!((chain.len(), chain[0].count), (1, 2), "the two moments at which the first held");
    assert!(!found.contains_key("made_then_used"), "it is a part of the other");
}

#[test]
fn a_group_of_several_principals_is_one_finding() {
    let rules = [
        detection("refused", "eventName: GetThing"),
        correlation(
            "spray",
            "type: value_count, rules: [refused], group-by: [sourceIPAddress], timespan: 1h, condition: {field: trailinsight.actor, gte: 3}",
        ),
    ]
    .join("---\n");
    let get = |minute, user| event(minute, user, "GetThing", "192.0.2.9", &json!({}));
    let events = [get(0, "a"), get(1, "b"), get(2, "b"), get(3, "c"), get(200, "d")];
    let found = found(&[("all.yml", &rules)], &events);
    assert_eq!(users(&found["spray"]), [("b", 4)], "told of the one with the most events");
}

#[test]
fn filters_take_hits_away() {
    let rule = detection("got", "eventName: GetThing");
    let filter = |rules: &str, condition: &str| {
        format!(
            "title: not Bob\nlogsource: {{product: aws}}\nfilter:\n  rules: {rules}\n  them_bob: {{userIdentity.userName: bob}}\n  them_carl: {{userIdentity.userName: carl}}\n  condition: {condition}\n"
        )
    };
    let get = |user| event(0, user, "GetThing", "192.0.2.9", &json!({}));
    let events = [get("bob"), get("carl"), get("eve")];
    let of = |rules: &str, condition: &str| {
        let filter = filter(rules, condition);
        let mut found = found(&[("rule.yml", &rule), ("filter.yml", &filter)], &events);
        let findings = found.remove("got").unwrap_or_default();
        users(&findings).into_iter().map(|(u, _)| u.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("[got]", "not them_bob"), ["carl", "eve"]);
    assert_eq!(of("any", "not 1 of them_*"), ["eve"]);
    assert_eq!(of("[other]", "not them_bob"), ["bob", "carl", "eve"]);
}

#[test]
fn first_seen_rules_tell_what_is_new_after_the_learning_period() {
    let rule = "title: new\nname: new\nlevel: medium\ntype: new_terms\nlogsource: {product: aws}\ndetection:\n  s: {eventName: GetThing}\n  condition: s\nnew_terms:\n  fields: [trailinsight.actor, sourceIPAddress]\n  history_window: 5d\n  learning_period: 2d\n";
    let day = 1440;
    let get = |minute, user, address| event(minute, user, "GetThing", address, &json!({}));
    let events = [
        get(0, "bob", "192.0.2.1"),
        get(day, "eve", "192.0.2.1"),
        get(4 * day, "bob", "192.0.2.1"),
        get(4 * day, "eve", "192.0.2.7"),
        get(4 * day + 1, "eve", "192.0.2.7"),
        get(20 * day, "bob", "192.0.2.1"),
    ];
    let found = found(&[("new.yml", rule)], &events);
    assert_eq!(users(&found["new"]), [("bob", 1), ("eve", 1)]);
    let times: Vec<String> = found["new"].iter().map(|f| f.first.to_string()).collect();
    assert!(times.contains(&"2024-05-05T00:00:00Z".to_owned()), "{times:?}");
    assert!(times.contains(&"2024-05-21T00:00:00Z".to_owned()), "forgotten after five days");
}

#[test]
fn an_attempt_is_one_level_lower_unless_the_rule_is_about_failures() {
    let rules = [
        detection("made", "eventName: MakeThing").replace("level: low", "level: high"),
        detection("refused", "eventName: MakeThing, errorCode|contains: Denied")
            .replace("level: low", "level: high"),
    ]
    .join("---\n");
    let mut refused = event(0, "eve", "MakeThing", "192.0.2.1", &json!({}));
    refused["errorCode"] = json!("AccessDenied");
    let found = found(&[("all.yml", &rules)], &[refused]);
    assert_eq!(found["made"][0].severity, Severity::Medium);
    assert_eq!(found["made"][0].title, "Attempt (denied): made");
    assert_eq!(found["refused"][0].severity, Severity::High);
    assert_eq!(found["refused"][0].title, "refused");
}

#[test]
fn a_rule_may_tell_things_apart() {
    let rule = detection("made", "eventName: MakeThing") + "trailinsight: {per: resource}\n";
    let made =
        |minute, name: &str| event(minute, "eve", "MakeThing", "192.0.2.1", &json!({"name": name}));
    let found = found(&[("all.yml", &rule)], &[made(0, "a"), made(1, "b"), made(2, "a")]);
    assert_eq!(users(&found["made"]), [("eve", 1), ("eve", 2)]);
    assert_ne!(found["made"][0].id, found["made"][1].id);
}

#[test]
fn checking_finds_the_known_faults_of_public_rules() {
    let Some(folder) = shared_data("sigmahq") else { return };
    let remarks = check(&[folder]).unwrap();
    for (file, line, text) in [
        ("aws_delete_saml_provider", "status:", "no field status"),
        ("aws_s3_data_management_tampering", "- PutLifecycleConfiguration", "PutBucketLifecycle"),
        ("aws_s3_data_management_tampering", "- PutEncryptionConfiguration", "PutBucketEncryption"),
        ("aws_iam_backdoor_users_keys", "responseElements.accessKey", "compares with the text"),
        ("aws_update_login_profile", "userIdentity.arn|fieldref", "never equal"),
        ("aws_route_53_domain_transferred_lock_disabled", "eventName:", "route53domains"),
    ] {
        let remark = remarks.iter().find(|r| r.file.contains(file) && r.text.contains(text));
        let remark = remark.unwrap_or_else(|| panic!("{file}: {text} is not told"));
        let written = fs::read_to_string(&remark.file).unwrap();
        let at = written.lines().nth(remark.line as usize - 1).unwrap();
        assert!(at.contains(line), "{file}:{} is `{at}`", remark.line);
    }
    assert!(remarks.iter().all(|r| !r.is_error), "all of them can be used");
}

#[test]
fn checking_finds_nothing_in_the_pack_and_asks_no_more_of_parts_than_they_need() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/detect/pack");
    assert_eq!(check(&[pack]).unwrap(), []);
    let part = detection("part", "eventName: GetThing").replace("level: low\n", "");
    let whole = correlation(
        "whole",
        "type: event_count, rules: [part], group-by: [sourceIPAddress], timespan: 1h, condition: {gte: 3}",
    );
    let dir = tempfile::tempdir().unwrap();
    let told = |text: &str| {
        fs::write(dir.path().join("a.yml"), text).unwrap();
        let remarks = check(&[dir.path().to_owned()]).unwrap();
        let told = remarks.into_iter().map(|r| format!("{} {}", r.line, r.text));
        told.collect::<Vec<_>>()
    };
    let of_whole =
        ["no description", "no falsepositives", "no id", "no tag of an ATT&CK technique"];
    let first = part.lines().count() + 2;
    let wanted = of_whole.map(|lack| format!("{first} {lack}"));
    assert_eq!(told(&format!("{part}---\n{whole}")), wanted);
    let alone = told(&part);
    assert!(alone.contains(&"1 no level (it is taken as informational)".to_owned()), "{alone:?}");
    let old = part.replace("condition: s", "condition: s | count() > 5");
    assert_eq!(
        told(&old),
        [
            "6 Condition parse error at 1:3: expected EOI, or_op, or and_op; aggregations behind `|` are correlations since Sigma 2"
        ]
    );
    let expanded = told(&part.replace("eventName:", "'eventName|expand':"));
    assert!(expanded.iter().any(|text| text.contains("%placeholders%")), "{expanded:?}");
}

/// Hits of the rules of SigmaHQ over invictus, by title.
fn hits_on_invictus(rules: &Path) -> Option<(Analysis, Rules)> {
    let archive = shared_data("invictus/CloudTrail")?;
    let dir = tempfile::tempdir().unwrap();
    let rules = Rules::load(&[rules.to_owned()]).unwrap();
    let (_, analysis) = analysis(&archive, dir.path(), &rules, 2);
    Some((analysis, rules))
}

#[test]
fn the_rules_of_sigmahq_hit_what_another_evaluator_says() {
    let Some(folder) = shared_data("sigmahq") else { return };
    let Some((analysis, rules)) = hits_on_invictus(&folder) else { return };
    let Some(oracle) = shared_data("sigma_oracle_summary.json") else { return };
    assert_eq!(rules.broken(), []);
    let theirs: Vec<_> = rules.metas().iter().filter(|m| m.author.is_some()).collect();
    assert_eq!(theirs.len(), 57);
    assert!(theirs.iter().all(|m| m.id.is_some()));
    let oracle: Value = serde_json::from_slice(&fs::read(oracle).unwrap()).unwrap();
    let wanted: Vec<(String, u64)> =
        serde_json::from_value(oracle["invictus.sigmahq"]["by_rule"].clone()).unwrap();
    let wanted: BTreeMap<String, u64> = wanted.into_iter().collect();
    let mut got: BTreeMap<String, u64> = BTreeMap::new();
    for finding in analysis.findings.iter().filter(|f| f.author.is_some()) {
        assert!(finding.rule_id.is_some(), "{} lost its id", finding.title);
        let meta = theirs.iter().find(|m| m.name == finding.rule).unwrap();
        *got.entry(meta.title.clone()).or_default() += finding.count;
    }
    assert_eq!(got, wanted);
}
