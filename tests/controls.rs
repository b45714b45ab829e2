//! The table of CIS monitoring controls: its counts against SQL, its states over archives that hold more or less, and
//! the rules of the pack that are for it.

use crate::cli::{run, stderr};
use crate::support::{analysis, rows};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use trailinsight::detect::Rules;

/// Calls of a user, one a minute.
fn records(calls: &[(&str, &str, Value)]) -> Vec<Value> {
    let record = |(minute, (service, name, fields)): (usize, &(&str, &str, Value))| {
        let mut record = json!({
            "eventVersion": "1.11", "eventTime": format!("2024-05-03T10:{minute:02}:00Z"), "eventType": "AwsApiCall",
            "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
            "sourceIPAddress": "198.51.100.20", "userAgent": "aws-cli/2.15.0", "eventID": format!("event-{minute}"),
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mira", "userName": "mira"},
            "recipientAccountId": "111122223333", "managementEvent": true, "eventCategory": "Management",
            "readOnly": false, "requestParameters": {},
        });
        for (key, value) in fields.as_object().unwrap() {
            record[key] = value.clone();
        }
        record
    };
    calls.iter().enumerate().map(record).collect()
}

/// The controls of a report over these calls, by id.
fn controls(calls: &[(&str, &str, Value)], args: &[&str]) -> BTreeMap<String, Value> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), json!({"Records": records(calls)}).to_string())
        .unwrap();
    let args = [&["analyze", "trail.json", "--format", "json,cis", "-q"], args].concat();
    let output = run(dir.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let out = dir.path().join("trailinsight-report");
    let page = fs::read_to_string(out.join("controls.html")).unwrap();
    assert_eq!(page.matches("<section id=\"control-").count(), 15);
    let report: Value =
        serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let controls = report["controls"].as_array().unwrap().iter();
    controls.map(|c| (c["id"].as_str().unwrap().to_owned(), c.clone())).collect()
}

