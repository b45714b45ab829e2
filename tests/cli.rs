//! The wiring: messages, exit codes and files of the program as people run it.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const RECORD: &str = r#"{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mira","accountId":"111122223333","userName":"mira"},"eventTime":"2024-05-03T10:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.20","userAgent":"aws-cli/2.15.0","requestParameters":{"name":"main"},"eventID":"00000000-0000-4000-8000-000000000001","recipientAccountId":"111122223333"}"#;

pub(crate) fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trailinsight")).args(args).current_dir(dir).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn records() -> String {
    format!("{{\"Records\":[{RECORD}]}}")
}

fn report(dir: &Path) -> Value {
    let path = dir.join("trailinsight-report/report.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn sources_that_hold_nothing_say_so_and_end_with_4() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::create_dir(dir.path().join("texts")).unwrap();
    fs::write(dir.path().join("texts/notes.txt"), "hello").unwrap();
    fs::create_dir(dir.path().join("settings")).unwrap();
    fs::write(dir.path().join("settings/a.json"), "{\"a\":1}").unwrap();
    fs::write(dir.path().join("text.json.gz"), "no gzip, no JSON").unwrap();
    for (source, message) in [
        ("missing", "cannot read missing"),
        ("empty", "empty is empty"),
        ("texts", "no trail files in texts"),
        ("settings", "none of the 1 files holds CloudTrail records"),
        ("text.json.gz", "none of the 1 files could be read"),
    ] {
        let output = run(dir.path(), &["analyze", source]);
        assert_eq!(output.status.code(), Some(4), "{source}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{source}: {}", stderr(&output));
        assert!(stderr(&output).contains("Hint: "), "{source}: {}", stderr(&output));
    }
}

#[test]
fn bad_files_are_told_and_the_rest_is_analyzed() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    fs::create_dir(&archive).unwrap();
    fs::write(archive.join("good.json.gz"), gz(records().as_bytes())).unwrap();
    fs::write(archive.join("text.json.gz"), "plain text").unwrap();
    let two = format!("{{\"Records\":[{RECORD},{}]}}", RECORD.replace("000001\"", "000002\""));
    let cut = gz(two.as_bytes());
    fs::write(archive.join("cut.json.gz"), &cut[..cut.len() - 12]).unwrap();
    fs::write(archive.join("nothing.json.gz"), "").unwrap();
    // Root may read anything, so an unreadable file is a link to nowhere.
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", archive.join("gone.json.gz")).unwrap();

    let output = run(dir.path(), &["analyze", "archive"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let report = report(dir.path());
    let reasons: Vec<(&str, &str)> = report["ledger"]["rejects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["file"].as_str().unwrap(), r["reason"].as_str().unwrap()))
        .collect();
    for expected in [
        ("cut.json.gz", "truncated_gzip"),
        ("gone.json.gz", "unreadable"),
        ("nothing.json.gz", "empty"),
        ("text.json.gz", "invalid_json"),
    ] {
        assert!(reasons.contains(&expected), "{expected:?} not in {reasons:?}");
    }
    assert_eq!(report["ledger"]["files"]["seen"], 5);
    assert_eq!(report["findings"][0]["rule"], "trail_stopped");
    assert!(stderr(&output).contains("text.json.gz"), "{}", stderr(&output));
}

#[test]
fn findings_decide_the_exit_code_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    assert_eq!(run(dir.path(), &["analyze", "trail.json"]).status.code(), Some(0));
    let reached = run(dir.path(), &["analyze", "trail.json", "--fail-on", "high", "--quiet"]);
    assert_eq!(reached.status.code(), Some(1));
    assert_eq!(stderr(&reached), "");
    assert_eq!(
        stdout(&reached),
        "trailinsight-report/report.html: 1 events, findings: 1 critical\n"
    );
    for name in
        ["report.html", "report.md", "report.json", "findings.jsonl", "timeline.csv", "digest.json"]
    {
        assert!(dir.path().join("trailinsight-report").join(name).is_file(), "{name}");
    }
    assert_eq!(
        run(dir.path(), &["analyze", "trail.json", "--fail-on", "grave"]).status.code(),
        Some(2)
    );
    assert_eq!(run(dir.path(), &["analyze"]).status.code(), Some(2));
}

#[test]
fn settings_come_from_the_file_and_flags_win() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    fs::write(dir.path().join("trailinsight.toml"), "fail-on = \"high\"\ntop = 7\n").unwrap();
    assert_eq!(run(dir.path(), &["analyze", "trail.json", "--top", "5"]).status.code(), Some(1));
    assert_eq!(report(dir.path())["run"]["settings"]["top"], "5");
    fs::write(dir.path().join("trailinsight.toml"), "fail-om = \"high\"\n").unwrap();
    let output = run(dir.path(), &["analyze", "trail.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("fail-om"), "{}", stderr(&output));
}

#[test]
fn users_rules_are_run_and_keep_their_author() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    let own = ["Someone <x>", "11111111-2222-4333-8444-555555555555", "DRL 1.1"];
    let rule = format!(
        "title: Ours\nname: ours\nauthor: {}\nid: {}\nlicense: {}\ntags: [attack.t1562.008]\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  s: {{eventName|startswith: Stop}}\n  condition: s\nlevel: low\n",
        own[0], own[1], own[2]
    );
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/ours.yml"), rule).unwrap();
    assert_eq!(
        run(dir.path(), &["analyze", "trail.json", "--rules", "mine"]).status.code(),
        Some(0)
    );
    let report = report(dir.path());
    let ours =
        report["findings"].as_array().unwrap().iter().find(|f| f["title"] == "Ours").unwrap();
    assert_eq!([&ours["author"], &ours["rule_id"], &ours["license"]], own);
    let out = dir.path().join("trailinsight-report");
    for name in ["report.html", "report.md", "report.json", "findings.jsonl", "timeline.csv"] {
        let text = fs::read_to_string(out.join(name)).unwrap();
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace('\\', "");
        for part in own {
            assert!(text.contains(part), "{name} lost {part}");
        }
    }
    let case = ["--case", "trailinsight-report/case"];
    for command in [
        &["rules", "list"][..],
        &["rules", "list", "--format", "navigator"],
        &["rules", "explain", "ours"],
        &[&["rules", "hits"], &case[..]].concat(),
    ] {
        let text = stdout(&run(dir.path(), &[command, &["--rules", "mine"]].concat()));
        for part in own {
            assert!(text.contains(part), "{command:?} lost {part}");
        }
    }
}

#[test]
fn what_settings_suppress_is_counted_and_makes_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    let settings = |text: &str| fs::write(dir.path().join("trailinsight.toml"), text).unwrap();
    let names = || {
        let report = report(dir.path());
        let findings = report["findings"].as_array().unwrap().clone();
        let rules: Vec<String> =
            findings.iter().map(|f| f["rule"].as_str().unwrap().to_owned()).collect();
        (rules, report["rules"]["suppressed"].clone())
    };
    run(dir.path(), &["analyze", "trail.json"]);
    assert!(names().0.contains(&"trail_stopped".to_owned()));
    settings(
        "[[suppress]]\nrule = \"trail_*\"\nprincipal = \"*/MIRA\"\nuntil = 2999-01-01\nreason = \"a drill\"\n",
    );
    assert_eq!(run(dir.path(), &["analyze", "trail.json"]).status.code(), Some(0));
    let (rules, suppressed) = names();
    assert!(!rules.contains(&"trail_stopped".to_owned()), "{rules:?}");
    assert_eq!(
        (suppressed[0]["events"].as_u64(), suppressed[0]["reason"].as_str()),
        (Some(1), Some("a drill"))
    );
    settings("[[suppress]]\nrule = \"trail_*\"\nuntil = \"2001-01-01\"\nreason = \"long ago\"\n");
    run(dir.path(), &["analyze", "trail.json"]);
    assert!(names().0.contains(&"trail_stopped".to_owned()), "it was accepted until then");
    for bad in ["[[suppress]]\nreason = \"all\"\n", "[[suppress]]\nrule = \"a\"\n"] {
        settings(bad);
        let output = run(dir.path(), &["analyze", "trail.json"]);
        assert_eq!(output.status.code(), Some(2), "{bad}: {}", stderr(&output));
    }
}

#[test]
fn rules_are_checked_filtered_mapped_and_tried() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("trail.json"), records()).unwrap();
    let rule = "title: Ours\nname: ours\ntags: [attack.t1562.008]\nlogsource: {product: aws}\ndetection:\n  s:\n    eventNam: StopLogging\n    eventSource: cloudtrail.amazonaws.com\n  condition: s\nlevel: low\n";
    fs::write(dir.join("ours.yml"), rule).unwrap();
    let checked = run(dir, &["rules", "check", "ours.yml"]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(
        stdout(&checked).contains(
            "ours.yml:7: warning: records of CloudTrail have no field eventNam: eventName is meant?"
        ),
        "{}",
        stdout(&checked)
    );
    fs::write(dir.join("bad.yml"), rule.replace("eventNam:", "eventName|begins:")).unwrap();
    let checked = run(dir, &["rules", "check", "bad.yml"]);
    assert_eq!(checked.status.code(), Some(3));
    assert!(stdout(&checked).contains("bad.yml:7: error: "), "{}", stdout(&checked));

    fs::write(dir.join("ours.yml"), rule.replace("eventNam:", "eventName:")).unwrap();
    let list = |args: &[&str]| {
        stdout(&run(dir, &[&["rules", "list", "--rules", "ours.yml"], args].concat()))
    };
    assert!(list(&["--technique", "T1562", "--service", "cloudtrail"]).contains("ours\tlow"));
    let newer = ["--technique", "T1685.002", "--service", "CloudTrail.amazonaws.com"];
    assert!(list(&newer).contains("ours\tlow"), "ATT&CK 19 calls it that");
    assert!(!list(&["--level", "medium"]).contains("ours\t"));
    assert!(!list(&["--service", "iam"]).contains("ours\t"));
    let covered = list(&["--technique", "t1562.008", "--format", "coverage"]);
    assert!(
        covered.lines().any(|l| l.starts_with("T1562.008\t") && l.contains("ours")),
        "{covered}"
    );
    let layer: Value = serde_json::from_str(&list(&["--format", "navigator"])).unwrap();
    let techniques = layer["techniques"].as_array().unwrap();
    assert!(
        techniques.iter().any(|t| t["techniqueID"] == "T1562.008" && t["score"].as_u64() > Some(1))
    );
    let explained = stdout(&run(dir, &["rules", "explain", "ours", "--rules", "ours.yml"]));
    assert!(explained.contains("eventSource: cloudtrail.amazonaws.com"), "{explained}");
    assert!(!explained.contains("logsource"), "{explained}");
    let by_id = run(dir, &["rules", "explain", "6e182b8d-735f-4891-abf3-be4542a7c20e"]);
    assert!(stdout(&by_id).starts_with("# CloudTrail logging stopped"), "{}", stderr(&by_id));
    let mistyped = run(dir, &["rules", "explain", "trail_stoped"]);
    assert_eq!(mistyped.status.code(), Some(2));
    assert!(stderr(&mistyped).contains("is trail_stopped meant?"), "{}", stderr(&mistyped));

    let tests = "trailinsight:\n  tests:\n    fires:\n      - {eventName: StopLogging, eventSource: cloudtrail.amazonaws.com}\n    spares:\n      - [{eventName: StartLogging}, {eventName: X}]\n";
    fs::write(dir.join("tested.yml"), rule.replace("eventNam:", "eventName:") + tests).unwrap();
    let tested = run(dir, &["rules", "test", "tested.yml"]);
    assert_eq!(tested.status.code(), Some(0), "{}", stdout(&tested));
    assert!(stdout(&tested).starts_with("2 tests, 0 failed"), "{}", stdout(&tested));
    fs::write(
        dir.join("tested.yml"),
        rule.replace("eventNam:", "eventName|endswith:")
            + &tests.replace("StartLogging", "StopLogging, eventSource: cloudtrail.amazonaws.com"),
    )
    .unwrap();
    let tested = run(dir, &["rules", "test", "tested.yml"]);
    assert_eq!(tested.status.code(), Some(3), "{}", stdout(&tested));
    assert!(stdout(&tested).starts_with("ours: spares 1: fires\n"), "{}", stdout(&tested));

    run(dir, &["ingest", "trail.json", "--case", "case"]);
    let hits = stdout(&run(dir, &["rules", "hits", "--case", "case", "--rules", "ours.yml"]));
    assert!(hits.lines().any(|l| l.starts_with("ours\t1\t1\t")), "{hits}");
}

