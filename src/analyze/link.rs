//! Who belongs to an intruder: principals it made or gave a key or password, and principals that come from the
//! address its serious findings come from; and what was read from there. Taking away one key and leaving the others helps nobody.

use super::anomaly::first_use::network;
use super::collect;
use crate::model::{
    Finding, IndicatorKind, Link, LinkKind, Outcome, Principal, Severity, Timestamp,
};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A principal with such a finding, that succeeded, is followed.
const SERIOUS: Severity = Severity::High;
/// Addresses and keys are taken from its findings of this severity and above.
const TAKEN_FROM: Severity = Severity::Medium;
/// An address (with its neighbours) that was seen longer before the first of these findings is not the intruder's own.
const NEW_SECONDS: i64 = 60 * 60;
/// Links, keys and addresses kept of a principal.
const KEPT: usize = 20;
/// Keys of users: those of sessions begin otherwise, expire, and cannot be deactivated.
const LASTING_KEY: &str = "AKIA";
/// The rules whose targets are users that were made or given something.
const MADE: [(&str, LinkKind); 3] = [
    ("user_created", LinkKind::Created),
    ("access_key_for_another_user", LinkKind::KeyMade),
    ("login_profile_for_another_user", LinkKind::PasswordMade),
];

type Links = BTreeMap<String, BTreeSet<LinkKind>>;

/// Adds links, keys and addresses to every principal with a serious finding that succeeded.
pub(super) fn add(
    events: &LazyFrame,
    findings: &[Finding],
    principals: &mut [Principal],
) -> PolarsResult<()> {
    let known: BTreeSet<String> = principals.iter().map(|p| p.id.clone()).collect();
    for principal in principals {
        let of: Vec<&Finding> = findings
            .iter()
            .filter(|f| f.principal == principal.id && f.severity >= Severity::Low)
            .collect();
        if !of.iter().any(|f| f.severity >= SERIOUS && has_succeeded(f)) {
            continue;
        }
        let graver: Vec<&&Finding> = of.iter().filter(|f| f.severity >= TAKEN_FROM).collect();
        let mut links = made_by(&of, &known);
        let addresses: BTreeSet<&String> = graver.iter().flat_map(|f| &f.source_ips).collect();
        let since = graver.iter().map(|f| f.first).min().unwrap_or_default();
        for (address, actors) in foreign(events, &addresses, since)? {
            principal.foreign_ips.push(address);
            for actor in actors.into_iter().filter(|actor| *actor != principal.id) {
                links.entry(actor).or_default().insert(LinkKind::SameAddress);
            }
        }
        let near: BTreeSet<String> = principal.foreign_ips.iter().map(|ip| network(ip)).collect();
        let all: BTreeSet<&String> = of.iter().flat_map(|f| &f.source_ips).collect();
        let neighbours = all.into_iter().filter(|ip| near.contains(&network(ip)));
        principal.foreign_ips = neighbours.cloned().collect();
        (principal.objects_read, principal.objects_total) =
            objects_read(events, &principal.foreign_ips)?;
        let keys: BTreeSet<&String> = graver
            .iter()
            .flat_map(|f| &f.indicators)
            .filter(|i| matches!(i.kind, IndicatorKind::AccessKey | IndicatorKind::CreatedKey))
            .map(|i| &i.value)
            .filter(|key| key.starts_with(LASTING_KEY))
            .collect();
        principal.access_keys = keys.into_iter().take(KEPT).cloned().collect();
        principal.foreign_ips.truncate(KEPT);
        let link = |(principal, kinds): (String, BTreeSet<LinkKind>)| Link {
            principal,
            kinds: kinds.into_iter().collect(),
        };
        principal.linked = links.into_iter().take(KEPT).map(link).collect();
    }
    Ok(())
}

fn has_succeeded(finding: &Finding) -> bool {
    matches!(finding.outcome, Outcome::Succeeded | Outcome::Mixed)
}

