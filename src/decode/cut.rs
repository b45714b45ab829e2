//! Where one value of JSON ends and the next begins, without parsing either: by brackets outside of
//! strings.

use super::container::LISTS;
use memchr::{memchr, memchr2, memmem};

/// Follows brackets and strings through text that may come in pieces.
#[derive(Debug, Default, Clone)]
pub(super) struct Scanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Takes line breaks within strings, which JSON forbids and some print all the same.
    lenient: bool,
}

/// How far a value reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Behind its closing bracket.
    At(usize),
    /// Not within the text.
    Open,
    /// It cannot end: a line break within a string means that a quote was lost before it.
    Lost(usize),
}

impl Scanner {
    /// Stands where the list at the end of `text` was entered and has been left again.
    pub(super) fn behind_list(text: &[u8]) -> Self {
        let mut scanner = Self::default();
        scanner.feed(text);
        scanner.depth = scanner.depth.saturating_sub(1);
        scanner
    }

    pub(super) fn is_at_top(&self) -> bool {
        self.depth == 0
    }

    /// Goes on through `text` to the end of the value that began with the first bracket.
    pub(super) fn feed(&mut self, text: &[u8]) -> End {
        let mut at = 0;
        while at < text.len() {
            if self.in_string {
                match self.string(text, at) {
                    End::At(end) => at = end,
                    other => return other,
                }
                continue;
            }
            match text[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return End::At(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        End::Open
    }

    /// From inside a string to behind its closing quote.
    fn string(&mut self, text: &[u8], mut at: usize) -> End {
        while at < text.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            let special = memchr2(b'"', b'\\', &text[at..]);
            let end = special.map_or(text.len(), |i| at + i);
            if !self.lenient
                && let Some(i) = memchr(b'\n', &text[at..end])
            {
                return End::Lost(at + i);
            }
            if special.is_none() {
                break;
            }
            at = end + 1;
            if text[end] == b'"' {
                self.in_string = false;
                return End::At(at);
            }
            self.escaped = true;
        }
        End::Open
    }
}

/// Behind the value that begins at `text[0]`, an opening bracket.
pub(super) fn value_end(text: &[u8]) -> End {
    Scanner::default().feed(text)
}

/// The same, with strings that go on over line breaks.
pub(super) fn value_end_across_lines(text: &[u8]) -> End {
    Scanner { lenient: true, ..Scanner::default() }.feed(text)
}

/// Behind the opening bracket of a list of records that begins within the first value of `text`:
/// the value itself, or a named list in it.
pub(super) fn list_start(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'[') {
        return Some(1);
    }
    let head = &text[..text.len().min(64 << 10)];
    let (mut scanner, mut scanned) = (Scanner::default(), 0);
    for quote in memchr::memchr_iter(b'"', head) {
        let Some(rest) = list_named(&head[quote + 1..]) else { continue };
        scanner.feed(&head[scanned..quote]);
        scanned = quote;
        // Beside the other keys of the document, or once more inside for `hits`.
        if !scanner.in_string && scanner.depth <= 2 {
            return Some(head.len() - rest.len());
        }
    }
    None
}

/// What stands behind the bracket of `Records":[`.
fn list_named(text: &[u8]) -> Option<&[u8]> {
    let name = LISTS.iter().find(|name| text.starts_with(name.as_bytes()))?;
    let rest = text[name.len()..].strip_prefix(b"\"")?.trim_ascii_start();
    rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"[")
}

/// The first key of the object that `text` begins with, in its quotes.
pub(super) fn first_key(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"{")?.trim_ascii_start();
    let quote = memchr(b'"', inside.strip_prefix(b"\"")?)?;
    Some(&inside[..quote + 2])
}

/// Where the next object behind the first byte begins with `key`.
pub(super) fn next_start(text: &[u8], key: &[u8]) -> Option<usize> {
    memmem::find_iter(text, key).find_map(|at| start_before(text, at))
}

