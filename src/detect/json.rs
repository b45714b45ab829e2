//! A field inside of JSON text, found without making a tree of the rest: most rules want one value of a request, and
//! most requests are only looked at once.
//!
//! Texts are what a decoder passed on, so they are JSON; of what is none, no field is found.

use memchr::memchr2;
use rsigma_eval::event::EventValue;
use serde_json::Value;
use std::borrow::Cow;

/// As deep as `serde_json` reads; what lies below is hostile and is not followed.
const MAX_DEPTH: u32 = 128;

/// A byte of 1 eight times.
const ONES: u64 = u64::MAX / 255;
/// As far as a text is looked through without calling for a search.
const NEAR: usize = 32;

/// Follows a dotted path. Arrays are crossed to every element, the longest key is tried first; a container is its
/// compact text.
pub(super) fn inside<'t>(json: &'t str, path: &str) -> Option<EventValue<'t>> {
    let mut found = Vec::new();
    follow(json, path, MAX_DEPTH, &mut found);
    one_or_many(found)
}

/// Several paths, to be found in one go through each of many texts.
#[derive(Default)]
pub(super) struct Paths<'p> {
    paths: Vec<&'p str>,
    tree: Tree<'p>,
}

/// Keys that may come next.
#[derive(Default)]
struct Tree<'p>(Vec<Branch<'p>>);

struct Branch<'p> {
    key: &'p str,
    /// The paths that end with it.
    ends: Vec<usize>,
    rest: Tree<'p>,
}

impl<'p> Paths<'p> {
    pub(super) fn new(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut all = Self::default();
        for path in paths {
            all.tree.add(path, all.paths.len());
            all.paths.push(path);
        }
        all
    }

    /// What is at the end of each, as [`inside`] says it.
    pub(super) fn inside<'t>(&self, json: &'t str) -> Vec<Option<EventValue<'t>>> {
        let mut ends = vec![None; self.paths.len()];
        match self.tree.walk(&mut Cursor::new(json), MAX_DEPTH - 1, &mut ends) {
            Some(()) => ends.into_iter().map(|end| one(end?)).collect(),
            None => self.paths.iter().map(|path| inside(json, path)).collect(),
        }
    }
}

impl<'p> Tree<'p> {
    fn add(&mut self, path: &'p str, number: usize) {
        let (mut tree, mut keys) = (self, path.split('.').peekable());
        while let Some(key) = keys.next() {
            let known = tree.0.iter().position(|branch| branch.key == key);
            let place = known.unwrap_or_else(|| {
                tree.0.push(Branch { key, ends: Vec::new(), rest: Tree::default() });
                tree.0.len() - 1
            });
            let branch = &mut tree.0[place];
            if keys.peek().is_none() {
                branch.ends.push(number);
            }
            tree = &mut branch.rest;
        }
    }

    /// Nothing where there may be more than one way to an end, or many values at it.
    fn walk<'t>(
        &self,
        at: &mut Cursor<'t>,
        depth: u32,
        ends: &mut [Option<&'t str>],
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let mut gone = 0_u64;
        at.take(b'{').then_some(())?;
        while !at.take(b'}') {
            let key = at.plain_text()?;
            at.take(b':').then_some(())?;
            let place = self.place(key)?;
            let Some(Branch { ends: here, rest, .. }) = self.0.get(place) else {
                at.value()?;
                at.take(b',');
                continue;
            };
            let bit = 1_u64 << place.min(63);
            let is_new = gone & bit == 0;
            gone |= bit;
            let (first, start) = (at.peek()?, at.at);
            match first {
                _ if !is_new || first == b'[' => return None,
                b'{' if !rest.0.is_empty() => rest.walk(at, depth, ends)?,
                _ => _ = at.value()?,
            }
            for end in here {
                ends[*end] = at.json.get(start..at.at);
            }
            at.take(b',');
        }
        Some(())
    }

