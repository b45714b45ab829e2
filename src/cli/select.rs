//! Which events: from flags and `trailinsight.toml` to a selection.

use super::args::Select;
use super::failure::{Exit, Failure};
use crate::model::selection::{Moment, Patterns};
use crate::model::{Selection, Timestamp};
use serde::Deserialize;

/// The table `[select]`: the flags by their names, each a value or a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct File {
    from: Option<String>,
    to: Option<String>,
    account: Words,
    region: Words,
    user: Words,
    event_name: Words,
    event_source: Words,
    read_only: Option<bool>,
    category: Words,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Words {
    /// Flags win: what was typed stands for the whole list.
    fn unless(self, typed: &[String]) -> Vec<String> {
        match self {
            _ if !typed.is_empty() => typed.to_owned(),
            Self::One(word) => vec![word],
            Self::Many(words) => words,
        }
    }
}

pub(super) fn selection(typed: &Select, file: File, now: Timestamp) -> Result<Selection, Failure> {
    let read_only = typed.read_only.or(file.read_only).map(|b| b.to_string());
    let selection = Selection {
        from: moment("--from", typed.from.clone().or(file.from), now)?,
        to: moment("--to", typed.to.clone().or(file.to), now)?,
        account: Patterns::new(file.account.unless(&typed.account)),
        region: Patterns::new(file.region.unless(&typed.region)),
        user: Patterns::new(file.user.unless(&typed.user)),
        event_name: Patterns::new(file.event_name.unless(&typed.event_name)),
        event_source: Patterns::sources(file.event_source.unless(&typed.event_source)),
        read_only: Patterns::new(read_only),
        category: Patterns::new(file.category.unless(&typed.category)),
        lookup: typed.lookup.clone(),
        max_events: typed.max_events,
    };
    if let (Some(from), Some(to)) = (&selection.from, &selection.to)
        && from.at >= to.at
    {
        return Err(Failure::new(Exit::Usage, format!("no event is from {from} and before {to}"))
            .hint("--to is the first moment that is not taken any more"));
    }
    Ok(selection)
}

fn moment(flag: &str, text: Option<String>, now: Timestamp) -> Result<Option<Moment>, Failure> {
    let Some(text) = text else { return Ok(None) };
    Moment::parse(&text, now).map(Some).ok_or_else(|| {
        let expected = "a time as in 2024-05-03T10:00:00Z, a date, or an age as in 30d or 12h";
        Failure::new(Exit::Usage, format!("{flag}: expected {expected}, got {text}"))
    })
}
