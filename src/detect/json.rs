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

/// Follows a dotted path. Arrays are crossed to every element, the longest key is tried first; a container is its
/// compact text.
pub(super) fn inside<'t>(json: &'t str, path: &str) -> Option<EventValue<'t>> {
    let mut found = Vec::new();
    follow(json, path, MAX_DEPTH, &mut found);
    one_or_many(found)
}

/// The same for several paths, in one go through the text.
pub(super) fn inside_each<'t>(json: &'t str, paths: &[&str]) -> Vec<Option<EventValue<'t>>> {
    let mut found: Vec<Vec<EventValue<'t>>> = paths.iter().map(|_| Vec::new()).collect();
    let paths: Vec<(usize, &str)> = paths.iter().copied().enumerate().collect();
    follow_each(json, &paths, MAX_DEPTH, &mut found);
    found.into_iter().map(one_or_many).collect()
}

fn one_or_many(mut found: Vec<EventValue<'_>>) -> Option<EventValue<'_>> {
    match found.len() {
        0 | 1 => found.pop(),
        _ => Some(EventValue::Array(found)),
    }
}

/// `paths` with where in `found` what is at their ends goes.
fn follow_each<'t>(
    json: &'t str,
    paths: &[(usize, &str)],
    depth: u32,
    found: &mut [Vec<EventValue<'t>>],
) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut at = Cursor::new(json);
    match at.peek() {
        Some(b'[') => at.each_element(|element| follow_each(element, paths, depth, found)),
        Some(b'{') => {
            let mut best: Vec<Option<(usize, &str)>> = vec![None; paths.len()];
            at.each_member(|key, value| {
                for ((_, path), best) in paths.iter().zip(&mut best) {
                    take_longer(best, path, &key, value);
                }
            });
            while let Some((_, value)) = best.iter().flatten().next().copied() {
                let mut rest: Vec<(usize, &str)> = Vec::new();
                for ((to, path), best) in paths.iter().zip(&mut best) {
                    let Some((part, _)) = best.take_if(|(_, of)| of.as_ptr() == value.as_ptr())
                    else {
                        continue;
                    };
                    match path.get(part + 1..) {
                        Some(path) => rest.push((*to, path)),
                        None => leaf(value, depth, &mut found[*to]),
                    }
                }
                if !rest.is_empty() {
                    follow_each(value, &rest, depth, found);
                }
            }
        }
        _ => {}
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
            self.at += memchr2(b'"', b'\\', bytes.get(self.at..)?)?;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Some(is_escaped);
            }
            is_escaped = true;
            self.at += 2;
        }
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
            prop_assert_eq!(inside_each(&json, &paths), each, "{:?} in {}", paths, json);
        }

        #[test]
        fn no_text_brings_it_down(json in r#"[\[\]{}",:\\ a1é]{0,40}"#, path in key()) {
            let _ = inside(&json, &path);
        }
    }
}
