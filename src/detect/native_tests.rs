//! Rules of AWS over rows: as over the records they were, and as with every rule asked about every row.

use super::aws::Printed;
use super::load::Documents;
use super::rules::Rules;
use super::tests::{case_of, quickly, record, slowly};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FIELDS: [&str; 15] = [
    "eventName",
    "eventSource",
    "errorCode",
    "userAgent",
    "sourceIPAddress",
    "readOnly",
    "custom",
    "userIdentity",
    "userIdentity.type",
    "userIdentity.userName",
    "userIdentity.arn",
    "userIdentity.sessionContext.attributes.mfaAuthenticated",
    "requestParameters",
    "requestParameters.name",
    "responseElements.ConsoleLogin",
];

fn test() -> impl Strategy<Value = Value> {
    let tests = [
        json!("StopLogging"),
        json!("s3.amazonaws.com"),
        json!("Root"),
        json!("x"),
        json!("alice"),
        json!("7"),
        json!(5),
        json!(7),
        json!(true),
        json!("true"),
        json!("false"),
        json!(null),
        json!({"prefix": "Stop"}),
        json!({"suffix": "Trail"}),
        json!({"wildcard": "*a*"}),
        json!({"equals-ignore-case": "stoplogging"}),
        json!({"anything-but": "AccessDenied"}),
        json!({"anything-but": {"prefix": "arn:"}}),
        json!({"exists": true}),
        json!({"exists": false}),
        json!({"cidr": "10.0.0.0/8"}),
        json!({"numeric": [">", 4]}),
    ];
    prop::sample::select(tests.to_vec())
}

/// A pattern of one or two fields, or with alternatives.
fn pattern() -> impl Strategy<Value = Value> {
    let field = || (prop::sample::select(FIELDS.to_vec()), prop::collection::vec(test(), 1..3));
    let source = prop::sample::select(vec!["aws.s3", "aws.cloudtrail", "aws.iam"]);
    (field(), field(), source, 0..4).prop_map(|(a, b, source, shape)| {
        let (a, b) = ((format!("detail.{}", a.0), a.1), (format!("detail.{}", b.0), b.1));
        match shape {
            0 => json!({a.0: a.1}),
            1 => json!({"source": [source], a.0: a.1}),
            2 => json!({"$or": [{a.0: a.1}, {b.0: b.1}]}),
            _ => json!({"detail-type": [{"prefix": "AWS"}], a.0: a.1, b.0: b.1}),
        }
    })
}

fn filter() -> impl Strategy<Value = String> {
    let questions = vec![
        "= StopLogging",
        "!= AccessDenied",
        "= \"s3.*\"",
        "= 7",
        "!= 7",
        "= true",
        "> 4",
        "IS TRUE",
        "IS FALSE",
        "IS NULL",
        "NOT EXISTS",
        "= *",
        "= %Trail%",
        "!= %alice%",
    ];
    let one = (prop::sample::select(FIELDS.to_vec()), prop::sample::select(questions))
        .prop_map(|(field, question)| format!("($.{field} {question})"));
    let several = prop::collection::vec(one, 1..4);
    (several, prop::sample::select(vec![" && ", " || "]))
        .prop_map(|(parts, word)| format!("{{ {} }}", parts.join(word)))
}

/// Hits by rule, looking at the records themselves.
fn plainly(printed: &Printed, records: &[Value]) -> BTreeMap<String, u64> {
    let mut hits = BTreeMap::new();
    let mut hit = |name: &String, count: usize| {
        if count > 0 {
            hits.insert(name.clone(), count as u64);
        }
    };
    for rule in &printed.rules {
        hit(&rule.named.name, records.iter().filter(|r| rule.pattern.matches(*r)).count());
    }
    for filter in &printed.filters {
        hit(&filter.named.name, records.iter().filter(|r| filter.filter.matches(*r)).count());
    }
    hits
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rows_answer_as_records_and_no_hit_is_lost(
        records in prop::collection::vec(record(), 1..60),
        patterns in prop::collection::vec(pattern(), 12),
        filters in prop::collection::vec(filter(), 12),
    ) {
        let records: Vec<Value> = (0..).zip(records).map(|(number, mut record): (u32, Value)| {
            record["eventID"] = json!(format!("e-{number}"));
            record
        }).collect();
        let rules: Vec<Value> = (0..).zip(&patterns).map(|(number, pattern): (u32, &Value)| json!({
            "Name": format!("p{number}"), "EventPattern": pattern,
            "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        })).collect();
        let filters: Vec<Value> = (0..).zip(&filters).map(|(number, filter): (u32, &String)| json!({
            "filterName": format!("f{number}"), "filterPattern": filter,
        })).collect();
        let text = format!("{:#}\n{:#}", json!({"Rules": rules}), json!({"metricFilters": filters}));
        let mut documents = Documents::default();
        documents.add("rules.json", &text);
        let rules = Rules::of(documents);
        prop_assert_eq!(rules.broken(), &[]);
        let (_dir, case) = case_of(&records);
        let own = BTreeSet::new();
        let slowly = slowly(&case, &rules, &own);
        prop_assert_eq!(&slowly, &plainly(&Printed::read(&text, "rules"), &records), "{}", text);
        prop_assert_eq!(&quickly(&case, &rules, &own), &slowly, "{}", text);
    }
}

/// Filters of the CIS benchmark look at few columns and are not asked about every row.
#[test]
fn columns_rule_out_most_of_what_people_ask() {
    let text = include_str!("../../tests/native/cis-metric-filters.json");
    let mut documents = Documents::default();
    documents.add("cis.json", text);
    documents.add("rules.json", include_str!("../../tests/native/eventbridge-rules.json"));
    let rules = Rules::of(documents);
    let wide: Vec<&str> = rules.wide().map(|meta| meta.name.as_str()).collect();
    assert_eq!(wide, [""; 0]);
}
