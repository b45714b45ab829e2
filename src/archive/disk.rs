//! Archives in folders and single files.

use super::{Error, Input, Inputs, Key, KeyKind, Reading, Source, Window, in_order};
use rayon::prelude::*;
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

/// Names take several times as much while they are listed as they do afterwards: of so many files that is worth giving
/// back, or the reading that follows holds it to its end.
const MANY: usize = 10_000;

/// Gives memory that is free on this thread back to the system.
fn give_back() {
    // SAFETY: the allocator only looks through what it has, which any thread may ask of it at any time.
    #[allow(unsafe_code, reason = "the functions of the allocator are C")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

/// What one folder holds.
#[derive(Default)]
struct Listed {
    inputs: Vec<Input>,
    folders: Vec<PathBuf>,
    files: u64,
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
        if disk.inputs.len() > MANY {
            rayon::broadcast(|_| give_back());
        }
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
        // A level at a time, on every thread: to open a folder takes longer than all that is done with what is in it.
        let mut folders = vec![source.to_owned()];
        while !folders.is_empty() {
            let list = |folder: &PathBuf| self.list_folder(folder, (source, prefix));
            let level: Vec<Listed> = folders.par_iter().map(list).collect();
            folders.clear();
            for listed in level {
                found.extend(listed.inputs);
                folders.extend(listed.folders);
                files += listed.files;
                self.skipped += listed.skipped;
                self.digests += listed.digests;
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

    /// What is in one folder below `source`.
    fn list_folder(&self, folder: &Path, (source, prefix): (&Path, &str)) -> Listed {
        let mut listed = Listed::default();
        let input =
            |path: &Path, metadata| self.input(name_below(source, path, prefix), path, metadata);
        // What cannot be opened is kept as an input, so that reading it fails by name and the ledger tells.
        let Ok(entries) = std::fs::read_dir(folder) else {
            listed.inputs.push(input(folder, None));
            return listed;
        };
        for entry in entries {
            let Ok(entry) = entry else {
                listed.inputs.push(input(folder, None));
                break;
            };
            let (path, kind) = (entry.path(), entry.file_type().ok());
            if kind.is_some_and(|kind| kind.is_dir()) {
                listed.folders.push(path);
                continue;
            }
            let is_link = kind.is_some_and(|kind| kind.is_symlink());
            let metadata = if is_link { std::fs::metadata(&path) } else { entry.metadata() };
            match metadata {
                Ok(metadata) if metadata.is_file() => {
                    listed.files += 1;
                    match Key::parse(&path.to_string_lossy()).kind {
                        KeyKind::Events | KeyKind::Candidate => {
                            listed.inputs.push(input(&path, Some(metadata)));
                        }
                        kind => {
                            listed.skipped += 1;
                            listed.digests += u64::from(kind == KeyKind::Digest);
                        }
                    }
                }
                Ok(metadata) if metadata.is_dir() && !leads_back(&path, source) => {
                    listed.folders.push(path);
                }
                Ok(metadata) if !metadata.is_dir() => {}
                Ok(_) | Err(_) => listed.inputs.push(input(&path, None)),
            }
        }
        listed
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

/// Whether a link is to a folder that it was reached through.
fn leads_back(link: &Path, source: &Path) -> bool {
    let target = link.canonicalize().ok();
    let mut above = link.ancestors().skip(1).take_while(|folder| folder.starts_with(source));
    above.any(|folder| folder.canonicalize().ok() == target)
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_are_listed_alike_on_any_number_of_threads_and_links_are_followed_but_not_back() {
        let dir = tempfile::tempdir().unwrap();
        let [root, other] = ["root", "other"].map(|name| dir.path().join(name));
        for folder in ["2024/05/03", "2024/05/04", "empty"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::create_dir(&other).unwrap();
        let files = ["2024/05/03/b.json", "2024/05/03/a.json", "2024/05/04/c.json", "read.png"];
        for file in files.map(|name| root.join(name)).iter().chain([&other.join("d.json")]) {
            std::fs::write(file, "{}").unwrap();
        }
        symlink("../..", root.join("2024/05/back")).unwrap();
        symlink(&root, other.join("round")).unwrap();
        symlink(&other, root.join("linked")).unwrap();
        symlink("2024/05/03/a.json", root.join("again.json")).unwrap();
        symlink("nowhere", root.join("gone.json")).unwrap();

        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let disk = pool.install(|| Disk::list(std::slice::from_ref(&root))).unwrap();
            let listed: Vec<_> = disk.inputs().iter().map(|i| (i.name, i.bytes)).collect();
            // Without a size, and no file: what cannot be read.
            let expected = [
                ("2024/05/03/a.json", 2),
                ("2024/05/03/b.json", 2),
                ("2024/05/04/c.json", 2),
                ("2024/05/back", 0),
                ("again.json", 2),
                ("gone.json", 0),
                ("linked/d.json", 2),
                ("linked/round", 0),
            ];
            assert_eq!(listed, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
            assert_eq!(disk.skipped(), 1);
        }
    }
}
