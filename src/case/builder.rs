//! Records to columns: the arrays of one part.

use super::columns::{
    DICTS, ERROR_CODE, EVENT_NAME, EVENT_SOURCE, FLAGS, SOURCE_IP, TEXTS, USER_AGENT, USER_IDENTITY,
};
use super::identity::{self, Identity};
use super::intern::{Dict, NULL};
use super::pages::{self, ListPages, TextPages};
use super::{dedupe, derive};
use crate::decode::Record;
use crate::model::Outcome;
use polars_parquet::parquet::page::CompressedPage;

/// One column, ready to be written.
pub(super) enum Column {
    Time(Vec<i64>),
    Index(Vec<u32>),
    Flag(Vec<Option<bool>>),
    Pages(Vec<CompressedPage>),
    /// Of lists of texts.
    Lists(Vec<CompressedPage>),
}

/// Rows of one part while it grows.
#[derive(Default)]
pub(super) struct Builder {
    times: Vec<i64>,
    dicts: [Dict; DICTS.len()],
    texts: [TextPages; TEXTS.len()],
    flags: [Vec<Option<bool>>; FLAGS.len()],
    extra: TextPages,
    arns: ListPages,
    /// `ConsoleLogin` that failed without an error code, by row.
    failed_login: Vec<bool>,
    files: Dict,
    indexes: Vec<u32>,
    keys: dedupe::Keys,
    scratch: Vec<u8>,
}

impl Builder {
    pub(super) fn rows(&self) -> usize {
        self.times.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let dicts: usize = self.dicts.iter().map(Dict::heap_bytes).sum();
        let texts: usize = self.texts.iter().map(TextPages::heap_bytes).sum();
        let fixed = self.rows() * (8 + 4 + 2 + 1 + dedupe::KEY_BYTES);
        dicts + texts + fixed + self.extra.heap_bytes() + self.arns.heap_bytes()
    }

    /// The code of a file, for rows that are pushed.
    pub(super) fn file(&mut self, name: &str) -> u32 {
        self.files.values.code(name.as_bytes())
    }

    pub(super) fn push(&mut self, record: &Record<'_>, file: u32) {
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
        self.arns.push(&record.resource_arns);
        self.failed_login.push(is_failed_login(record));
        self.files.codes.push(file);
        self.indexes.push(record.index);
        self.keys.push(dedupe::Key::of(record, file));
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

    /// By which duplicates are found: to be written before the next row comes.
    pub(super) fn keys(&mut self) -> &mut dedupe::Keys {
        &mut self.keys
    }

    /// The finished columns in their order in the file. The builder is empty again, but for the keys, and
    /// keeps its buffers.
    pub(super) fn take(&mut self) -> Taken {
        let rows = self.rows();
        let mut columns = vec![("event_time", Column::Time(refill(&mut self.times)))];
        let has_plain_identities = self.derived(&mut columns);
        for (dict, (name, _)) in self.dicts.iter_mut().zip(&DICTS) {
            columns.push((name, Column::Pages(pages::of_dict(dict))));
            dict.clear();
        }
        for (flag, (name, _)) in self.flags.iter_mut().zip(&FLAGS) {
            columns.push((name, Column::Flag(refill(flag))));
        }
        for (text, (name, _)) in self.texts.iter_mut().zip(&TEXTS) {
            columns.push((name, Column::Pages(text.take())));
        }
        columns.push(("resource_arns", Column::Lists(self.arns.take())));
        columns.push(("extra", Column::Pages(self.extra.take())));
        columns.push(("source_file", Column::Pages(pages::of_dict(&self.files))));
        columns.push(("source_index", Column::Index(refill(&mut self.indexes))));
        self.files.clear();
        self.failed_login.clear();
        Taken { rows, columns, has_plain_identities }
    }

    /// Adds these columns; whether identities are plain.
    fn derived(&self, out: &mut Vec<(&'static str, Column)>) -> bool {
        let mut push = |name, dict: &Dict| out.push((name, Column::Pages(pages::of_dict(dict))));
        let text = |f: fn(&str) -> String| move |v: Option<&[u8]>| v.map(|v| f(&lossy(v)));
        let [name, source, ip, agent] =
            [EVENT_NAME, EVENT_SOURCE, SOURCE_IP, USER_AGENT].map(|i| &self.dicts[i]);
        push("event_name_norm", &name.derive(text(|n| derive::event_name_norm(n).to_owned())));
        push("service", &source.derive(text(|s| derive::service_of(s).to_owned())));
        push("outcome", &self.outcomes());
        let kind = |v: Option<&[u8]>| derive::ip_kind(&v.map(lossy).unwrap_or_default()).as_str();
        push("ip_kind", &ip.derive(|v| Some(kind(v))));
        push("user_agent_family", &agent.derive(text(|u| derive::user_agent_family(u).to_owned())));
        let has_plain_identities = self.identities(&mut push);
        let delivery: Vec<bool> =
            ip.values.iter().map(|v| derive::is_log_delivery(&lossy(v))).collect();
        let delivery = ip.codes.iter().map(|&c| Some(c != NULL && delivery[c as usize]));
        out.push(("log_delivery", Column::Flag(delivery.collect())));
        has_plain_identities
    }

    /// Columns of `userIdentity`, which is read once for every distinct text of it; whether all are plain.
    fn identities(&self, push: &mut impl FnMut(&'static str, &Dict)) -> bool {
        let identity = &self.dicts[USER_IDENTITY];
        let mut of_value: [Dict; identity::NAMES.len()] = Default::default();
        let mut are_plain = true;
        for raw in identity.values.iter() {
            let read = Identity::read(raw);
            are_plain &= read.is_plain;
            for (i, column) in of_value.iter_mut().enumerate() {
                column.push(read.column(i).as_deref().map(str::as_bytes));
            }
        }
        let mut column = Dict::default();
        for (name, Dict { values, codes }) in identity::NAMES.into_iter().zip(of_value) {
            let of_rows = identity.codes.iter();
            column.codes.clear();
            if values.len() == 0 {
                column.codes.resize(identity.codes.len(), NULL);
            } else {
                column.codes.extend(of_rows.map(|&c| codes.get(c as usize).map_or(NULL, |&c| c)));
            }
            column.values = values;
            push(name, &column);
        }
        are_plain
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

/// Takes what is there and makes room for as much again.
fn refill<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len());
    std::mem::replace(values, room)
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
    pub(super) columns: Vec<(&'static str, Column)>,
    /// Columns of identities say exactly what these do.
    pub(super) has_plain_identities: bool,
}