/// Users that these findings made or gave something. One that never acted has no principal yet, and the ARN it would have.
fn made_by(findings: &[&Finding], known: &BTreeSet<String>) -> Links {
    let mut links = Links::new();
    for finding in findings {
        let Some((_, kind)) = MADE.iter().find(|(rule, _)| *rule == finding.rule) else { continue };
        let made = finding.evidence.iter().filter(|e| e.outcome == Outcome::Succeeded);
        for name in made.filter_map(|e| e.target.as_deref()) {
            let of_account = format!("arn:aws:iam::{}:user/", finding.account);
            let is_it = |id: &&String| {
                id.strip_prefix(&of_account).and_then(|path| path.rsplit('/').next()) == Some(name)
            };
            let id = known.iter().find(is_it).cloned();
            let id = id.unwrap_or_else(|| format!("{of_account}{name}"));
            if id != finding.principal {
                links.entry(id).or_default().insert(*kind);
            }
        }
    }
    links
}

/// Those of the addresses that nobody used long before `since`, with everybody who used them.
fn foreign(
    events: &LazyFrame,
    addresses: &BTreeSet<&String>,
    since: Timestamp,
) -> PolarsResult<Vec<(String, BTreeSet<String>)>> {
    let parsed = addresses.iter().filter(|a| a.parse::<IpAddr>().is_ok());
    let wanted: Vec<&str> = parsed.map(|a| a.as_str()).collect();
    let wanted = Series::new("address".into(), wanted);
    let kinds = Series::new("kinds".into(), ["root", "user", "role", "federated"]);
    let frame = collect(
        events
            .clone()
            .filter(col("source_ip_address").is_in(lit(wanted).implode(false), false))
            .filter(col("actor_kind").is_in(lit(kinds).implode(false), false))
            .filter(col("actor").is_not_null())
            .group_by([col("source_ip_address"), col("actor")])
            .agg([col("event_time").min().cast(DataType::Int64).alias("first")]),
    )?;
    let (ips, actors) = (frame.column("source_ip_address")?.str()?, frame.column("actor")?.str()?);
    let first = frame.column("first")?.i64()?;
    let mut used: BTreeMap<&str, (i64, BTreeSet<String>)> = BTreeMap::new();
    for i in 0..frame.height() {
        let entry =
            used.entry(ips.get(i).unwrap_or_default()).or_insert((i64::MAX, BTreeSet::new()));
        entry.0 = entry.0.min(first.get(i).unwrap_or_default());
        entry.1.insert(actors.get(i).unwrap_or_default().to_owned());
    }
    let is_new = |first: &i64| *first >= since.plus_seconds(-NEW_SECONDS).0;
    Ok(used
        .into_iter()
        .filter(|(_, (first, _))| is_new(first))
        .map(|(ip, (_, actors))| (ip.to_owned(), actors))
        .collect())
}

/// Objects that somebody read from these addresses: the first by name, and how many there are.
fn objects_read(events: &LazyFrame, addresses: &[String]) -> PolarsResult<(Vec<String>, u64)> {
    let wanted = Series::new("address".into(), addresses);
    let part = |name: &str| {
        let pattern = format!(r#""{name}":"((?:[^"\\]|\\.)+)""#);
        col("request_parameters").str().extract(lit(pattern), 1).alias(name)
    };
    let objects = events
        .clone()
        .filter(col("event_name").eq(lit("GetObject")))
        .filter(col("outcome").eq(lit("succeeded")))
        .filter(col("source_ip_address").is_in(lit(wanted).implode(false), false))
        .select([concat_str([part("bucketName"), part("key")], "/", false).alias("object")])
        .filter(col("object").is_not_null())
        .group_by([col("object")])
        .agg([]);
    let frame = collect(objects)?;
    let column = frame.column("object")?.str()?;
    let mut names: Vec<&str> = (0..column.len()).filter_map(|i| column.get(i)).collect();
    names.sort_unstable();
    let total = names.len() as u64;
    Ok((names.into_iter().take(KEPT).map(str::to_owned).collect(), total))
}
