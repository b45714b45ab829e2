//! The local map between the tokens a model sees and the names it does not. Tokens go by order of first appearance,
//! so that the same case gives the same bytes; the map itself is never written or sent.

use super::identifier::{self, is_vocabulary};
use super::label;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Display names longer than this are cut in the middle; object keys run to a kilobyte.
const SHOWN_MAX: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Account,
    Principal,
    Address,
    Resource,
    Key,
}

impl Class {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Account => "ACCT",
            Self::Principal => "P",
            Self::Address => "IP",
            Self::Resource => "R",
            Self::Key => "KEY",
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    value: String,
    kind: String,
}

/// Token to real value, and fact id to the id the report knows it by.
#[derive(Debug, Clone, Default)]
pub struct Legend {
    tokens: BTreeMap<(Class, String), String>,
    entries: BTreeMap<String, Entry>,
    counts: BTreeMap<Class, u32>,
    /// Network to the first address token in it.
    networks: BTreeMap<String, String>,
    references: BTreeMap<String, String>,
}

impl Legend {
    /// The value behind a token, exactly.
    #[must_use]
    pub fn value(&self, token: &str) -> Option<&str> {
        self.entries.get(token).map(|entry| entry.value.as_str())
    }

    /// The id by which the report knows a fact of the digest.
    #[must_use]
    pub fn reference(&self, fact: &str) -> Option<&str> {
        self.references.get(fact).map(String::as_str)
    }

    /// Every token with what kind of thing it stands for.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(token, entry)| (token.as_str(), entry.kind.as_str()))
    }

    /// Short names of principals and resources by token.
    pub(super) fn names(&self) -> Vec<(String, String)> {
        let named = |token: &str| token.starts_with('R') || token.starts_with('P');
        let entries = self.entries.iter().filter(|(token, _)| named(token));
        entries.map(|(token, e)| (token.clone(), short_name(&e.value).to_owned())).collect()
    }

    /// Puts the real names back. Whole tokens only and in one pass, so that a name that looks like a token
    /// is not replaced again.
    #[must_use]
    pub fn reveal(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (token, after) = rest.split_at(word);
            match self.entries.get(token) {
                Some(_) => out.push_str(&self.shown(token)),
                None => out.push_str(token),
            }
            let gap = after.find(is_word).unwrap_or(after.len());
            out.push_str(&after[..gap]);
            rest = &after[gap..];
        }
        out
    }

    /// How a token reads in a report: the short name of a principal unless two share it, else the value.
    fn shown(&self, token: &str) -> String {
        let Some(value) = self.value(token) else {
            return token.to_owned();
        };
        let short = short_name(value);
        let shared = short != value
            && self.entries.values().filter(|entry| short_name(&entry.value) == short).count() > 1;
        let name = shorten(&clean(if shared { value } else { short }), SHOWN_MAX);
        // A name that could be read as part of the sentence stands in quotes.
        let plain = |c: char| c.is_alphanumeric() || "._:/@+=-$".contains(c);
        if name.chars().all(plain) { name } else { format!("\"{}\"", name.replace('"', "'")) }
    }

    pub(super) fn refer(&mut self, fact: &str, id: &str) {
        self.references.insert(fact.to_owned(), id.to_owned());
    }

    pub(super) fn account(&mut self, account: &str) -> String {
        if account.is_empty() {
            return String::new();
        }
        self.token(Class::Account, account, "account".to_owned())
    }

    pub(super) fn principal(&mut self, id: &str, kind: &str) -> String {
        let kind = match id {
            _ if id.contains("AWSServiceRoleFor") => "service-linked role".to_owned(),
            _ if id.contains("AWSReservedSSO_") => "single sign-on role".to_owned(),
            _ if identifier::is_service_host(id) => format!("service {id}"),
            _ => kind.to_owned(),
        };
        let token = self.token(Class::Principal, id, kind);
        self.refer(&token, id);
        token
    }

    pub(super) fn address(&mut self, address: &str) -> String {
        if address.is_empty() {
            return String::new();
        }
        if address == "AWS Internal" || identifier::is_service_host(address) {
            return address.to_owned();
        }
        let Ok(parsed) = address.parse::<IpAddr>() else {
            return self.token(Class::Address, address, "not an address".to_owned());
        };
        let class = if identifier::is_private(parsed) { "private" } else { "public" };
        let network = identifier::network(parsed);
        let kind = match self.networks.get(&network) {
            Some(first) => format!("{class}, same network as {first}"),
            None => class.to_owned(),
        };
        let token = self.token(Class::Address, address, kind);
        self.networks.entry(network).or_insert_with(|| token.clone());
        token
    }

    /// What was acted on. The same value has the same token wherever it occurs, so a target that is a known
    /// principal, an account or an address is called by that token.
    pub(super) fn resource(&mut self, target: &str, event_name: &str) -> String {
        if target.is_empty() {
            return String::new();
        }
        if let Some(policy) = label::managed_policy(target) {
            return policy.to_owned();
        }
        if let Some(known) = self.tokens.get(&(Class::Principal, target.to_owned())) {
            return known.clone();
        }
        if identifier::is_account_number(target) {
            return self.account(target);
        }
        if target.parse::<IpAddr>().is_ok() {
            return self.address(target);
        }
        if identifier::is_unique_id(target) {
            return self.token(Class::Key, target, "key or unique id".to_owned());
        }
        let kind = label::resource_kind(target, event_name);
        self.token(Class::Resource, target, kind.to_owned())
    }

    /// A word of AWS's vocabulary as it is; anything else as a token.
    pub(super) fn word(&mut self, word: &str) -> String {
        if word.is_empty() || is_vocabulary(word) {
            return word.to_owned();
        }
        self.token(Class::Resource, word, "unusual word".to_owned())
    }

    pub(super) fn region(&mut self, region: &str) -> String {
        if region.is_empty() || identifier::is_region(region) {
            return region.to_owned();
        }
        self.token(Class::Resource, region, "unusual region".to_owned())
    }

    /// Prose of a rule or of this program: trusted, yet a rule may name an account, so every word that holds an
    /// identifier becomes a token.
    pub(super) fn prose(&mut self, text: &str, max: usize) -> String {
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| {
                if identifier::contains_identifier(word) {
                    let (lead, core, tail) = trim_punctuation(word);
                    format!("{}{}{}", clean(lead), self.resource(core, ""), clean(tail))
                } else {
                    clean(word)
                }
            })
            .collect();
        shorten(words.join(" ").trim(), max)
    }

    fn token(&mut self, class: Class, value: &str, kind: String) -> String {
        if let Some(token) = self.tokens.get(&(class, value.to_owned())) {
            return token.clone();
        }
        let count = self.counts.entry(class).or_default();
        *count += 1;
        let token = format!("{}{count}", class.prefix());
        self.tokens.insert((class, value.to_owned()), token.clone());
        self.entries.insert(token.clone(), Entry { value: value.to_owned(), kind });
        token
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `user/alice` of `arn:aws:iam::111122223333:user/alice`.
fn short_name(value: &str) -> &str {
    let mut parts = value.splitn(6, ':');
    let is_identity = parts.next() == Some("arn")
        && parts.nth(1).is_some_and(|service| service == "iam" || service == "sts");
    match parts.nth(2) {
        Some(name) if is_identity && name.contains('/') => name,
        _ => value,
    }
}

/// Cuts the middle out of a text that is too long; both ends of a name tell something.
#[must_use]
pub fn shorten(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let half = max.saturating_sub(3) / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head}...{tail}")
}

