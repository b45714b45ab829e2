//! Puts a rendered file in place at once: a reader sees the old report or the new one, never half of one.

use super::{Format, render};
use crate::model::Report;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What kept a report from its place.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot create the folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Renders each format into `folder` and returns the paths in the order asked for.
///
/// # Errors
/// When the folder or a file cannot be written; files already in place stay.
pub fn write(
    report: &Report,
    folder: &Path,
    formats: &[Format],
) -> Result<Vec<PathBuf>, WriteError> {
    let mut paths = Vec::with_capacity(formats.len());
    for format in formats {
        let path = folder.join(format.file_name());
        atomically(&path, render(report, *format).as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}

/// Writes a file beside its place, makes it durable, then renames it; folders on the way are created.
///
/// # Errors
/// When the folder cannot be created or the file not written; nothing is left behind then.
pub fn atomically(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(folder)
            .map_err(|source| WriteError::Folder { path: folder.to_owned(), source })?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The process id keeps two runs into one folder apart.
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let placed = fill(&beside, content).and_then(|()| fs::rename(&beside, path));
    placed.map_err(|source| {
        // Best effort: the error that matters is the one being returned.
        let _ = fs::remove_file(&beside);
        WriteError::File { path: path.to_owned(), source }
    })
}

fn fill(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/report.md");
        atomically(&path, b"one, longer").unwrap();
        atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_names_the_path_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("report.md");
        fs::create_dir(&taken).unwrap();
        let error = atomically(&taken, b"x").unwrap_err();
        assert!(error.to_string().ends_with("report.md"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let under_a_file = folder.path().join("file");
        fs::write(&under_a_file, b"").unwrap();
        let error = atomically(&under_a_file.join("report.md"), b"x").unwrap_err();
        assert!(matches!(error, WriteError::Folder { .. }), "{error:?}");
    }
}
