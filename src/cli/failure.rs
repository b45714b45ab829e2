//! Failures of a run as a whole: kind, message, cause, hint and exit code.

use std::error::Error;
use std::process::ExitCode;

/// How a run ended, as DESIGN's contract numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    FindingReached = 1,
    Usage = 2,
    InputLost = 3,
    Nothing = 4,
    /// By Ctrl-C, as shells number it.
    Stopped = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    broken_pipe: bool,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, broken_pipe: false }
    }

    /// With every cause an error has.
    pub(super) fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                failure.broken_pipe |= io.kind() == std::io::ErrorKind::BrokenPipe;
            }
            failure.causes.push(error.to_string());
            cause = error.source();
        }
        failure
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was being done, with the error as its cause.
    #[must_use]
    pub(super) fn about(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }

    #[must_use]
    fn ends(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub(super) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl From<std::io::Error> for Failure {
    /// Of our own output; files have errors of their own.
    fn from(error: std::io::Error) -> Self {
        let mut failure = Self::new(Exit::Nothing, "cannot write the answer");
        failure.broken_pipe = error.kind() == std::io::ErrorKind::BrokenPipe;
        failure.causes.push(error.to_string());
        failure
    }
}

impl From<crate::archive::Error> for Failure {
    fn from(error: crate::archive::Error) -> Self {
        use crate::archive::Error as E;
        let hint = match &error {
            E::Usage { hint, .. } => return Self::from_error(Exit::Usage, &error).hint(hint),
            E::Remote { source, .. } => {
                let failure = Self::from_error(Exit::Nothing, &error);
                return match &source.remedy {
                    Some(remedy) => failure.hint(remedy),
                    None => failure,
                };
            }
            E::Unreachable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the spelling; a SOURCE is a folder of trail files or one trail file"
            }
            E::Unreachable { .. } => "check the permissions of the folder",
            E::NoObjects { skipped: 0, .. } => {
                "check the spelling: a prefix is a folder, or the key of one object; and the selection, which leaves out what it does not ask for"
            }
            E::NoObjects { .. } => "there are objects, but none has the name of a trail file",
            E::Stopped => return Self::from_error(Exit::Stopped, &error),
            E::EmptyFolder { .. } => {
                "there is nothing in this folder; is the archive somewhere else?"
            }
            E::NoTrailFiles { .. } => {
                "trail files end in .json.gz and lie under AWSLogs/<account>/CloudTrail/<region>/; digest files alone hold no events"
            }
        };
        Self::from_error(Exit::Nothing, &error).hint(hint)
    }
}

impl From<crate::case::Error> for Failure {
    fn from(error: crate::case::Error) -> Self {
        use crate::case::Error as E;
        let failure = Self::from_error(Exit::Nothing, &error);
        let usage = |hint: &str| Self::from_error(Exit::Usage, &error).hint(hint);
        match &error {
            E::NotACase { .. } => {
                usage("make one with `trailinsight ingest SOURCE --case DIR`")
            }
            E::Unfinished { .. } => {
                usage("run the same `ingest` or `analyze` again: it goes on where it stopped")
            }
            E::Occupied { .. } => usage("name a new or an empty folder, or an earlier case"),
            E::InUse { .. } => usage("wait until it has ended, or name another --case"),
            E::OtherFormat { .. } | E::BadManifest { .. } => {
                usage("make the case anew with --fresh, or name another --case")
            }
            E::OtherSelection { .. } => usage(
                "ask for the same, make the case anew with --fresh, or name another --case",
            ),
            E::OtherArchive { .. } => usage(
                "two archives are never mixed: make the case anew with --fresh, or name another --case",
            ),
            E::Io { action: "create" | "write", .. } | E::Unwritten { .. } => usage(
                "free some space, or check that the folder may be written; what was read so far is kept, \
                 and the same command goes on from there",
            )
            .ends(Exit::Nothing),
            E::Stopped => {
                failure.hint("run the same command again: it goes on where it stopped").ends(Exit::Stopped)
            }
            E::GivenUp { source, .. } => match &source.remedy {
                Some(remedy) => failure.hint(remedy),
                None => failure,
            },
            E::Io { .. } | E::Table { .. } => failure,
        }
    }
}

impl From<crate::case::QueryError> for Failure {
    fn from(error: crate::case::QueryError) -> Self {
        use crate::case::QueryError as E;
        match error {
            E::Case(error) => error.into(),
            E::Output(_) => Self::from_error(Exit::Nothing, &error),
            E::Statement { message, likely } => {
                let hint = if likely.is_empty() {
                    "tables are `events` and `findings`; `trailinsight query --case DIR --schema` lists the columns".to_owned()
                } else {
                    format!("did you mean {}? `--schema` lists all columns", likely.join(", "))
                };
                Self::new(Exit::Usage, format!("the query failed: {message}")).hint(hint)
            }
        }
    }
}

impl From<crate::detect::Error> for Failure {
    fn from(error: crate::detect::Error) -> Self {
        Self::from_error(Exit::Usage, &error)
            .hint("rules are Sigma in YAML, or JSON that the AWS command line prints, one or more to a file")
    }
}

impl From<crate::report::WriteError> for Failure {
    fn from(error: crate::report::WriteError) -> Self {
        Self::from_error(Exit::Nothing, &error).hint("name another folder with --out")
    }
}
