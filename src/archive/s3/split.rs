//! Where to cut what is left of a long listing, so that it goes on at several places at once.
//!
//! Folders are found by delimiter. Where there are none, the keys are probed one at a time for the
//! character in which they begin to differ. Any cut is right; a good one halves the work.

use super::bucket::{Bucket, Page};
use super::plan::Keys;
use crate::model::ReadError;

/// Sorts after whatever goes on with the same text.
const LAST: char = '\u{10FFFF}';

/// `keys` in at most `ways` parts, one after the other.
pub(super) async fn split(
    bucket: &Bucket,
    keys: Keys,
    ways: usize,
) -> Result<Vec<Keys>, ReadError> {
    let mut cuts = folders(bucket, &keys).await?;
    if cuts.is_empty() {
        cuts = characters(bucket, &keys, ways).await?;
    }
    let step = cuts.len().div_ceil(ways.saturating_sub(1).max(1)).max(1);
    let cuts = cuts.into_iter().step_by(step);
    let (mut parts, mut after) = (Vec::new(), keys.after);
    for cut in cuts.filter(|cut| keys.upto.as_ref().is_none_or(|upto| cut < upto)) {
        let upto = Some(cut.clone());
        parts.push(Keys { prefix: keys.prefix.clone(), after: after.replace(cut), upto });
    }
    parts.push(Keys { prefix: keys.prefix, after, upto: keys.upto });
    Ok(parts)
}

/// Cuts between the folders that are left; one alone is looked into.
async fn folders(bucket: &Bucket, keys: &Keys) -> Result<Vec<String>, ReadError> {
    let mut prefix = keys.prefix.clone();
    loop {
        let after = keys.after.as_deref();
        let page = Page { prefix: &prefix, after, delimiter: Some("/"), ..Page::default() };
        let listed = bucket.list(page).await?;
        let folders: Vec<&str> =
            listed.common_prefixes().iter().filter_map(|p| p.prefix()).collect();
        match folders[..] {
            [] => return Ok(Vec::new()),
            [only] if only.len() > prefix.len() => only.clone_into(&mut prefix),
            // After each but the last.
            [ref but_last @ .., _] => {
                return Ok(but_last.iter().map(|folder| format!("{folder}{LAST}")).collect());
            }
        }
    }
}

/// Cuts between keys of one folder, where the next of them begin to differ from the last one seen.
async fn characters(bucket: &Bucket, keys: &Keys, ways: usize) -> Result<Vec<String>, ReadError> {
    let Some(seen) = keys.after.as_deref().filter(|seen| seen.starts_with(&keys.prefix)) else {
        return Ok(Vec::new());
    };
    let ends: Vec<usize> = seen.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let ends: Vec<usize> = ends.into_iter().filter(|end| *end > keys.prefix.len()).collect();
    // The shortest beginning of the last key that some later key does not share.
    let (mut low, mut high) = (0, ends.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let cut = format!("{}{LAST}", &seen[..ends[middle]]);
        if probe(bucket, keys, &cut).await?.is_some() {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let Some(&end) = ends.get(low) else { return Ok(Vec::new()) };
    let common = if low == 0 { keys.prefix.len() } else { ends[low - 1] };
    let mut cuts = vec![format!("{}{LAST}", &seen[..end])];
    while cuts.len() < ways {
        let last = cuts.last().expect("there is one");
        let Some(key) = probe(bucket, keys, last).await? else { break };
        let Some(next) = key.get(common..).and_then(|rest| rest.chars().next()) else { break };
        let cut = format!("{}{next}{LAST}", &seen[..common]);
        if cut <= *last {
            break;
        }
        cuts.push(cut);
    }
    // After the last there is nothing.
    cuts.pop();
    Ok(cuts)
}

/// The first key after `cut`.
async fn probe(bucket: &Bucket, keys: &Keys, cut: &str) -> Result<Option<String>, ReadError> {
    let page = Page { prefix: &keys.prefix, after: Some(cut), most: Some(1), ..Page::default() };
    let listed = bucket.list(page).await?;
    let key = listed.contents().first().and_then(|object| object.key());
    Ok(key.filter(|key| keys.upto.as_deref().is_none_or(|upto| *key <= upto)).map(str::to_owned))
}
