//! Untrusted gzip to bytes, under a cap. The only file that names a gzip type.
//!
//! libdeflate inflates whole members three times as fast as a streaming inflater, and says how much
//! of the input a member took, so further members and trailing bytes are seen. Only a damaged file
//! is read again, slowly and piece by piece, to give back what stands before the damage.

use crate::model::RejectReason;
use std::io::Read;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Deflate cannot expand more than this, so a member's size hint above it is a lie.
const MAX_RATIO: usize = 1032;
const MIN_GUESS_BYTES: usize = 64 << 10;
/// Header (10) and trailer (8) of a member without name or comment.
const MIN_MEMBER_BYTES: usize = 18;

#[must_use]
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

pub(super) struct Fault {
    pub reason: RejectReason,
    pub detail: String,
    /// Whether `out` holds what could be saved.
    pub salvaged: bool,
}

/// Inflates every member of `input` into `out`, which is cleared first.
pub(super) fn gunzip(input: &[u8], cap_bytes: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.clear();
    let mut rest = input;
    loop {
        match member(rest, cap_bytes, out) {
            Step::Done { used } => rest = &rest[used..],
            Step::OverCap => return Err(over_cap(cap_bytes)),
            Step::Bad => return salvage(rest, cap_bytes, out),
        }
        if rest.is_empty() {
            return Ok(());
        }
        if !is_gzip(rest) {
            return trailing(rest);
        }
    }
}

/// NUL padding is harmless (tape blocks, object stores); anything else is told.
fn trailing(rest: &[u8]) -> Result<(), Fault> {
    if rest.iter().all(|&b| b == 0) {
        return Ok(());
    }
    Err(Fault {
        reason: RejectReason::TrailingData,
        detail: format!("{} bytes behind the end of the gzip stream", rest.len()),
        salvaged: true,
    })
}

fn over_cap(cap_bytes: usize) -> Fault {
    Fault {
        reason: RejectReason::OverInflateCap,
        detail: format!("inflates to more than {cap_bytes} bytes"),
        salvaged: false,
    }
}

enum Step {
    Done { used: usize },
    OverCap,
    Bad,
}

fn member(input: &[u8], cap_bytes: usize, out: &mut Vec<u8>) -> Step {
    let start = out.len();
    let mut room = first_guess(input);
    loop {
        room = room.min(cap_bytes.saturating_sub(start));
        out.resize(start + room, 0);
        match libdeflate::gzip(input, &mut out[start..]) {
            libdeflate::Answer::Done { used, made } => {
                out.truncate(start + made);
                return Step::Done { used };
            }
            libdeflate::Answer::NoRoom if start + room >= cap_bytes => {
                out.truncate(start);
                return Step::OverCap;
            }
            libdeflate::Answer::NoRoom => room = room.saturating_mul(4),
            libdeflate::Answer::Bad => {
                out.truncate(start);
                return Step::Bad;
            }
        }
    }
}

/// The last four bytes of a one-member file are its size; trusted only as far as deflate can expand.
fn first_guess(input: &[u8]) -> usize {
    let ceiling = input.len().saturating_mul(MAX_RATIO).max(MIN_GUESS_BYTES);
    if input.len() < MIN_MEMBER_BYTES {
        return MIN_GUESS_BYTES;
    }
    let tail: [u8; 4] = input[input.len() - 4..].try_into().expect("four bytes were taken");
    let size = u32::from_le_bytes(tail) as usize;
    // One byte spare, so that a size of zero is not taken for "no room".
    if size <= ceiling { size + 1 } else { input.len().saturating_mul(8).max(MIN_GUESS_BYTES) }
}

/// Reads a damaged member piece by piece up to the damage.
fn salvage(input: &[u8], cap_bytes: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let before = out.len();
    #[expect(clippy::disallowed_types, reason = "this is the one place")]
    let decoder = flate2::read::GzDecoder::new(input);
    let room = (cap_bytes - before) as u64;
    let error = decoder.take(room).read_to_end(out).err();
    let (reason, detail) = match error {
        Some(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            (RejectReason::TruncatedGzip, "gzip stream ends before its trailer".to_owned())
        }
        Some(e) => (RejectReason::CorruptGzip, format!("gzip: {e}")),
        // libdeflate and zlib-rs disagree: believe the stricter.
        None => (RejectReason::CorruptGzip, "gzip: checksum or length mismatch".to_owned()),
    };
    Err(Fault { reason, detail, salvaged: !out.is_empty() })
}

