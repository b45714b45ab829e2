//! One writer or many readers of a case at a time.
//!
//! The system lets go of the lock when its process ends, however it ends, so a killed ingest never
//! leaves a case locked.

use super::Error;
use std::fs::{File, TryLockError};
use std::path::Path;

pub(super) const NAME: &str = "lock";

/// Held while it lives.
#[derive(Debug)]
pub(super) struct Lock(Option<File>);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being started by another thread still holds a copy of
        // the open file, and with it the lock. What cannot be let go of ends with the process.
        if let Some(file) = &self.0 {
            let _ = file.unlock();
        }
    }
}

impl Lock {
    /// To write: nobody else may read or write.
    pub(super) fn exclusive(case: &Path) -> Result<Self, Error> {
        let path = case.join(NAME);
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(Error::io("create", &path))?;
        Self::taken(&file.try_lock(), file, case)
    }

    /// To read: others may read too. A case on a disk that cannot be written has no lock to take.
    pub(super) fn shared(case: &Path) -> Result<Self, Error> {
        match File::open(case.join(NAME)) {
            Ok(file) => Self::taken(&file.try_lock_shared(), file, case),
            Err(_) => Ok(Self(None)),
        }
    }

    fn taken(result: &Result<(), TryLockError>, file: File, case: &Path) -> Result<Self, Error> {
        match result {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: case.to_owned() }),
            // Some network file systems know no locks; there the user has to take care.
            Err(TryLockError::Error(_)) => Ok(Self(None)),
        }
    }
}
