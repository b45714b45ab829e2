//! The exits for log text: names, user agents and error messages are written by attackers, so nothing of them may act
//! as a terminal command, a formula, markup or a link. Every renderer, and the terminal, goes through these functions.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest piece of one log value that is laid out for people; `report.json` always has the whole.
pub const SHOWN_CHARS: usize = 240;

/// Prints every character that acts instead of showing (controls, zero-width, bidi, tags) as `[U+XXXX]`.
///
/// Line breaks count as acting, so the result is one line and safe to print on a terminal.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            push_code_point(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Cuts the middle out of a long value and says how much is missing.
#[must_use]
pub fn shorten(text: &str) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= SHOWN_CHARS {
        return Cow::Borrowed(text);
    }
    let half = SHOWN_CHARS / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    Cow::Owned(format!("{head} [... {} characters ...] {tail}", length - 2 * half))
}

/// A spreadsheet cell: no character that acts, and nothing a spreadsheet would compute.
///
/// The apostrophe also goes in front of full-width signs, which some spreadsheets read as formulas, and of signs behind
/// blanks, which some importers trim.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !acts(*c)).collect();
    let starts_formula = clean
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    if starts_formula { format!("'{clean}") } else { clean }
}

/// JSON text with every acting character as `\uXXXX`: the same document to a parser, harmless to `cat`.
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    let plain = |c: char| matches!(c, '\n') || !acts(c);
    if document.chars().all(plain) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 64);
    for c in document.chars() {
        if plain(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a String takes any text");
            }
        }
    }
    Cow::Owned(out)
}

/// Prose for Markdown: punctuation escaped, and each word that a renderer might turn into a link shown as code.
#[must_use]
pub fn markdown(prose: &str) -> String {
    let prose = visible(prose.trim());
    let mut out = String::with_capacity(prose.len() + 16);
    let ordinal = prose.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_ordinal = ordinal.len() < prose.len()
        && ordinal
            .strip_prefix(['.', ')'])
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let starts_list = prose.starts_with(['-', '+']) || is_ordinal;
    let mut rest = &*prose;
    if starts_list {
        // As an entity the first character is text and cannot open a list.
        write!(out, "&#{};", prose.as_bytes()[0]).expect("a String takes any text");
        rest = &prose[1..];
    }
    for (at, word) in rest.split(' ').enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let core = word.trim_matches(is_bracket_or_stop);
        if could_link(core) {
            let start = word.len() - word.trim_start_matches(is_bracket_or_stop).len();
            push_escaped(&mut out, &word[..start]);
            out.push_str(&markdown_code(core));
            push_escaped(&mut out, &word[start + core.len()..]);
        } else {
            push_escaped(&mut out, word);
        }
    }
    out
}

/// An identifier for Markdown as a code span, which no renderer searches for markup or links.
///
/// Backticks and pipes are spelled out, so neither the span nor the table cell around it can be left.
#[must_use]
pub fn markdown_code(text: &str) -> String {
    let text = visible(text.trim());
    if text.is_empty() {
        return "–".to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('`');
    for c in shorten(&text).chars() {
        if matches!(c, '`' | '|') {
            push_code_point(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

fn push_code_point(out: &mut String, c: char) {
    write!(out, "[U+{:04X}]", u32::from(c)).expect("a String takes any text");
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            // Entities, because a backslash does not hold inside every table parser.
            '|' => out.push_str("&#124;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '!' | '#' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
}

fn is_bracket_or_stop(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '[' | ']' | '"' | '\'' | '<' | '>')
}

/// Addresses, ARNs, paths and host names: some renderer links each of them when it stands bare.
fn could_link(word: &str) -> bool {
    let dotted = |pair: &[char]| pair[0] == '.' && pair[1].is_alphabetic();
    word.contains('@')
        || word.contains("//")
        || word.contains("::")
        || word.chars().collect::<Vec<_>>().windows(2).any(dotted)
}

/// Whether a character changes what is around it or hides, instead of showing a glyph or a space of its own.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            // Variation selectors can carry a hidden message, one byte each.
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acting_characters_become_visible_and_the_rest_stays() {
        assert!(matches!(visible("arn:aws:iam::1:user/Zoë 日本 🦀"), Cow::Borrowed(_)));
        assert_eq!(visible("\u{1b}[31mred\r\n"), "[U+001B][31mred[U+000D][U+000A]");
        assert_eq!(visible("exe\u{202e}gpj\u{9b}K"), "exe[U+202E]gpj[U+009B]K");
        assert_eq!(visible("a\u{200b}b\u{feff}\u{e0041}"), "a[U+200B]b[U+FEFF][U+E0041]");
    }

    #[test]
    fn formulas_are_text() {
        for (from, to) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'=1"),
            ("\r@x", "'@x"),
            (" =1", "' =1"),
            ("\u{200b}=1", "'=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(csv_cell(from), to, "{from:?}");
        }
    }

    #[test]
    fn json_stays_the_same_document() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{9b}\u{7f}\u{e0041}z\n\u{1b}"});
        let printed = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&printed);
        assert!(
            safe.contains("\\u202e") && safe.contains("\\u009b") && safe.contains("\\udb40\\udc41")
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        assert_eq!(visible(&safe.replace('\n', "")), safe.replace('\n', ""));
    }

    #[test]
    fn markdown_prose_cannot_mark_up_or_link() {
        for (from, to) in [
            ("29 calls, denied.", "29 calls, denied."),
            ("a|b <b> &amp; `x`", "a&#124;b &lt;b&gt; &amp;amp; \\`x\\`"),
            ("![i](https://evil/x.png)", "\\!\\[`i](https://evil/x.png`)"),
            ("see https://evil.example/x.", "see `https://evil.example/x`."),
            ("by eve@evil.example, from 10.0.0.1", "by `eve@evil.example`, from 10.0.0.1"),
            (
                "called www.evil.example (iam.amazonaws.com)",
                "called `www.evil.example` (`iam.amazonaws.com`)",
            ),
            ("a\n# title", "a\\[U+000A\\]\\# title"),
            ("at 11:42:18 root/admin", "at 11:42:18 root/admin"),
            ("- item", "&#45; item"),
            ("0.1.0", "0.1.0"),
            ("1. item", "&#49;. item"),
        ] {
            assert_eq!(markdown(from), to, "{from:?}");
        }
    }

    #[test]
    fn code_spans_cannot_be_left() {
        assert_eq!(markdown_code("a`b|c\nd"), "`a[U+0060]b[U+007C]c[U+000A]d`");
        assert_eq!(markdown_code("  "), "–");
        let long = "x".repeat(1000);
        assert_eq!(shorten(&long).chars().filter(|c| *c == 'x').count(), SHOWN_CHARS);
        assert!(shorten(&long).contains("[... 760 characters ...]"));
    }
}
