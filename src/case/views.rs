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
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether the same action is told by another event, of the account whose principal acted.
    #[must_use]
    pub fn is_another(&self, row: Row<'_>) -> bool {
        if self.is_empty() {
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
        let told = |is_own: bool| {
            let parts = (0..self.part_paths().len()).into_par_iter();
            let told = parts.map(|part| told(&self.part(part)?, is_own));
            told.try_reduce(Vec::new, |mut all, more| {
                all.extend(more);
                Ok(all)
            })
        };
        let others = told(false)?;
        // Most archives are of one account, or of accounts that leave each other alone.
        let own = if others.is_empty() { Vec::new() } else { told(true)? };
        Ok(Views::new(others, &own))
    }
}

/// An event that others may tell of as well.
struct Told {
    shared: String,
    event_id: String,
    account: String,
}

/// Those of the account whose principal acted, or those of others.
fn told(part: &PartFile, is_own: bool) -> Result<Vec<Told>, Error> {
    let [account, caller] = ["recipient_account_id", "user_identity_account_id"];
    let (accounts, callers) = (part.coded(account)?, part.coded(caller)?);
    let is_meant =
        |(account, caller): (u32, u32)| match (accounts.value(account), callers.value(caller)) {
            (Some(account), Some(caller)) => (account == caller) == is_own,
            _ => false,
        };
    // Few accounts call each other, and many events are of one pair of them.
    let mut last = ((0, 0), false);
    let pairs = accounts.codes().iter().copied().zip(callers.codes().iter().copied());
    let meant = (0..).zip(pairs).filter(|(_, pair)| {
        if last.0 != *pair {
            last = (*pair, is_meant(*pair));
        }
        last.1
    });
    let mut rows: Vec<u32> = meant.map(|(row, _)| row).collect();
    if !rows.is_empty() {
        let shared = part.coded("shared_event_id")?;
        rows.retain(|row| shared.codes()[*row as usize] != 0);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let columns = ["shared_event_id", "event_id", account];
    let rows = part.rows_at(&rows, &columns.map(|name| (name, rows.clone())).into())?;
    let told = (0..rows.len()).map(|number| {
        let text = |name| rows.row(number).text(name).unwrap_or_default().to_owned();
        let [shared, event_id, account] = columns.map(text);
        Told { shared, event_id, account }
    });
    Ok(told.collect())
}

impl Views {
    fn new(others: Vec<Told>, all_own: &[Told]) -> Self {
        let mut own: HashMap<&str, Vec<&Told>> = HashMap::new();
        for event in all_own {
            own.entry(&event.shared).or_default().push(event);
        }
        let mut views = Self::default();
        for other in others {
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
