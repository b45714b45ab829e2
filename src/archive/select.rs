//! Which files need no look, by their keys alone. Pure.
//!
//! Folders hold the time of delivery, not of the events: a file is left out only when it lies a
//! day beyond what is asked for. What follows no layout is always read.

use super::Key;
use crate::model::{Selection, Timestamp};

const DAY_SECONDS: i64 = 86_400;
/// Since 22 November 2021 global services (IAM, STS, CloudFront) are recorded in one region only;
/// before, a folder of any region may hold their events with another region in the record.
const REGIONS_HOLD_THEIR_OWN_SINCE: i64 = 1_637_712_000;

/// Whether no event that `selection` asks for can be in the file of this key.
#[must_use]
pub fn prunes(selection: &Selection, key: &Key<'_>) -> bool {
    if key.account.is_some_and(|account| !selection.account.accept(&[account])) {
        return true;
    }
    let Some(day) = key.day else { return false };
    let settled = day.seconds() >= REGIONS_HOLD_THEIR_OWN_SINCE;
    if settled && key.region.is_some_and(|region| !selection.region.accept(&[region])) {
        return true;
    }
    let before = |from: Timestamp| day.plus_seconds(2 * DAY_SECONDS) <= from;
    let after = |to: Timestamp| to <= day.plus_seconds(-DAY_SECONDS);
    selection.from.as_ref().is_some_and(|from| before(from.at))
        || selection.to.as_ref().is_some_and(|to| after(to.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::selection::{Moment, Patterns};

    #[test]
    fn only_what_lies_a_day_beyond_is_left_out() {
        let at = |text| Moment::parse(text, Timestamp(0));
        let may = Selection { from: at("2024-05-03"), to: at("2024-05-05"), ..Default::default() };
        let pruned = |selection: &Selection, key: &str| prunes(selection, &Key::parse(key));
        let day = |day: &str| {
            format!("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/05/{day}/x.json.gz")
        };
        let left: Vec<u32> = (1..=9).filter(|d| pruned(&may, &day(&format!("{d:02}")))).collect();
        assert_eq!(left, [1, 6, 7, 8, 9]);
        let flat = "111122223333_CloudTrail_eu-west-1_20240509T1200Z_abcdefghijklmnop.json.gz";
        assert!(pruned(&may, flat));
        assert!(!pruned(&may, "trail.json"));

        let account = Selection { account: Patterns::new(["!1111*"]), ..Default::default() };
        assert!(pruned(&account, &day("03")));
        let region = Selection { region: Patterns::new(["us-east-1"]), ..Default::default() };
        assert!(pruned(&region, &day("03")));
        // Before the change of 2021, events of IAM lie in any folder.
        let old = "AWSLogs/111122223333/CloudTrail/eu-west-1/2020/05/03/x.json.gz";
        assert!(!pruned(&region, old));
    }
}
