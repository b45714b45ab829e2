//! The checked-in incident: the intruder is found, all of the story is told, and nobody is accused.

use crate::support::analysis;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trailinsight::detect::Rules;
use trailinsight::model::Severity;

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
    assert_eq!(analysis.coverage.gaps, []);
}
