//! Each operator of event patterns: an event it takes and a near miss.

#![allow(clippy::needless_pass_by_value, reason = "values are written where they are used")]

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn record() -> Value {
    json!({
        "eventVersion": "1.08", "eventType": "AwsApiCall", "eventCategory": "Management",
        "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "awsRegion": "eu-west-1",
        "eventTime": "2024-05-03T08:12:01Z", "eventID": "e-1", "recipientAccountId": "111122223333",
        "sourceIPAddress": "203.0.113.9", "readOnly": false, "errorCode": null, "userAgent": "",
        "requestParameters": {
            "maxCount": 3, "price": 0.25, "instanceType": "p4d.24xlarge", "x.dotted": "yes",
            "path": "/a*b/c", "v6": "2001:db8::1", "tags": ["one", "Two"],
            "items": [
                {"port": 22, "cidr": "10.0.0.0/8", "who": {"id": "a"}},
                {"port": 443, "cidr": "0.0.0.0/0"},
            ],
        },
    })
}

fn takes(pattern: Value) -> bool {
    Pattern::parse(&pattern).unwrap_or_else(|bad| panic!("{pattern}: {bad}")).matches(&record())
}

fn of_request(tests: Value, field: &str) -> Value {
    json!({"detail": {"requestParameters": {field: tests}}})
}

#[test]
fn the_envelope_is_that_of_the_bus() {
    assert!(takes(json!({"source": ["aws.ec2"], "detail-type": ["AWS API Call via CloudTrail"]})));
    assert!(!takes(json!({"source": ["aws.s3"]})));
    assert!(!takes(json!({"detail-type": ["AWS Console Sign In via CloudTrail"]})));
    assert!(takes(json!({"account": ["111122223333"], "region": ["eu-west-1"], "version": ["0"]})));
    assert!(takes(json!({"time": [{"prefix": "2024-05-03"}], "resources": [{"exists": false}]})));
    assert!(takes(json!({"detail": {"eventName": ["StopLogging", "RunInstances"]}})));
    assert!(!takes(json!({"detail": {"eventName": ["runinstances"]}})), "case counts");
}

/// Field of the request, tests that take it, and tests that do not.
const OPERATORS: &str = r#"
instanceType ; [{"prefix": "p4d."}] ; [{"prefix": "P4d"}]
instanceType ; [{"prefix": {"equals-ignore-case": "P4D"}}] ; [{"prefix": {"equals-ignore-case": "4d"}}]
instanceType ; [{"suffix": "xlarge"}] ; [{"suffix": "XLARGE"}]
instanceType ; [{"suffix": {"equals-ignore-case": "XLarge"}}] ; [{"suffix": {"equals-ignore-case": "large."}}]
instanceType ; [{"equals-ignore-case": "P4D.24XLARGE"}] ; [{"equals-ignore-case": "P4D"}]
instanceType ; [{"wildcard": "p*.24*"}] ; [{"wildcard": "p*.48*"}]
path ; [{"wildcard": "/a\\*b/*"}] ; [{"wildcard": "/a\\*c/*"}]
instanceType ; [{"anything-but": "t3.micro"}] ; [{"anything-but": "p4d.24xlarge"}]
instanceType ; [{"anything-but": ["a", "b"]}] ; [{"anything-but": ["a", "p4d.24xlarge"]}]
instanceType ; [{"anything-but": {"prefix": "t"}}] ; [{"anything-but": {"prefix": ["t", "p"]}}]
instanceType ; [{"anything-but": {"suffix": "nano"}}] ; [{"anything-but": {"suffix": "large"}}]
instanceType ; [{"anything-but": {"wildcard": "t*.*"}}] ; [{"anything-but": {"wildcard": "p*.*"}}]
instanceType ; [{"anything-but": {"equals-ignore-case": ["T"]}}] ; [{"anything-but": {"equals-ignore-case": ["P4D.24xlarge"]}}]
maxCount ; [{"anything-but": [1, 2]}] ; [{"anything-but": 3}]
maxCount ; [3.0] ; ["3"]
maxCount ; [{"numeric": [">", 2, "<=", 3]}] ; [{"numeric": [">", 2, "<", 3]}]
price ; [{"numeric": ["=", 0.25]}] ; [{"numeric": [">=", 0.3]}]
v6 ; [{"cidr": "2001:db8::/32"}] ; [{"cidr": "2001:db9::/32"}]
absent ; [{"exists": false}] ; [{"exists": true}]
maxCount ; [{"exists": true}] ; [{"exists": false}]
"#;

