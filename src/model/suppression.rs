//! What a team has looked at and does not want to be told again.

use super::{Timestamp, selection};
use serde::{Deserialize, Serialize};

/// Hits that fit all that it names are counted, and make no finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Patterns in which `*` stands for any text; case does not matter. Nothing: any.
    pub rule: Option<String>,
    pub principal: Option<String>,
    pub resource: Option<String>,
    /// Events from here on are told again.
    pub until: Option<Timestamp>,
    pub reason: String,
    /// How many events it kept out of the findings.
    #[serde(default)]
    pub events: u64,
}

impl Suppression {
    #[must_use]
    pub fn covers(
        &self,
        rule: &str,
        principal: &str,
        resource: Option<&str>,
        at: Timestamp,
    ) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| {
                let pattern = pattern.to_ascii_lowercase();
                text.is_some_and(|text| selection::matches(pattern.as_bytes(), text.as_bytes()))
            })
        };
        self.until.is_none_or(|until| at < until)
            && fits(&self.rule, Some(rule))
            && fits(&self.principal, Some(principal))
            && fits(&self.resource, resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_covers_what_fits_all_that_it_names() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let mut of = Suppression { rule: Some("user_*".to_owned()), ..Suppression::default() };
        let noon = at("2024-05-01T12:00:00Z");
        assert!(of.covers("user_created", "p", None, noon));
        assert!(!of.covers("trail_stopped", "p", None, noon));
        of.resource = Some("*Deploy".to_owned());
        assert!(of.covers("user_created", "p", Some("ci-deploy"), noon));
        assert!(!of.covers("user_created", "p", None, noon));
        of.until = Some(noon);
        assert!(!of.covers("user_created", "p", Some("ci-deploy"), noon));
        assert!(of.covers("user_created", "p", Some("ci-deploy"), at("2024-05-01T11:59:59Z")));
    }
}
