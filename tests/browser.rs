//! The page as a browser sees it: its script runs, nothing is fetched, nothing is complained about.

use std::path::Path;
use std::process::Command;

fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: none of {names:?} on this machine");
    }
    found
}

#[test]
fn the_report_works_in_a_browser_without_a_network() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/incident");
    let out = dir.path().join("report");
    let status = Command::new(env!("CARGO_BIN_EXE_trailinsight"))
        .args(["analyze", archive.to_str().unwrap(), "--quiet", "--format", "html", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));

    let page = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update"])
        // Every name leads nowhere, so that a request could only fail, and loudly.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", out.join("report.html").display()))
        .output()
        .unwrap();
    let (dom, log) = (
        String::from_utf8_lossy(&page.stdout).into_owned(),
        String::from_utf8_lossy(&page.stderr).into_owned(),
    );
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
    assert_eq!(complaints, Vec::<&str>::new());
    // The script makes a button of every head of a table that sorts, and shows the tools.
    assert!(dom.contains("<button type=\"button\">"), "the script did not run:\n{log}");
    assert!(dom.contains("<p id=\"finding-tools\" class=\"tools\">"), "tools stay hidden");
    assert!(dom.contains("lena.hoffmann"));
}
