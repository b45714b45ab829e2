//! What a document holds: the shapes in which CloudTrail records travel.
//!
//! A value is a record when it bears at least two of a record's names. One that is none is opened:
//! lists of records by their name, everything else by looking for records inside of it. So the
//! wrappings of exports and log shippers (`_source`, `detail`, `message`, `result._raw`, ...) need
//! no list of their own.

use super::elements::{Elements, Stop};
use super::envelope::Envelope;
use super::parser::Parser;
use super::record::{NAMES, Record};
use super::walk::{Cursor, Value};
use super::{Caps, Decoded, Rejected, Sink, aggregated, cut};
use crate::model::RejectReason;
use memchr::memmem;

/// Levels of wrapping around a record.
const WRAPS_MAX: usize = 8;
/// More top-level keys than any record has; each further one makes reading it slower.
pub(super) const KEYS_MAX: usize = 4096;

const FIRST_KEY: &[u8] = b"\"eventVersion\"";

/// Lists whose every element is meant to hold a record.
pub(super) const LISTS: [&str; 4] = ["Records", "Events", "logEvents", "hits"];

/// Takes documents apart and keeps the account.
pub(super) struct Reader<'s, S> {
    sink: &'s mut S,
    pub(super) caps: Caps,
    pub(super) decoded: Decoded,
    /// Name of the archive's member in hand.
    pub(super) member: Option<String>,
    /// Records seen before this member.
    pub(super) seen_before: u64,
    /// Something in it was a record, or a list of records, however bad or empty.
    pub(super) recognized: bool,
    /// Some of it could not be read.
    pub(super) faulty: bool,
    /// How records of this file or member begin: the first key of the first sound one. By it the next is
    /// found behind damage.
    first_key: Option<Vec<u8>>,
    /// An integrity digest was in it.
    pub(super) digest: bool,
}

impl<'s, S: Sink> Reader<'s, S> {
    pub(super) fn new(caps: &Caps, sink: &'s mut S) -> Self {
        Self {
            sink,
            caps: *caps,
            decoded: Decoded::empty(),
            member: None,
            seen_before: 0,
            recognized: false,
            faulty: false,
            first_key: None,
            digest: false,
        }
    }

    /// Between the batches of a text that is read in pieces.
    pub(super) fn pause(&mut self) {
        self.sink.pause();
    }

    pub(super) fn member(&mut self, name: &str) {
        self.sink.pause();
        self.sink.member(name);
        self.member = Some(name.to_owned());
        self.first_key = None;
    }

    pub(super) fn reject(&mut self, reason: RejectReason, count: u64, detail: &str) {
        self.decoded.seen += count;
        let same = |r: &&mut Rejected| r.reason == reason && r.member == self.member;
        match self.decoded.rejected.iter_mut().find(same) {
            Some(same) => same.count += count,
            None => self.decoded.rejected.push(Rejected {
                reason,
                count,
                detail: detail.to_owned(),
                remedy: None,
                member: self.member.clone(),
            }),
        }
    }

    /// The whole text could not be read; `reject` told what of it, if that can be known.
    pub(super) fn fault(&mut self, reason: RejectReason, detail: &str) {
        self.faulty = true;
        self.reject(reason, 0, detail);
    }

    pub(super) fn first_key(&self) -> &[u8] {
        self.first_key.as_deref().unwrap_or(FIRST_KEY)
    }

    /// How much was told so far, to see whether more is.
    pub(super) fn told(&self) -> (usize, u64) {
        (self.decoded.rejected.len(), self.decoded.rejected.iter().map(|r| r.count).sum())
    }

    /// Place of the next record in its file.
    pub(super) fn index(&self) -> u32 {
        u32::try_from(self.decoded.seen - self.seen_before).unwrap_or(u32::MAX)
    }

    /// A parsed file: one value, or a bare list of them.
    pub(super) fn document(&mut self, cursor: &mut Cursor<'_>, nested: &mut [Parser]) {
        match cursor.peek() {
            Value::Array { len } => self.units(len, cursor, nested),
            Value::Object { len } => {
                // Not tried as a record first: that would walk all of a list of records.
                if !self.open(len, cursor, nested, 0) {
                    self.not_a_record();
                }
            }
            _ => self.not_a_record(),
        }
    }

    /// The cursor stands on the bracket of a list of records.
    pub(super) fn units(&mut self, len: usize, cursor: &mut Cursor<'_>, nested: &mut [Parser]) {
        cursor.enter();
        if len == 0 {
            cursor.leave_empty();
        }
        let mut record = Record::default();
        for _ in 0..len {
            self.unit(cursor, &mut record, nested);
            cursor.separator();
        }
    }