#[test]
fn broken_rules_are_named_with_file_and_line_and_the_rest_runs() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    fs::create_dir(dir.path().join("mine")).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join("mine").join(name), text);
    let head =
        |title: &str| format!("title: {title}\nname: {title}\nlogsource: {{product: aws}}\n");
    let detection = "detection:\n  s:\n    eventName: StopLogging\n  condition: s\nlevel: low\n";
    let whole = format!("{}{detection}", head("whole"));
    write("yaml.yml", &format!("{whole}---\ntitle: x\ndetection: [\n")).unwrap();
    let bomb = "a{1000}{1000}{1000}";
    write(
        "bomb.yaml",
        &format!(
            "{whole}---\n{}",
            head("bomb")
                + &detection.replace("eventName: StopLogging", &format!("userAgent|re: '{bomb}'"))
        ),
    )
    .unwrap();
    write(
        "modifier.yml",
        &(head("modifier") + &detection.replace("eventName:", "eventName|starts:")),
    )
    .unwrap();
    write(
        "condition.yml",
        &(head("condition") + &detection.replace("condition: s", "condition: s and t")),
    )
    .unwrap();
    let correlation = |name: &str, of: &str| {
        format!(
            "title: {name}\nname: {name}\ncorrelation:\n  type: event_count\n  rules: [{of}]\n  timespan: 1h\n  condition: {{gte: 2}}\n"
        )
    };
    write("cycle.yml", &format!("{}---\n{}", correlation("one", "two"), correlation("two", "one")))
        .unwrap();
    write("lost.yml", &correlation("three", "nowhere")).unwrap();
    write(
        "terms.yml",
        &format!(
            "{whole}type: new_terms\nnew_terms:\n  fields: [eventName]\n  history_window: long\n"
        ),
    )
    .unwrap();
    let output = run(dir.path(), &["analyze", "trail.json", "--rules", "mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    for wanted in [
        "yaml.yml:12: ",
        "bomb.yaml:15: ",
        "modifier.yml:6: ",
        "condition.yml:7: ",
        "cycle.yml:5: ",
        "cycle.yml:13: ",
        "lost.yml:",
        "nowhere",
        "terms.yml:",
        "history_window: expected a span",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }
    let report = report(dir.path());
    assert_eq!(report["rules"]["broken"].as_array().unwrap().len(), 8, "{told}");
    let ours = report["findings"].as_array().unwrap().iter().filter(|f| f["title"] == "whole");
    assert_eq!(ours.count(), 2, "the rules before the broken ones of two files run");
}

