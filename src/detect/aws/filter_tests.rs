//! Each operator of filter patterns: a record it takes and a near miss; and all of them against a
//! slow reader.

use super::event::Record;
use super::filter::{Condition, Filter, Question, Rule, Selector};
use proptest::prelude::*;
use serde_json::{Value, json};

fn record() -> Value {
    json!({
        "eventName": "ConsoleLogin", "eventSource": "signin.amazonaws.com", "readOnly": false,
        "sourceIPAddress": "123.123.4.5", "errorCode": "Client.UnauthorizedOperation",
        "recipientAccountId": "111122223333", "errorMessage": null, "apiVersion": "*",
        "additionalEventData": {"MFAUsed": "No", "Mobile Version": "x", "ok": true},
        "requestParameters": {"maxCount": 3, "price": 0.25, "small": 0.001, "x-amz-acl": "public-read",
            "names": ["value", "other"], "items": [{"id": 1}, {"id": 2, "cidr": "0.0.0.0/0"}], "grid": [[1, 2]]},
    })
}

fn takes(pattern: &str) -> bool {
    Filter::parse(pattern).unwrap_or_else(|bad| panic!("{pattern}: {bad}")).matches(&record())
}

/// What takes the record, and what does not.
const OPERATORS: &str = r#"
$.eventName = "ConsoleLogin" ; $.eventName = "consolelogin"
$.eventName = ConsoleLogin ; $.eventName = Console
$.errorCode = "*UnauthorizedOperation" ; $.errorCode = "AccessDenied*"
$.eventSource=signin.amazonaws.com ; $.eventSource!=signin.amazonaws.com
$.sourceIPAddress = 123.123.* ; $.sourceIPAddress != 123.123.*
$.recipientAccountId = 111122223333 ; $.recipientAccountId = 111122223334
$.readOnly IS FALSE ; $.readOnly IS TRUE
$.additionalEventData.ok is true ; $.additionalEventData.MFAUsed IS TRUE
$.errorMessage IS NULL ; $.errorCode IS NULL
$.errorDetail NOT EXISTS ; $.errorMessage NOT EXISTS
$.requestParameters.items NOT EXISTS || $.readOnly IS FALSE ; $.requestParameters.items NOT EXISTS
$.requestParameters.maxCount > 2 ; $.requestParameters.maxCount > 3
$.requestParameters.maxCount >= 3 ; $.requestParameters.maxCount >= 3.5
$.requestParameters.price < 1 ; $.requestParameters.price < -1
$.requestParameters.price <= 0.25 ; $.requestParameters.price <= 0.2
$.requestParameters.maxCount = 3.0 ; $.requestParameters.maxCount = 4
$.requestParameters.small = 1e-3 ; $.requestParameters.small != 1e-3
$.requestParameters.names[0] = "value" ; $.requestParameters.names[1] = "value"
$.requestParameters.names[*] = other ; $.requestParameters.names[*] = none
$.requestParameters.items[1].id = 2 ; $.requestParameters.items[2].id = 2
$.requestParameters.items[*].cidr = "0.0.0.0/0" ; $.requestParameters.items[0].cidr = "0.0.0.0/0"
$.requestParameters.grid[0][1] = 2 ; $.requestParameters.grid[1][0] = 2
$.requestParameters.x-amz-acl = public-* ; $.requestParameters.x-amz-acl = private
$.additionalEventData["Mobile Version"] = x ; $.additionalEventData["Mobile"] = x
$.eventName = %Login$% ; $.eventName = %^Login%
$.sourceIPAddress = %123\.123\.[0-9]+% ; $.sourceIPAddress != %123\.123%
"#;

#[test]
fn every_operator_takes_and_spares() {
    for line in OPERATORS.trim().lines() {
        let (hit, miss) = line.split_once(" ; ").unwrap();
        assert!(takes(&format!("{{ {hit} }}")), "{hit}");
        assert!(!takes(&format!("{{{miss}}}")), "{miss}");
    }
}

