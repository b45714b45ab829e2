//! Text with `*` for anything, matched piece by piece: no pattern and no text makes it slow.

/// A pattern as the pieces between its stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    pieces: Vec<String>,
}

impl Glob {
    /// Every `*` is a star.
    pub(super) fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(str::to_owned).collect() }
    }

    /// As EventBridge writes it: `\*` and `\\` are a star and a backslash themselves.
    pub(super) fn escaped(pattern: &str) -> Result<Self, String> {
        let mut pieces = vec![String::new()];
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            let literal = match (c, chars.peek()) {
                ('*', Some('*')) => return Err("two stars in a row are one too many".to_owned()),
                ('*', _) => {
                    pieces.push(String::new());
                    continue;
                }
                ('\\', Some('*' | '\\')) => chars.next().unwrap_or(c),
                ('\\', _) => return Err(r"a backslash stands only before * or \".to_owned()),
                _ => c,
            };
            pieces.last_mut().expect("there is always one").push(literal);
        }
        Ok(Self { pieces })
    }

    /// The text itself, when there is no star.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.literal() == Some(text);
        };
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As one would say it: a star takes nothing, or a character and is still there.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if slow(rest, text) => true,
            (Some((b'*', _)), Some((_, text))) => slow(pattern, text),
            (Some((p, pattern)), Some((t, text))) => p == t && slow(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn pieces_match_what_stars_mean(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let fast = Glob::new(&pattern).matches(&text);
            prop_assert_eq!(fast, slow(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn escapes_are_of_stars_and_backslashes_only() {
        let glob = |pattern| Glob::escaped(pattern).unwrap();
        assert!(glob(r"a\*b").matches("a*b") && !glob(r"a\*b").matches("axb"));
        assert!(glob(r"a\\*").matches(r"a\x"));
        assert!(Glob::escaped("a**b").is_err());
        assert!(Glob::escaped(r"a\b").is_err());
        assert!(Glob::escaped(r"a\").is_err());
    }
}