#[test]
fn queries_answer_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    run(dir.path(), &["analyze", "trail.json", "--quiet"]);
    let case = "trailinsight-report/case";
    let sql = "SELECT event_name, count(*) AS n FROM events GROUP BY event_name";
    for (format, answer) in [
        ("csv", "event_name,n\nStopLogging,1\n"),
        ("ndjson", "{\"event_name\":\"StopLogging\",\"n\":1}\n"),
        ("json", "[{\"event_name\":\"StopLogging\",\"n\":1}]\n"),
    ] {
        assert_eq!(
            stdout(&run(dir.path(), &["query", "--case", case, "--format", format, sql])),
            answer
        );
    }
    let findings =
        run(dir.path(), &["query", "--case", case, "--format", "csv", "SELECT rule FROM findings"]);
    assert_eq!(stdout(&findings), "rule\ntrail_stopped\n");
    let like = "SELECT source_file, source_index FROM events WHERE actor LIKE '%user/mira'";
    assert_eq!(
        stdout(&run(dir.path(), &["query", "--case", case, "--format", "csv", like])),
        "source_file,source_index\ntrail.json,0\n"
    );
    let parquet =
        run(dir.path(), &["query", "--case", case, "--format", "parquet", "-o", "a.parquet", sql]);
    assert_eq!(parquet.status.code(), Some(0), "{}", stderr(&parquet));
    assert_eq!(&fs::read(dir.path().join("a.parquet")).unwrap()[..4], b"PAR1");
    let wrong = run(dir.path(), &["query", "--case", case, "SELECT nothing FROM events"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(run(dir.path(), &["query", "--case", "nowhere", sql]).status.code(), Some(2));
}

#[test]
fn a_case_never_takes_a_folder_that_is_something_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    fs::create_dir(dir.path().join("home")).unwrap();
    fs::write(dir.path().join("home/letter.txt"), "dear").unwrap();
    let output = run(dir.path(), &["ingest", "trail.json", "--case", "home"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(fs::read(dir.path().join("home/letter.txt")).unwrap(), b"dear");
}

#[test]
fn an_archive_without_events_gives_a_report_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), "{\"Records\":[]}").unwrap();
    let output = run(dir.path(), &["analyze", "trail.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(report(dir.path())["ledger"]["records"]["seen"], 0);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trailinsight"))
        .args(["rules", "list"])
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn rules_for_other_logs_are_skipped_and_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), records()).unwrap();
    fs::create_dir(dir.path().join("mine")).unwrap();
    for (title, source) in [
        ("Theirs", "{product: windows}"),
        ("Flows", "{product: aws, service: vpcflow}"),
        ("Processes", "{category: process_creation}"),
        ("Ours", "{product: aws, service: cloudtrail}"),
        ("Anybodys", "{}"),
    ] {
        let rule = format!(
            "title: {title}\nlogsource: {source}\ndetection:\n  s: {{eventName|startswith: Stop}}\n  condition: s\nlevel: low\n"
        );
        fs::write(dir.path().join(format!("mine/{title}.yml")), rule).unwrap();
    }
    let output = run(dir.path(), &["analyze", "trail.json", "--rules", "mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("not CloudTrail: 3 ("), "{told}");
    for name in ["Theirs (windows)", "Flows (aws vpcflow)", "Processes (process_creation)"] {
        assert!(told.contains(name), "{told}");
    }
    let report = report(dir.path());
    let findings = report["findings"].as_array().unwrap();
    let mut titles: Vec<&str> =
        findings.iter().filter_map(|f| f["title"].as_str()).filter(|t| t.len() < 10).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Anybodys", "Ours"]);
}

#[test]
fn a_report_replaces_nothing_but_an_earlier_report_on_the_same_case() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("trail.json"), records()).unwrap();
    fs::create_dir(dir.join("mydocs")).unwrap();
    fs::write(dir.join("mydocs/timeline.csv"), "mine").unwrap();
    let refused = run(dir, &["analyze", "trail.json", "--out", "mydocs"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    assert!(!dir.join("mydocs/case").exists());
    assert_eq!(fs::read(dir.join("mydocs/timeline.csv")).unwrap(), b"mine");
    let forced = run(dir, &["analyze", "trail.json", "--out", "mydocs", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));

    // A case inside of its report folder is reported there, anything else not into another's folder.
    assert_eq!(
        run(dir, &["analyze", "trail.json", "--out", "o7", "--format", "md"]).status.code(),
        Some(0)
    );
    let again = run(dir, &["report", "--case", "o7/case"]);
    assert!(
        stdout(&again).starts_with("o7/report.html: "),
        "{} {}",
        stdout(&again),
        stderr(&again)
    );
    assert!(!dir.join("trailinsight-report").exists());
    let other = run(dir, &["report", "--case", "mydocs/case", "--out", "o7"]);
    assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
    assert!(stderr(&other).contains("another case"), "{}", stderr(&other));
}

#[test]
fn json_logs_are_json_to_the_last_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("archive")).unwrap();
    fs::write(dir.path().join("archive/trail.json"), records()).unwrap();
    fs::write(dir.path().join("archive/text.json.gz"), "plain").unwrap();
    for (args, code, words) in [
        (vec!["analyze", "archive"], 3, ["text.json.gz", "CloudTrail", "\"kept\":1"]),
        (vec!["query", "--case", "nowhere", "SELECT 1"], 2, ["nowhere", "hint", "ERROR"]),
        (vec!["query", "--cases"], 2, ["--cases", "hint", "ERROR"]),
    ] {
        let output = run(dir.path(), &[&args[..], &["--json-log"]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let text = stderr(&output);
        for line in text.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object()), "{line}");
        }
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn rejects_of_a_run_without_a_report_are_where_it_says() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("junk")).unwrap();
    fs::write(dir.path().join("junk/a.json.gz"), "no gzip").unwrap();
    let output = run(dir.path(), &["analyze", "junk"]);
    assert_eq!(output.status.code(), Some(4));
    let manifest = "trailinsight-report/case/manifest.json";
    assert!(stderr(&output).contains(manifest), "{}", stderr(&output));
    let text = fs::read_to_string(dir.path().join(manifest)).unwrap();
    assert!(text.contains("junk/a.json.gz") || text.contains("a.json.gz"), "{text}");
}

