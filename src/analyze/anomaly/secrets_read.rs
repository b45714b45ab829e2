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

use super::window::{bursts, by_principal, minutes};
use super::{Anomaly, evidence, evidence_columns, of_events};
use crate::analyze::collect;
use crate::detect::id;
use crate::model::{Evidence, Finding, Severity, Stage};
use polars::prelude::*;
use std::collections::BTreeSet;

pub(super) const NAME: &str = "secrets_read";
pub(super) const TITLE: &str = "Many secrets read within minutes";

const WINDOW_SECONDS: i64 = 10 * 60;
const SOME_SECRETS: usize = 10;
const MANY_SECRETS: usize = 20;

pub(super) fn find(events: &LazyFrame) -> PolarsResult<Vec<Anomaly>> {
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
    Ok(bursts.map(|burst| Anomaly::new(finding(&burst), &burst)).collect())
}

fn secrets<'e>(events: &[&'e Evidence]) -> BTreeSet<&'e str> {
    events.iter().filter_map(|e| e.target.as_deref()).collect()
}

fn finding(burst: &[&Evidence]) -> Finding {
    let first = burst[0];
    let secrets = secrets(burst).len();
    Finding {
        id: id(&[NAME, &first.principal, &first.account, &first.time.to_string()]),
        rule: NAME.to_owned(),
        title: TITLE.to_owned(),
        severity: if secrets >= MANY_SECRETS { Severity::High } else { Severity::Medium },
        attack: vec!["T1555.006".to_owned()],
        stages: vec![Stage::CredentialAccess],
        summary: format!("{} read {secrets} different secrets within {}.", first.principal, minutes(burst)),
        remediation: "Find out who holds the credentials behind these calls; unless a known program explains them, change every secret that was read, and look for the use of each.".to_owned(),
        ..of_events(burst)
    }
}
