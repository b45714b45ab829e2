//! The checked-in incident: the intruder is found, all of the story is told, and nobody is accused.

use crate::support::{analysis, ingest, rows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trailinsight::analyze::{Analysis, Options};
use trailinsight::archive::Disk;
use trailinsight::case::Case;
use trailinsight::detect::{Detections, Rules};
use trailinsight::model::{Finding, IndicatorKind, LinkKind, Outcome, Severity};

#[test]
fn the_intruder_comes_first_and_every_stage_is_under_a_finding() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/incident");
    let labels: Value =
        serde_json::from_slice(&std::fs::read(archive.join("labels.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (case, analysis) = analysis(&archive, dir.path(), &Rules::load(&[]).unwrap(), 2);

    assert!(case.manifest.ledger.is_whole());
    assert!(case.manifest.ledger.records.kept > 29_000);
    assert!(case.manifest.ledger.records.duplicate > 1_000);

    let intruder = labels["intruder"].as_str().unwrap();
    assert_eq!(analysis.principals[0].id, intruder);

    let shown: BTreeMap<&str, &str> = analysis
        .findings
        .iter()
        .flat_map(|f| f.evidence.iter().map(|e| (e.event_id.as_str(), f.rule.as_str())))
        .collect();
    let events = labels["events"].as_array().unwrap();
    assert!((40..=80).contains(&events.len()));
    let stages: BTreeSet<&str> = events.iter().map(|e| e["stage"].as_str().unwrap()).collect();
    assert!(stages.len() >= 6, "{stages:?}");
    for stage in stages {
        let of_stage = events.iter().filter(|e| e["stage"] == stage);
        let found = of_stage.filter(|e| shown.contains_key(e["eventID"].as_str().unwrap())).count();
        assert!(found > 0, "no event of stage {stage} is evidence of a finding");
        let tagged = analysis
            .findings
            .iter()
            .any(|f| f.principal == intruder && f.stages.iter().any(|s| s.as_str() == stage));
        assert!(tagged, "no finding of stage {stage}");
    }
    for finding in analysis.findings.iter().filter(|f| f.severity >= Severity::High) {
        assert_eq!(finding.principal, intruder, "{} is {}", finding.title, finding.severity);
    }
    let of_production = |account: &str| account == intruder.split(':').nth(4).unwrap();
    assert!(
        analysis.coverage.gaps.iter().all(|gap| !of_production(&gap.account)),
        "the trail of the organization has what the account's own trail lost"
    );
    every_query_gives_its_finding(&case, &analysis);
    the_finding_names_what_to_take_away(&analysis);
}

/// The account's own trail, which the intruder stopped, beside that of another account, which goes on.
#[test]
fn a_trail_that_was_stopped_leaves_a_gap_to_the_end() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/incident/AWSLogs");
    let parts = ["222233334444", "o-lk4f7q2m9z/111122223333"].map(|part| archive.join(part));
    let dir = tempfile::tempdir().unwrap();
    let case = ingest(&Disk::list(&parts).unwrap(), dir.path(), 2);
    let options = Options { top: 10 };
    let coverage =
        trailinsight::analyze::run(&case, Detections::default(), &options).unwrap().coverage;
    let gaps: Vec<(&str, &str, String)> = coverage
        .gaps
        .iter()
        .map(|gap| (gap.account.as_str(), gap.region.as_str(), gap.from.to_string()))
        .collect();
    let stopped = "2026-03-11T03:00:00Z".to_owned();
    assert_eq!(
        gaps,
        [("222233334444", "eu-central-1", stopped.clone()), ("222233334444", "us-east-1", stopped)]
    );
}

/// The query printed with a finding gives all of its events, and no others where the finding is of every such call.
fn every_query_gives_its_finding(case: &Case, analysis: &Analysis) {
    for finding in &analysis.findings {
        let answer = rows(case, &finding.query().expect("nothing here is hostile"));
        let ids: BTreeSet<&str> = answer.iter().map(|row| row.last().unwrap().as_str()).collect();
        assert!(ids.len() as u64 >= finding.count, "{}: {} rows", finding.title, ids.len());
        for event in &finding.evidence {
            assert!(
                ids.contains(event.event_id.as_str()),
                "{} is not in {}",
                event.event_id,
                finding.title
            );
        }
        if finding.rule == "secrets_read" {
            assert_eq!((ids.len() as u64, finding.targets_total), (finding.count, 21));
        }
    }
}

fn the_finding_names_what_to_take_away(analysis: &Analysis) {
    let of_rule = |rule: &str| -> &Finding {
        analysis.findings.iter().find(|f| f.rule == rule).unwrap_or_else(|| panic!("no {rule}"))
    };
    let named = |rule: &str, kind: IndicatorKind| {
        of_rule(rule).indicators.iter().filter(|i| i.kind == kind).count()
    };
    assert_eq!(named("role_trust_to_foreign_account", IndicatorKind::Account), 1);
    assert_eq!(named("ebs_snapshot_shared", IndicatorKind::Account), 1);
    assert_eq!(named("access_key_for_another_user", IndicatorKind::CreatedKey), 2);

    let new_region = analysis.findings.iter().find(|f| f.title == "First use of a Region").unwrap();
    let succeeded = new_region.evidence.iter().any(|e| e.outcome == Outcome::Succeeded);
    assert!(succeeded, "the write that it claims is among its evidence");

    let intruder = &analysis.principals[0];
    let planted = intruder.linked.iter().find(|l| l.principal.ends_with("user/svc-metrics-sync"));
    assert_eq!(planted.unwrap().kinds, LinkKind::ALL, "made, armed twice, and at the same address");
    assert_eq!(intruder.foreign_ips, ["192.0.2.146", "192.0.2.61"]);
    let begun = analysis.episodes.iter().find(|e| e.principal == intruder.id).unwrap().first;
    assert_eq!(begun.to_string(), "2026-03-10T14:07:00Z", "the key was tried the day before");
    assert_eq!((intruder.objects_read.len(), intruder.objects_total), (3, 3), "the exports");
    assert_eq!(intruder.access_keys.len(), 3, "its own, and two that it made");
    let sum: f64 = intruder.contributors.iter().map(|part| part.points).sum();
    assert!((sum - intruder.points).abs() < 0.005, "{sum} is not {}", intruder.points);
    for row in analysis.timeline.iter().filter(|row| row.severity < Severity::Medium) {
        let in_episode = |id: &String| analysis.episodes.iter().any(|e| e.findings.contains(id));
        assert!(row.findings.iter().any(in_episode), "{} is background", row.event_name);
    }
}
