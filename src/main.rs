//! argv in, exit code out.

use std::process::ExitCode;

/// Ingest grows and drops large buffers: glibc gives them back to the kernel, and pays for the page faults again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`: after how many milliseconds freed memory is given back.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // At once, a fifth of an ingest went into clearing it anew; never, a quarter was idle. Nothing else has a budget.
    let is_ingest = args.iter().any(|arg| arg == "ingest" || arg == "analyze");
    give_back_after(if is_ingest { 100 } else { 1_000 });
    // A huge page takes and clears 2 MB for each size of a growing buffer. Where this fails, it is as it was.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let code = trailinsight::cli::run(args);
    give_back_after(-1); // The kernel takes all of it now.
    code
}

// SAFETY: stores a number that the allocator reads, whole or not yet.
#[allow(unsafe_code, reason = "the options of the allocator are C")]
fn give_back_after(milliseconds: std::ffi::c_long) {
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, milliseconds) }
}