/// Takes out what could close our delimiters, start markup or steer a terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    let visible = |c: char| {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        !c.is_control() && !hidden
    };
    text.chars()
        .filter(|&c| visible(c))
        .map(|c| if matches!(c, '<' | '>' | '`') { '\'' } else { c })
        .collect()
}

fn trim_punctuation(word: &str) -> (&str, &str, &str) {
    let inner = |c: char| c.is_ascii_alphanumeric();
    let start = word.find(inner).unwrap_or(0);
    let end = word.rfind(inner).map_or(word.len(), |at| at + 1);
    (&word[..start], &word[start..end], &word[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_stable_and_reveal_is_their_inverse() {
        let mut legend = Legend::default();
        let names = [
            "arn:aws:iam::111122223333:user/alice",
            "arn:aws:iam::444455556666:user/alice",
            "arn:aws:iam::111122223333:role/P2",
        ];
        for (n, name) in names.iter().enumerate() {
            let token = legend.principal(name, "user");
            assert_eq!(token, format!("P{}", n + 1));
            assert_eq!(legend.principal(name, "user"), token);
            assert_eq!(legend.value(&token), Some(*name));
        }
        assert_eq!(
            legend.reveal("P1, P3 and P33; xP1 (P2's)"),
            "arn:aws:iam::111122223333:user/alice, role/P2 and P33; xP1 \
             (arn:aws:iam::444455556666:user/alice's)"
        );
    }

    #[test]
    fn addresses_keep_their_class_and_neighbourhood() {
        let mut legend = Legend::default();
        for address in ["198.51.100.7", "198.51.100.9", "10.0.0.1", "AWS Internal", "x y"] {
            legend.address(address);
        }
        let kinds: Vec<_> = legend.kinds().collect();
        assert_eq!(
            kinds,
            [
                ("IP1", "public"),
                ("IP2", "public, same network as IP1"),
                ("IP3", "private"),
                ("IP4", "not an address"),
            ]
        );
    }

    #[test]
    fn prose_loses_identifiers_and_markup() {
        let mut legend = Legend::default();
        let said = legend.prose("Call from <b>\u{202e} (111122223333), see a@b.example.", 80);
        assert_eq!(said, "Call from 'b' (ACCT1), see R1.");
        assert_eq!(shorten("abcdefghijkl", 9), "abc...jkl");
    }
}