    /// The element in hand of a plain trail file, which is a record nearly always.
    pub(super) fn element<'a>(
        &mut self,
        elements: &mut Elements<'a>,
        record: &mut Record<'a>,
        nested: &mut [Parser],
    ) -> Result<(), Stop> {
        match elements.read(self.index(), record)? {
            Some(outcome) if is_record(record, outcome) => {
                self.push(record, outcome, elements.raw());
                return Ok(());
            }
            Some(_) => elements.check()?,
            None => {}
        }
        self.unit(&mut elements.cursor, record, nested);
        Ok(())
    }

    /// One value that is meant to be or to hold a record.
    pub(super) fn unit<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        record: &mut Record<'a>,
        nested: &mut [Parser],
    ) {
        if !self.value(cursor, record, nested, 0) {
            self.not_a_record();
        }
    }

    fn not_a_record(&mut self) {
        let detail = format!("first at record {}", self.index());
        self.reject(RejectReason::NotARecord, 1, &detail);
    }

    /// Steps over a value; whether records were found in it.
    fn value<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        record: &mut Record<'a>,
        nested: &mut [Parser],
        level: usize,
    ) -> bool {
        match cursor.peek() {
            Value::Object { len } => {
                let start = cursor.clone();
                if len <= KEYS_MAX && self.record(cursor, record) {
                    return true;
                }
                *cursor = start;
                self.open(len, cursor, nested, level)
            }
            Value::Array { len } if level < WRAPS_MAX => {
                cursor.enter();
                if len == 0 {
                    cursor.leave_empty();
                }
                let mut found = false;
                for _ in 0..len {
                    found |= self.value(cursor, record, nested, level + 1);
                    cursor.separator();
                }
                found
            }
            Value::String(text) => {
                cursor.skip_scalar();
                self.text(text, nested)
            }
            _ => {
                cursor.raw_value();
                false
            }
        }
    }

    /// Reads the object at the cursor as a record; whether it is one, sound or not.
    fn record<'a>(&mut self, cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> bool {
        let start = cursor.clone();
        let mut outcome = record.read(self.index(), cursor);
        if !is_record(record, outcome) {
            if !record.is_in_another_case() {
                return false;
            }
            *cursor = start.clone();
            outcome = record.read_in_any_case(self.index(), cursor);
        }
        self.push(record, outcome, cursor.since(start.mark()));
        true
    }

    fn push<'a>(&mut self, record: &mut Record<'a>, read: Result<(), RejectReason>, raw: &'a [u8]) {
        self.recognized = true;
        record.raw = raw;
        let outcome = if raw.len() > self.caps.record_bytes {
            Err(RejectReason::OverRecordCap)
        } else if aggregated::is_aggregated(record, read) {
            aggregated::read(record)
        } else {
            read
        };
        match outcome {
            Ok(()) => {
                self.decoded.seen += 1;
                self.decoded.pushed += 1;
                self.decoded.duplicate_keys += u64::from(record.duplicate_keys);
                let key = || cut::first_key(raw).unwrap_or(FIRST_KEY).to_vec();
                self.first_key.get_or_insert_with(key);
                self.sink.record(record);
            }
            Err(reason) => {
                let detail = format!("first at record {}", record.index);
                self.reject(reason, 1, &detail);
            }
        }
    }

    /// Steps over an object that is no record; whether records were found in it.
    fn open(
        &mut self,
        len: usize,
        cursor: &mut Cursor<'_>,
        nested: &mut [Parser],
        level: usize,
    ) -> bool {
        let start = cursor.clone();
        let (mut names, mut found, mut envelope) = (0, false, Envelope::default());
        cursor.enter();
        if len == 0 {
            cursor.leave_empty();
        }
        for _ in 0..len {
            let key = cursor.key();
            match (key, cursor.peek()) {
                (list, Value::Array { len }) if LISTS.contains(&list) && level < WRAPS_MAX => {
                    // An event history may be empty.
                    self.recognized |= list == "Records" || list == "Events" && len == 0;
                    found = true;
                    self.units(len, cursor, nested);
                }
                _ => {
                    names += usize::from(is_name(key));
                    self.digest |= key == "digestS3Object";
                    envelope.see(key, cursor);
                }
            }
            cursor.separator();
        }
        if found {
            return true;
        }
        if envelope.lookup.is_some() {
            return self.lookup(&envelope, nested);
        }
        let after = cursor.clone();
        if names >= 2 {
            *cursor = start.clone();
            if self.named(len, cursor) {
                return true;
            }
        }
        if envelope.is_foreign || level >= WRAPS_MAX {
            return false;
        }
        *cursor = start;
        let found = self.search(len, cursor, nested, level);
        *cursor = after;
        found
    }

    /// An object with the names of a record that was not read as one yet.
    fn named(&mut self, len: usize, cursor: &mut Cursor<'_>) -> bool {
        if len > KEYS_MAX {
            cursor.raw_value();
            self.recognized = true;
            let detail = format!("{len} keys in one record");
            self.reject(RejectReason::OverRecordCap, 1, &detail);
            return true;
        }
        self.record(cursor, &mut Record::default())
    }

    /// The first member of an object that holds records: exports repeat a record in several forms.
    fn search(
        &mut self,
        len: usize,
        cursor: &mut Cursor<'_>,
        nested: &mut [Parser],
        level: usize,
    ) -> bool {
        let mut record = Record::default();
        cursor.enter();
        for _ in 0..len {
            cursor.key();
            if self.value(cursor, &mut record, nested, level + 1) {
                return true;
            }
            cursor.separator();
        }
        false
    }

    /// An entry of LookupEvents: the record is a string in it.
    fn lookup(&mut self, envelope: &Envelope<'_>, nested: &mut [Parser]) -> bool {
        self.recognized = true;
        let text = envelope.lookup.unwrap_or_default();
        let Some((parser, _)) = nested.split_first_mut() else { return false };
        let parsed = parser.parse(text.as_bytes(), |cursor| {
            let Value::Object { len: 0..=KEYS_MAX } = cursor.peek() else { return false };
            // A cursor of a shorter life: the record borrows from the envelope as well.
            let (mut cursor, mut record) = (cursor.clone(), Record::default());
            let outcome = record.read(self.index(), &mut cursor);
            if !is_record(&record, outcome) {
                return false;
            }
            envelope.fill(&mut record);
            self.push(&mut record, outcome, text.as_bytes());
            true
        });
        match parsed {
            Ok(found) => found,
            Err(fault) => {
                self.reject(fault.reason, 1, &fault.detail);
                true
            }
        }
    }

    /// JSON in a string, or base64 of gzip of it, as log subscriptions deliver.
    fn text(&mut self, text: &str, nested: &mut [Parser]) -> bool {
        let text = text.trim_start();
        let Some((parser, deeper)) = nested.split_first_mut() else { return false };
        let unpacked;
        let json = if text.starts_with(['{', '[']) {
            text.as_bytes()
        } else if let Some(bytes) = super::text::gzip_in_base64(text.as_bytes()) {
            let mut out = Vec::new();
            let cap = self.caps.window_bytes;
            if super::inflate::gunzip(&bytes, cap, &mut out).is_err() {
                self.fault(RejectReason::CorruptGzip, "base64 of damaged gzip");
                return true;
            }
            unpacked = out;
            &unpacked[..]
        } else {
            return false;
        };
        if !looks_like_records(json) {
            return false;
        }
        let before = self.decoded.seen;
        let parsed = parser.parse(json, |cursor| {
            let mut record = Record::default();
            self.value(cursor, &mut record, deeper, 0)
        });
        match parsed {
            Ok(found) => found || self.decoded.seen > before,
            Err(fault) => {
                self.recognized = true;
                self.reject(fault.reason, 1, &fault.detail);
                true
            }
        }
    }
}

