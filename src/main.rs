//! argv in, exit code out.

use std::process::ExitCode;

/// Ingest grows and drops a few large buffers per file: glibc gives them back to the kernel each
/// time and pays for the page faults again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`: after how many milliseconds freed memory is given back.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// What is freed is wanted again at once, or not at all: given back at once, it took a fifth of an ingest to
/// clear it anew; never, a quarter of the memory was held for nothing.
const MILLISECONDS: i64 = 100;

fn main() -> ExitCode {
    #[allow(unsafe_code, reason = "an option of the allocator, set before any thread runs")]
    // SAFETY: stores a number that the allocator reads.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, MILLISECONDS as std::ffi::c_long);
    }
    // Each size of a growing buffer has a place of its own, of which a huge page takes and clears 2 MB at once: a
    // third of the memory for nothing. Where this fails, it is as it was.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    trailinsight::cli::run(std::env::args_os().collect())
}
