//! Differences of texts, and that applying one gives the other.

use super::*;

#[test]
fn what_changed_stands_between_what_did_not() {
    let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk\n";
    let shown = unified(old, new, "old", "new");
    assert_eq!(
        shown,
        "--- old\n+++ new\n@@ -2,9 +2,10 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n i\n j\n+k\n"
    );
    assert_eq!(unified(old, old, "old", "new"), "");
}

/// Takes the lines of the one or of the other out of a script.
fn side(edits: &[Edit], old: &[&str], new: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut i, mut j) = (0, 0);
    let (mut olds, mut news) = (Vec::new(), Vec::new());
    for edit in edits {
        match edit {
            Edit::Keep => {
                assert_eq!(old[i], new[j]);
                olds.push(old[i].to_owned());
                news.push(new[j].to_owned());
                (i, j) = (i + 1, j + 1);
            }
            Edit::Out => {
                olds.push(old[i].to_owned());
                i += 1;
            }
            Edit::In => {
                news.push(new[j].to_owned());
                j += 1;
            }
        }
    }
    (olds, news)
}

#[test]
fn scripts_lead_from_one_text_to_the_other() {
    // A plain generator: the same texts every time.
    let mut state = 7_u64;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let words = ["a", "b", "c", "d"];
    for round in 0..500 {
        let old: Vec<&str> = (0..next(20)).map(|_| words[next(4) as usize]).collect();
        let new: Vec<&str> = (0..next(20)).map(|_| words[next(4) as usize]).collect();
        let (olds, news) = side(&script(&old, &new), &old, &new);
        assert_eq!(
            (olds, news),
            (
                old.iter().map(ToString::to_string).collect(),
                new.iter().map(ToString::to_string).collect(),
            ),
            "round {round}"
        );
    }
}

#[test]
fn texts_with_nothing_in_common_end_soon() {
    let old: String = (0..20_000).map(|i| format!("old {i}\n")).collect();
    let new: String = (0..20_000).map(|i| format!("new {i}\n")).collect();
    let shown = unified(&old, &new, "old", "new");
    assert_eq!(shown.lines().count(), 40_003);
}
