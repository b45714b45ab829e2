//! Records to columns: the sink of decode, and the arrays of one part.

use super::columns::{
    DICTS, ERROR_CODE, EVENT_NAME, EVENT_SOURCE, FLAGS, SOURCE_IP, TEXTS, USER_AGENT, USER_IDENTITY,
};
use super::identity::{self, Identity};
use super::intern::{Dict, NULL};
use super::{dedupe, derive};
use crate::decode::{Record, Sink};
use crate::model::Outcome;

/// A text column: all values behind each other, with the end of each.
#[derive(Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) offsets: Vec<i64>,
    pub(super) valid: Vec<bool>,
}

impl Text {
    fn push(&mut self, value: Option<&[u8]>) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.offsets.push(self.bytes.len() as i64);
        self.valid.push(value.is_some());
    }

    fn heap_bytes(&self) -> usize {
        self.bytes.len() + self.offsets.len() * size_of::<i64>() + self.valid.len()
    }
}

/// A list of texts per row.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) items: Text,
    pub(super) offsets: Vec<i64>,
}

/// One column, ready to be written.
pub(super) enum Column {
    Time(Vec<i64>),
    Index(Vec<u32>),
    Flag(Vec<Option<bool>>),
    Dict(Dict),
    Text(Text),
    Lists(Lists),
}

/// Rows of one part while it grows.
#[derive(Default)]
pub(super) struct Builder {
    times: Vec<i64>,
    dicts: [Dict; DICTS.len()],
    texts: [Text; TEXTS.len()],
    flags: [Vec<Option<bool>>; FLAGS.len()],
    extra: Text,
    arns: Lists,
    /// `ConsoleLogin` that failed without an error code, by row.
    failed_login: Vec<bool>,
    files: Dict,
    indexes: Vec<u32>,
    keys: Vec<dedupe::Key>,
    scratch: Vec<u8>,
    pub(super) duplicate_keys: u64,
}

impl Builder {
    pub(super) fn rows(&self) -> usize {
        self.times.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let dicts: usize = self.dicts.iter().map(Dict::heap_bytes).sum();
        let texts: usize = self.texts.iter().map(Text::heap_bytes).sum();
        let fixed = self.rows() * (8 + 4 + 2 + 1 + size_of::<dedupe::Key>());
        dicts + texts + fixed + self.extra.heap_bytes() + self.arns.items.heap_bytes()
    }