/// Cheap and generous: whether it is worth the trouble to look for records in `text`.
pub(super) fn looks_like_records(text: &[u8]) -> bool {
    let head = &text[..text.len().min(16 << 10)];
    let has = |word: &str| memmem::find(head, word.as_bytes()).is_some();
    has("eventVersion") || has("eventName") || has("eventname") || LISTS.iter().any(|l| has(l))
}

fn is_name(key: &str) -> bool {
    NAMES.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// At least two of a record's names. S3 notifications have them all, and a source of their own kind.
fn is_record(record: &Record<'_>, read: Result<(), RejectReason>) -> bool {
    let has_time = !matches!(read, Err(RejectReason::MissingEventTime));
    let names = usize::from(record.event_name.is_some())
        + usize::from(record.event_source.is_some())
        + usize::from(record.event_id.is_some())
        + usize::from(record.event_version.is_some())
        + usize::from(has_time);
    (names >= 2 || aggregated::is_aggregated(record, read))
        && !record.event_source.is_some_and(|s| s.starts_with("aws:"))
        && !record.extra.iter().any(|(key, value)| LISTS.contains(key) && is_list_of_records(value))
}

/// Records in a member of what looks like a record: an envelope, or the brackets between were lost.
fn is_list_of_records(value: &[u8]) -> bool {
    let head = &value[..value.len().min(16 << 10)];
    let named = |name: &&&str| memmem::find(head, name.as_bytes()).is_some();
    value.starts_with(b"[") && NAMES.iter().filter(named).count() >= 2
}