    /// The branch of a key, behind all of them where there is none; nothing where it may be several keys of a path.
    fn place(&self, key: &str) -> Option<usize> {
        for (place, branch) in self.0.iter().enumerate() {
            match key.strip_prefix(branch.key) {
                Some("") => return Some(place),
                Some(rest) if rest.starts_with('.') => return None,
                _ => {}
            }
        }
        Some(self.0.len())
    }
}

/// What a value that is no array comes to.
fn one(json: &str) -> Option<EventValue<'_>> {
    if json.starts_with('"') {
        return Some(EventValue::Str(Cursor::new(json).text()?));
    }
    let mut found = Vec::new();
    leaf(json, MAX_DEPTH, &mut found);
    found.pop()
}

fn one_or_many(mut found: Vec<EventValue<'_>>) -> Option<EventValue<'_>> {
    match found.len() {
        0 | 1 => found.pop(),
        _ => Some(EventValue::Array(found)),
    }
}

/// Keeps the member that goes furthest along the path. Of one key that is there twice, the last counts.
fn take_longer<'t>(best: &mut Option<(usize, &'t str)>, path: &str, key: &str, value: &'t str) {
    let rest = path.strip_prefix(key);
    let is_on_path = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if is_on_path && best.is_none_or(|(longest, _)| key.len() >= longest) {
        *best = Some((key.len(), value));
    }
}

fn follow<'t>(json: &'t str, path: &str, depth: u32, found: &mut Vec<EventValue<'t>>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut at = Cursor::new(json);
    match at.peek() {
        Some(b'[') => at.each_element(|element| follow(element, path, depth, found)),
        Some(b'{') => {
            let mut best: Option<(usize, &str)> = None;
            at.each_member(|key, value| take_longer(&mut best, path, &key, value));
            match best {
                Some((whole, value)) if whole == path.len() => leaf(value, depth, found),
                Some((part, value)) => follow(value, &path[part + 1..], depth, found),
                None => {}
            }
        }
        _ => {}
    }
}

fn leaf<'t>(json: &'t str, depth: u32, found: &mut Vec<EventValue<'t>>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut at = Cursor::new(json);
    match at.peek() {
        Some(b'[') => {
            let mut is_empty = true;
            at.each_element(|element| {
                is_empty = false;
                leaf(element, depth, found);
            });
            if is_empty {
                // Present, with nothing in it: `exists` must see it.
                found.push(EventValue::Array(Vec::new()));
            }
        }
        Some(b'"') => found.extend(at.text().map(EventValue::Str)),
        _ => found.extend(match serde_json::from_str(json) {
            Ok(object @ Value::Object(_)) => Some(EventValue::Str(object.to_string().into())),
            Ok(Value::Bool(flag)) => Some(EventValue::Bool(flag)),
            Ok(Value::Number(number)) => Some(match number.as_i64() {
                Some(number) => EventValue::Int(number),
                None => EventValue::Float(number.as_f64().unwrap_or(f64::NAN)),
            }),
            Ok(_) => Some(EventValue::Null),
            Err(_) => None,
        }),
    }
}

/// Each member of an object, with its value as text.
pub(super) fn each_member<'t>(json: &'t str, member: impl FnMut(Cow<'t, str>, &'t str)) {
    let mut at = Cursor::new(json);
    if at.peek() == Some(b'{') {
        at.each_member(member);
    }
}

/// The value, where it is text.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let mut at = Cursor::new(json);
    (at.peek() == Some(b'"')).then(|| at.text())?
}