#[test]
fn what_is_not_there_compares_with_nothing() {
    assert!(!takes("{ $.additionalEventData.Nothing != \"Yes\" }"));
    assert!(takes("{ $.additionalEventData.MFAUsed != \"Yes\" }"));
    assert!(!takes("{ $.requestParameters = * }"), "an object is no value");
    assert!(!takes("{ $.errorMessage != x }"), "null is none either");
    assert!(!takes("{ $.eventName[0] = C }"));
    assert!(!takes("{ $.eventName > 1 }"));
}

#[test]
fn and_binds_before_or_and_parentheses_before_both() {
    let (yes, no) = ("$.eventName = ConsoleLogin", "$.eventName = x");
    assert!(takes(&format!("{{ {yes} || {no} && {no} }}")));
    assert!(!takes(&format!("{{ ({yes} || {no}) && {no} }}")));
    assert!(takes(&format!("{{ ({yes}) && (({no}) || ({yes})) }}")));
    assert!(takes(&format!("{{({yes})&&({yes})}}")));
}

#[test]
fn terms_are_of_the_text() {
    assert!(takes("") && takes("  "));
    assert!(takes("ConsoleLogin signin") && !takes("ConsoleLogin nothing"));
    assert!(!takes("ConsoleLogin -signin") && takes("ConsoleLogin -nothing"));
    assert!(takes("?nothing ?Console") && !takes("?nothing ?never"));
    assert!(takes("ConsoleLogin ?nothing"), "beside others it is ignored");
    assert!(takes(r#""\"MFAUsed\":\"No\"""#) && !takes("consolelogin"));
    assert!(takes("%Console(Log)?in%".replace(['(', ')', '?'], "").as_str()));
}

#[test]
fn bad_patterns_are_told_with_their_place() {
    let told = |pattern: &str| Filter::parse(pattern).unwrap_err().to_string();
    assert_eq!(told("{ $.a == b }"), "column 8, at \"= b }\": equality is written with one =");
    assert_eq!(told("{ $.a = b"), "column 10, at the end: expected }");
    assert_eq!(told("{ a = b }"), "column 3, at \"a = b }\": expected $");
    assert_eq!(
        told("{ $ = b }"),
        "column 4, at \" = b }\": a selector begins with a field, as in $.eventName"
    );
    assert_eq!(told("{ ($.a = b }"), "column 12, at \"}\": expected )");
    assert_eq!(told("{ $.a NOT NULL }"), "column 11, at \"NULL }\": expected EXISTS after NOT");
    assert_eq!(
        told("{ $.a IS b }"),
        "column 10, at \"b }\": expected TRUE, FALSE or NULL after IS"
    );
    assert_eq!(
        told("{ $.a > b }"),
        "column 10, at \"}\": > compares with a number".replace("\"}\"", "\" }\"")
    );
    assert_eq!(
        told("{ $.a[x] = 1 }"),
        "column 7, at \"x] = 1 }\": expected a number or * in brackets"
    );
    assert_eq!(told("{ $.a = \"b }"), "column 9, at \"\\\"b }\": the quotation mark is not closed");
    assert_eq!(told("{ $.a = b } x"), "column 13, at \"x\": nothing may follow the closing brace");
    assert!(told("[ip, user]").contains("a space-delimited pattern matches no CloudTrail record"));
    assert!(
        told("{ $.a = %(b)% }").contains("CloudWatch Logs allows no ( in a regular expression")
    );
    assert!(told("{ $.a = %[b% }").contains("the regular expression cannot be used"));
    assert!(
        told("{ $.a = %a{1,1000}{1,1000}{1,1000}% }")
            .contains("the regular expression cannot be used")
    );
    assert!(told(&format!("{{ {}", "(".repeat(100))).contains("nested too deeply"));
    assert!(Selector::parse("$.a.b[0]").is_ok() && Selector::parse("1").is_err());
}

/// Plain trees of what a pattern may say, to print and to judge by themselves.
#[derive(Debug, Clone)]
enum Plain {
    Any(Vec<Plain>),
    All(Vec<Plain>),
    Equals(String, String),
    Differs(String, String),
    Above(String, i64),
    Missing(String),
    Null(String),
}

fn plain() -> impl Strategy<Value = Plain> {
    let name = || "[ab](\\.[ab])?".prop_map(|s: String| s);
    let leaf = prop_oneof![
        (name(), "[xy*]{1,3}").prop_map(|(n, v)| Plain::Equals(n, v)),
        (name(), "[xy*]{1,3}").prop_map(|(n, v)| Plain::Differs(n, v)),
        (name(), -2i64..3).prop_map(|(n, v)| Plain::Above(n, v)),
        name().prop_map(Plain::Missing),
        name().prop_map(Plain::Null),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Plain::Any),
            prop::collection::vec(inner, 2..4).prop_map(Plain::All),
        ]
    })
}