#[test]
fn rules_are_listed_one_a_line_and_found_from_the_settings_file() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("conf/mine")).unwrap();
    let name =
        "a_rule_with_a_name_that_is_longer_than_any_column_of_eighty_characters_would_be_wide";
    let rule = format!(
        "title: Ours\nname: {name}\nlogsource: {{product: aws}}\ndetection:\n  s: {{eventName: A}}\n  condition: s\nlevel: high\n"
    );
    fs::write(dir.join("conf/mine/ours.yml"), rule).unwrap();
    fs::write(dir.join("conf/t.toml"), "rules = [\"mine\"]\nfail-on = \"HIGH\"\n").unwrap();
    let listed = stdout(&run(dir, &["rules", "list", "--config", "conf/t.toml"]));
    assert!(listed.contains(&format!("{name}\thigh\tOurs\t")), "{listed}");
    assert!(listed.lines().all(|line| line.split('\t').count() == 5), "{listed}");
    let explained = stdout(&run(dir, &["rules", "explain", name, "--config", "conf/t.toml"]));
    assert!(explained.starts_with("# Ours\n"), "{explained}");
    fs::write(dir.join("trail.json"), records()).unwrap();
    let args = ["analyze", "trail.json", "--config", "conf/t.toml"];
    assert_eq!(run(dir, &args).status.code(), Some(1));
    assert_eq!(run(dir, &[&args[..], &["--fail-on", "CRITICAL"]].concat()).status.code(), Some(1));
}
