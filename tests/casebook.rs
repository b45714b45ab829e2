//! The casebook: stories in `tests/casebook/*.md`, each with events and the findings they must give.
//!
//! `UPDATE_CASES=1` rewrites the expectations; read the difference before you keep it.

use crate::support::{Silent, analysis};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use trailinsight::analyze::anomaly::HEURISTICS;
use trailinsight::detect::Rules;
use trailinsight::model::Severity;

/// One `## heading` with its events and what is expected of them.
struct Case {
    heading: String,
    events: Vec<String>,
    expect: String,
    /// Where the expectation stands in the file.
    place: std::ops::Range<usize>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/casebook")
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let starts: Vec<usize> = text.match_indices("\n## ").map(|(i, _)| i + 1).collect();
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(text.len());
        let section = &text[start..end];
        let block = |name: &str| {
            let open = format!("```{name}\n");
            let from =
                section.find(&open).unwrap_or_else(|| panic!("no {name} block")) + open.len();
            let to = from + section[from..].find("```").expect("a block ends");
            from..to
        };
        let expect = block("expect");
        let place = start + expect.start..start + expect.end;
        cases.push(Case {
            heading: section.lines().next().unwrap().to_owned(),
            events: section[block("jsonl")].lines().map(str::to_owned).collect(),
            expect: text[place.clone()].trim().to_owned(),
            place,
        });
    }
    cases
}

/// Ingests the events as one trail file and prints what is found, as the casebook writes it.
fn findings(events: &[String], rules: &Rules) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, format!("{{\"Records\":[{}]}}", events.join(","))).unwrap();
    let (_, analysis) = analysis(&file, &dir.path().join("case"), rules, 1);
    let mut lines: Vec<(std::cmp::Reverse<Severity>, String)> = analysis
        .findings
        .iter()
        .filter(|f| f.severity >= Severity::Low)
        .map(|f| {
            let (severity, outcome) = (f.severity, f.outcome);
            let line = format!(
                "{} {severity} {outcome} count={} principal={}",
                f.rule, f.count, f.principal
            );
            (std::cmp::Reverse(severity), line)
        })
        .collect();
    lines.sort();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_CASES").is_some()
}

#[test]
fn every_story_ends_as_told() {
    let _ = Silent;
    let rules = Rules::load(&[]).unwrap();
    let update = is_update();
    let mut wrong = String::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        for case in cases(&text.clone()).into_iter().rev() {
            let found = findings(&case.events, &rules);
            if found == case.expect {
                continue;
            }
            if update {
                text.replace_range(case.place, &format!("{found}\n"));
            } else {
                writeln!(
                    wrong,
                    "{} {}\n--- expected\n{}\n+++ found\n{found}\n",
                    path.display(),
                    case.heading,
                    case.expect
                )
                .unwrap();
            }
        }
        if update {
            fs::write(&path, text).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    if update {
        stories_cover(&rules);
    }
}

#[test]
fn every_rule_and_heuristic_has_a_story_that_fires_and_one_that_does_not() {
    // While stories are written anew they cannot be read: whoever writes them looks afterwards.
    if !is_update() {
        stories_cover(&Rules::load(&[]).unwrap());
    }
}

fn stories_cover(rules: &Rules) {
    let names =
        rules.metas().iter().map(|m| m.name.as_str()).chain(HEURISTICS.iter().map(|h| h.name));
    let names: BTreeSet<&str> = names.collect();
    let mut stories = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let cases = cases(&fs::read_to_string(&path).unwrap());
        let expects = |name: &str, case: &Case| {
            case.expect.lines().any(|l| l.split(' ').next() == Some(name))
        };
        let fires = cases.iter().any(|c| c.heading.starts_with("## fires") && expects(&name, c));
        let spares =
            cases.iter().any(|c| c.heading.starts_with("## near miss") && !expects(&name, c));
        assert!(fires && spares, "{name}: wants a case that fires and a near miss");
        stories.insert(name);
    }
    let stories: BTreeSet<&str> = stories.iter().map(String::as_str).collect();
    assert_eq!(stories, names, "one story for each rule and heuristic");
}
