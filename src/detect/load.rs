//! Rule files to documents: which files there are, where each document stands in its file, and which line of it an
//! error is about.

use super::aws::Printed;
use super::rules::Error;
use crate::model::BrokenRule;
use rsigma_parser::{CorrelationRule, FilterRule, SigmaRule, parse_sigma_yaml};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

include!(concat!(env!("OUT_DIR"), "/pack.rs"));

/// SHA-256 digits that tell one set of rules from another in a report.
const VERSION_DIGITS: usize = 16;

/// Where a rule was written.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) file: Arc<str>,
    /// Line of the file in which the document begins, from 1.
    pub(super) line: u32,
    pub(super) text: Arc<str>,
}

impl Source {
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.file == other.file
    }

    /// The first line of the logic that has this text, else of the document.
    pub(super) fn line_with(&self, text: &str) -> u32 {
        let lines = || self.text.lines().enumerate();
        let logic = lines().skip_while(|(_, line)| !line.starts_with("detection:"));
        let mut all = logic.chain(lines());
        self.line + all.find(|(_, line)| line.contains(text)).map_or(0, |(i, _)| i as u32)
    }

    /// With the line that the reason is about, as well as its words tell.
    pub(super) fn broken(&self, reason: &str) -> BrokenRule {
        let line = self.line + line_of(reason, &self.text).unwrap_or(0);
        let mut reason = one_line(reason);
        let aggregates =
            |line: &str| line.trim_start().starts_with("condition:") && line.contains('|');
        if reason.starts_with("Condition parse error") && self.text.lines().any(aggregates) {
            reason += "; aggregations behind `|` are correlations since Sigma 2";
        }
        BrokenRule { file: self.file.to_string(), line, reason }
    }
}

/// What rule files hold, not yet compiled.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) rules: Vec<(SigmaRule, Source)>,
    pub(super) correlations: Vec<(CorrelationRule, Source)>,
    pub(super) filters: Vec<(FilterRule, Source)>,
    /// Rules of AWS, by file.
    pub(super) printed: Vec<Printed>,
    pub(super) broken: Vec<BrokenRule>,
    hash: Sha256,
}

impl Documents {
    /// Our pack and the files under `extra`.
    pub(super) fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        let mut documents = Self::default();
        for (name, text) in PACK {
            documents.add(name, text);
        }
        documents.read(extra)?;
        Ok(documents)
    }

    /// Only the files under `paths`.
    pub(super) fn of_files(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut documents = Self::default();
        documents.read(paths)?;
        Ok(documents)
    }

    fn read(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        for path in paths {
            for file in rule_files(path)? {
                let bytes =
                    fs::read(&file).map_err(|source| Error::Io { path: file.clone(), source })?;
                let name = file.display().to_string();
                match String::from_utf8(bytes) {
                    Ok(text) => self.add(&name, text.trim_start_matches('\u{feff}')),
                    Err(_) => self.broken.push(BrokenRule {
                        file: name,
                        line: 1,
                        reason: "not UTF-8 text".to_owned(),
                    }),
                }
            }
        }
        Ok(())
    }

    /// Whether a rule is there for a correlation of its file alone, and says nothing by itself.
    pub(super) fn is_part(&self, names: [&Option<String>; 2], source: &Source) -> bool {
        let is_named = |name: &String| names.into_iter().flatten().any(|own| own == name);
        self.correlations.iter().any(|(correlation, of)| {
            !correlation.generate && of.is_beside(source) && correlation.rules.iter().any(is_named)
        })
    }

    pub(super) fn version(&self) -> String {
        format!("{:x}", self.hash.clone().finalize())[..VERSION_DIGITS].to_owned()
    }

    /// JSON: what the AWS command line prints.
    fn add_printed(&mut self, file: &str, text: &str) {
        let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy());
        let mut printed = Printed::read(text, stem.as_deref().unwrap_or(file));
        let broken = std::mem::take(&mut printed.broken).into_iter();
        let broken =
            broken.map(|(line, reason)| BrokenRule { file: file.to_owned(), line, reason });
        self.broken.extend(broken);
        self.printed.push(printed);
    }

    pub(super) fn add(&mut self, file: &str, text: &str) {
        self.hash.update(text);
        if text.trim().is_empty() {
            let (file, reason) = (file.to_owned(), "the file is empty".to_owned());
            return self.broken.push(BrokenRule { file, line: 1, reason });
        }
        if text.trim_start().starts_with(['{', '[']) {
            return self.add_printed(file, text);
        }
        let file: Arc<str> = file.into();
        let parts = parts(text);
        self.rules.reserve(parts.len());
        for (line, text) in parts {
            let source = Source { file: file.clone(), line, text: text.into() };
            match parse_sigma_yaml(text) {
                Ok(found) => {
                    let nothing = found.is_empty();
                    self.rules.extend(found.rules.into_iter().map(|r| (r, source.clone())));
                    self.correlations
                        .extend(found.correlations.into_iter().map(|r| (r, source.clone())));
                    self.filters.extend(found.filters.into_iter().map(|r| (r, source.clone())));
                    // Beside a rule they are remarks, as on a status that Sigma does not know.
                    if nothing {
                        self.broken.extend(found.errors.iter().map(|e| source.broken(e)));
                    }
                }
                Err(error) => self.broken.push(source.broken(&error.to_string())),
            }
        }
    }
}