#[test]
fn every_operator_takes_and_spares() {
    for line in OPERATORS.trim().lines() {
        let [field, hit, miss] = line.split(" ; ").collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(takes(of_request(read(hit), field)), "{field} {hit}");
        assert!(!takes(of_request(read(miss), field)), "{field} {miss}");
    }
    assert!(takes(json!({"detail": {"sourceIPAddress": [{"cidr": "203.0.113.0/24"}]}})));
    assert!(!takes(json!({"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/8"}]}})));
    assert!(!takes(json!({"detail": {"eventName": [{"cidr": "0.0.0.0/0"}]}})), "no address");
    assert!(takes(of_request(json!(["2001:DB8:0::1"]), "v6")), "an address in any spelling");
}

#[test]
fn nothing_null_and_empty_are_three_things() {
    let detail = |field: &str, tests: Value| takes(json!({"detail": {field: tests}}));
    assert!(detail("errorCode", json!([null])) && !detail("userAgent", json!([null])));
    assert!(detail("userAgent", json!([""])) && !detail("errorCode", json!([""])));
    assert!(detail("errorCode", json!([{"exists": true}])), "null is there");
    assert!(detail("readOnly", json!([false])) && !detail("readOnly", json!(["false"])));
    assert!(!detail("errorMessage", json!([{"anything-but": "x"}])), "it must be there");
    assert!(detail("readOnly", json!([{"anything-but": "x"}])), "of any kind");
    assert!(detail("requestParameters", json!([{"exists": false}])), "only leaves exist");
}

#[test]
fn values_are_of_one_element() {
    let items = |fields: Value| takes(json!({"detail": {"requestParameters": {"items": fields}}}));
    assert!(items(json!({"port": [22], "cidr": ["10.0.0.0/8"]})));
    assert!(!items(json!({"port": [22], "cidr": ["0.0.0.0/0"]})));
    assert!(items(json!({"port": [22], "who": {"id": ["a"]}})));
    assert!(!items(json!({"port": [443], "who": {"id": ["a"]}})));
    // What is absent is so below the element that was chosen before it in order of names.
    assert!(items(json!({"port": [443], "who": {"id": [{"exists": false}]}})));
    assert!(!items(json!({"port": [22], "who": {"id": [{"exists": false}]}})));
    let tags = |tests: Value| takes(of_request(tests, "tags"));
    assert!(
        tags(json!(["Two"])) && tags(json!([{"anything-but": "one"}])) && !tags(json!(["two"]))
    );
}

#[test]
fn or_makes_alternatives_and_dots_are_paths() {
    assert!(takes(json!({"source": ["aws.ec2"], "detail": {"$or": [
        {"eventName": ["StopLogging"]}, {"requestParameters": {"maxCount": [{"numeric": [">", 1]}]}}
    ]}})));
    assert!(!takes(
        json!({"source": ["aws.s3"], "$or": [{"account": ["1"]}, {"region": ["eu-west-1"]}]})
    ));
    assert!(takes(json!({"detail.eventName": ["RunInstances"]})));
    assert!(takes(of_request(json!(["yes"]), "x.dotted")));
}

#[test]
fn bad_patterns_are_told_with_their_place() {
    let told = |pattern: Value| Pattern::parse(&pattern).unwrap_err().to_string();
    assert_eq!(told(json!([])), "pattern: a pattern is an object");
    assert_eq!(told(json!({"detail": {}})), "detail: an object without fields is not allowed");
    assert_eq!(
        told(json!({"source": "aws.ec2"})),
        "source: expected a list of values, or an object"
    );
    assert_eq!(told(json!({"source": []})), "source: an empty list matches nothing");
    assert!(
        told(json!({"detail": {"a": ["x", {"prefx": "y"}]}}))
            .starts_with("detail.a[1]: there is no operator prefx;")
    );
    assert_eq!(told(json!({"$or": [{"source": ["a"]}]})), "$or: $or wants at least two objects");
    assert_eq!(told(json!({"a": {"$or": "x"}})), "a.$or: $or is a list of objects");
    for (tests, reason) in [
        (json!([{"numeric": [">", 9, "<", 1]}]), "a range goes"),
        (json!([{"numeric": ["~", 1]}]), "numeric wants"),
        (json!([{"numeric": [">", 6e9]}]), "numeric compares numbers up to"),
        (json!([{"cidr": "10.0.0.0/99"}]), "10.0.0.0/99 is no range of addresses"),
        (json!([{"exists": "yes"}]), "exists is true or false"),
        (json!([{"anything-but": ["a", 1]}]), "anything-but wants texts or numbers"),
        (
            json!([{"anything-but": {"prefix": ""}}]),
            "anything-but wants a prefix that says something",
        ),
        (json!([{"wildcard": "a**b"}]), "two stars"),
        (json!([{"prefix": 1}]), "prefix wants a text, got 1"),
        (json!([{"prefix": "a", "suffix": "b"}]), "one operator was expected, got 2"),
        (json!([["a"]]), "a list inside the list"),
    ] {
        let told = told(json!({"detail": {"x": tests}}));
        assert!(told.starts_with(&format!("detail.x[0]: {reason}")), "{told}");
    }
}