struct Cursor<'t> {
    json: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn new(json: &'t str) -> Self {
        Self { json, at: 0 }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.json.as_bytes()[self.at..];
        let spaces = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
        self.at += spaces;
        Some(rest[spaces])
    }

    /// Steps over a byte, where it is the next one.
    fn take(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    /// In front of a container.
    fn each_element(&mut self, mut element: impl FnMut(&'t str)) {
        self.at += 1;
        while self.peek().is_some_and(|next| next != b']') {
            let Some(value) = self.value() else { return };
            element(value);
            if !self.take(b',') {
                return;
            }
        }
    }

    /// In front of an object.
    fn each_member(&mut self, mut member: impl FnMut(Cow<'t, str>, &'t str)) {
        self.at += 1;
        while self.peek() == Some(b'"') {
            let Some(key) = self.text() else { return };
            if !self.take(b':') {
                return;
            }
            let Some(value) = self.value() else { return };
            member(key, value);
            if !self.take(b',') {
                return;
            }
        }
    }

    /// Steps over a value; nothing when it does not end.
    fn value(&mut self) -> Option<&'t str> {
        let (first, start) = (self.peek()?, self.at);
        match first {
            b'"' => _ = self.skip_text()?,
            b'{' | b'[' => self.skip_container()?,
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
                let rest = &self.json.as_bytes()[start..];
                self.at += rest.iter().position(ends).unwrap_or(rest.len()).max(1);
            }
        }
        self.json.get(start..self.at)
    }

    fn skip_container(&mut self) -> Option<()> {
        let bytes = self.json.as_bytes();
        let mut open = 0_u32;
        loop {
            match bytes.get(self.at)? {
                b'"' => {
                    self.skip_text()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Some(());
            }
        }
    }

    /// Steps over a text; tells whether something is escaped in it.
    fn skip_text(&mut self) -> Option<bool> {
        let bytes = self.json.as_bytes();
        let mut is_escaped = false;
        self.at += 1;
        loop {
            self.at += mark(bytes.get(self.at..)?)?;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Some(is_escaped);
            }
            is_escaped = true;
            self.at += 2;
        }
    }

    /// The same, where nothing is escaped in it.
    fn plain_text(&mut self) -> Option<&'t str> {
        self.peek().filter(|first| *first == b'"')?;
        let start = self.at + 1;
        let is_escaped = self.skip_text()?;
        if is_escaped { None } else { self.json.get(start..self.at - 1) }
    }

    /// Steps over a text, and says what it is.
    fn text(&mut self) -> Option<Cow<'t, str>> {
        let start = self.at;
        if self.skip_text()? {
            return serde_json::from_str(&self.json[start..self.at]).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(&self.json[start + 1..self.at - 1]))
    }
}