/// Whether a file can hold rules, by its name.
fn is_rule_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yml" || e == "yaml" || e == "json")
}

/// The documents of a file, each with its first line. A file of templates (`action: global`) is one.
fn parts(text: &str) -> Vec<(u32, &str)> {
    let is_border = |line: &str| line == "---" || line.starts_with("--- ");
    if text.lines().any(|line| line.starts_with("action:")) {
        return vec![(1, text)];
    }
    let mut parts = Vec::new();
    let (mut from, mut first) = (0, 1);
    let (mut at, mut number) = (0, 0);
    for line in text.split_inclusive('\n') {
        number += 1;
        if is_border(line.trim_end()) {
            parts.push((first, &text[from..at]));
            (from, first) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    parts.push((first, &text[from..]));
    let is_blank = |text: &str| {
        text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    };
    parts.retain(|(_, text)| !is_blank(text));
    parts
}

/// Errors with a drawing of the place: how they begin and end.
fn one_line(reason: &str) -> String {
    let mut lines = reason.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let Some(last) = lines.next_back() else { return first.to_owned() };
    let first = first.split("-->").next().unwrap_or(first).trim_end().trim_end_matches(':');
    let last = last.trim_start_matches("= ").trim_start_matches("error: ");
    format!("{first}: {last}")
}

/// Words of errors that quote nothing, and what the line has that they are about.
const ABOUT: [(&str, &str); 5] = [
    ("regex", "|re"),
    ("CIDR", "|cidr"),
    ("detection identifier", "condition:"),
    ("Condition", "condition:"),
    ("correlation", "correlation:"),
];

/// Which line (from 0) an error is about: the one it names, else the first that has what it quotes.
fn line_of(reason: &str, text: &str) -> Option<u32> {
    if let Some((_, rest)) = reason.split_once("at line ") {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse::<u32>().ok()?.checked_sub(1);
    }
    let lines = || text.lines().enumerate();
    let quoted = reason.split(['\'', '`', '"']).skip(1).step_by(2).filter(|q| !q.is_empty());
    let names = reason.split([' ', ',']).filter_map(|word| {
        let word = word.trim_end_matches([':', ';', ',']);
        (word.len() > 2 && (word.starts_with('|') || word.contains('_'))).then_some(word)
    });
    let found = quoted.chain(names).find_map(|word| {
        let modifier = format!("|{word}");
        let place = lines().find(|(_, line)| line.contains(&modifier));
        place.or_else(|| lines().find(|(_, line)| line.contains(word)))
    });
    let found = found.or_else(|| {
        let mut about = ABOUT.iter().filter(|(word, _)| reason.contains(word));
        about.find_map(|(_, part)| lines().find(|(_, line)| line.contains(part)))
    });
    found.or_else(|| lines().find(|(_, line)| line.starts_with("title:"))).map(|(i, _)| i as u32)
}

/// Files with rules: the path itself, or those under it, by name.
pub(super) fn rule_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(io)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(path)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|p| is_rule_file(p))
        .filter(|p| p.is_file())
        .collect();
    files.sort();
    if files.is_empty() { Err(Error::Empty { path: path.to_owned() }) } else { Ok(files) }
}
