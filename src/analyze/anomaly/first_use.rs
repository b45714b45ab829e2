//! # First use
//!
//! **What it finds.** A principal who, long after it became known, calls APIs it never called, acts
//! in a Region it never acted in, touches objects of a bucket it never touched, or comes from an
//! address it never came from.
//!
//! **Why it matters.** A stolen credential is used for other things and from another place than its
//! owner's. The single novelty is cheap; several within an hour are how an intrusion begins.
//!
//! **How it decides.** The first 40 % of the archive (at most 14 days, at least 3) are for learning.
//! After that, what a principal does for the first time counts if the principal was known: 200 events
//! or 7 active days before. APIs: 3 new ones within one hour are low, 5 are medium. Regions: a new one
//! is low, medium if it was written to. Addresses: a new network (/24, /48) is low, medium when 3 new
//! APIs came within an hour of it. Buckets (data events only): low. Calls that a service makes on behalf of the principal are left out.
//!
//! **What fools it.** New duties, new tools, travel, a rotated deployment role; a patient intruder who
//! does only what the owner does, from the owner's network.
//!
//! **References.** ATT&CK T1078.004 Cloud Accounts, T1535 Unused Cloud Regions.

use super::{Anomaly, evidence, evidence_columns, of_events, sample};
use crate::analyze::collect;
use crate::detect::id;
use crate::model::{Coverage, Evidence, Finding, Outcome, Severity, Stage, Timestamp};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(super) const NAME: &str = "first_use";
pub(super) const TITLE: &str = "First use of an API, Region, bucket or address";

const DAY_SECONDS: i64 = 24 * 3600;
const HOUR_SECONDS: i64 = 3600;
const MAX_LEARNING_DAYS: i64 = 14;
const MIN_LEARNING_DAYS: i64 = 3;
/// Share of the archive's span that is for learning, in percent.
const LEARNING_PERCENT: i64 = 40;
const KNOWN_EVENTS: u64 = 200;
const KNOWN_DAYS: usize = 7;
const BUCKET: &str = "bucket";
const SOME_APIS: usize = 3;
const MANY_APIS: usize = 5;
const MAX_EVIDENCE: usize = 50;

/// A value that a principal used for the first time after learning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct News {
    first: Timestamp,
    value: String,
    /// Whether any call with it succeeded.
    succeeded: bool,
    /// The first call with it that changed something.
    wrote: Option<Timestamp>,
}

/// `Ok(Err(why))`: the archive is too short to know what is new.
pub(super) fn find(
    events: &LazyFrame,
    coverage: &Coverage,
) -> PolarsResult<Result<Vec<Anomaly>, String>> {
    let (Some(first), Some(last)) = (coverage.first, coverage.last) else {
        return Ok(Ok(Vec::new()));
    };
    let span = last.seconds() - first.seconds();
    let learning = (span * LEARNING_PERCENT / 100).min(MAX_LEARNING_DAYS * DAY_SECONDS);
    if learning < MIN_LEARNING_DAYS * DAY_SECONDS {
        let wanted = MIN_LEARNING_DAYS * 100 / LEARNING_PERCENT + 1;
        return Ok(Err(format!(
            "First use of APIs, Regions and addresses was not judged: that takes at least {wanted} days of archive."
        )));
    }
    let own = own_acts(events);
    let known = Known::of(&own)?;
    let cutoff = first.plus_seconds(learning);
    let apis = news(&own, &["service", "event_name_norm"], &known, cutoff)?;
    let regions = news(&own, &["aws_region"], &known, cutoff)?;
    let public = own.clone().filter(col("ip_kind").eq(lit("public")));
    let networks = news(&public, &["source_ip_address"], &known, cutoff)?;
    let objects = own.clone().filter(col("event_category").eq(lit("Data"))).with_column(bucket());
    let buckets = news(&objects.filter(col(BUCKET).is_not_null()), &[BUCKET], &known, cutoff)?;
    let events = first_events(&own, [&apis, &regions, &networks, &buckets])?;
    let mut findings = Vec::new();
    for (actor, news) in &apis {
        findings.extend(new_apis(actor, news, &events));
    }
    for (actor, news) in &regions {
        findings.extend(new_regions(actor, news, &events));
    }
    for (actor, news) in &buckets {
        findings.extend(new_buckets(actor, news, &events));
    }
    for (actor, news) in &networks {
        let apis = apis.get(actor).map_or(&[][..], Vec::as_slice);
        findings.extend(new_networks(actor, news, apis, &events));
    }
    Ok(Ok(findings))
}

