//! Bursts: stretches of time in which a sliding window is full.

use crate::model::Evidence;
use std::collections::BTreeMap;

/// Events of each principal in each account, in order of time.
pub(super) fn by_principal(events: &[Evidence]) -> Vec<Vec<&Evidence>> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Evidence>> = BTreeMap::new();
    for event in events {
        groups.entry((&event.principal, &event.account)).or_default().push(event);
    }
    groups.into_values().collect()
}

/// How long events last, as a sentence says it.
pub(super) fn minutes(events: &[&Evidence]) -> String {
    let (first, last) = (events[0].time, events[events.len() - 1].time);
    match (last.seconds() - first.seconds()) / 60 + 1 {
        1 => "a minute".to_owned(),
        n => format!("{n} minutes"),
    }
}

/// Stretches of `events` (in order of time) in which some window of `seconds` is full; windows that
/// touch are one stretch.
pub(super) fn bursts<'e>(
    events: &[&'e Evidence],
    seconds: i64,
    is_full: impl Fn(&[&'e Evidence]) -> bool,
) -> Vec<Vec<&'e Evidence>> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    for end in 0..events.len() {
        while events[end].time > events[start].time.plus_seconds(seconds) {
            start += 1;
        }
        if is_full(&events[start..=end]) {
            match spans.last_mut() {
                Some(last) if start <= last.1 => last.1 = end,
                _ => spans.push((start, end)),
            }
        }
    }
    spans.into_iter().map(|(start, end)| events[start..=end].to_vec()).collect()
}
