//! # Secrets read in bulk
//!
//! **What it finds.** A principal who reads many different secrets within a few minutes.
//!
//! **Why it matters.** A program reads the few secrets it needs, when it starts. Whoever reads one
//! after another is taking them along: every one of them must be changed.
//!
//! **How it decides.** Successful `GetSecretValue` calls, and `GetParameter` calls that decrypt, of
//! one principal in one account, in a window of ten minutes that slides over them: at least 10
//! different names are medium, 20 are high. Windows that touch are one finding. Calls that a service
//! makes on behalf of the principal count too: the value went to it all the same.
//!
//! **What fools it.** Programs that copy secrets elsewhere by design (External Secrets, a rotation,
//! a backup), and Terraform, which reads every secret it manages; an intruder who reads one an hour.
//!
//! **References.** ATT&CK T1555.006 Cloud Secrets Management Stores.

use super::window::{bursts, by_principal};
use super::{SAMPLES, distinct, evidence, evidence_columns, sample};
use crate::analyze::collect;
use crate::detect::{id, one_or_several};
use crate::model::{Evidence, Finding, FindingKind, Outcome, Severity, Stage};
use polars::prelude::*;
use std::collections::BTreeSet;

pub(super) const NAME: &str = "secrets_read";
pub(super) const TITLE: &str = "Many secrets read within minutes";

const WINDOW_SECONDS: i64 = 10 * 60;
const SOME_SECRETS: usize = 10;
const MANY_SECRETS: usize = 20;

pub(super) fn find(events: &LazyFrame) -> PolarsResult<Vec<Finding>> {
    let secret = col("event_name").eq(lit("GetSecretValue"));
    let decrypts = col("request_parameters").str().contains_literal(lit("\"withDecryption\":true"));
    let parameter = col("event_name").eq(lit("GetParameter")).and(decrypts);
    let succeeded = col("outcome").eq(lit("succeeded"));
    let read = secret.or(parameter).and(succeeded).and(col("actor").is_not_null());
    let mut reads = evidence(&collect(events.clone().filter(read).select(evidence_columns()))?)?;
    reads.retain(|e| e.target.is_some());
    let groups = by_principal(&reads);
    let bursts = groups
        .iter()
        .flat_map(|events| bursts(events, WINDOW_SECONDS, |w| secrets(w).len() >= SOME_SECRETS));
    Ok(bursts.map(|burst| finding(&burst)).collect())
}

fn secrets<'e>(events: &[&'e Evidence]) -> BTreeSet<&'e str> {
    events.iter().filter_map(|e| e.target.as_deref()).collect()
}

fn finding(burst: &[&Evidence]) -> Finding {
    let (first, last) = (burst[0], burst[burst.len() - 1]);
    let secrets = secrets(burst).len();
    let severity = if secrets >= MANY_SECRETS { Severity::High } else { Severity::Medium };
    let regions: BTreeSet<String> = burst.iter().map(|e| e.region.clone()).collect();
    let minutes = (last.time.seconds() - first.time.seconds()) / 60 + 1;
    Finding {
        id: id(&[NAME, &first.principal, &first.account, &first.time.to_string()]),
        number: 0,
        rule: NAME.to_owned(),
        title: TITLE.to_owned(),
        kind: FindingKind::Anomaly,
        severity,
        principal: first.principal.clone(),
        account: first.account.clone(),
        region: one_or_several(&regions),
        first: first.time,
        last: last.time,
        count: burst.len() as u64,
        outcome: Outcome::Succeeded,
        attack: vec!["T1555.006".to_owned()],
        cis: Vec::new(),
        stages: vec![Stage::CredentialAccess],
        summary: format!("{} read {secrets} different secrets within {minutes} minutes.", first.principal),
        remediation: "Find out who holds the credentials behind these calls; unless a known program explains them, change every secret that was read, and look for the use of each.".to_owned(),
        targets: distinct(burst, |e| e.target.as_deref()),
        source_ips: distinct(burst, |e| Some(&e.source_ip)),
        author: None,
        evidence: sample(burst, SAMPLES),
        evidence_total: burst.len() as u64,
    }
}
