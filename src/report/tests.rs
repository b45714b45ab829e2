//! The renderers over one small, complete report in which every free text is hostile.

use super::{Format, render};
use crate::model::event::{ActorKind, Outcome};
use crate::model::ledger::ByteCounts;
use crate::model::narrative::NarratorKind;
use crate::model::*;
use std::collections::BTreeMap;

/// Markup, link, image, table, formula, bidi and terminal in one value.
const HOSTILE: &str = "=x<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\
    ![i](https://evil.example/i.png) [l](javascript:alert(3)) `|` \u{202e}gpj.exe\u{1b}[31m\r\n# h";

/// Formats that a browser shows.
const PAGES: [Format; 2] = [Format::Html, Format::Cis];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn evidence(event_id: &str) -> Evidence {
    Evidence {
        event_id: event_id.to_owned(),
        time: at("2024-05-01T10:00:00Z"),
        file: HOSTILE.to_owned(),
        index: 7,
        event_name: HOSTILE.to_owned(),
        service: HOSTILE.to_owned(),
        region: HOSTILE.to_owned(),
        account: HOSTILE.to_owned(),
        principal: HOSTILE.to_owned(),
        source_ip: HOSTILE.to_owned(),
        user_agent_family: HOSTILE.to_owned(),
        outcome: Outcome::Denied,
        error_code: Some(HOSTILE.to_owned()),
        target: Some(HOSTILE.to_owned()),
        views: Vec::new(),
    }
}

fn finding(number: u32, kind: FindingKind) -> Finding {
    let hostile = || vec![HOSTILE.to_owned()];
    Finding {
        id: format!("f-{number}"),
        number,
        rule: HOSTILE.to_owned(),
        title: HOSTILE.to_owned(),
        kind,
        severity: Severity::High,
        principal: HOSTILE.to_owned(),
        account: HOSTILE.to_owned(),
        region: HOSTILE.to_owned(),
        first: at("2024-05-01T10:00:00Z"),
        last: at("2024-05-01T11:30:00Z"),
        count: 1234,
        outcome: Outcome::Mixed,
        attack: hostile(),
        cis: hostile(),
        stages: vec![Stage::Persistence],
        summary: HOSTILE.to_owned(),
        remediation: HOSTILE.to_owned(),
        calls: vec![Call { service: HOSTILE.to_owned(), name: "CreateUser".to_owned(), count: 4 }],
        targets: hostile(),
        targets_total: 12,
        source_ips: hostile(),
        indicators: vec![Indicator { kind: IndicatorKind::Object, value: HOSTILE.to_owned() }],
        indicators_total: 3,
        gaps: Vec::new(),
        author: Some(HOSTILE.to_owned()),
        rule_id: Some(HOSTILE.to_owned()),
        license: Some(HOSTILE.to_owned()),
        evidence: vec![evidence("plain-id-1"), evidence("$(touch x)';--")],
        evidence_total: 1234,
    }
}

fn principal() -> Principal {
    let hostile = || vec![HOSTILE.to_owned()];
    Principal {
        id: HOSTILE.to_owned(),
        kind: ActorKind::User,
        risk: 87.5,
        points: 41.6,
        rank: 1,
        events: 5000,
        denied: 12,
        first: at("2024-05-01T10:00:00Z"),
        last: at("2024-05-01T11:30:00Z"),
        source_ips: hostile(),
        user_agents: hostile(),
        regions: hostile(),
        contributors: vec![Contributor {
            what: HOSTILE.to_owned(),
            points: 40.0,
            evidence: vec!["plain-id-1".to_owned(), HOSTILE.to_owned()],
        }],
        linked: vec![Link { principal: HOSTILE.to_owned(), kinds: vec![LinkKind::Created] }],
        access_keys: hostile(),
        foreign_ips: hostile(),
        objects_read: hostile(),
        objects_total: 3,
    }
}

fn step(principal: &str) -> TimelineRow {
    TimelineRow {
        first: at("2024-05-01T10:00:00Z"),
        last: at("2024-05-01T11:30:00Z"),
        principal: principal.to_owned(),
        service: "iam".to_owned(),
        event_name: "CreateUser".to_owned(),
        calls: Vec::new(),
        target: Some("+bob,\"x\"".to_owned()),
        outcome: Outcome::Succeeded,
        source_ip: "192.0.2.1".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        count: 3,
        severity: Severity::High,
        findings: vec!["f-1".to_owned(), "f-2".to_owned()],
        evidence: vec!["plain-id-1".to_owned(), "only-in-timeline".to_owned()],
    }
}

