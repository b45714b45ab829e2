//! Text as it should have been: byte order marks, other encodings, padding, and the slips of
//! programs that print JSON by hand.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::io::{self, Read};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The first bytes of gzip in base64.
const GZIP_IN_BASE64: &[u8] = b"H4sI";
const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Utf16 {
    Little,
    Big,
}

/// The encoding that the first bytes give away: a byte order mark, or a bracket in two bytes.
pub(super) fn utf16(head: &[u8]) -> Option<Utf16> {
    match head {
        [0xff, 0xfe, ..] | [b'{' | b'[', 0, ..] => Some(Utf16::Little),
        [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] => Some(Utf16::Big),
        _ => None,
    }
}

/// Without byte order mark, and without the white space and NUL padding around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let end = text.iter().rposition(|b| !is_padding(*b)).map_or(0, |last| last + 1);
    &text[..end]
}

pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let start = text.iter().position(|b| !is_padding(*b)).unwrap_or(text.len());
    &text[start..]
}

fn is_padding(byte: u8) -> bool {
    byte == 0 || byte.is_ascii_whitespace()
}

/// UTF-16 as UTF-8, piece by piece.
pub(super) struct FromUtf16<R> {
    inner: R,
    order: Utf16,
    /// A byte or a first half of a pair that waits for the rest.
    pending: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> FromUtf16<R> {
    pub(super) fn new(inner: R, order: Utf16) -> Self {
        Self { inner, order, pending: Vec::new(), ready: Vec::new(), given: 0 }
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 << 10];
        let count = self.inner.read(&mut chunk)?;
        self.pending.extend_from_slice(&chunk[..count]);
        let order = self.order;
        let unit = |pair: &[u8]| match order {
            Utf16::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Utf16::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = self.pending.chunks_exact(2).map(unit).collect();
        if count > 0 && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        self.pending.drain(..units.len() * 2);
        if count == 0 {
            self.pending.clear();
        }
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        self.ready = text.into_bytes();
        self.given = 0;
        if self.ready.is_empty() && count > 0 { self.refill() } else { Ok(()) }
    }
}

impl<R: Read> Read for FromUtf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.refill()?;
        }
        let count = out.len().min(self.ready.len() - self.given);
        out[..count].copy_from_slice(&self.ready[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// Bytes that are no UTF-8 become U+FFFD; how many places that were.
pub(super) fn repair(text: &[u8]) -> Option<(String, usize)> {
    let damaged = text.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    (damaged > 0).then(|| (String::from_utf8_lossy(text).into_owned(), damaged))
}

pub(super) fn repaired(damaged: usize) -> String {
    format!("first: {damaged} places in one document, read as U+FFFD")
}

/// The bytes behind a text that is gzip in base64.
pub(super) fn gzip_in_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !text.starts_with(GZIP_IN_BASE64) {
        return None;
    }
    let packed: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(packed).ok()
}

/// Puts right what programs and people get wrong that write JSON by hand: `NaN` and `Infinity` become
/// `null`, commas before a closing bracket go, those between members that lack one come, characters
/// and backslashes in strings that need an escape get it. Nothing if there was none of it.
pub(super) fn mend(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let (mut at, mut in_string) = (0, false);
    // The last byte outside of strings that is no white space.
    let mut last = b' ';
    while let Some(&byte) = text.get(at) {
        if in_string {
            at += in_text(&text[at..], &mut out);
            in_string = byte != b'"';
            continue;
        }
        at += 1;
        match byte {
            b'N' | b'I' | b'-' if let Some(len) = no_number(&text[at - 1..]) => {
                out.extend(b"null");
                at += len - 1;
            }
            b',' if ends(text[at..].iter().find(|b| !b.is_ascii_whitespace())) => continue,
            b'"' | b'{' | b'[' => {
                if matches!(last, b'"' | b'}' | b']' | b'0'..=b'9' | b'a'..=b'z') {
                    out.push(b',');
                }
                in_string = byte == b'"';
                out.push(byte);
            }
            _ => out.push(byte),
        }
        last = if byte.is_ascii_whitespace() { last } else { byte };
    }
    (out != text).then_some(out)
}

/// Whether nothing comes behind a comma that needs one.
fn ends(next: Option<&u8>) -> bool {
    matches!(next, Some(b'}' | b']' | b','))
}

/// Length of a word that stands where a number should.
fn no_number(text: &[u8]) -> Option<usize> {
    let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    words.iter().find(|word| text.starts_with(word)).map(|word| word.len())
}

/// Copies one character or escape from inside a string; how many bytes it took.
fn in_text(text: &[u8], out: &mut Vec<u8>) -> usize {
    match text {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u', ..] => {
            out.extend_from_slice(&text[..2]);
            2
        }
        [b'\\', ..] => {
            out.extend(b"\\\\");
            1
        }
        [control @ 0..0x20, ..] => {
            out.extend(format!("\\u{control:04x}").bytes());
            1
        }
        _ => {
            out.extend_from_slice(&text[..1]);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_put_right_and_sound_text_is_left_alone() {
        let mended = |text: &str| mend(text.as_bytes()).map(|m| String::from_utf8(m).unwrap());
        assert_eq!(
            mended(r#"{"a":[NaN,-Infinity,-1,"NaN,]\""],}"#),
            Some(r#"{"a":[null,null,-1,"NaN,]\""]}"#.to_owned())
        );
        assert_eq!(mended("{\"a\":\"b\n\"}"), Some("{\"a\":\"b\\u000a\"}".to_owned()));
        assert_eq!(
            mended(r#"{"a":"\.\u0041" "b":{} "c":1}"#),
            Some(r#"{"a":"\\.\u0041" ,"b":{} ,"c":1}"#.to_owned())
        );
        assert_eq!(mended(r#"{"a":[1, 2],"b":"\n"}"#), None);
    }

    #[test]
    fn other_encodings_are_read_through_any_cut() {
        let text = "{\"caf\u{e9}\":\"\u{1f600}\"}";
        for order in [Utf16::Little, Utf16::Big] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|u| if order == Utf16::Big { u.to_be_bytes() } else { u.to_le_bytes() })
                .collect();
            assert_eq!(utf16(&bytes), Some(order));
            for cut in 0..bytes.len() {
                let (a, b) = bytes.split_at(cut);
                let mut out = String::new();
                FromUtf16::new(a.chain(b), order).read_to_string(&mut out).unwrap();
                assert_eq!(out, text);
            }
        }
    }
}
