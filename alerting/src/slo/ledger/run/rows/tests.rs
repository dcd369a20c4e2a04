use super::*;

fn refused() -> SqlError {
    SqlError::Invalid { message: "no such column".to_owned(), position: None }
}

const NOW: Duration = Duration::from_secs(1000);

#[test]
fn rows_stay_until_each_objective_has_counted_them_once() {
    let mut waiting = Waiting::default();
    waiting.push("a", 10);
    assert_eq!(waiting.next(2), Some((&["a"][..], 0)));
    waiting.counted();
    assert_eq!(waiting.failed(&SqlError::Timeout, NOW), After::Kept { first: true });
    // What comes meanwhile was counted by nobody.
    waiting.push("b", 5);
    assert_eq!(waiting.next(2), Some((&["a"][..], 1)));
    let later = NOW + Duration::from_secs(1);
    assert_eq!(waiting.failed(&SqlError::Timeout, later), After::Kept { first: false });
    assert_eq!(waiting.bytes(), 15);
    waiting.counted();
    assert_eq!(waiting.next(2), Some((&["b"][..], 0)));
    assert_eq!(waiting.bytes(), 5);
    waiting.counted();
    waiting.counted();
    assert_eq!(waiting.next(2), None);
    assert_eq!(waiting.bytes(), 0);
}

#[test]
fn what_cannot_be_counted_is_given_up_for_that_objective_alone() {
    let mut waiting = Waiting::default();
    waiting.push("a", 1);
    assert_eq!(waiting.next(2), Some((&["a"][..], 0)));
    assert_eq!(waiting.failed(&refused(), NOW), After::GivenUp);
    assert_eq!(waiting.next(2), Some((&["a"][..], 1)));
    assert_eq!(waiting.failed(&SqlError::Canceled, NOW), After::Kept { first: true });
    assert_eq!(waiting.failed(&SqlError::Canceled, NOW + HELD_MAX), After::GivenUp);
    assert_eq!(waiting.next(2), None);
    // The next rows have their time again.
    waiting.push("b", 1);
    assert_eq!(waiting.next(2), Some((&["b"][..], 0)));
    assert_eq!(waiting.failed(&SqlError::Timeout, NOW + HELD_MAX), After::Kept { first: true });
}

#[test]
fn without_objectives_nothing_waits() {
    let mut waiting = Waiting::default();
    waiting.push("a", 1);
    assert_eq!(waiting.next(0), None);
    assert_eq!(waiting.bytes(), 0);
}
