//! Any bytes as a gzip file: what is said to be sound reads as what another inflater made of it, and
//! damage brings nothing down.
#![no_main]

use std::io::Read;
use trailinsight_fuzz::decode::{Scratch, is_gzip};
use trailinsight_fuzz::model::RejectReason::{
    CorruptGzip, OverInflateCap, TrailingData, TruncatedGzip,
};
use trailinsight_fuzz::{caps, read};

/// Member after member, as long as all is well and not too much.
fn reference(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while is_gzip(rest) {
        let room = (caps().inflated_bytes - out.len()) as u64;
        let mut member = flate2::bufread::GzDecoder::new(&mut rest).take(room);
        member.read_to_end(&mut out).ok().filter(|&read| (read as u64) < room)?;
    }
    rest.iter().all(|&byte| byte == 0).then_some(out)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut scratch = Scratch::default();
    let (seen, decoded) = read(bytes, &mut scratch);
    assert_eq!(read(bytes, &mut scratch).0, seen, "a second reading differs: {decoded:?}");
    let damage = [CorruptGzip, TruncatedGzip, TrailingData, OverInflateCap];
    if !is_gzip(bytes) || decoded.rejected.iter().any(|r| damage.contains(&r.reason)) {
        return;
    }
    // Gzip in gzip is unpacked once less from its text.
    let Some(text) = reference(bytes).filter(|text| !is_gzip(text)) else { return };
    let (plain, of_text) = read(&text, &mut scratch);
    assert_eq!((seen, decoded.inflated_bytes), (plain, of_text.inflated_bytes));
});