fn notes(control: &Value) -> String {
    control["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_control_is_seen_or_not_or_the_archive_cannot_say() {
    let calls = [
        ("cloudtrail", "StopLogging", json!({"errorCode": "AccessDenied"})),
        ("cloudtrail", "StopLogging", json!({})),
        ("cloudtrail", "DescribeTrails", json!({"readOnly": true})),
        ("cloudtrail", "StartLogging", json!({})),
    ];
    let found = controls(&calls, &[]);
    let ids: Vec<String> = (1..=15).map(|n| format!("4.{n}")).collect();
    assert_eq!(found.keys().collect::<BTreeSet<_>>(), ids.iter().collect());
    let trail = &found["4.5"];
    assert_eq!((&trail["state"], &trail["events"]), (&json!("seen"), &json!(3)));
    assert_eq!((&trail["succeeded"], &trail["denied"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&trail["first"], &trail["last"]),
        (&json!("2024-05-03T10:00:00Z"), &json!("2024-05-03T10:03:00Z"))
    );
    let shown: Vec<&Value> =
        trail["evidence"].as_array().unwrap().iter().map(|e| &e["event_id"]).collect();
    assert_eq!(shown, ["event-0", "event-3"]);
    assert!(!trail["findings"].as_array().unwrap().is_empty());
    assert_eq!((&found["4.1"]["state"], &found["4.1"]["events"]), (&json!("seen"), &json!(1)));
    assert_eq!((&found["4.9"]["state"], notes(&found["4.9"])), (&json!("not_seen"), String::new()));
    for (id, why) in [("4.4", "us-east-1"), ("4.15", "us-east-1"), ("4.7", "no call of KMS")] {
        assert_eq!(found[id]["state"], "not_assessable", "{id}");
        assert!(notes(&found[id]).contains(why), "{id}: {}", notes(&found[id]));
    }
    let elsewhere = [
        ("ec2", "DescribeVpcs", json!({"awsRegion": "us-east-1", "readOnly": true})),
        ("kms", "Decrypt", json!({"readOnly": true})),
    ];
    let found = controls(&[&calls[..], &elsewhere].concat(), &[]);
    for id in ["4.4", "4.7", "4.15"] {
        assert_eq!(found[id]["state"], "not_seen", "{id}");
    }
    assert!(notes(&found["4.15"]).contains("management account"));
}

#[test]
fn a_case_of_some_events_does_not_say_that_others_were_not() {
    let calls = [
        ("cloudtrail", "DescribeTrails", json!({"readOnly": true})),
        ("cloudtrail", "StopLogging", json!({})),
    ];
    let states = |args: &[&str]| -> BTreeMap<String, String> {
        let states = controls(&calls, args).into_iter();
        states.map(|(id, c)| (id, c["state"].as_str().unwrap().to_owned())).collect()
    };
    let of_config = states(&["--event-source", "!config"]);
    assert_eq!(
        (of_config["4.9"].as_str(), of_config["4.10"].as_str()),
        ("not_assessable", "not_seen")
    );
    let by_name = states(&["--event-name", "*Trails", "--event-name", "CreateTrail"]);
    assert_eq!((by_name["4.5"].as_str(), by_name["4.9"].as_str()), ("not_seen", "not_assessable"));
    let of_mira = states(&["--user", "*mira"]);
    assert_eq!((of_mira["4.5"].as_str(), of_mira["4.9"].as_str()), ("seen", "not_assessable"));
    let data = [("s3", "GetObject", json!({"eventCategory": "Data", "managementEvent": false}))];
    let found = controls(&data, &[]);
    assert!(found.values().all(|control| control["state"] == "not_assessable"));
}

#[test]
fn filters_and_alarms_stand_with_the_controls_they_are_for() {
    let filter = |name: &str, pattern: &str, metric: &str| {
        json!({"requestParameters": {
            "logGroupName": "trail", "filterName": name, "filterPattern": pattern,
            "metricTransformations": [{"metricName": metric, "metricNamespace": "CIS", "metricValue": "1"}],
        }})
    };
    let alarm = |name: &str, metric: &str| json!({"requestParameters": {"alarmName": name, "namespace": "CIS", "metricName": metric, "threshold": 1.0}});
    let names = json!({"requestParameters": {"alarmNames": ["trail changes", "unknown"]}});
    let found = controls(
        &[
            (
                "logs",
                "PutMetricFilter",
                filter(
                    "stops",
                    "{ ($.eventName = StopLogging) || ($.eventName = DeleteTrail) }",
                    "Stops",
                ),
            ),
            ("logs", "PutMetricFilter", filter("all", "", "All")),
            ("monitoring", "PutMetricAlarm", alarm("trail changes", "Stops")),
            ("monitoring", "PutMetricAlarm", alarm("anything", "All")),
            ("monitoring", "DisableAlarmActions", names.clone()),
            ("monitoring", "DeleteAlarms", names),
        ],
        &[],
    );
    let watch = found["4.5"]["watch"].as_array().unwrap();
    let told: Vec<_> =
        watch.iter().map(|w| (w["act"].as_str().unwrap(), w["name"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("filter_made", "stops"),
            ("alarm_made", "trail changes"),
            ("alarm_muted", "trail changes"),
            ("alarm_deleted", "trail changes"),
        ]
    );
    assert!(watch.iter().all(|w| (&w["counts"], &w["of"]) == (&json!(2), &json!(5))));
    assert!(found.iter().all(|(id, c)| id == "4.5" || c["watch"] == json!([])));
}

#[test]
fn the_table_of_controls_counts_what_sql_counts() {
    let dir = tempfile::tempdir().unwrap();
    let incident = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/incident");
    let rules = Rules::load(&[]).unwrap();
    let (case, analysis) = analysis(&incident, dir.path(), &rules, 2);
    for (control, (id, condition)) in analysis.controls.iter().zip(crate::native::CONTROLS) {
        assert_eq!(control.id, id);
        let sql = format!(
            "SELECT count(*) AS n, min(event_time) AS first, max(event_time) AS last FROM events WHERE {condition}"
        );
        let [count, first, last] = &rows(&case, &sql)[0][..] else { panic!("three columns") };
        let end = |at: Option<trailinsight::model::Timestamp>| {
            at.map_or(String::new(), |at| at.to_string())
        };
        assert_eq!(control.events.to_string(), *count, "{id}");
        assert_eq!([&end(control.first), &end(control.last)], [first, last], "{id}");
    }
}

#[test]
fn every_control_has_a_rule_and_no_rule_has_another() {
    let rules = Rules::load(&[]).unwrap();
    let tagged: BTreeSet<&str> =
        rules.metas().iter().flat_map(|m| &m.cis).map(String::as_str).collect();
    assert_eq!(tagged, crate::native::CONTROLS.iter().map(|(id, _)| *id).collect());
}