/// The bucket whose objects a data event is about.
fn bucket() -> Expr {
    col("request_parameters").str().extract(lit(r#""bucketName":"([^"]+)""#), 1).alias(BUCKET)
}

/// What people, users and roles did themselves.
fn own_acts(events: &LazyFrame) -> LazyFrame {
    let kinds = ["root", "user", "role", "federated"];
    let kinds = Series::new("kinds".into(), kinds);
    events.clone().filter(
        col("actor_kind")
            .is_in(lit(kinds).implode(false), false)
            .and(col("user_identity_invoked_by").is_null())
            .and(col("actor").is_not_null()),
    )
}

/// Events of every principal by day.
struct Known(BTreeMap<String, BTreeMap<i64, u64>>);

impl Known {
    fn of(own: &LazyFrame) -> PolarsResult<Self> {
        let day = col("event_time").dt().truncate(lit("1d")).cast(DataType::Int64);
        let frame = own
            .clone()
            .group_by([col("actor"), day.alias("day")])
            .agg([len().cast(DataType::UInt64).alias("count")]);
        let frame = collect(frame)?;
        let (actors, days) = (frame.column("actor")?.str()?, frame.column("day")?.i64()?);
        let counts = frame.column("count")?.u64()?;
        let mut known: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
        for i in 0..frame.height() {
            let actor = actors.get(i).unwrap_or_default().to_owned();
            let days_of = known.entry(actor).or_default();
            days_of.insert(days.get(i).unwrap_or_default(), counts.get(i).unwrap_or_default());
        }
        Ok(Self(known))
    }

    /// Whether the principal was well known on the day before `at`.
    fn before(&self, actor: &str, at: Timestamp) -> bool {
        let today = at.0.div_euclid(DAY_SECONDS * 1_000_000) * DAY_SECONDS * 1_000_000;
        let Some(days) = self.0.get(actor) else { return false };
        let before = days.range(..today);
        before.clone().count() >= KNOWN_DAYS || before.map(|(_, n)| n).sum::<u64>() >= KNOWN_EVENTS
    }
}

type ByActor = BTreeMap<String, Vec<News>>;

/// Values of `columns` (joined with a colon) by principal that are new after `cutoff`.
fn news(
    own: &LazyFrame,
    columns: &[&str],
    known: &Known,
    cutoff: Timestamp,
) -> PolarsResult<ByActor> {
    let keys: Vec<Expr> =
        std::iter::once("actor").chain(columns.iter().copied()).map(col).collect();
    let succeeded = col("outcome").eq(lit("succeeded"));
    let wrote = col("read_only").eq(lit(false)).fill_null(lit(false)).and(succeeded.clone());
    let time = || col("event_time").cast(DataType::Int64);
    let frame = collect(own.clone().group_by(keys).agg([
        time().min().alias("first"),
        succeeded.max().alias("succeeded"),
        when(wrote).then(time()).otherwise(lit(NULL)).min().alias("wrote"),
    ]))?;
    let (actors, first) = (frame.column("actor")?.str()?, frame.column("first")?.i64()?);
    let (succeeded, wrote) = (frame.column("succeeded")?.bool()?, frame.column("wrote")?.i64()?);
    let texts = columns.iter().map(|c| frame.column(c)?.str()).collect::<PolarsResult<Vec<_>>>()?;
    // Addresses are folded into networks here, so the first of a network is the least of its addresses.
    let mut all: BTreeMap<String, BTreeMap<String, News>> = BTreeMap::new();
    for i in 0..frame.height() {
        let parts: Vec<&str> = texts.iter().map(|t| t.get(i).unwrap_or_default()).collect();
        let value =
            if columns == ["source_ip_address"] { network(parts[0]) } else { parts.join(":") };
        let first = Timestamp(first.get(i).unwrap_or_default());
        let one = News {
            first,
            value: value.clone(),
            succeeded: succeeded.get(i).unwrap_or_default(),
            wrote: wrote.get(i).map(Timestamp),
        };
        let values = all.entry(actors.get(i).unwrap_or_default().to_owned()).or_default();
        let slot = values.entry(value).or_insert_with(|| one.clone());
        slot.first = slot.first.min(one.first);
        slot.succeeded |= one.succeeded;
        slot.wrote = slot.wrote.into_iter().chain(one.wrote).min();
    }
    let mut news = ByActor::new();
    for (actor, values) in all {
        let new = |n: &News| n.first >= cutoff && known.before(&actor, n.first);
        let mut list: Vec<News> = values.into_values().filter(new).collect();
        list.sort();
        if !list.is_empty() {
            news.insert(actor, list);
        }
    }
    Ok(news)
}

/// The /24 or /48 an address is in.
pub(in crate::analyze) fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        Err(_) => address.to_owned(),
    }
}

