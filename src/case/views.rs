//! Views of one action. Where an action touches two accounts, CloudTrail tells both, each by an event of its
//! own, and gives the events one `sharedEventID`. The view of the account whose principal acted says most of
//! who that was; the others are views of the same, as long as that one is in the case.

use super::fetch::PartFile;
use super::rows::Row;
use super::{Case, Error};
use crate::model::View;
use foldhash::fast::FixedState;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

#[derive(Debug, Default)]
pub struct Views {
    others: HashSet<u64>,
    of: HashMap<u64, Vec<View>>,
}

fn key(event_id: &str, account: &str) -> u64 {
    FixedState::with_seed(0).hash_one((event_id, account))
}

impl Views {
    /// Whether the same action is told by another event, of the account whose principal acted.
    #[must_use]
    pub fn is_another(&self, row: Row<'_>) -> bool {
        if self.others.is_empty() {
            return false;
        }
        let text = |column| row.text(column).unwrap_or_default();
        self.others.contains(&key(text("event_id"), text("recipient_account_id")))
    }

    /// Who else saw what this event tells, by account.
    #[must_use]
    pub fn of(&self, event_id: &str, account: &str) -> &[View] {
        self.of.get(&key(event_id, account)).map_or(&[], Vec::as_slice)
    }
}

impl Case {
    /// Finds the events that tell what another event tells. Held are only those.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn views(&self) -> Result<Views, Error> {
        let parts = (0..self.part_paths().len()).into_par_iter();
        let told =
            parts.map(|part| told(&self.part(part)?)).try_reduce(Vec::new, |mut all, more| {
                all.extend(more);
                Ok(all)
            })?;
        Ok(Views::new(&told))
    }
}

/// An event that others may tell of as well.
struct Told {
    shared: String,
    event_id: String,
    account: String,
    /// In the account whose principal acted.
    is_own: bool,
}

fn told(part: &PartFile) -> Result<Vec<Told>, Error> {
    let shared = part.coded("shared_event_id")?;
    let rows: Vec<u32> =
        (0..).zip(shared.codes()).filter(|(_, code)| **code != 0).map(|(row, _)| row).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns =
        ["shared_event_id", "event_id", "recipient_account_id", "user_identity_account_id"];
    let rows = part.rows_at(&rows, &columns.map(|name| (name, rows.clone())).into())?;
    let told = (0..rows.len()).filter_map(|number| {
        let [shared, event_id, account, caller] = columns.map(|name| rows.row(number).text(name));
        let (account, caller) = (account?, caller?);
        Some(Told {
            shared: shared?.to_owned(),
            event_id: event_id.unwrap_or_default().to_owned(),
            account: account.to_owned(),
            is_own: account == caller,
        })
    });
    Ok(told.collect())
}

impl Views {
    fn new(told: &[Told]) -> Self {
        let mut own: HashMap<&str, Vec<&Told>> = HashMap::new();
        for event in told.iter().filter(|event| event.is_own) {
            own.entry(&event.shared).or_default().push(event);
        }
        let mut views = Self::default();
        for other in told.iter().filter(|event| !event.is_own) {
            for event in own.get(other.shared.as_str()).into_iter().flatten() {
                let (account, event_id) = (other.account.clone(), other.event_id.clone());
                let view = View { account, event_id };
                views.others.insert(key(&view.event_id, &view.account));
                let all = views.of.entry(key(&event.event_id, &event.account)).or_default();
                if let Err(place) = all.binary_search(&view) {
                    all.insert(place, view);
                }
            }
        }
        views
    }
}
