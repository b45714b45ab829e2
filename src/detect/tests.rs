//! Two implementations: candidates first, against every rule on every row.

use super::columns::{Column, of_identities};
use super::json::inside;
use super::load::Documents;
use super::row::{SigmaEvent, columns};
use super::rules::Rules;
use super::{Archive, Detail, count, counts, find};
use crate::archive::Disk;
use crate::case::{self, Case, Options, Progress};
use crate::model::Finding;
use proptest::prelude::*;
use rsigma_eval::event::EventValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

struct Silent;
impl Progress for Silent {
    fn file(&self, _: u64, _: u64, _: u64) {}
}

pub(super) fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap()
}

/// A case of these records, in a folder that goes with the answer.
pub(super) fn case_of(records: &[Value]) -> (tempfile::TempDir, Case) {
    case_of_text(&json!({"Records": records}).to_string())
}

fn case_of_text(text: &str) -> (tempfile::TempDir, Case) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    std::fs::write(&file, text).unwrap();
    let options = Options { memory_bytes: 64 << 20, ..Options::default() };
    let disk = Disk::list(&[file]).unwrap();
    let folder = dir.path().join("case");
    case::ingest(&disk, &folder, &options, &pool(), &Silent).unwrap();
    let case = Case::open(&folder).unwrap();
    (dir, case)
}

/// All that is found, with its events.
pub(super) fn shown(case: &Case, rules: &Rules, own: &BTreeSet<String>) -> Vec<Finding> {
    let mut detections = find(case, rules, own, &pool()).unwrap();
    detections.show(case, &pool(), usize::MAX).unwrap();
    detections.findings
}

fn rules_of(text: &str) -> Rules {
    let mut documents = Documents::default();
    documents.add("rules.yml", text);
    Rules::of(documents)
}

/// Hits by rule: every rule asked about every row.
pub(super) fn slowly(case: &Case, rules: &Rules, own: &BTreeSet<String>) -> BTreeMap<String, u64> {
    let mut hits = BTreeMap::new();
    for part in 0..case.part_paths().len() {
        let file = case.part(part).unwrap();
        let table = file.rows(&columns()).unwrap();
        for row in 0..table.len() {
            let event = SigmaEvent::new(table.row(row), own);
            for rule in rules.events.iter().filter(|rule| rule.test.hits(&event)) {
                let name = &rules.metas()[rule.meta.unwrap()].name;
                *hits.entry(name.clone()).or_default() += 1;
            }
        }
    }
    hits
}

pub(super) fn quickly(case: &Case, rules: &Rules, own: &BTreeSet<String>) -> BTreeMap<String, u64> {
    let mut hits = BTreeMap::new();
    for finding in shown(case, rules, own) {
        *hits.entry(finding.rule).or_default() += finding.count;
    }
    hits
}

/// One of these, or nothing where it says "-"; anything but JSON is text.
fn one_of(choices: &'static str) -> impl Strategy<Value = Option<Value>> {
    let choices: Vec<&str> = choices.split_whitespace().collect();
    prop::sample::select(choices).prop_map(|word| match word {
        "-" => None,
        word => Some(serde_json::from_str(word).unwrap_or_else(|_| json!(word))),
    })
}

