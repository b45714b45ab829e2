//! Counts of the report against counts made by somebody else over the same real archive.

use crate::support::{analysis, rows, shared_data};
use serde_json::Value;
use std::collections::BTreeMap;
use trailinsight::detect::Rules;
use trailinsight::model::Count;

type Counts = BTreeMap<String, u64>;

/// `[[name, count], ...]` without the nulls, names changed by `f` and summed.
fn expected(facts: &Value, field: &str, f: impl Fn(&str) -> String) -> Counts {
    let mut counts = Counts::new();
    for pair in facts[field].as_array().unwrap() {
        if let Some(name) = pair[0].as_str() {
            *counts.entry(f(name)).or_default() += pair[1].as_u64().unwrap();
        }
    }
    counts
}

fn ours(counts: &[Count]) -> Counts {
    counts.iter().map(|c| (c.name.clone(), c.count)).collect()
}

#[test]
fn every_count_over_invictus_is_right() {
    let Some(archive) = shared_data("invictus/CloudTrail") else { return };
    let facts = std::fs::read(shared_data("facts.json").unwrap()).unwrap();
    let facts: Value = serde_json::from_slice(&facts).unwrap();
    let facts = &facts["invictus"]["unique_by_eventID"];
    let dir = tempfile::tempdir().unwrap();
    let (case, analysis) = analysis(&archive, dir.path(), &Rules::load(&[]).unwrap(), 2);

    let (files, records) = (&case.manifest.ledger.files, &case.manifest.ledger.records);
    assert_eq!((files.seen, files.ingested, files.skipped, files.failed), (55, 55, 0, 0));
    assert_eq!((records.seen, records.kept, records.rejected), (2900, 2900, 0));

    let same = |name: &str| name.to_owned();
    let a = &analysis.aggregates;
    assert_eq!(ours(&a.event_names), expected(facts, "eventName", same));
    assert_eq!(
        ours(&a.services),
        expected(facts, "eventSource", |s| s.split('.').next().unwrap().to_owned())
    );
    assert_eq!(ours(&a.source_ips), expected(facts, "sourceIPAddress", same));
    assert_eq!(ours(&a.regions), expected(facts, "awsRegion", same));
    assert_eq!(ours(&a.accounts), expected(facts, "recipientAccountId", same));
    assert_eq!(ours(&a.errors), expected(facts, "errorCode", same));
    let errors: u64 = a.errors.iter().map(|e| e.count).sum();
    assert_eq!(errors, facts["errors"].as_u64().unwrap());
    // Services that have no ARN are users here by their own name, and nobody's in the facts.
    let mut users = ours(&a.users);
    users.retain(|name, _| name.starts_with("arn:"));
    assert_eq!(users, expected(facts, "principalArn", same));
    let hours: Counts =
        a.hours.iter().map(|h| (h.hour.to_string()[..13].to_owned(), h.count)).collect();
    assert_eq!(hours, expected(facts, "hour", same));
    assert_eq!(analysis.coverage.categories, expected(facts, "eventCategory", same));
    assert_eq!(analysis.coverage.first.unwrap().to_string(), facts["first"].as_str().unwrap());
    assert_eq!(analysis.coverage.last.unwrap().to_string(), facts["last"].as_str().unwrap());

    // Columns that no list of the report shows are counted by SQL.
    for (column, field) in
        [("user_identity_access_key_id", "accessKeyId"), ("user_identity_type", "identityType")]
    {
        let sql = format!(
            "SELECT {column} AS name, count(*) AS n FROM events WHERE {column} IS NOT NULL GROUP BY {column}"
        );
        let counted: Counts = rows(&case, &sql)
            .into_iter()
            .map(|row| (row[0].clone(), row[1].parse().unwrap()))
            .collect();
        assert_eq!(counted, expected(facts, field, same), "{field}");
    }
}