/// The last such place.
pub(super) fn last_start(text: &[u8], key: &[u8]) -> Option<usize> {
    memmem::rfind_iter(text, key).find_map(|at| start_before(text, at))
}

fn start_before(text: &[u8], key: usize) -> Option<usize> {
    let before = text[..key].trim_ascii_end();
    (before.len() > 1 && before.ends_with(b"{")).then(|| before.len() - 1)
}

/// What stands at a place in a sequence of values.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// A value with its brackets.
    Value(&'t [u8]),
    /// A line, or part of one, without any value.
    Junk(&'t [u8]),
    /// The list that was entered ends here.
    ListEnd,
    /// Only white space, commas, NULs up to the end of the text.
    Nothing,
    /// A value or line that goes on behind the text.
    Unfinished,
    /// A value that is broken: up to the place where the next may begin.
    Broken(&'t [u8]),
}

/// The next piece of `text` from `*at` on, which moves behind it. `whole`: nothing follows the text.
pub(super) fn next<'t>(text: &'t [u8], at: &mut usize, in_list: bool, whole: bool) -> Piece<'t> {
    let skipped = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b',' | 0 | 0x1e);
    *at += text[*at..].iter().take_while(skipped).count();
    let rest = &text[*at..];
    let (piece, len) = match rest.first() {
        None => (Piece::Nothing, 0),
        Some(b']') if in_list => (Piece::ListEnd, 1),
        Some(b'{' | b'[') => value(rest, in_list, whole),
        Some(_) if in_list => scalar(rest, whole),
        Some(_) => prefix(rest, whole),
    };
    *at += len;
    piece
}

fn value(rest: &[u8], in_list: bool, whole: bool) -> (Piece<'_>, usize) {
    if !in_list && let Some(len) = line(rest, whole) {
        return (Piece::Value(&rest[..len]), len);
    }
    match value_end(rest) {
        End::At(len) => (Piece::Value(&rest[..len]), len),
        End::Open => (Piece::Unfinished, 0),
        End::Lost(len) => (Piece::Broken(&rest[..len]), len),
    }
}

/// A line that begins with an opening brace, ends with a closing one and has the like behind it is
/// one value: much cheaper to see than brackets are to follow. Parsing proves it.
fn line(rest: &[u8], whole: bool) -> Option<usize> {
    let end = memchr(b'\n', rest)?;
    let line = rest[..end].trim_ascii_end();
    let next = rest[end..].iter().find(|b| !b.is_ascii_whitespace());
    let is_value = rest[0] == b'{' && line.ends_with(b"}");
    (is_value && (next == Some(&b'{') || (next.is_none() && whole))).then_some(line.len())
}

/// A number, word or string in a list: no record, but an element.
fn scalar(rest: &[u8], whole: bool) -> (Piece<'_>, usize) {
    if rest[0] == b'"' {
        let mut scanner = Scanner { in_string: true, ..Scanner::default() };
        return match scanner.string(rest, 1) {
            End::At(len) => (Piece::Value(&rest[..len]), len),
            End::Open if whole => (Piece::Broken(rest), rest.len()),
            End::Open => (Piece::Unfinished, 0),
            End::Lost(len) => (Piece::Broken(&rest[..len]), len),
        };
    }
    let ends = |b: &u8| matches!(b, b',' | b']' | b'}' | b'\n');
    let end = rest.iter().position(ends);
    // Where a comma was lost, a record may follow at once.
    let mut before = rest[..end.unwrap_or(rest.len())].iter();
    let brace = before.position(|b| matches!(b, b'{' | b'"' | b':')).filter(|&at| rest[at] == b'{');
    match brace.or(end) {
        Some(0) => (Piece::Broken(&rest[..1]), 1),
        // No scalar, and the brace may be that of a record.
        Some(len) if rest[..len].contains(&b'{') => (Piece::Broken(&rest[..len]), len),
        Some(len) => (Piece::Value(rest[..len].trim_ascii_end()), len),
        None if whole => (Piece::Broken(rest), rest.len()),
        None => (Piece::Unfinished, 0),
    }
}