pub(super) fn record() -> impl Strategy<Value = Value> {
    let identity = (
        one_of("Root IAMUser AssumedRole root - 7"),
        one_of(r#"alice Bob - null 7 {"a":1}"#),
        one_of("arn:aws:iam::111122223333:user/alice arn:aws:iam::111122223333:root -"),
        one_of(
            r#"{"attributes":{"mfaAuthenticated":"false"}} {"attributes":{"mfaAuthenticated":true}} null -
            {"sessionIssuer":{"type":"Role"}} {"sessionIssuer":{"type":["Role"]}} {"sessionIssuer.type":"Role"}
            [{"sessionIssuer":{"type":"Role"}}] {"sessionIssuer":{"type":"User"},"attributes":{}}"#,
        ),
        one_of("true true true false"),
    );
    let fields = (
        one_of("StopLogging stoplogging DeleteTrail GetObject CreateUser 5 null -"),
        one_of("cloudtrail.amazonaws.com s3.amazonaws.com iam.amazonaws.com -"),
        one_of("AccessDenied Client.UnauthorizedOperation NoSuchEntity - - - null {\"a\":1}"),
        one_of("aws-cli/2.1 Boto3/1.2 TruffleHog - ÄRGER"),
        one_of("192.0.2.1 10.1.2.3 iam.amazonaws.com -"),
        one_of("true false \"true\" -"),
        one_of(
            r#"{"name":"x"} {"name":["y","x"]} {"policy":"{\"a\":\"s3:*\"}"} null - {"n":{"name":7}} {"name":"ÄRGER"}
            {"n":[{"name":true},{"name":"X"}]} {"n.name":"x","n":{"name":"y"}} {"name":null} {"name":[]} {"q\"":"x"}
            {"roleArn":"arn:aws:iam::111122223333:role/r"} {"kmsKeyId":"arn:aws:kms:eu-west-1:444455556666:key/k"}"#,
        ),
        one_of(r#"{"ConsoleLogin":"Success"} null -"#),
        one_of(r#"ours {"b":["deep"]} - - -"#),
    );
    (identity, fields).prop_map(|(identity, fields)| {
        let mut record = json!({"eventTime": "2024-05-01T10:00:00Z", "eventID": null});
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                record[key] = value;
            }
        };
        put("eventName", fields.0);
        put("eventSource", fields.1);
        put("errorCode", fields.2);
        put("userAgent", fields.3);
        put("sourceIPAddress", fields.4);
        put("readOnly", fields.5);
        put("requestParameters", fields.6);
        put("responseElements", fields.7);
        put("custom", fields.8);
        if identity.4 == Some(json!(true)) {
            put("userIdentity", Some(json!({})));
            let mut put = |key: &str, value: Option<Value>| {
                if let Some(value) = value {
                    record["userIdentity"][key] = value;
                }
            };
            put("type", identity.0);
            put("userName", identity.1);
            put("arn", identity.2);
            put("sessionContext", identity.3);
        }
        record
    })
}

/// Items of a selection: every kind of matcher on every kind of column.
const ITEMS: &str = r"
eventName: StopLogging
eventName: [stoplogging, DeleteTrail]
eventName|cased: stoplogging
eventName|startswith: [Stop, Delete]
eventName|contains: trail
eventName: '*Log*'
eventName|re: '^(Get|Stop)'
eventName|exists: false
eventName: 5
eventName: null
eventSource: s3.amazonaws.com
eventSource|endswith: .amazonaws.com
eventSource|exists: true
errorCode: null
errorCode: '*'
errorCode|contains: [Denied, Unauthorized]
errorCode|neq: AccessDenied
errorCode.a: 1
userAgent|contains: [cli, truffle]
userAgent|contains|all: [boto, '1.2']
userAgent: ärger
sourceIPAddress|cidr: 10.0.0.0/8
sourceIPAddress|endswith: .amazonaws.com
readOnly: true
readOnly: 'false'
readOnly|exists: false
userIdentity.type: Root
userIdentity.type|neq: IAMUser
userIdentity.type: 7
userIdentity.userName: bob
userIdentity.userName: null
userIdentity.arn|contains: ':user/'
userIdentity.arn|fieldref|endswith: userIdentity.userName
userIdentity.sessionContext.attributes.mfaAuthenticated: 'false'
userIdentity.sessionContext.attributes.mfaAuthenticated: true
userIdentity.sessionContext|exists: true
userIdentity.sessionContext.sessionIssuer.type: Role
userIdentity.sessionContext.sessionIssuer.type|neq: User
userIdentity.sessionContext.sessionIssuer.type: null
userIdentity.sessionContext.sessionIssuer.type|exists: false
userIdentity|contains: alice
requestParameters.name: x
requestParameters|contains: 's3:'
requestParameters: null
requestParameters.name|exists: false
requestParameters.name|exists: true
requestParameters.name|contains: X
requestParameters.name|re: '^[xX]$'
requestParameters.name|neq: x
requestParameters.name: ärger
requestParameters|contains: ärger
requestParameters.name: null
requestParameters.n.name: 7
requestParameters.n.name: [x, 'true']
responseElements.ConsoleLogin: null
tlsDetails.tlsVersion|startswith: TLSv1
userIdentity.userName: 7
userIdentity.userName|exists: false
userIdentity.type|exists: true
trailinsight.foreign_kms_key: true
trailinsight.foreign_kms_key: false
trailinsight.passed_role: r
trailinsight.passed_role: null
trailinsight.other_user: true
responseElements.ConsoleLogin: Success
custom: ours
custom.b: deep
custom|exists: false
trailinsight.outcome: denied
trailinsight.actor|contains: alice
trailinsight.actor: null
eventTime|hour: 10
";

const CONDITIONS: &str = r"
a
a and b
a or b
a and not b
not a
1 of them
all of them
2 of a*
(a or b) and not c
1 of * and not c
";

fn rule() -> impl Strategy<Value = String> {
    let items: Vec<&'static str> = ITEMS.trim().lines().collect();
    let conditions: Vec<&'static str> = CONDITIONS.trim().lines().collect();
    let selection = prop::collection::vec(prop::sample::select(items), 1..3);
    let selections = prop::collection::vec(selection, 4);
    (selections, prop::sample::select(conditions), any::<bool>()).prop_map(
        |(selections, condition, as_list)| {
            let mut text = "logsource: {product: aws}\nlevel: low\ndetection:\n".to_owned();
            for (name, mut items) in ["a", "b", "c", "a2"].iter().zip(selections) {
                // A key may not be there twice.
                items.sort_unstable();
                items.dedup_by_key(|item| item.split(": ").next());
                let sign = if as_list && *name == "a" { "- " } else { "  " };
                writeln!(text, "  {name}:").unwrap();
                for item in items {
                    writeln!(text, "    {sign}{item}").unwrap();
                }
            }
            text + &format!("  condition: {condition}\n")
        },
    )
}

/// Whether an identity has nothing but texts, and no path for a key.
fn is_plain(identity: &Value) -> bool {
    match identity {
        Value::String(_) => true,
        Value::Object(of) => of.iter().all(|(key, value)| !key.contains('.') && is_plain(value)),
        _ => false,
    }
}

/// Few cases, for each makes a case on disk; as many as `PROPTEST_CASES` says where it says something, for a night.
fn cases() -> ProptestConfig {
    /// What it is where nobody says anything.
    const USUAL: u32 = 256;
    let asked = ProptestConfig::default();
    ProptestConfig { cases: if asked.cases == USUAL { 48 } else { asked.cases }, ..asked }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_hit_is_lost(
        records in prop::collection::vec(record(), 1..80),
        rules in prop::collection::vec(rule(), 20),
        are_plain in any::<bool>(),
    ) {
        let own = BTreeSet::new();
        let records: Vec<Value> = (0..).zip(records).map(|(number, mut record): (u32, Value)| {
            record["eventID"] = json!(format!("e-{number}"));
            if are_plain && let Some(Value::Object(identity)) = record.get_mut("userIdentity") {
                identity.retain(|_, value| is_plain(value));
            }
            record
        }).collect();
        let documents: Vec<String> = (0..).zip(&rules)
            .map(|(number, rule): (u32, &String)| format!("title: r{number}\nname: r{number}\n{rule}"))
            .collect();
        let text = documents.join("---\n");
        let rules = rules_of(&text);
        prop_assert_eq!(rules.broken(), &[]);
        let (_dir, case) = case_of(&records);
        if are_plain {
            prop_assert!(case.part(0).unwrap().has_plain_identities());
        }
        prop_assert_eq!(quickly(&case, &rules, &own), slowly(&case, &rules, &own), "{}", text);
        let told = find(&case, &rules, &own, &pool()).unwrap();
        let counted = count(&case, &rules, &own, &pool()).unwrap();
        prop_assert_eq!(counted, counts(&told.findings), "{}", text);
    }
}

/// Of any spelling: keys twice, in another case, as paths; values of any kind.
fn identity_text() -> impl Strategy<Value = String> {
    let keys = [
        "type",
        "type",
        "Type",
        "userName",
        "accessKeyId",
        "sessionContext",
        "sessionContext",
        "sessioncontext",
        "sessionContext.sourceIdentity",
        r"session\u0043ontext",
    ];
    let values = [
        r#""a""#,
        r#""b""#,
        r#""""#,
        "7",
        "true",
        "null",
        r#"["a"]"#,
        r#"{"sourceIdentity":"a"}"#,
        r#"{"sourceIdentity":"b","sessionIssuer":{"type":"Role"}}"#,
        r#"{"sourceIdentity":7}"#,
        r#"{"sourceIdentity":"a","sourceIdentity":null}"#,
        r#"[{"sourceIdentity":"a"}]"#,
        "{}",
    ];
    let member = (prop::sample::select(keys.to_vec()), prop::sample::select(values.to_vec()))
        .prop_map(|(key, value)| format!("\"{key}\":{value}"));
    prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn plain_identities_say_what_their_columns_do(
        identities in prop::collection::vec(identity_text(), 1..4),
    ) {
        let records: Vec<String> = (0..).zip(&identities).map(|(number, identity): (u32, &String)| {
            format!(r#"{{"eventTime":"2024-05-01T10:00:00Z","eventID":"e-{number}","userIdentity":{identity}}}"#)
        }).collect();
        let (_dir, case) = case_of_text(&format!(r#"{{"Records":[{}]}}"#, records.join(",")));
        let file = case.part(0).unwrap();
        let table = file.rows(&columns()).unwrap();
        for row in 0..table.len() {
            let identity = table.row(row).text("user_identity").unwrap();
            for Column { field, name, .. } in of_identities() {
                let path = &field["userIdentity.".len()..];
                let said = table.row(row).text(name).map(|text| EventValue::Str(text.into()));
                if file.has_plain_identities() {
                    prop_assert_eq!(said, inside(identity, path), "{} in {}", path, identity);
                }
            }
        }
        let own = BTreeSet::new();
        let rules: Vec<String> = [
            "sessionContext.sourceIdentity: a", "sessionContext.sourceIdentity|exists: false",
            "sessionContext.sessionIssuer.type|neq: Role", "accessKeyId: [a, '7']", "type: a",
        ].iter().enumerate().map(|(number, item)| format!(
            "title: r{number}\nname: r{number}\nlogsource: {{product: aws}}\nlevel: low\ndetection:\n  s:\n    userIdentity.{item}\n  condition: s\n"
        )).collect();
        let rules = rules_of(&rules.join("---\n"));
        prop_assert_eq!(quickly(&case, &rules, &own), slowly(&case, &rules, &own), "{:?}", identities);
    }
}

#[test]
fn a_part_without_its_repeats_still_says_that_identities_are_plain() {
    let record = json!({
        "eventTime": "2024-05-01T10:00:00Z", "eventID": "e", "userIdentity": {"type": "Root"}
    });
    let (_dir, case) = case_of(&[record.clone(), record]);
    assert_eq!(case.manifest.ledger.records.duplicate, 1);
    assert!(case.part(0).unwrap().has_plain_identities());
}

#[test]
fn columns_of_identities_say_what_identities_do() {
    let mut record = json!({"eventTime": "2024-05-01T10:00:00Z", "eventID": "e"});
    for Column { field, name, .. } in of_identities() {
        *field.split('.').fold(&mut record, |at, key| &mut at[key]) = json!(name);
    }
    let (_dir, case) = case_of(&[record]);
    let file = case.part(0).unwrap();
    assert!(file.has_plain_identities());
    let table = file.rows(&columns()).unwrap();
    let identity = table.row(0).text("user_identity").unwrap();
    for Column { field, name, .. } in of_identities() {
        let path = &field["userIdentity.".len()..];
        assert_eq!(table.row(0).text(name), Some(*name), "{path}");
        assert_eq!(inside(identity, path), Some(EventValue::Str((*name).into())), "{path}");
    }
    assert_eq!(of_identities().count(), 27);
}

#[test]
fn rules_are_asked_about_few_rows() {
    let event = |number: usize, name: &str| {
        json!({
            "eventTime": "2024-05-01T10:00:00Z", "eventID": format!("e-{number}"), "eventName": name,
            "eventSource": "s3.amazonaws.com", "requestParameters": {"name": "x"}
        })
    };
    let mut events: Vec<Value> = (0..999).map(|n| event(n, "GetObject")).collect();
    events.push(event(999, "DeleteTrail"));
    let (_dir, case) = case_of(&events);
    let rule = |name: &str, items: &str| {
        format!(
            "title: {name}\nname: {name}\nlogsource: {{product: aws}}\ndetection:\n  s: {{{items}}}\n  condition: s\n---\n"
        )
    };
    let rules = rules_of(
        &(rule("named", "eventName: DeleteTrail, requestParameters.name: x")
            + &rule("sure", "eventName: deletetrail, eventSource: s3.amazonaws.com")
            + &rule("never", "eventName|contains: Get, userAgent|contains: cli")
            + &rule("wide", "requestParameters.name: y")),
    );
    let own = BTreeSet::new();
    let views = case.views().unwrap();
    let (pool, detail) = (&pool(), Detail::All);
    let archive =
        Archive { case: &case, own_accounts: &own, views: &views, pool, trail: None, detail };
    let file = archive.case.part(0).unwrap();
    let candidates = rules.index.look(&file).unwrap().candidates();
    let of = |rule: u32| {
        let lists = candidates.rows.iter().map(|(_, list)| &candidates.lists[*list as usize]);
        let all = lists.flat_map(|list| list.iter());
        all.filter(|candidate| candidate.rule == rule).collect::<Vec<_>>()
    };
    assert_eq!(of(0).len(), 1);
    assert!(!of(0)[0].is_hit, "its request has to be read");
    assert!(of(1).len() == 1 && of(1)[0].is_hit, "columns say it all");
    assert!(of(2).is_empty(), "nobody used such a client");
    assert_eq!(of(3).len(), 1000);
    assert_eq!(rules.wide().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["wide"]);
}
