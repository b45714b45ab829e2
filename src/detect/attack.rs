//! ATT&CK by the names of its versions: version 19 revoked T1562 and parted Defense Evasion in two. Rules are tagged by
//! either, people search by either, so a rule has both ids.

use crate::model::Stage;
use std::collections::BTreeSet;

/// Up to version 18, and since 19. The first of several is the one that is told of a new id.
const TECHNIQUES: [(&str, &str); 4] = [
    ("T1562.001", "T1685"),
    ("T1562", "T1685"),
    ("T1562.007", "T1686.001"),
    ("T1562.008", "T1685.002"),
];

/// Adds what the techniques are called in the other versions.
pub(super) fn add_aliases(techniques: &mut BTreeSet<String>) {
    let other = |id: &String| {
        let newer = TECHNIQUES.iter().find(|(old, _)| old == id).map(|(_, new)| *new);
        newer.or_else(|| TECHNIQUES.iter().find(|(_, new)| new == id).map(|(old, _)| *old))
    };
    let others: Vec<String> = techniques.iter().filter_map(other).map(str::to_owned).collect();
    techniques.extend(others);
}

/// The tactic of a tag.
pub(super) fn stage(word: &str) -> Option<Stage> {
    match word {
        "stealth" | "defense-impairment" => Some(Stage::DefenseEvasion),
        _ => Stage::parse(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_have_the_ids_of_both_versions() {
        let with = |ids: &[&str]| {
            let mut ids = ids.iter().map(|id| (*id).to_owned()).collect();
            add_aliases(&mut ids);
            ids.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(with(&["T1562.008"]), ["T1562.008", "T1685.002"]);
        assert_eq!(with(&["T1685.002"]), ["T1562.008", "T1685.002"]);
        assert_eq!(with(&["T1685"]), ["T1562.001", "T1685"]);
        assert_eq!(with(&["T1562", "T1098"]), ["T1098", "T1562", "T1685"]);
        assert_eq!(with(&["T1562.002"]), ["T1562.002"]);
        assert_eq!(stage("stealth"), stage("defense-evasion"));
    }
}
