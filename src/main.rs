//! argv in, exit code out.

use std::process::ExitCode;

/// Ingest grows and drops a few large buffers per file: glibc gives them back to the kernel each
/// time and pays for the page faults again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    trailinsight::cli::run(std::env::args_os().collect())
}
