//! Archives in folders and single files.

use super::{Error, Input, Inputs, Key, KeyKind, Reading, Source, Window, in_order};
use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Files of one or more folders, listed once.
pub struct Disk {
    inputs: Inputs,
    /// What names are relative to: the only SOURCE, or nothing.
    root: PathBuf,
    skipped: u64,
    digests: u64,
}

impl Disk {
    /// Lists every SOURCE; files that cannot hold records by their name are only counted.
    ///
    /// # Errors
    /// When a SOURCE is missing, unreadable or holds nothing to read.
    pub fn list(sources: &[PathBuf]) -> Result<Self, Error> {
        Self::list_as(sources, sources.len() > 1)
    }

    /// Where a run has `several` SOURCEs, each file is named with the one it is of.
    pub(super) fn list_as(sources: &[PathBuf], several: bool) -> Result<Self, Error> {
        let root = sources.first().filter(|_| !several).cloned().unwrap_or_default();
        let mut disk = Self { inputs: Inputs::default(), root, skipped: 0, digests: 0 };
        let mut found = Vec::new();
        for source in sources {
            let prefix = if several { format!("{}/", source.display()) } else { String::new() };
            disk.list_one(source, &prefix, &mut found)?;
        }
        found.sort_by(|a: &Input, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        // One of several SOURCEs may be in another.
        found.dedup_by(|a, b| disk.path(a) == disk.path(b));
        tell_apart(&mut found);
        disk.inputs = found.into_iter().collect();
        Ok(disk)
    }

    fn path<'a>(&self, input: &'a Input) -> Cow<'a, Path> {
        input.path.as_deref().map_or_else(|| self.root.join(&input.name).into(), Cow::Borrowed)
    }

    fn list_one(
        &mut self,
        source: &Path,
        prefix: &str,
        found: &mut Vec<Input>,
    ) -> Result<(), Error> {
        let unreachable =
            |source_error| Error::Unreachable { path: source.to_owned(), source: source_error };
        let metadata = std::fs::metadata(source).map_err(unreachable)?;
        if !metadata.is_dir() {
            let name = source.file_name().map_or_else(|| source.into(), PathBuf::from);
            let name = if prefix.is_empty() {
                name.display().to_string()
            } else {
                source.display().to_string()
            };
            found.push(Input { named: true, ..self.input(name, source, Some(metadata)) });
            return Ok(());
        }
        std::fs::read_dir(source).map_err(unreachable)?;
        let (mut files, before) = (0u64, found.len());
        for entry in walkdir::WalkDir::new(source).follow_links(true) {
            let Ok(entry) = entry else {
                // A folder or link that cannot be opened: kept as an input, so that reading it
                // fails by name and the ledger tells.
                let error = entry.expect_err("just matched");
                if let Some(path) = error.path() {
                    found.push(self.input(name_below(source, path, prefix), path, None));
                }
                continue;
            };
            if !entry.file_type().is_file() {
                continue;
            }
            files += 1;
            let metadata = entry.metadata().ok();
            match Key::parse(&entry.path().to_string_lossy()).kind {
                KeyKind::Events | KeyKind::Candidate => {
                    let path = entry.path();
                    found.push(self.input(name_below(source, path, prefix), path, metadata));
                }
                kind => {
                    self.skipped += 1;
                    self.digests += u64::from(kind == KeyKind::Digest);
                }
            }
        }
        if files == 0 && found.len() == before {
            return Err(Error::EmptyFolder { path: source.to_owned() });
        }
        if found.len() == before {
            return Err(Error::NoTrailFiles { path: source.to_owned(), files });
        }
        Ok(())
    }

    fn input(&self, name: String, path: &Path, metadata: Option<Metadata>) -> Input {
        let (bytes, stamp) = metadata.map_or((0, 0), |m| (m.len(), stamp(&m)));
        let path = (self.root.join(&name) != path).then(|| Box::from(path));
        Input { name, bytes, stamp, named: false, origin: 0, path }
    }
}

/// Names that are no UTF-8 may print alike; a case knows files by name.
fn tell_apart(inputs: &mut [Input]) {
    let mut same = 1;
    for at in 1..inputs.len() {
        let (before, here) = inputs.split_at_mut(at);
        if before[at - same].name == here[0].name {
            same += 1;
            here[0].name.push_str(&format!(" ({same})"));
        } else {
            same = 1;
        }
    }
}

fn name_below(source: &Path, path: &Path, prefix: &str) -> String {
    format!("{prefix}{}", path.strip_prefix(source).unwrap_or(path).display())
}

fn stamp(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Source for Disk {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn take_inputs(&mut self) -> Inputs {
        std::mem::take(&mut self.inputs)
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn digests(&self) -> u64 {
        self.digests
    }

    fn key<'a>(&'a self, input: &'a Input) -> Cow<'a, str> {
        match self.path(input) {
            Cow::Borrowed(path) => path.to_string_lossy(),
            Cow::Owned(path) => path.to_string_lossy().into_owned().into(),
        }
    }

    fn open(&self, input: &Input) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.path(input))?))
    }

    fn reading<'a>(
        &'a self,
        inputs: &'a Inputs,
        todo: Vec<u32>,
        window: Window,
    ) -> Box<dyn Reading + 'a> {
        in_order(self, inputs, todo, window)
    }
}
