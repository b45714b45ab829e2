//! Small numbers in Parquet's hybrid of runs and packed bits: which rows have a value, how lists begin, and
//! the codes of dictionaries.

use polars_parquet::parquet::encoding::{bitpacked, uleb128};

/// Packed bits come in whole groups of so many numbers.
const GROUP: usize = 8;
/// As many as are packed at a time.
const BLOCK: usize = 32;
/// Equal numbers that are worth a run of their own: a shorter one costs the reader more than it saves.
const RUN: usize = 16;

/// Appends `numbers`, each of at most `bits` bits.
pub(super) fn encode(numbers: &[u32], bits: u32, out: &mut Vec<u8>) {
    let (mut packed, mut at) = (0, 0);
    while let Some(first) = numbers.get(at) {
        let equal = numbers[at..].iter().position(|n| n != first).unwrap_or(numbers.len() - at);
        if equal >= RUN {
            pack(&numbers[packed..at], bits, out);
            repeat(equal, *first, bits, out);
            at += equal;
            packed = at;
        } else {
            at += (equal / GROUP).max(1) * GROUP;
        }
    }
    pack(&numbers[packed..], bits, out);
}

/// One number, so many times.
pub(super) fn repeat(count: usize, number: u32, bits: u32, out: &mut Vec<u8>) {
    header(count << 1, out);
    out.extend_from_slice(&number.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

fn pack(numbers: &[u32], bits: u32, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    header(groups << 1 | 1, out);
    // A group takes as many bytes as a number takes bits; the packer wants room for its last block.
    let (start, bits) = (out.len(), bits as usize);
    out.resize(start + numbers.len().div_ceil(BLOCK) * BLOCK / GROUP * bits, 0);
    bitpacked::encode(numbers, bits, &mut out[start..]);
    out.truncate(start + groups * bits);
}

fn header(number: usize, out: &mut Vec<u8>) {
    let mut bytes = [0; 10];
    let used = uleb128::encode(number as u64, &mut bytes);
    out.extend_from_slice(&bytes[..used]);
}

/// Appends levels of the first version of pages: behind their length in bytes.
pub(super) fn levels(out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    encode(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars_parquet::parquet::encoding::hybrid_rle::HybridRleDecoder;

    /// Against the reader that reads them back, over runs of every length at every place.
    #[test]
    fn numbers_come_back_as_they_were() {
        let mut number = 1u32;
        for bits in [1, 2, 3, 8, 13, 17, 32] {
            let largest = u32::MAX >> (32 - bits);
            for longest in [1, 3, 8, 17, 40, 3000] {
                let mut numbers = Vec::new();
                while numbers.len() < 10_007 {
                    number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let count = 1 + (number >> 7) as usize % longest;
                    numbers.extend(std::iter::repeat_n(number.rotate_left(9) & largest, count));
                }
                let mut bytes = Vec::new();
                encode(&numbers, bits, &mut bytes);
                let decoder = HybridRleDecoder::new(&bytes, bits, numbers.len());
                assert_eq!(decoder.collect().unwrap(), numbers, "{bits} bits, runs to {longest}");
            }
        }
    }
}
