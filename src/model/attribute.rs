//! The one attribute that LookupEvents can be asked for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Names as the API spells them.
const NAMES: [&str; 8] = [
    "AccessKeyId",
    "EventId",
    "EventName",
    "EventSource",
    "ReadOnly",
    "ResourceName",
    "ResourceType",
    "Username",
];

/// Only events with this attribute. The API compares values as they are: case matters, and there
/// are no wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    pub name: String,
    pub value: String,
}

impl Attribute {
    /// Reads `NAME=VALUE`; the name in any case.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected NAME=VALUE with a NAME of {}", NAMES.join(", "));
        let (name, value) = text.split_once('=').ok_or_else(expected)?;
        let name = NAMES.iter().find(|n| n.eq_ignore_ascii_case(name.trim()));
        let (name, value) = (*name.ok_or_else(expected)?, value.trim());
        if value.is_empty() {
            return Err(format!("{name} has no value"));
        }
        let value = match name {
            "ReadOnly" => match value.to_ascii_lowercase() {
                word if word == "true" || word == "false" => word,
                _ => return Err("ReadOnly is true or false".to_owned()),
            },
            _ => value.to_owned(),
        };
        Ok(Self { name: name.to_owned(), value })
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_those_of_the_api() {
        let read = |text| Attribute::parse(text).map(|a| a.to_string());
        assert_eq!(read("username=eve=1").as_deref(), Ok("Username=eve=1"));
        assert_eq!(read("ReadOnly=FALSE").as_deref(), Ok("ReadOnly=false"));
        assert_eq!(
            read(" EventSource = iam.amazonaws.com").unwrap(),
            "EventSource=iam.amazonaws.com"
        );
        for bad in
            ["", "Username", "Username=", "UserName*=x", "SourceIp=1.2.3.4", "ReadOnly=maybe"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
