//! Archives in folders and single files.

use super::{Input, Key, KeyKind, Source};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}", path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("{} is empty", path.display())]
    EmptyFolder { path: PathBuf },
    #[error("no trail files in {}", path.display())]
    NoTrailFiles { path: PathBuf, files: u64 },
}

/// Files of one or more folders, listed once.
pub struct Disk {
    inputs: Vec<Input>,
    skipped: u64,
}

impl Disk {
    /// Lists every SOURCE; files that cannot hold records by their name are only counted.
    ///
    /// # Errors
    /// When a SOURCE is missing, unreadable or holds nothing to read.
    pub fn list(sources: &[PathBuf]) -> Result<Self, Error> {
        let mut disk = Self { inputs: Vec::new(), skipped: 0 };
        for source in sources {
            let prefix =
                if sources.len() > 1 { format!("{}/", source.display()) } else { String::new() };
            disk.list_one(source, &prefix)?;
        }
        disk.inputs.sort_by(|a, b| a.name.cmp(&b.name));
        disk.inputs.dedup_by(|a, b| a.path == b.path);
        Ok(disk)
    }

    fn list_one(&mut self, source: &Path, prefix: &str) -> Result<(), Error> {
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
            self.inputs.push(Input {
                name,
                bytes: metadata.len(),
                named: true,
                path: source.to_owned(),
            });
            return Ok(());
        }
        std::fs::read_dir(source).map_err(unreachable)?;
        let (mut files, before) = (0u64, self.inputs.len());
        for entry in walkdir::WalkDir::new(source).follow_links(true) {
            let Ok(entry) = entry else {
                // A folder or link that cannot be opened: kept as an input, so that reading it
                // fails by name and the ledger tells.
                let error = entry.expect_err("just matched");
                if let Some(path) = error.path() {
                    self.push(source, path, prefix, 0);
                }
                continue;
            };
            if !entry.file_type().is_file() {
                continue;
            }
            files += 1;
            let bytes = entry.metadata().map_or(0, |m| m.len());
            match Key::parse(&entry.path().to_string_lossy()).kind {
                KeyKind::Events | KeyKind::Candidate => {
                    self.push(source, entry.path(), prefix, bytes);
                }
                KeyKind::Digest | KeyKind::Aggregated | KeyKind::Other => self.skipped += 1,
            }
        }
        if files == 0 && self.inputs.len() == before {
            return Err(Error::EmptyFolder { path: source.to_owned() });
        }
        if self.inputs.len() == before {
            return Err(Error::NoTrailFiles { path: source.to_owned(), files });
        }
        Ok(())
    }

    fn push(&mut self, source: &Path, path: &Path, prefix: &str, bytes: u64) {
        let relative = path.strip_prefix(source).unwrap_or(path);
        let name = format!("{prefix}{}", relative.display());
        self.inputs.push(Input { name, bytes, named: false, path: path.to_owned() });
    }
}

impl Source for Disk {
    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn read(&self, input: &Input, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let mut file = File::open(&input.path)?;
        buffer.reserve(usize::try_from(input.bytes).unwrap_or(0) + 1);
        file.read_to_end(buffer)?;
        Ok(())
    }
}
