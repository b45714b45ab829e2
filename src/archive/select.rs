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
    let (after, before) = days(selection, key.region);
    after.is_some_and(|after| day <= after) || before.is_some_and(|before| day >= before)
}

/// Folders of days of a region that are after the first and before the second may hold what is
/// asked for; the others need no look.
#[must_use]
pub(super) fn days(
    selection: &Selection,
    region: Option<&str>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let after = selection.from.as_ref().map(|from| from.at.plus_seconds(-2 * DAY_SECONDS));
    let before = selection.to.as_ref().map(|to| to.at.plus_seconds(DAY_SECONDS));
    if region.is_none_or(|region| selection.region.accept(&[region])) {
        return (after, before);
    }
    let settled = Timestamp(REGIONS_HOLD_THEIR_OWN_SINCE * 1_000_000);
    (after, Some(before.map_or(settled, |before| before.min(settled))))
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
