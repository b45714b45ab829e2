//! The folder a report goes to: nothing that somebody else wrote, and no report on another case, is
//! replaced without a word.

use super::args;
use super::failure::{Exit, Failure};
use crate::report::Format;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const DIGEST: &str = "digest.json";

/// The report folder that a case lies in, when it is one of ours: `OUT` of `OUT/case`.
pub(super) fn report_around(case: &Path) -> Option<PathBuf> {
    let around = fs::canonicalize(case).ok()?.parent()?.to_owned();
    if !is_ours(&around) {
        return None;
    }
    // As it was typed, where that is enough to name it.
    let typed = case.parent().filter(|p| !p.as_os_str().is_empty());
    let same = |p: &&Path| fs::canonicalize(p).is_ok_and(|p| p == around);
    Some(typed.filter(same).map_or(around.clone(), Path::to_owned))
}

/// Refuses a folder in which a report would replace something that is not an earlier report on `case`.
pub(super) fn check(out: &Path, case: &Path, output: &args::Output) -> Result<(), Failure> {
    if output.force {
        return Ok(());
    }
    let refuse = |what: String| {
        Err(Failure::new(Exit::Usage, what)
            .hint("name another folder with --out, or replace what is there with --force"))
    };
    let formats = output.format.iter().map(|format| Format::from(*format).file_name());
    let taken = formats.chain([DIGEST]).find(|name| out.join(name).exists());
    if let Some(name) = taken.filter(|_| !is_ours(out)) {
        return refuse(format!("{} is there and is no report of ours", out.join(name).display()));
    }
    let inside = out.join("case");
    let of_another = inside.join("manifest.json").exists()
        && fs::canonicalize(&inside).ok() != fs::canonicalize(case).ok();
    if taken.is_some() && of_another {
        let (out, inside) = (out.display(), inside.display());
        return refuse(format!("{out} holds the report on another case, {inside}"));
    }
    Ok(())
}

/// Every run leaves a digest, and most leave `report.json`; both say who wrote them.
fn is_ours(folder: &Path) -> bool {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&fs::read(folder.join(name)).ok()?).ok()
    };
    let report = read(Format::Json.file_name());
    let digest = read(DIGEST);
    report.is_some_and(|r| r["run"]["version"].is_string())
        || digest.is_some_and(|d| d["format"].as_str().is_some_and(is_digest))
}

fn is_digest(format: &str) -> bool {
    format.starts_with("trailinsight-digest/")
}
