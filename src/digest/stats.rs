//! The counts a reader wants beside the findings: what there is most of, and when the case was busy.

use super::facts::{Stat, StatFact};
use super::label;
use super::pseudonym::Legend;
use crate::model::{Aggregates, Count, HourCount};
use std::collections::BTreeMap;

/// Entries told of each list.
pub(super) const TOP_EACH: usize = 8;
const BUCKETS_MAX: i64 = 48;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// The statistics in force, numbered from N1.
pub(super) fn gather(
    aggregates: &Aggregates,
    activity: bool,
    top: usize,
    legend: &mut Legend,
) -> Vec<StatFact> {
    let mut stats = Vec::new();
    if activity {
        stats.extend(activity_of(&aggregates.hours));
    }
    let mut list = |list: &'static str,
                    counts: &[Count],
                    name: &mut dyn FnMut(&Count) -> String| {
        for count in counts.iter().take(top) {
            stats.push(Stat::Top { list, name: name(count), n: count.count, denied: count.denied });
        }
    };
    list("event_names", &aggregates.event_names, &mut |c| legend.word(&c.name));
    list("services", &aggregates.services, &mut |c| legend.word(service_name(&c.name)));
    list("errors", &aggregates.errors, &mut |c| legend.word(&c.name));
    list("regions", &aggregates.regions, &mut |c| legend.region(&c.name));
    list("accounts", &aggregates.accounts, &mut |c| legend.account(&c.name));
    list("users", &aggregates.users, &mut |c| legend.principal(&c.name, "principal"));
    list("source_ips", &aggregates.source_ips, &mut |c| legend.address(&c.name));
    list("resources", &aggregates.resources, &mut |c| legend.resource(&c.name, ""));
    list("user_agents", &by_family(&aggregates.user_agents), &mut |c| c.name.clone());
    stats
        .into_iter()
        .enumerate()
        .map(|(at, what)| StatFact { id: format!("N{}", at + 1), what })
        .collect()
}

/// `iam` of `iam.amazonaws.com`.
pub(super) fn service_name(source: &str) -> &str {
    source.strip_suffix(".amazonaws.com").unwrap_or(source)
}

/// User agents are free text: only the family is told, so counts of one family are added up.
fn by_family(agents: &[Count]) -> Vec<Count> {
    let mut families: BTreeMap<&str, Count> = BTreeMap::new();
    for agent in agents {
        let family = label::agent_family(&agent.name);
        let sum = families.entry(family).or_insert_with(|| Count {
            name: family.to_owned(),
            count: 0,
            denied: 0,
            ..agent.clone()
        });
        sum.count += agent.count;
        sum.denied += agent.denied;
    }
    let mut families: Vec<Count> = families.into_values().collect();
    families.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    families
}

fn activity_of(hours: &[HourCount]) -> Option<Stat> {
    let (first, last) = (hours.first()?.hour, hours.last()?.hour);
    let span = (last.0 - first.0) / MICROS_PER_HOUR + 1;
    let hours_each = (span + BUCKETS_MAX - 1) / BUCKETS_MAX;
    let buckets = usize::try_from((span + hours_each - 1) / hours_each).ok()?;
    let mut events = vec![0; buckets];
    for hour in hours {
        let at = (hour.hour.0 - first.0) / MICROS_PER_HOUR / hours_each;
        if let Some(bucket) = usize::try_from(at).ok().and_then(|at| events.get_mut(at)) {
            *bucket += hour.count;
        }
    }
    let hours_each = u64::try_from(hours_each).ok()?;
    Some(Stat::Activity { from: super::gather::time(first), hours_each, events })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn activity_covers_every_hour_in_at_most_48_buckets() {
        let hour =
            |h: i64, count| HourCount { hour: Timestamp(h * MICROS_PER_HOUR), count, denied: 0 };
        let Some(Stat::Activity { hours_each, events, .. }) =
            activity_of(&[hour(0, 5), hour(1, 2), hour(99, 1)])
        else {
            panic!("no activity");
        };
        assert_eq!((hours_each, events.len()), (3, 34));
        assert_eq!((events[0], events[33]), (7, 1));
        assert!(activity_of(&[]).is_none());
    }
}