fn printed(plain: &Plain) -> String {
    let list = |parts: &[Plain], word: &str| {
        let parts: Vec<String> = parts.iter().map(|p| format!("({})", printed(p))).collect();
        parts.join(word)
    };
    match plain {
        Plain::Any(parts) => list(parts, " || "),
        Plain::All(parts) => list(parts, "&&"),
        Plain::Equals(name, value) => format!("$.{name} = \"{value}\""),
        Plain::Differs(name, value) => format!("$.{name} != {value}"),
        Plain::Above(name, value) => format!("$.{name} > {value}"),
        Plain::Missing(name) => format!("$.{name} NOT EXISTS"),
        Plain::Null(name) => format!("$.{name} IS NULL"),
    }
}

fn judged(plain: &Plain, record: &Value) -> bool {
    let at = |name: &String| record.pointer(&format!("/{}", name.replace('.', "/")));
    let like = |name: &String, pattern: &String| {
        let text = match at(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let regex = format!("^{}$", pattern.replace('*', ".*"));
        Some(regex::Regex::new(&regex).unwrap().is_match(&text))
    };
    match plain {
        Plain::Any(parts) => parts.iter().any(|p| judged(p, record)),
        Plain::All(parts) => parts.iter().all(|p| judged(p, record)),
        Plain::Equals(name, value) => like(name, value) == Some(true),
        Plain::Differs(name, value) => like(name, value) == Some(false),
        Plain::Above(name, value) => at(name).and_then(Value::as_i64).is_some_and(|n| n > *value),
        Plain::Missing(name) => at(name).is_none(),
        Plain::Null(name) => at(name).is_some_and(Value::is_null),
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[xy]{0,3}".prop_map(Value::String),
        (-2i64..3).prop_map(Value::from),
        Just(Value::Null),
        prop::collection::btree_map("[ab]", "[xy]{1,2}".prop_map(Value::String), 0..3)
            .prop_map(|fields| Value::Object(fields.into_iter().collect())),
    ]
}

proptest! {
    #[test]
    fn patterns_mean_what_a_slow_reader_says(
        plain in plain(),
        fields in prop::collection::btree_map("[ab]", value(), 0..3),
    ) {
        let record = Value::Object(fields.into_iter().collect());
        let pattern = format!("{{ {} }}", printed(&plain));
        let filter = Filter::parse(&pattern).unwrap();
        prop_assert_eq!(filter.matches(&record), judged(&plain, &record), "{}", pattern);
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "[{}()$.a\\[\\]0*%\"=!<>&| NOTEXISULR-]{0,40}") {
        if let Ok(filter) = Filter::parse(&text) {
            let _ = filter.matches(&record());
        }
    }
}

#[test]
fn a_condition_without_alternatives_is_itself() {
    let Ok(Filter(Rule::Json(Condition::Is(selector, Question::Missing)))) =
        Filter::parse("{ (($.a.b NOT EXISTS)) }")
    else {
        panic!("parentheses add nothing");
    };
    assert_eq!(selector.path().as_deref(), Some("a.b"));
    assert!(json!({"a": {}}).field("a").is_some());
}