fn aggregates() -> Aggregates {
    let (first, last) = (at("2024-05-01T10:00:00Z"), at("2024-05-01T11:30:00Z"));
    let counts = || vec![Count { name: HOSTILE.to_owned(), count: 9000, denied: 30, first, last }];
    Aggregates {
        event_names: counts(),
        users: counts(),
        services: counts(),
        resources: counts(),
        source_ips: counts(),
        regions: counts(),
        accounts: counts(),
        user_agents: counts(),
        errors: counts(),
        hours: vec![HourCount { hour: first, count: 9000, denied: 30 }],
        distinct: BTreeMap::from([("users".to_owned(), 4321)]),
    }
}

fn narrative() -> Narrative {
    let cites = ["F1", "E1", "E2", "E3", "P1", "unknown"].map(str::to_owned).to_vec();
    let references = [
        ("F1", "f-1"),
        ("E1", "plain-id-1"),
        ("E2", "only-in-timeline"),
        ("E3", "nowhere"),
        ("P1", HOSTILE),
    ];
    Narrative {
        source: NarratorKind::Bedrock,
        model: Some(HOSTILE.to_owned()),
        sections: vec![Section {
            title: HOSTILE.to_owned(),
            sentences: vec![Sentence { text: HOSTILE.to_owned(), cites }],
        }],
        checks: Checks { sentences: 5, grounded: 4, removed: 1 },
        references: references.map(|(fact, id)| (fact.to_owned(), id.to_owned())).into(),
    }
}

fn hostile_rules() -> RuleLedger {
    RuleLedger {
        used: 40,
        broken: vec![BrokenRule { file: HOSTILE.to_owned(), line: 7, reason: HOSTILE.to_owned() }],
        skipped: vec![HOSTILE.to_owned()],
        not_applied: vec![HOSTILE.to_owned()],
        suppressed: vec![Suppression {
            rule: Some(HOSTILE.to_owned()),
            reason: HOSTILE.to_owned(),
            events: 1,
            ..Suppression::default()
        }],
    }
}

fn hostile_report() -> Report {
    let hostile = || vec![HOSTILE.to_owned()];
    let gap = Gap {
        account: HOSTILE.to_owned(),
        region: HOSTILE.to_owned(),
        from: at("2024-05-01T12:00:00Z"),
        to: at("2024-05-01T14:00:00Z"),
    };
    let reject = Reject {
        file: HOSTILE.to_owned(),
        reason: RejectReason::CorruptGzip,
        count: 0,
        detail: HOSTILE.to_owned(),
        remedy: Some(HOSTILE.to_owned()),
    };
    Report {
        run: Run {
            version: "1.2.3".to_owned(),
            started: at("2024-06-01"),
            args: hostile(),
            case: "out/case".to_owned(),
            narrator: HOSTILE.to_owned(),
            rules_version: "abc".to_owned(),
            settings: BTreeMap::from([(HOSTILE.to_owned(), HOSTILE.to_owned())]),
        },
        rules: hostile_rules(),
        ledger: Ledger {
            files: FileCounts { seen: 3, ingested: 2, skipped: 0, failed: 1, pruned: 0 },
            records: RecordCounts {
                seen: 9010,
                kept: 9000,
                duplicate: 10,
                filtered: 0,
                rejected: 0,
                ..Default::default()
            },
            rejects: vec![reject],
            skips: Vec::new(),
            bytes: ByteCounts { compressed: 1000, inflated: 20_000 },
        },
        coverage: Coverage {
            first: Some(at("2024-05-01T10:00:00Z")),
            last: Some(at("2024-05-01T11:30:00Z")),
            accounts: hostile(),
            regions: hostile(),
            categories: BTreeMap::from([(HOSTILE.to_owned(), 9000)]),
            gaps: vec![gap],
            unjudged: 0,
            not_observable: hostile(),
        },
        aggregates: aggregates(),
        principals: vec![principal()],
        findings: vec![finding(1, FindingKind::Rule), finding(2, FindingKind::Anomaly)],
        episodes: vec![Episode {
            id: HOSTILE.to_owned(),
            principal: HOSTILE.to_owned(),
            stages: vec![Stage::Discovery, Stage::Persistence],
            findings: vec!["f-1".to_owned(), "f-2".to_owned()],
            first: at("2024-05-01T10:00:00Z"),
            last: at("2024-05-01T11:30:00Z"),
        }],
        timeline: vec![step("=cmd|' /C calc'!A0\u{202e}"), step(HOSTILE)],
        controls: vec![control()],
        narrative: narrative(),
        omitted: BTreeMap::from([(HOSTILE.to_owned(), 12)]),
    }
}

