//! The command line: the only place that prints, reads the environment or looks at the clock.

mod analyze;
pub mod args;
mod failure;
mod ingest;
mod place;
mod price;
mod query;
mod rows;
mod rules;
mod rules_test;
mod select;
mod selectors;
mod settings;
mod ui;

use crate::model::{Stop, Timestamp};
use args::{Args, Command};
use clap::{CommandFactory, Parser};
use failure::{Exit, Failure};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::SystemTime;

/// Parses `argv`, runs the command and says how it went.
#[must_use]
pub fn run(argv: Vec<OsString>) -> ExitCode {
    let shown: Vec<String> =
        argv.iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let args = match Args::try_parse_from(argv) {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too, and are no failure.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            if code == Exit::Usage && shown.iter().any(|a| a == "--json-log") {
                let args = args::Ui { quiet: false, json_log: true };
                ui::logging(&args);
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                let failure = Failure::new(code, line).hint("`trailinsight COMMAND --help`");
                ui::Ui::new(&args).failure(&failure);
                return code.into();
            }
            let _ = error.print();
            return code.into();
        }
    };
    ui::logging(&args.ui);
    let ui = ui::Ui::new(&args.ui);
    match dispatch(args.command, shown, &ui) {
        Ok(exit) => exit.into(),
        Err(failure) if failure.is_broken_pipe() => Exit::Done.into(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit.into()
        }
    }
}

/// Asked for by the first Ctrl-C; the second ends the process at once.
fn stop() -> Stop {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        // The order counts: the flag that the first sets is what the second finds. Where neither can
        // be set, the system ends the process, and the case goes on all the same.
        let code = Exit::Stopped as i32;
        let _ = signal_hook::flag::register_conditional_shutdown(signal, code, stop.flag());
        let _ = signal_hook::flag::register(signal, stop.flag());
    }
    stop
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one look at the clock: it shows in `run`, and ages count from it"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or_default())
}

fn dispatch(command: Command, argv: Vec<String>, ui: &ui::Ui) -> Result<Exit, Failure> {
    match command {
        Command::Analyze(args) => analyze::analyze(*args, argv, ui),
        Command::Report(args) => analyze::report(args, argv, ui),
        Command::Ingest(args) => ingest::run(&args, ui),
        Command::Query(args) => query::run(&args, ui),
        Command::Rules(args) => rules::run(args.command, ui),
        Command::Completions { shell } => {
            let mut command = Args::command();
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut command, "trailinsight", &mut out);
            ui.stdout(&out)?;
            Ok(Exit::Done)
        }
    }
}