/// Where the first quote or backslash is. Most texts are short, so that to call for a search costs more than to search.
fn mark(bytes: &[u8]) -> Option<usize> {
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\');
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    let (words, rest) = near.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
        let marks =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if marks != 0 {
            return Some(number * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    let near = words.len() * 8;
    rest.iter()
        .position(is_mark)
        .map(|place| near + place)
        .or_else(|| Some(NEAR + memchr2(b'"', b'\\', far)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// The same over a tree.
    fn in_tree<'v>(value: &'v Value, path: &str) -> Option<EventValue<'v>> {
        fn follow<'v>(value: &'v Value, path: &str, found: &mut Vec<EventValue<'v>>) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| follow(item, path, found)),
                Value::Object(fields) => {
                    if let Some(value) = fields.get(path) {
                        return leaf(value, found);
                    }
                    for (dot, _) in path.rmatch_indices('.') {
                        if let Some(value) = fields.get(&path[..dot]) {
                            return follow(value, &path[dot + 1..], found);
                        }
                    }
                }
                _ => {}
            }
        }
        fn leaf<'v>(value: &'v Value, found: &mut Vec<EventValue<'v>>) {
            match value {
                Value::Array(items) if items.is_empty() => {
                    found.push(EventValue::Array(Vec::new()));
                }
                Value::Array(items) => items.iter().for_each(|item| leaf(item, found)),
                Value::Object(_) => found.push(EventValue::Str(value.to_string().into())),
                scalar => found.push(EventValue::from(scalar)),
            }
        }
        let mut found = Vec::new();
        follow(value, path, &mut found);
        match found.len() {
            0 => None,
            1 => found.pop(),
            _ => Some(EventValue::Array(found)),
        }
    }

    fn text(text: &str) -> EventValue<'_> {
        EventValue::Str(text.into())
    }

    #[test]
    fn paths_cross_arrays_prefer_long_keys_and_see_containers_as_text() {
        let json = json!({
            "items": [{"cidr": "10.0.0.0/8"}, {"cidr": "0.0.0.0/0"}],
            "x-amz.acl": "public-read",
            "x-amz": {"acl": "private"},
            "policy": {"Statement": [{"Effect": "Allow"}]},
            "n": 3, "none": null,
        })
        .to_string();
        let both = EventValue::Array(vec![text("10.0.0.0/8"), text("0.0.0.0/0")]);
        assert_eq!(inside(&json, "items.cidr"), Some(both));
        assert_eq!(inside(&json, "x-amz.acl"), Some(text("public-read")));
        assert_eq!(inside(&json, "policy.Statement"), Some(text(r#"{"Effect":"Allow"}"#)));
        assert_eq!(inside(&json, "n"), Some(EventValue::Int(3)));
        assert_eq!(inside(&json, "none"), Some(EventValue::Null));
        assert_eq!(inside(&json, "absent.path"), None);
    }

    #[test]
    fn nothing_is_found_in_what_is_no_json() {
        for json in [
            "",
            " ",
            "{",
            "[",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\" 1}",
            "[1",
            "{\"b\":[}",
            "\"a",
            "{\"b\":\"\\",
        ] {
            assert_eq!(inside(json, "a"), None, "{json}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(inside(&deep, "a"), None);
        assert_eq!(inside(&format!("{{\"a\":{deep}}}"), "a"), None);
    }

    fn key() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "a.b", "b.a", "a.b.a", "", "ä", "q\"\\", "]}"])
            .prop_map(str::to_owned)
    }

    /// Documents as text, since a tree has no key twice.
    fn document() -> impl Strategy<Value = String> {
        let scalars = vec![
            "null",
            "true",
            "7",
            "-1.50e3",
            "18446744073709551616",
            "\"x\"",
            "\"\"",
            r#""\u00e4\"]""#,
            "[]",
            "{}",
        ];
        let scalar = prop::sample::select(scalars).prop_map(str::to_owned);
        scalar.prop_recursive(4, 24, 4, |inner| {
            let space = prop::sample::select(vec!["", " ", "\n\t"]);
            let member = (key(), inner.clone());
            prop_oneof![
                (prop::collection::vec(inner, 0..4), space.clone())
                    .prop_map(|(items, s)| format!("[{s}{}{s}]", items.join(&format!("{s},")))),
                (prop::collection::vec(member, 0..4), space).prop_map(|(members, s)| {
                    let member =
                        |(key, value): &(String, String)| format!("{}{s}:{s}{value}", json!(key));
                    let members: Vec<String> = members.iter().map(member).collect();
                    format!("{s}{{{}{s}}}", members.join(&format!("{s},{s}")))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn text_and_tree_have_the_same_fields(
            json in document(),
            path in prop::collection::vec(key(), 1..4).prop_map(|keys| keys.join(".")),
        ) {
            let tree: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(inside(&json, &path), in_tree(&tree, &path), "{} in {}", path, json);
        }

        #[test]
        fn several_paths_find_what_each_finds(
            json in document(),
            paths in prop::collection::vec(prop::collection::vec(key(), 1..4), 0..5),
        ) {
            let paths: Vec<String> = paths.iter().map(|keys| keys.join(".")).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let each: Vec<_> = paths.iter().map(|path| inside(&json, path)).collect();
            prop_assert_eq!(Paths::new(paths.iter().copied()).inside(&json), each, "{:?} in {}", paths, json);
        }

        #[test]
        fn no_text_brings_it_down(json in r#"[\[\]{}",:\\ a1é]{0,40}"#, path in key()) {
            let _ = inside(&json, &path);
        }
    }
}