/// The events in which something was new: one small scan for all of them.
fn first_events(own: &LazyFrame, lists: [&ByActor; 4]) -> PolarsResult<Vec<Evidence>> {
    let mut keys: BTreeSet<(&str, i64)> = BTreeSet::new();
    for (actor, news) in lists.into_iter().flatten() {
        let times = news.iter().flat_map(|n| std::iter::once(n.first).chain(n.wrote));
        keys.extend(times.map(|time| (actor.as_str(), time.0)));
    }
    let (actors, times): (Vec<&str>, Vec<i64>) = keys.into_iter().unzip();
    let time = Series::new("event_time".into(), times);
    let time = time.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
    let height = actors.len();
    let actor = Series::new("actor".into(), actors);
    let wanted = DataFrame::new(height, vec![actor.into_column(), time.into_column()])?;
    let on = [col("actor"), col("event_time")];
    let found = own.clone().join(wanted.lazy(), on.clone(), on, JoinArgs::new(JoinType::Semi));
    evidence(&collect(found.select(evidence_columns()))?)
}

fn api_of(event: &Evidence) -> String {
    format!("{}:{}", event.service, event.event_name)
}

/// The first event of each piece of news, in order of time.
fn of_news<'e>(
    actor: &str,
    news: &[News],
    events: &'e [Evidence],
    is: impl Fn(&Evidence, &str) -> bool,
) -> Vec<&'e Evidence> {
    let mut found: Vec<&Evidence> = news
        .iter()
        .filter_map(|n| {
            events.iter().find(|e| e.principal == actor && e.time == n.first && is(e, &n.value))
        })
        .collect();
    found.sort_by(|a, b| (a.time, &a.event_id).cmp(&(b.time, &b.event_id)));
    found
}

/// The fullest hour of news.
fn fullest_hour(news: &[News]) -> &[News] {
    let mut best = &news[..0];
    let mut start = 0;
    for end in 0..news.len() {
        while news[end].first > news[start].first.plus_seconds(HOUR_SECONDS) {
            start += 1;
        }
        if end + 1 - start > best.len() {
            best = &news[start..=end];
        }
    }
    best
}

fn new_apis(actor: &str, news: &[News], events: &[Evidence]) -> Option<Anomaly> {
    let hour = fullest_hour(news);
    let severity = match hour.len() {
        MANY_APIS.. => Severity::Medium,
        SOME_APIS.. => Severity::Low,
        _ => return None,
    };
    // The name in the news has lost its date suffix, the event's has not.
    let evidence = of_news(actor, hour, events, |e, api| api_of(e).starts_with(api));
    let refused = evidence.iter().filter(|e| e.outcome != Outcome::Succeeded).count();
    let refused = if refused > 0 { format!("; {refused} did not succeed") } else { String::new() };
    let summary = format!(
        "{actor} called {} APIs within one hour that it had never called before{refused}.",
        hour.len()
    );
    (!evidence.is_empty())
        .then(|| finding("API", actor, severity, &evidence, (summary, hour.len())))
}