/// The one call that the safe wrapper crate lacks: how much input a member used.
mod libdeflate {
    use std::cell::RefCell;

    pub(super) enum Answer {
        Done { used: usize, made: usize },
        NoRoom,
        Bad,
    }

    struct Decompressor(*mut libdeflate_sys::libdeflate_decompressor);

    impl Drop for Decompressor {
        #[allow(unsafe_code, reason = "frees what `alloc` gave, once")]
        fn drop(&mut self) {
            // SAFETY: the pointer came from libdeflate_alloc_decompressor and is freed nowhere else.
            unsafe { libdeflate_sys::libdeflate_free_decompressor(self.0) }
        }
    }

    thread_local! {
        static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(alloc());
    }

    #[allow(unsafe_code, reason = "C allocation, checked for null")]
    fn alloc() -> Decompressor {
        // SAFETY: takes nothing and returns a fresh object or null.
        let raw = unsafe { libdeflate_sys::libdeflate_alloc_decompressor() };
        assert!(!raw.is_null(), "out of memory");
        Decompressor(raw)
    }

    #[allow(unsafe_code, reason = "libdeflater does not say how much input was used")]
    pub(super) fn gzip(input: &[u8], out: &mut [u8]) -> Answer {
        let (mut used, mut made) = (0usize, 0usize);
        let result = DECOMPRESSOR.with_borrow_mut(|decompressor| {
            // SAFETY: both slices are valid for their lengths during the call, the decompressor is
            // owned by this thread, and the two counters outlive the call.
            unsafe {
                libdeflate_sys::libdeflate_gzip_decompress_ex(
                    decompressor.0,
                    input.as_ptr().cast(),
                    input.len(),
                    out.as_mut_ptr().cast(),
                    out.len(),
                    &raw mut used,
                    &raw mut made,
                )
            }
        });
        match result {
            libdeflate_sys::libdeflate_result_LIBDEFLATE_SUCCESS => Answer::Done { used, made },
            libdeflate_sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Answer::NoRoom,
            _ => Answer::Bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gz(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(input: &[u8], cap: usize) -> (Vec<u8>, Option<RejectReason>) {
        let mut out = Vec::new();
        let fault = gunzip(input, cap, &mut out).err().map(|f| f.reason);
        (out, fault)
    }

    #[test]
    fn every_member_is_read_and_what_follows_is_told() {
        let (a, b) = (vec![b'a'; 100_000], vec![b'b'; 7]);
        let mut two = gz(&a);
        two.extend(gz(&b));
        let (out, fault) = inflate(&two, 1 << 20);
        assert_eq!((out.len(), fault), (100_007, None));

        let mut padded = gz(&b);
        padded.extend([0; 512]);
        assert_eq!(inflate(&padded, 1 << 20), (b.clone(), None));

        let mut garbage = gz(&b);
        garbage.extend(b"<html>");
        assert_eq!(inflate(&garbage, 1 << 20), (b, Some(RejectReason::TrailingData)));
    }

    #[test]
    fn damage_gives_back_what_stands_before_it() {
        let data: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let whole = gz(&data);
        let (out, fault) = inflate(&whole[..whole.len() / 2], 1 << 30);
        assert_eq!(fault, Some(RejectReason::TruncatedGzip));
        assert!(out.len() > 1000 && data.starts_with(&out));

        let mut bad_crc = whole.clone();
        let at = bad_crc.len() - 6;
        bad_crc[at] ^= 1;
        let (out, fault) = inflate(&bad_crc, 1 << 30);
        assert_eq!(fault, Some(RejectReason::CorruptGzip));
        assert_eq!(out, data);
    }

    #[test]
    fn the_cap_holds_against_a_bomb_and_a_lying_trailer() {
        let bomb = gz(&vec![0; 10 << 20]);
        let (out, fault) = inflate(&bomb, 1 << 20);
        assert_eq!((out.len(), fault), (0, Some(RejectReason::OverInflateCap)));
        let mut lying = gz(b"hello");
        let end = lying.len();
        lying[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(inflate(&lying, 1 << 20).1, Some(RejectReason::CorruptGzip));
    }

    #[test]
    fn an_empty_member_is_empty() {
        assert_eq!(inflate(&gz(b""), 1 << 20), (Vec::new(), None));
    }
}