fn control() -> Control {
    let watch = |act: &WatchAct| Watch {
        time: at("2024-05-01T10:00:00Z"),
        event_id: HOSTILE.to_owned(),
        principal: HOSTILE.to_owned(),
        act: *act,
        name: HOSTILE.to_owned(),
        of: 5,
        counts: 4,
    };
    Control {
        id: "4.5".to_owned(),
        title: "Changes of the log".to_owned(),
        state: ControlState::Seen,
        events: 1234,
        succeeded: 1200,
        denied: 34,
        first: Some(at("2024-05-01T10:00:00Z")),
        last: None,
        notes: vec![HOSTILE.to_owned()],
        findings: vec!["f-1".to_owned(), "f-2".to_owned(), "beyond-the-cap".to_owned()],
        evidence: vec![evidence("plain-id-1")],
        watch: WatchAct::ALL.iter().map(watch).collect(),
    }
}

fn empty_report() -> Report {
    let mut report = hostile_report();
    report.ledger = Ledger::default();
    report.coverage = Coverage::default();
    report.aggregates = Aggregates::default();
    report.principals.clear();
    report.findings.clear();
    report.episodes.clear();
    report.timeline.clear();
    report.controls.clear();
    report.omitted.clear();
    report.narrative.sections.clear();
    report
}

/// Every value of `name="..."` in the page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page without its own style and script.
fn markup(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").unwrap();
    format!("{head}{}", rest.split_once("</style>").unwrap().1)
        .replace(include_str!("html/report.js"), "")
}

#[test]
fn csv_is_exact_and_computes_nothing() {
    let mut report = hostile_report();
    report.timeline.truncate(1);
    let own = |text: &str| Some(text.to_owned());
    let [one, two] = &mut report.findings[..] else { panic!("two findings") };
    (one.rule, one.rule_id, one.author, one.license) =
        ("=a".to_owned(), own("1"), own("B, C"), own("D"));
    (two.rule, two.rule_id, two.author, two.license) =
        ("e".to_owned(), own("2"), own("B, C"), None);
    assert_eq!(
        render(&report, Format::Csv),
        "first,last,principal,account,region,service,event_name,target,outcome,source_ip,count,\
         severity,findings,evidence,rules,rule_ids,rule_authors,rule_licences\n\
         2024-05-01T10:00:00Z,2024-05-01T11:30:00Z,'=cmd|' /C calc'!A0,111122223333,us-east-1,iam,\
         CreateUser,\"'+bob,\"\"x\"\"\",succeeded,192.0.2.1,3,high,f-1 f-2,plain-id-1 only-in-timeline,\
         '=a | e,1 | 2,\"B, C\",D\n"
    );
    assert_eq!(render(&empty_report(), Format::Csv).lines().count(), 1);
}

#[test]
fn json_is_the_contract_and_reads_back() {
    let report = hostile_report();
    let text = render(&report, Format::Json);
    assert!(text.ends_with("}\n") && !text.contains(['\u{202e}', '\u{1b}']));
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let has = |pointer: &str, names: &str| {
        let keys = value.pointer(pointer).and_then(|v| v.as_object()).expect(pointer);
        for name in names.split(' ') {
            assert!(keys.contains_key(name), "{pointer}/{name}");
        }
    };
    has("", "run ledger coverage aggregates principals findings episodes controls narrative");
    has(
        "/controls/0",
        "id title state events succeeded denied first last notes findings evidence watch",
    );
    has("/run", "version started args narrator rules_version settings");
    has("/ledger", "files records rejects bytes");
    has("/ledger/files", "seen ingested skipped failed");
    has("/ledger/records", "seen kept duplicate filtered rejected");
    has("/ledger/rejects/0", "file reason count detail");
    has("/ledger/bytes", "compressed inflated");
    has("/coverage", "first last accounts regions categories gaps");
    has("/coverage/gaps/0", "account region from to");
    has(
        "/aggregates",
        "event_names users services resources source_ips regions user_agents errors",
    );
    has("/aggregates/users/0", "name count denied first last");
    has("/aggregates/hours/0", "hour count denied");
    has("/principals/0", "id kind risk rank events first last source_ips user_agents contributors");
    has("/principals/0/contributors/0", "what points evidence");
    has("/findings/0", "id rule title kind severity principal account region first last count");
    has("/findings/0", "outcome attack cis summary remediation evidence evidence_total");
    has("/findings/0/evidence/0", "event_id time file index");
    has("/episodes/0", "id principal stages findings first last");
    has("/narrative", "source model sections checks");
    has("/narrative/sections/0/sentences/0", "text cites");
    has("/narrative/checks", "sentences grounded removed");
    assert_eq!(value["findings"][0]["first"], "2024-05-01T10:00:00Z");
}