fn new_regions(actor: &str, news: &[News], events: &[Evidence]) -> Option<Anomaly> {
    let wrote = news.iter().any(|n| n.wrote.is_some());
    let severity = if wrote { Severity::Medium } else { Severity::Low };
    let in_region = |e: &Evidence, region: &str| e.region == region;
    let mut evidence = of_news(actor, news, events, in_region);
    // What was changed proves more than the first call, which may have been refused.
    let writes = news.iter().filter_map(|n| n.wrote.map(|at| (at, n.value.as_str())));
    evidence.extend(writes.filter_map(|(at, region)| {
        events.iter().find(|e| {
            let is_write = e.time == at && e.outcome == Outcome::Succeeded;
            e.principal == actor && is_write && in_region(e, region)
        })
    }));
    evidence.sort_by(|a, b| (a.time, &a.event_id).cmp(&(b.time, &b.event_id)));
    evidence.dedup();
    let names: Vec<&str> = news.iter().map(|n| n.value.as_str()).collect();
    let (did, how) = match (wrote, news.iter().any(|n| n.succeeded)) {
        (true, _) => ("acted", "and changed something there"),
        (false, true) => ("acted", "but only read there"),
        (false, false) => ("tried to act", "without success"),
    };
    let summary = format!("{actor} {did} for the first time in {} {how}.", names.join(", "));
    (!evidence.is_empty())
        .then(|| finding("Region", actor, severity, &evidence, (summary, news.len())))
}

fn new_buckets(actor: &str, news: &[News], events: &[Evidence]) -> Option<Anomaly> {
    let in_bucket = |e: &Evidence, bucket: &str| {
        e.target.as_deref().and_then(|t| t.split('/').next()) == Some(bucket)
    };
    let evidence = of_news(actor, news, events, in_bucket);
    let names: Vec<&str> = news.iter().map(|n| n.value.as_str()).take(3).collect();
    let more = if news.len() > 3 { format!(" and {} more", news.len() - 3) } else { String::new() };
    let did = if news.iter().any(|n| n.succeeded) { "touched" } else { "tried to touch" };
    let summary =
        format!("{actor} {did} objects of {}{more} for the first time.", names.join(", "));
    let found = !evidence.is_empty();
    found.then(|| finding("bucket", actor, Severity::Low, &evidence, (summary, news.len())))
}

fn new_networks(actor: &str, news: &[News], apis: &[News], events: &[Evidence]) -> Option<Anomaly> {
    let near = |at: Timestamp| {
        let (from, to) = (at.plus_seconds(-HOUR_SECONDS), at.plus_seconds(HOUR_SECONDS));
        apis.iter().filter(|a| a.first >= from && a.first <= to).count()
    };
    let with_apis = news.iter().any(|n| near(n.first) >= SOME_APIS);
    let severity = if with_apis { Severity::Medium } else { Severity::Low };
    let evidence = of_news(actor, news, events, |e, net| network(&e.source_ip) == net);
    let names: Vec<&str> = news.iter().map(|n| n.value.as_str()).take(3).collect();
    let more = if news.len() > 3 { format!(" and {} more", news.len() - 3) } else { String::new() };
    let how =
        if with_apis { ", and within an hour called APIs it had never called before" } else { "" };
    let summary = format!("{actor} came for the first time from {}{more}{how}.", names.join(", "));
    (!evidence.is_empty())
        .then(|| finding("address", actor, severity, &evidence, (summary, news.len())))
}

fn finding(
    what: &str,
    actor: &str,
    severity: Severity,
    events: &[&Evidence],
    (summary, count): (String, usize),
) -> Anomaly {
    let (technique, stage) = match what {
        "Region" => ("T1535", Stage::DefenseEvasion),
        "bucket" => ("T1530", Stage::Collection),
        _ => ("T1078.004", Stage::InitialAccess),
    };
    let article = if matches!(what, "API" | "address") { "an" } else { "a" };
    let finding = Finding {
        id: id(&[NAME, what, actor]),
        rule: NAME.to_owned(),
        title: format!("First use of {article} {what}"),
        severity,
        count: count.max(events.len()) as u64,
        attack: vec![technique.to_owned()],
        stages: vec![stage],
        summary,
        remediation: "Ask the owner of the principal whether this was them; if not, treat its credentials as stolen: deactivate the key or revoke the sessions, then read everything they did since.".to_owned(),
        // Each of them is something else that was new.
        evidence: sample(events, MAX_EVIDENCE),
        ..of_events(events)
    };
    Anomaly::new(finding, events)
}
