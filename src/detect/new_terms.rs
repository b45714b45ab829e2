//! First seen: an event that brings a combination of values which the archive has not had for as long as the
//! history window. Sigma has no such rule, so it is a type of ours in the same style.
//!
//! What is kept of a combination are the stretches of time in which it was never away for longer than the window;
//! the first event of each is the new one. Stretches join in any order to the same result, so rows may come from
//! every thread, and memory grows with combinations, not with events.

use super::meta::custom;
use super::row::{SigmaEvent, hash};
use super::windows::Place;
use foldhash::fast::FixedState;
use rsigma_parser::{SigmaRule, Timespan};
use std::collections::{BTreeMap, HashMap};

/// The value of `type` in a rule of this kind.
const TYPE: &str = "new_terms";
const MICROSECONDS: i64 = 1_000_000;

pub(super) struct NewTerms {
    pub(super) fields: Vec<String>,
    window: i64,
    learning: i64,
}

impl NewTerms {
    /// Nothing when the document is an ordinary rule.
    ///
    /// # Errors
    /// Says what is missing or is not understood.
    pub(super) fn of(rule: &SigmaRule) -> Result<Option<Self>, String> {
        let own = custom(&rule.custom_attributes, TYPE);
        match custom(&rule.custom_attributes, "type").as_str() {
            None if own.is_null() => return Ok(None),
            Some(TYPE) => {}
            Some(other) => {
                return Err(format!("type: expected {TYPE} or nothing, got {other}"));
            }
            None => return Err(format!("`{TYPE}:` wants `type: {TYPE}` beside it")),
        }
        let span = |key: &str| {
            let text = own.get(key).and_then(|v| v.as_str());
            let text = text.ok_or_else(|| format!("{TYPE}: {key} is missing (as in 30d)"))?;
            let span = Timespan::parse(text)
                .map_err(|_| format!("{TYPE}: {key}: expected a span as in 30d, got {text}"))?;
            Ok::<_, String>((span.seconds as i64).saturating_mul(MICROSECONDS))
        };
        let fields = own.get("fields").and_then(|v| v.as_array());
        let fields = fields.into_iter().flatten().filter_map(|v| v.as_str());
        let fields: Vec<String> = fields.map(str::to_owned).collect();
        if fields.is_empty() {
            return Err(format!("{TYPE}: fields is missing: the names of one field or more"));
        }
        let (window, learning) = (span("history_window")?, span("learning_period")?);
        Ok(Some(Self { fields, window, learning }))
    }

    /// What of one event is remembered; nothing when it lacks one of the fields.
    pub(super) fn term(&self, event: &SigmaEvent<'_>, place: Place) -> Option<(u64, Stretch)> {
        let values: Option<Vec<String>> = self.fields.iter().map(|f| event.scalar(f)).collect();
        let key = hash(&values?);
        let (first, account) = (event.row.time().0, event.account());
        Some((key, Stretch { first, last: first, tie: event.tie(), place, account }))
    }

    /// The events that were new once `terms` holds all of the archive. `starts`: since when there are events of each
    /// account; what an account did in its learning period is not told.
    pub(super) fn told(&self, terms: &Terms, starts: &BTreeMap<u64, i64>) -> Vec<Place> {
        let known_since = |account: &u64| starts.get(account).copied().unwrap_or(i64::MAX);
        let is_told =
            |s: &&Stretch| s.first >= known_since(&s.account).saturating_add(self.learning);
        let mut places: Vec<Place> =
            terms.0.values().flatten().filter(is_told).map(|s| s.place).collect();
        places.sort_unstable();
        places
    }

    pub(super) fn remember(&self, terms: &mut Terms, key: u64, mut new: Stretch) {
        let stretches = terms.0.entry(key).or_default();
        if let [only] = &mut stretches[..]
            && only.first < new.first
            && new.first <= only.last.saturating_add(self.window)
        {
            only.last = only.last.max(new.last);
            return;
        }
        stretches.retain(|old| {
            let apart = old.first.saturating_sub(new.last).max(new.first.saturating_sub(old.last));
            if apart > self.window {
                return true;
            }
            let (first, last) = (new.first.min(old.first), new.last.max(old.last));
            if (old.first, old.tie) < (new.first, new.tie) {
                new = *old;
            }
            (new.first, new.last) = (first, last);
            false
        });
        stretches.push(new);
    }

    pub(super) fn merge(&self, terms: &mut Terms, other: Terms) {
        if terms.0.is_empty() {
            *terms = other;
            return;
        }
        #[expect(clippy::iter_over_hash_type, reason = "stretches join in any order")]
        for (key, stretches) in other.0 {
            for stretch in stretches {
                self.remember(terms, key, stretch);
            }
        }
    }
}

/// A time in which a combination was never away for longer than the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    first: i64,
    last: i64,
    /// Which of several events of the first moment is meant.
    tie: u64,
    /// Of the first event.
    place: Place,
    account: u64,
}

/// What was seen of each combination.
#[derive(Debug, Default)]
pub(super) struct Terms(HashMap<u64, Vec<Stretch>, FixedState>);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400 * MICROSECONDS;

    fn rule() -> NewTerms {
        NewTerms { fields: vec!["a".to_owned()], window: 30 * DAY, learning: 7 * DAY }
    }

    fn seen(day: i64) -> Stretch {
        let place = Place { part: 0, row: u32::try_from(day).unwrap() };
        Stretch { first: day * DAY, last: day * DAY, tie: 0, place, account: 1 }
    }

    fn told(days: &[i64], starts: i64) -> Vec<u32> {
        let (rule, mut terms) = (rule(), Terms::default());
        for day in days {
            rule.remember(&mut terms, 5, seen(*day));
        }
        let starts = BTreeMap::from([(1, starts * DAY)]);
        rule.told(&terms, &starts).iter().map(|p| p.row).collect()
    }

    #[test]
    fn a_value_is_new_once_and_again_after_the_window() {
        assert_eq!(told(&[10, 11, 12], 0), [10]);
        assert_eq!(told(&[10, 40, 70], 0), [10], "remembered for exactly the window");
        assert_eq!(told(&[10, 41], 0), [10, 41]);
        assert_eq!(told(&[6], 0), [0; 0], "still learning");
        assert_eq!(told(&[7], 0), [7]);
    }

    #[test]
    fn any_order_and_any_split_gives_the_same() {
        let days = [10, 41, 25, 100, 131, 71, 162, 10];
        let straight = told(&days, 0);
        let mut turned = days;
        for _ in 0..days.len() {
            turned.rotate_left(1);
            assert_eq!(told(&turned, 0), straight);
            let (rule, mut left, mut right) = (rule(), Terms::default(), Terms::default());
            for (number, day) in turned.iter().enumerate() {
                let half = if number % 2 == 0 { &mut left } else { &mut right };
                rule.remember(half, 5, seen(*day));
            }
            rule.merge(&mut left, right);
            let merged = rule.told(&left, &BTreeMap::from([(1, 0)]));
            assert_eq!(merged.iter().map(|p| p.row).collect::<Vec<_>>(), straight);
        }
    }
}