#[test]
fn jsonl_has_one_finding_a_line() {
    let report = hostile_report();
    let text = render(&report, Format::Jsonl);
    let read: Vec<Finding> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, report.findings);
    assert_eq!(render(&empty_report(), Format::Jsonl), "");
}

#[test]
fn every_format_escapes_what_acts() {
    for format in Format::ALL {
        let text = render(&hostile_report(), *format);
        let acting = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(acting, None, "{format}");
    }
}

#[test]
fn html_never_takes_log_text_for_markup() {
    for format in PAGES {
        let page = markup(&render(&hostile_report(), format));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"));
        for tag in ["<script>alert", "<img", "onerror=alert(2)>", "<a href=\"javascript"] {
            assert!(!page.contains(tag), "{tag}");
        }
        let plain = markup(&render(&plain_report_without_queries(), format));
        let count = |page: &str, c| page.matches(c).count();
        for c in ['<', '>', '"'] {
            assert_eq!(count(&page, c), count(&plain, c), "{format} {c}");
        }
    }
}

/// The same report with a harmless word in place of the hostile text: the page must have the same shape.
fn hostile_report_without_malice() -> Report {
    let text = serde_json::to_string(&hostile_report()).unwrap();
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    serde_json::from_str(&text.replace(hostile.trim_matches('"'), "word")).unwrap()
}

/// A hostile principal has no query to paste; this has none either, and is plain otherwise.
fn plain_report_without_queries() -> Report {
    let mut report = hostile_report_without_malice();
    for finding in &mut report.findings {
        finding.calls[0].name = "o'clock".to_owned();
    }
    report
}

#[test]
fn html_asks_nothing_of_any_host() {
    for format in PAGES {
        let page = render(&hostile_report(), format);
        let ours = usize::from(format == Format::Html);
        assert_eq!(page.matches("<script>").count(), ours, "only ours");
        let page = markup(&page);
        assert_eq!(attributes(&page, "src"), Vec::<&str>::new());
        assert!(attributes(&page, "href").iter().all(|href| href.starts_with('#')));
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(page.contains("default-src &#x27;none&#x27;; style-src &#x27;sha256-"));
        assert!(!page.contains(" style="), "inline style would be refused by the policy");
    }
}

#[test]
fn controls_have_a_page_of_their_own_and_a_section_in_each_report() {
    let report = hostile_report_without_malice();
    let page = render(&report, Format::Cis);
    for told in [
        "4.5 Changes of the log</h2>",
        "Seen: 1,234 events, 1,200 succeeded, 34 denied.",
        "<li>F1 word</li>",
        "1 more in report.json",
        "word deleted the alarm word at 2024-05-01 10:00:00, which counts 4 of 5 kinds of calls (event word).",
        "1 silences of accounts",
        "The input was not read whole",
    ] {
        assert!(page.contains(told), "{told}");
    }
    let row = "| 4.5 | Changes of the log | seen | 1,234 | 1,200 | 34 | 2024-05-01 10:00:00 | – | F1 F2 |";
    assert!(render(&report, Format::Markdown).contains(row));
    let html = markup(&render(&report, Format::Html));
    let (_, section) = html.split_once("<section id=\"controls\">").unwrap();
    let (section, _) = section.split_once("</section>").unwrap();
    assert!(section.contains("href=\"#F1\"") && section.contains("4.5: word"), "{section}");
}

#[test]
fn html_anchors_are_unique_and_every_link_arrives() {
    let page = markup(&render(&hostile_report(), Format::Html));
    let mut ids = attributes(&page, "id");
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    for href in attributes(&page, "href") {
        assert!(ids.binary_search(&&href[1..]).is_ok(), "{href} leads nowhere");
    }
    for (cite, href) in
        [("F1", "#F1"), ("E1", "#F1-event-1"), ("E2", "#step-1"), ("P1", "#principal-1")]
    {
        assert!(page.contains(&format!("href=\"{href}\"")), "{cite}");
    }
    assert!(page.contains("<span class=\"cite\">unknown</span>"));
    assert!(page.contains("href=\"#cite-3\""), "E3 stands in no table but that of the cites");
}

