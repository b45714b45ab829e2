//! Untrusted gzip to bytes, under a cap. The only file that names a gzip type.
//!
//! libdeflate inflates whole members three times as fast as a streaming inflater, and says how much
//! of the input a member took, so further members and trailing bytes are seen. Only a damaged file
//! is read again, slowly and piece by piece, to give back what stands before the damage.

use crate::model::{ReadError, RejectReason};
use std::io::{self, BufRead, Read};

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

/// Why packed bytes could not be unpacked. Readers carry it inside of their errors.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Damage {
    pub(super) reason: RejectReason,
    pub(super) detail: String,
}

/// Inflates every member of `input` into `out`, which is cleared first. Where it is damaged, `out`
/// holds what stands before the damage.
pub(super) fn gunzip(input: &[u8], cap_bytes: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
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
fn trailing(rest: &[u8]) -> Result<(), Damage> {
    if rest.iter().all(|&b| b == 0) {
        return Ok(());
    }
    Err(garbage(rest.len()))
}

fn garbage(bytes: usize) -> Damage {
    let detail = format!("{bytes} bytes behind the end of the gzip stream");
    Damage { reason: RejectReason::TrailingData, detail }
}

fn over_cap(cap_bytes: usize) -> Damage {
    Damage {
        reason: RejectReason::OverInflateCap,
        detail: format!("inflates to more than {cap_bytes} bytes"),
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
        match libdeflate::gzip(input, room, out) {
            libdeflate::Answer::Done { used } => return Step::Done { used },
            libdeflate::Answer::NoRoom if start + room >= cap_bytes => return Step::OverCap,
            libdeflate::Answer::NoRoom => room = room.saturating_mul(4),
            libdeflate::Answer::Bad => return Step::Bad,
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
fn salvage(input: &[u8], cap_bytes: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
    let before = out.len();
    #[expect(clippy::disallowed_types, reason = "this is the one place")]
    let decoder = flate2::read::GzDecoder::new(input);
    let room = (cap_bytes - before) as u64;
    let error = decoder.take(room).read_to_end(out).err();
    // libdeflate and zlib-rs may disagree: believe the stricter.
    Err(error.map_or_else(|| corrupt("checksum or length mismatch"), |e| damage(&e)))
}

fn damage(error: &io::Error) -> Damage {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let detail = "gzip stream ends before its trailer".to_owned();
        return Damage { reason: RejectReason::TruncatedGzip, detail };
    }
    corrupt(&error.to_string())
}

fn corrupt(why: &str) -> Damage {
    Damage { reason: RejectReason::CorruptGzip, detail: format!("gzip: {why}") }
}

/// Whether an error says already what it is: damage that was found further in, or that the file
/// cannot be read.
pub(super) fn is_told(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Damage>() || inner.is::<ReadError>())
}

/// Every member of a gzip stream that is too large to be inflated whole.
pub(super) struct Members<R> {
    #[expect(clippy::disallowed_types, reason = "this is the one place")]
    member: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(input: R) -> Self {
        #[expect(clippy::disallowed_types, reason = "this is the one place")]
        let member = flate2::bufread::GzDecoder::new(input);
        Self { member: Some(member) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(out).map_err(|e| {
                // What the input itself reports goes through as it is.
                if is_told(&e) { e } else { io::Error::other(damage(&e)) }
            })?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            let mut input = self.member.take().expect("just matched").into_inner();
            let rest = input.fill_buf()?;
            if is_gzip(rest) {
                *self = Self::new(input);
                continue;
            }
            return trailer(&mut input);
        }
        Ok(0)
    }
}

/// What stands behind the last member: nothing, padding, or something that is told.
fn trailer(input: &mut impl BufRead) -> io::Result<usize> {
    let (mut bytes, mut is_padding) = (0, true);
    loop {
        let rest = input.fill_buf()?;
        if rest.is_empty() {
            return if is_padding { Ok(0) } else { Err(io::Error::other(garbage(bytes))) };
        }
        is_padding &= rest.iter().all(|&b| b == 0);
        let count = rest.len();
        bytes += count;
        input.consume(count);
    }
}

/// The one call that the safe wrapper crate lacks: how much input a member used.
mod libdeflate {
    use std::cell::RefCell;

    pub(super) enum Answer {
        Done { used: usize },
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

    /// Appends the first member of `input` to `out`, which is left as it was where there is another answer
    /// than `Done`.
    #[allow(
        unsafe_code,
        reason = "libdeflater does not say how much input was used, and wants cleared memory"
    )]
    pub(super) fn gzip(input: &[u8], room: usize, out: &mut Vec<u8>) -> Answer {
        if out.is_empty() && out.capacity() < room {
            // Not grown: that would copy what was there. The next file is often a little larger.
            *out = Vec::new();
            out.reserve_exact(room.saturating_add(room / 8));
        }
        out.reserve(room);
        let free = &mut out.spare_capacity_mut()[..room];
        let (mut used, mut made) = (0usize, 0usize);
        let result = DECOMPRESSOR.with_borrow_mut(|decompressor| {
            // SAFETY: both slices are valid for their lengths during the call, what is free is only written,
            // the decompressor is owned by this thread, and the two counters outlive the call.
            unsafe {
                libdeflate_sys::libdeflate_gzip_decompress_ex(
                    decompressor.0,
                    input.as_ptr().cast(),
                    input.len(),
                    free.as_mut_ptr().cast(),
                    free.len(),
                    &raw mut used,
                    &raw mut made,
                )
            }
        });
        match result {
            libdeflate_sys::libdeflate_result_LIBDEFLATE_SUCCESS => {
                // SAFETY: so many bytes were written behind those that were there.
                unsafe { out.set_len(out.len() + made) };
                Answer::Done { used }
            }
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
