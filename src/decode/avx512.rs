//! The structure of a text, 64 bytes at a time in the registers of AVX-512: the algorithm of simdjson
//! (Langdale and Lemire, "Parsing Gigabytes of JSON per Second"), whose positions are written by one
//! compression of a register instead of one by one. Reads more than twice as fast as with AVX2.

use super::structurals::Refused;
use std::arch::x86_64::{
    __m512i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
    _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask,
    _mm512_cvtepu8_epi32, _mm512_extracti32x4_epi32, _mm512_loadu_si512,
    _mm512_maskz_compress_epi8, _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_storeu_si512,
};

const BLOCK: usize = 64;

/// For a byte's low half the only byte of `bytes` that has it, or one that is equal to none.
const fn by_low_half(bytes: &[u8]) -> [u8; BLOCK] {
    let mut table = [0x80; BLOCK];
    let mut at = 0;
    while at < bytes.len() {
        let mut lane = 0;
        while lane < BLOCK {
            table[lane + (bytes[at] & 15) as usize] = bytes[at];
            lane += 16;
        }
        at += 1;
    }
    table
}

const SPACES: [u8; BLOCK] = by_low_half(b" \t\n\r");
/// Colon, comma and the braces; brackets are braces but for one bit.
const MARKS: [u8; BLOCK] = by_low_half(b":,{}");
const BRACE_BIT: u8 = b'{' ^ b'[';
const PLACES: [u8; BLOCK] = {
    let mut places = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        places[at] = at as u8;
        at += 1;
    }
    places
};

/// Fills `found` where the processor can; `None` where it cannot.
pub(super) fn find(text: &[u8], found: &mut Vec<u32>) -> Option<Result<(), Refused>> {
    let can = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("popcnt");
    if !can || u32::try_from(text.len()).is_err() {
        return None;
    }
    #[allow(unsafe_code, reason = "the processor was just asked for all that `scan` uses")]
    // SAFETY: as the reason says.
    Some(unsafe { scan(text, found) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,pclmulqdq,popcnt")]
fn scan(text: &[u8], found: &mut Vec<u32>) -> Result<(), Refused> {
    found.clear();
    let mut state = State::default();
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut padded = [b' '; BLOCK];
    padded[..rest.len()].copy_from_slice(rest);
    let (mut base, mut is_utf8) = (0, true);
    for block in blocks.iter().chain((!rest.is_empty()).then_some(&padded)) {
        let block = load(block);
        // Runs of blocks that are not ASCII: no character begins or ends outside of one.
        if _mm512_movepi8_mask(block) != 0 {
            state.wide_from.get_or_insert(base);
        } else if let Some(from) = state.wide_from.take() {
            is_utf8 &= std::str::from_utf8(&text[from..base]).is_ok();
        }
        write(state.structurals(block), base as u32, found);
        base += BLOCK;
    }
    if let Some(from) = state.wide_from {
        is_utf8 &= std::str::from_utf8(&text[from..]).is_ok();
    }
    if state.inside != 0 || state.controls != 0 || found.is_empty() {
        Err(Refused::NoJson)
    } else if is_utf8 {
        Ok(())
    } else {
        Err(Refused::NotUtf8)
    }
}

/// What a block leaves to the next.
struct State {
    /// All ones within a string.
    inside: u64,
    /// Whether the first byte is escaped.
    escaped: u64,
    /// Whether a scalar may begin at the first byte.
    begins: u64,
    /// Control characters within strings so far.
    controls: u64,
    wide_from: Option<usize>,
}

impl Default for State {
    fn default() -> Self {
        Self { inside: 0, escaped: 0, begins: 1, controls: 0, wide_from: None }
    }
}

impl State {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,pclmulqdq,popcnt")]
    fn structurals(&mut self, block: __m512i) -> u64 {
        let equal = |byte: u8| _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte.cast_signed()));
        let quotes = equal(b'"') & !self.escaped(equal(b'\\'));
        // Every bit the parity of the quotes up to it.
        let quotes_wide = _mm_set_epi64x(0, quotes.cast_signed());
        let parity = _mm_clmulepi64_si128::<0>(quotes_wide, _mm_set1_epi8(-1));
        let inside = _mm_cvtsi128_si64(parity).cast_unsigned() ^ self.inside;
        self.inside = (inside.cast_signed() >> 63).cast_unsigned();
        self.controls |= _mm512_cmplt_epu8_mask(block, _mm512_set1_epi8(0x20)) & inside;

        let space = _mm512_cmpeq_epi8_mask(block, _mm512_shuffle_epi8(load(&SPACES), block));
        let braces = _mm512_or_si512(block, _mm512_set1_epi8(BRACE_BIT.cast_signed()));
        let mark = _mm512_cmpeq_epi8_mask(braces, _mm512_shuffle_epi8(load(&MARKS), block));
        let ends = (mark & !inside) | quotes;
        let before = ends | space;
        let scalars = ((before << 1) | self.begins) & !space & !inside;
        self.begins = before >> 63;
        (ends | scalars) & !(quotes & !inside)
    }

    /// The bytes that stand behind an odd number of backslashes.
    #[inline]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        // Those that may escape, each followed by what it may escape: a run that begins at an even place
        // turns the carry of this subtraction into an alternation from there on.
        let escaping = backslashes & !self.escaped;
        let alternating = ((escaping << 1) | ODD).wrapping_sub(escaping) ^ ODD;
        let escaped = alternating ^ (backslashes | self.escaped);
        self.escaped = (alternating & backslashes) >> 63;
        escaped
    }
}

/// Appends the places of the bits of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,pclmulqdq,popcnt")]
fn write(bits: u64, base: u32, found: &mut Vec<u32>) {
    let count = bits.count_ones() as usize;
    let places = _mm512_maskz_compress_epi8(bits, load(&PLACES));
    let base = _mm512_set1_epi32(base.cast_signed());
    found.reserve(BLOCK);
    let spare = found.spare_capacity_mut();
    let (sixteens, _) = spare[..BLOCK].as_chunks_mut::<16>();
    let mut store = |at: usize, places| {
        let places = _mm512_add_epi32(base, _mm512_cvtepu8_epi32(places));
        #[allow(unsafe_code, reason = "there is no other way from a register to memory")]
        // SAFETY: sixteen places of four bytes are what a register holds.
        unsafe {
            _mm512_storeu_si512(sixteens[at].as_mut_ptr().cast(), places);
        }
    };
    // One is enough for nearly every block.
    store(0, _mm512_castsi512_si128(places));
    if count > 16 {
        store(1, _mm512_extracti32x4_epi32::<1>(places));
        store(2, _mm512_extracti32x4_epi32::<2>(places));
        store(3, _mm512_extracti32x4_epi32::<3>(places));
    }
    #[allow(unsafe_code, reason = "the vector cannot know what was stored")]
    // SAFETY: `count` is at most 64, and so many of the places reserved above were stored.
    unsafe {
        found.set_len(found.len() + count);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; BLOCK]) -> __m512i {
    #[allow(unsafe_code, reason = "there is no other way from memory to a register")]
    // SAFETY: a register holds 64 bytes, wherever they stand.
    unsafe {
        _mm512_loadu_si512(bytes.as_ptr().cast())
    }
}