#[test]
fn html_and_markdown_of_an_empty_case_say_so() {
    let page = render(&empty_report(), Format::Html);
    assert!(page.contains("No rule or heuristic found anything") && page.contains("Whole"));
    let text = render(&empty_report(), Format::Markdown);
    assert!(text.contains("## Findings\n\nNone.\n"));
    assert!(text.contains("0 events, 0 accounts, 0 regions, no time covered"));
}

#[test]
fn markdown_is_in_the_order_of_an_incident_report() {
    let text = render(&hostile_report_without_malice(), Format::Markdown);
    let heads: Vec<_> =
        text.lines().filter(|line| line.starts_with("# ") || line.starts_with("## ")).collect();
    assert_eq!(
        heads,
        [
            "# CloudTrail review",
            "## word",
            "## Findings",
            "## Anomalies",
            "## Principals",
            "## Timeline",
            "## Episodes",
            "## CIS controls",
            "## Counts",
            "## Coverage",
            "## Ledger",
            "## Run",
            "## Cites",
        ]
    );
    assert!(text.contains("word [F1] [E1] [E2] [E3] [P1] [unknown]\n"));
    let command = "trailinsight query --case out/case \"SELECT event_time, event_name, outcome, \
                   source_ip_address, aws_region, request_parameters, event_id FROM events WHERE \
                   actor = 'word' AND recipient_account_id = 'word' AND event_time BETWEEN \
                   '2024-05-01T10:00:00' AND '2024-05-01T11:30:00' AND event_name IN ('CreateUser') \
                   ORDER BY event_time\"";
    assert!(text.contains(command));
    assert!(text.contains("- Targets: `word` and 11 more\n- Sources: `word`\n- Objects: `word`\n"));
    assert!(text.contains("- +40.00: word\n- Sum 41.60; risk = 100"));
    assert!(text.contains("- To it belongs `word`: created by it\n"));
    assert!(text.contains("- Objects read from addresses it brought along: `word` and 2 more\n"));
    assert!(text.contains("| F1 | high | word | `word` | mixed | 1,234 | 2024-05-01 10:00:00 |"));
    assert!(text.contains(
        "| E1 | 2024-05-01 10:00:00 | `word` | denied `word` | `word` | `word` | `plain-id-1` | `word#7` |"
    ));
}

#[test]
fn what_the_log_says_never_reaches_a_shell() {
    let text = render(&hostile_report(), Format::Markdown);
    assert!(!text.contains("trailinsight query"), "a query of a hostile principal is left out");
    let mut report = hostile_report_without_malice();
    report.run.case = "o'brien; rm -rf".to_owned();
    let text = render(&report, Format::Markdown);
    assert!(text.contains(r#"query --case 'o'\''brien; rm -rf' "SELECT"#));
}

#[test]
fn markdown_has_no_markup_from_the_log() {
    let text = render(&hostile_report(), Format::Markdown);
    let plain = render(&plain_report_without_queries(), Format::Markdown);
    assert_eq!(text.lines().count(), plain.lines().count());
    for (line, same) in text.lines().zip(plain.lines()) {
        assert_eq!(line.matches('|').count(), same.matches('|').count(), "{line}");
        // Outside code spans nothing of the log is left that a renderer would act on.
        let prose: String = line.split('`').step_by(2).collect();
        let prose =
            prose.replace("\\[", "").replace("\\]", "").replace("\\!", "").replace("\\#", "");
        assert!(!prose.contains('<') && !prose.contains("](") && !prose.contains("//"), "{line}");
    }
}

#[test]
fn long_timelines_say_how_many_rows_are_elsewhere() {
    let mut report = hostile_report_without_malice();
    report.timeline = vec![report.timeline[0].clone(); 340];
    (report.timeline[339].severity, report.timeline[339].event_name) =
        (Severity::Critical, "TheWorst".to_owned());
    assert!(render(&report, Format::Markdown).contains("TheWorst"), "the worst is never cut");
    assert!(render(&report, Format::Markdown).contains("300 more in `timeline.csv`."));
    assert!(render(&report, Format::Html).contains("40 of lesser findings more in timeline.csv."));
    assert_eq!(render(&report, Format::Csv).lines().count(), 341);
}
