//! Views of one action. Where an action touches two accounts, CloudTrail tells both, each by an event of its
//! own, and gives the events one `sharedEventID`. The view of the account whose principal acted says most of
//! who that was; the others are views of the same, as long as that one is in the case.

use super::rows::Row;
use super::{Case, Error};
use crate::model::View;
use foldhash::fast::FixedState;
use polars::prelude::*;
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
        let events = self.events()?;
        let (caller, account) = (col("user_identity_account_id"), col("recipient_account_id"));
        let of = |whose: Expr, name: &str| {
            let id = col("event_id").alias(name);
            events.clone().filter(col("shared_event_id").is_not_null().and(whose)).select([
                col("shared_event_id"),
                id,
                account.clone(),
            ])
        };
        let theirs = of(account.clone().neq(caller.clone()), "other_id");
        let own = of(account.clone().eq(caller), "event_id");
        let on = [col("shared_event_id")];
        let both = theirs.join(own, on.clone(), on, JoinArgs::new(JoinType::Inner));
        let frame = both.collect().map_err(Error::table("queried"))?;
        views(&frame).map_err(Error::table("queried"))
    }
}

fn views(frame: &DataFrame) -> PolarsResult<Views> {
    let text = |name: &str| frame.column(name)?.str().cloned();
    let (other_id, other) = (text("other_id")?, text("recipient_account_id")?);
    let (event_id, account) = (text("event_id")?, text("recipient_account_id_right")?);
    let mut views = Views::default();
    for at in 0..frame.height() {
        let value = |column: &StringChunked| column.get(at).unwrap_or_default().to_owned();
        let view = View { account: value(&other), event_id: value(&other_id) };
        views.others.insert(key(&view.event_id, &view.account));
        let all = views.of.entry(key(&value(&event_id), &value(&account))).or_default();
        if let Err(place) = all.binary_search(&view) {
            all.insert(place, view);
        }
    }
    Ok(views)
}