#[test]
fn what_reads_by_name_is_kept_from_rules_that_are_merely_enabled() {
    let reading = |record: Value| reads(&record);
    assert!(reading(json!({"eventName": "DescribeInstances", "eventCategory": "Management"})));
    assert!(reading(json!({"eventName": "ListUsers"})));
    assert!(!reading(json!({"eventName": "GetSessionToken", "eventCategory": "Management"})));
    assert!(!reading(json!({"eventName": "GetObject", "eventCategory": "Data"})));
    assert!(!reading(json!({"eventName": "RunInstances"})));
}

#[test]
fn patterns_for_other_events_are_known() {
    let is = |pattern: Value| Pattern::parse(&pattern).unwrap().is_of_cloudtrail();
    assert!(is(json!({"source": ["aws.ec2"]})));
    assert!(is(json!({"detail-type": [{"suffix": "via CloudTrail"}]})));
    assert!(!is(
        json!({"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]})
    ));
}

/// The slow and obvious reading: a choice of one element for every array, tried one after the
/// other, with everything else removed; then every path has to have a value that passes.
mod obvious {
    use super::super::event::leaves;
    use super::super::pattern::Pattern;
    use serde_json::Value;

    pub(super) fn matches(pattern: &Pattern, record: &Value) -> bool {
        choices(record).iter().any(|record| {
            pattern.alternatives.iter().any(|terms| {
                terms.iter().all(|term| {
                    let path = term.path.strip_prefix("detail.").unwrap();
                    leaves(record, path)
                        .iter()
                        .any(|leaf| term.tests.iter().any(|t| t.matches(&leaf.value)))
                })
            })
        })
    }

    fn choices(value: &Value) -> Vec<Value> {
        match value {
            Value::Array(items) if items.iter().any(|i| i.is_object() || i.is_array()) => {
                items.iter().flat_map(choices).map(|one| Value::Array(vec![one])).collect()
            }
            Value::Object(fields) => {
                let mut all = vec![serde_json::Map::new()];
                for (key, value) in fields {
                    let values = choices(value);
                    let with = |fields: &serde_json::Map<String, Value>, value: &Value| {
                        let mut fields = fields.clone();
                        fields.insert(key.clone(), value.clone());
                        fields
                    };
                    all = all.iter().flat_map(|f| values.iter().map(move |v| with(f, v))).collect();
                }
                all.into_iter().map(Value::Object).collect()
            }
            other => vec![other.clone()],
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!("a")), Just(json!("b")), Just(json!(1)), Just(json!(null))];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
            prop::collection::btree_map("[xyz]", inner, 1..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn json_pattern() -> impl Strategy<Value = Value> {
    let test = prop_oneof![
        Just(json!("a")),
        Just(json!(1)),
        Just(json!(null)),
        Just(json!({"prefix": "b"})),
        Just(json!({"anything-but": "a"})),
        Just(json!({"exists": true})),
    ];
    let tests = prop::collection::vec(test, 1..3).prop_map(Value::Array);
    let tree = tests.prop_recursive(2, 6, 3, |inner| {
        prop::collection::btree_map("[xyz]", inner, 1..3)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    });
    prop::collection::btree_map("[xyz]", tree, 1..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

proptest! {
    #[test]
    fn places_agree_as_if_every_choice_of_elements_were_tried(
        fields in prop::collection::btree_map("[xyz]", json_value(), 1..3), detail in json_pattern(),
    ) {
        let record = Value::Object(fields.into_iter().collect());
        let pattern = Pattern::parse(&json!({"detail": detail})).unwrap();
        prop_assert_eq!(pattern.matches(&record), obvious::matches(&pattern, &record));
    }
}
