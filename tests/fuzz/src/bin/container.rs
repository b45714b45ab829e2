//! Any bytes as the text of a file: the account adds up, and buffers that have seen anything read
//! the next file as new ones do.
#![no_main]

use trailinsight_fuzz::decode::{Kind, Scratch};
use trailinsight_fuzz::read;

const SOUND: &[u8] = br#"{"Records":[{"eventTime":"2024-05-03T10:00:00Z","eventName":"A","userIdentity":{"type":"Root"}},{"eventTime":"2024-05-03T10:00:01Z","eventName":"B","resources":[{"ARN":"arn:aws:s3:::b"}]}]}"#;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut used = Scratch::default();
    let first = read(bytes, &mut used);
    let (records, sound) = read(SOUND, &mut used);
    assert_eq!((records.len(), sound.kind, sound.rejected.len()), (2, Kind::Records, 0));
    assert_eq!(records, read(SOUND, &mut Scratch::default()).0);
    let again = read(bytes, &mut used);
    assert_eq!(first.0, again.0);
    assert_eq!(first.1.rejected, again.1.rejected);
});