    /// The sink for records of one file.
    pub(super) fn file<'b>(&'b mut self, path: &str) -> FileSink<'b> {
        let file = self.files.values.code(path.as_bytes());
        FileSink { builder: self, path: path.to_owned(), file }
    }

    fn push(&mut self, record: &Record<'_>, file: u32) {
        self.times.push(record.event_time);
        for (dict, (_, value)) in self.dicts.iter_mut().zip(&DICTS) {
            dict.push(value(record));
        }
        for (text, (_, value)) in self.texts.iter_mut().zip(&TEXTS) {
            text.push(value(record));
        }
        for (flag, (_, value)) in self.flags.iter_mut().zip(&FLAGS) {
            flag.push(value(record));
        }
        self.push_extra(record);
        for arn in &record.resource_arns {
            self.arns.items.push(Some(arn.as_bytes()));
        }
        self.arns.offsets.push(self.arns.items.valid.len() as i64);
        self.failed_login.push(is_failed_login(record));
        self.files.codes.push(file);
        self.indexes.push(record.index);
        self.keys.push(dedupe::Key::of(record, file));
        self.duplicate_keys += u64::from(record.duplicate_keys);
    }

    /// What no column can give back, as one JSON object.
    fn push_extra(&mut self, record: &Record<'_>) {
        if record.extra.is_empty() {
            return self.extra.push(None);
        }
        let out = &mut self.scratch;
        out.clear();
        out.push(b'{');
        for (i, (key, raw)) in record.extra.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, key).expect("writing to memory cannot fail");
            out.push(b':');
            out.extend_from_slice(raw);
        }
        out.push(b'}');
        self.extra.push(Some(&self.scratch));
    }

    /// The finished columns in their order in the file, the files they came from, and the keys by
    /// which duplicates are found. The builder is empty again.
    pub(super) fn take(&mut self) -> Taken {
        let whole = std::mem::take(self);
        let rows = whole.rows();
        let files = whole.files.values.iter().map(lossy).collect();
        let derived = whole.derived();
        let mut columns = vec![("event_time".to_owned(), Column::Time(whole.times))];
        columns.extend(derived);
        let named = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let dict_names = named(&DICTS.map(|(name, _)| name));
        columns.extend(dict_names.into_iter().zip(whole.dicts.into_iter().map(Column::Dict)));
        let flag_names = named(&FLAGS.map(|(name, _)| name));
        columns.extend(flag_names.into_iter().zip(whole.flags.into_iter().map(Column::Flag)));
        let text_names = named(&TEXTS.map(|(name, _)| name));
        columns.extend(text_names.into_iter().zip(whole.texts.into_iter().map(Column::Text)));
        columns.push(("resource_arns".to_owned(), Column::Lists(whole.arns)));
        columns.push(("extra".to_owned(), Column::Text(whole.extra)));
        columns.push(("source_file".to_owned(), Column::Dict(whole.files)));
        columns.push(("source_index".to_owned(), Column::Index(whole.indexes)));
        Taken { rows, columns, files, keys: whole.keys }
    }

    fn derived(&self) -> Vec<(String, Column)> {
        let text = |f: fn(&str) -> String| move |v: Option<&[u8]>| v.map(|v| f(&lossy(v)));
        let name = &self.dicts[EVENT_NAME];
        let ip = &self.dicts[SOURCE_IP];
        let mut out = vec![
            ("event_name_norm", name.derive(text(|n| derive::event_name_norm(n).to_owned()))),
            (
                "service",
                self.dicts[EVENT_SOURCE].derive(text(|s| derive::service_of(s).to_owned())),
            ),
            ("outcome", self.outcomes()),
            (
                "ip_kind",
                ip.derive(|v| Some(derive::ip_kind(&v.map(lossy).unwrap_or_default()).as_str())),
            ),
            (
                "user_agent_family",
                self.dicts[USER_AGENT].derive(text(|u| derive::user_agent_family(u).to_owned())),
            ),
        ];
        let identity = &self.dicts[USER_IDENTITY];
        let parsed: Vec<Identity> = identity.values.iter().map(Identity::parse).collect();
        let of = |f: &dyn Fn(&Identity) -> Option<String>| identity.map_codes(&parsed, f);
        out.push(("actor", of(&Identity::actor)));
        out.push(("actor_kind", of(&|i| Some(i.kind().as_str().to_owned()))));
        for (column, path) in identity::COLUMNS {
            out.push((column, of(&|i| i.text(path))));
        }
        let delivery = ip.values.iter().map(|v| derive::is_log_delivery(&lossy(v)));
        let delivery: Vec<bool> = delivery.collect();
        let delivery = ip.codes.iter().map(|&c| Some(c != NULL && delivery[c as usize]));
        let mut out: Vec<(String, Column)> =
            out.into_iter().map(|(n, d)| (n.to_owned(), Column::Dict(d))).collect();
        out.push(("log_delivery".to_owned(), Column::Flag(delivery.collect())));
        out
    }

    fn outcomes(&self) -> Dict {
        let codes = &self.dicts[ERROR_CODE];
        let class = |v: Option<&[u8]>| {
            Some(v.map_or(Outcome::Succeeded, |v| derive::outcome_of_code(&lossy(v))).as_str())
        };
        let mut outcomes = codes.derive(class);
        let failed = outcomes.values.code(Outcome::Failed.as_str().as_bytes());
        for (code, _) in outcomes.codes.iter_mut().zip(&self.failed_login).filter(|(_, f)| **f) {
            *code = failed;
        }
        outcomes
    }
}

/// A refused sign-in has no error code: only the response says so.
fn is_failed_login(record: &Record<'_>) -> bool {
    record.error_code.is_none()
        && record.event_name == Some("ConsoleLogin")
        && record.response_elements.is_some_and(|r| memchr::memmem::find(r, b"Failure").is_some())
}

pub(super) fn lossy(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

pub(super) struct Taken {
    pub(super) rows: usize,
    pub(super) columns: Vec<(String, Column)>,
    pub(super) files: Vec<String>,
    pub(super) keys: Vec<dedupe::Key>,
}

/// Pushes the records of one file.
pub(super) struct FileSink<'b> {
    builder: &'b mut Builder,
    path: String,
    file: u32,
}

impl Sink for FileSink<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.builder.push(record, self.file);
    }

    fn member(&mut self, name: &str) {
        let path = format!("{}!{name}", self.path);
        self.file = self.builder.files.values.code(path.as_bytes());
    }
}
