//! Any bytes as a gzip file: what is said to be sound equals what another inflater reads, and damage
//! brings nothing down.
#![no_main]

use std::io::Read;
use trailinsight_fuzz::decode::{Scratch, inflate, is_gzip};
use trailinsight_fuzz::{caps, read};

/// Member after member, as long as all is well.
fn reference(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while is_gzip(rest) {
        flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut out).ok()?;
    }
    rest.iter().all(|&byte| byte == 0).then_some(out)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut scratch = Scratch::default();
    if is_gzip(bytes) {
        let sound = inflate(bytes, &caps(), &mut scratch);
        if let (Some(ours), Some(theirs)) = (sound, reference(bytes)) {
            assert!(ours == theirs, "two inflaters differ");
        }
    }
    let (seen, decoded) = read(bytes, &mut scratch);
    assert_eq!(read(bytes, &mut scratch).0, seen, "a second reading differs: {decoded:?}");
});