/// Text before a value on its line (the time of a log export, the head of a syslog message) is
/// dropped; a line without a value is told.
fn prefix(rest: &[u8], whole: bool) -> (Piece<'_>, usize) {
    let end = match memchr(b'\n', rest) {
        Some(end) => end,
        None if whole => rest.len(),
        None => return (Piece::Unfinished, 0),
    };
    match memchr(b'{', &rest[..end]) {
        Some(brace) => {
            let (piece, len) = value(&rest[brace..], false, whole);
            if len == 0 { (piece, 0) } else { (piece, brace + len) }
        }
        None => (Piece::Junk(&rest[..end]), end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        let (mut at, mut out) = (0, Vec::new());
        loop {
            match next(text.as_bytes(), &mut at, false, true) {
                Piece::Value(v) => out.push(String::from_utf8_lossy(v).into_owned()),
                Piece::Junk(j) => out.push(format!("junk {}", String::from_utf8_lossy(j))),
                Piece::Broken(b) => out.push(format!("broken {}", String::from_utf8_lossy(b))),
                Piece::Unfinished => {
                    out.push("unfinished".to_owned());
                    return out;
                }
                Piece::Nothing | Piece::ListEnd => return out,
            }
        }
    }

    #[test]
    fn values_are_cut_however_they_stand_behind_each_other() {
        let two = ["{\"a\":\"}{\\\"\"}", "[1,{\"b\":[]}]"];
        for between in ["", "\n", "\r\n\r\n", ",", " \u{1e}", "\n2024-05-03T10:00:00Z "] {
            // A list with a prefix would begin at its first brace: the prefix goes before objects.
            let text = format!("{}{between}{}{between}{}", two[0], two[0], two[0]);
            assert_eq!(pieces(&text), [two[0]; 3], "{between:?}");
        }
        assert_eq!(pieces(&two.concat()), two);
        assert_eq!(pieces("{\n \"a\": {\n}\n}\n{}"), ["{\n \"a\": {\n}\n}", "{}"]);
        assert_eq!(pieces("START\n{} {"), ["junk START", "{}", "unfinished"]);
        assert_eq!(pieces("{\"a\n{}"), ["broken {\"a", "{}"]);
    }

    #[test]
    fn a_value_is_followed_through_any_cut_of_its_text() {
        let text = br#"{"a":"\\","b\"":["]",{"c":"\\\""}]}"#;
        for cut in 0..text.len() {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.feed(&text[..cut]), End::Open);
            assert_eq!(scanner.feed(&text[cut..]), End::At(text.len() - cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_record_behind_a_lost_comma_is_a_value_of_its_own() {
        let text = b"0 {\"a\":1}, x\": {\"b\":2}]";
        let (mut at, mut values) = (0, Vec::new());
        while let Piece::Value(value) = next(text, &mut at, true, true) {
            values.push(String::from_utf8_lossy(value));
        }
        assert_eq!(values, ["0", "{\"a\":1}"]);
        assert_eq!(next(&text[11..], &mut 0, true, true), Piece::Broken(b"x\": {\"b\":2"));
    }

    #[test]
    fn lists_are_found_by_their_names() {
        let inside = |text: &str| list_start(text.as_bytes()).map(|i| text[i..].to_owned());
        assert_eq!(inside("{\"Records\":[1"), Some("1".to_owned()));
        assert_eq!(inside("{\"x\":\"Records\",\n\"Events\" : [ 2"), Some(" 2".to_owned()));
        assert_eq!(inside("{\"hits\":{\"hits\":[3"), Some("3".to_owned()));
        assert_eq!(inside("{\"RecordsX\":[1"), None);
    }
}
