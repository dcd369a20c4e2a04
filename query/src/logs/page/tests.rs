use proptest::collection::vec;
use proptest::prelude::proptest;

use super::{Cursor, Direction, Pager};

/// Reads all pages of `limit` rows.
fn pages(direction: Direction, rows: &[(i64, u8)], limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let mut pager = Pager::new(direction, limit, after);
        // Another order on every page: rows move from memory to blocks.
        let turn = pages.len() % rows.len().max(1);
        for (time_ns, content) in rows.iter().cycle().skip(turn).take(rows.len()) {
            pager.offer(*time_ns, |out| out.extend(format!("{time_ns}/{content}").bytes()));
        }
        let page = pager.finish();
        let text = |json: &Vec<u8>| String::from_utf8(json.clone()).expect("text");
        pages.push(page.rows.iter().map(text).collect());
        match page.next {
            Some(next) => after = Cursor::parse(&next.to_string()),
            None => return pages,
        }
    }
}

#[test]
fn pages_follow_each_other() {
    let rows = [(1, 0), (3, 0), (2, 0), (3, 0), (3, 0), (3, 1)];
    for direction in [Direction::Backward, Direction::Forward] {
        let all = pages(direction, &rows, 2);
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        match direction {
            Direction::Backward => assert_eq!(all.concat()[4..], ["2/0", "1/0"]),
            Direction::Forward => assert_eq!(all.concat()[..2], ["1/0", "2/0"]),
        }
        assert_eq!(pages(direction, &[], 5), [Vec::<String>::new()]);
        assert_eq!(pages(direction, &[(1, 1)], 1).len(), 1, "behind a full last page is none");
    }
}

#[test]
fn what_comes_too_late_is_not_rendered() {
    // (direction, first two rows, bound, not wanted, wanted)
    let rows = [(Direction::Backward, [5, 7], 5, 4, 6), (Direction::Forward, [7, 5], 7, 8, 6)];
    for (direction, first, bound, not_wanted, wanted) in rows {
        let mut pager = Pager::new(direction, 1, None);
        first.into_iter().for_each(|time_ns| pager.offer(time_ns, |out| out.push(b'x')));
        assert_eq!(pager.bound_ns(), Some(bound));
        pager.offer(not_wanted, |_| panic!("not on the page"));
        pager.offer(wanted, |out| out.push(b'y'));
        assert_eq!(pager.bytes(), 2 * super::size(b"x"));
        let page = pager.finish();
        assert_eq!(page.rows, [b"x"]);
        assert_eq!(page.next.map(|c| (c.time_ns, c.seen)), Some((first[1], 1)));
    }
}

#[test]
fn cursors_are_text() {
    let cursor = Cursor { time_ns: -5, hash: u64::MAX, seen: 3 };
    assert_eq!(cursor.to_string(), "-5_ffffffffffffffff_3");
    assert_eq!(Cursor::parse("-5_ffffffffffffffff_3"), Some(cursor));
    for text in
        ["", "1", "1_2_3", "1_000000000000000g_0", "1_0000000000000000_0_0", "x_0000000000000000_0"]
    {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn every_row_is_on_one_page(rows in vec((0..6_i64, 0..3_u8), 0..40), limit in 1..7_usize) {
        let mut wanted: Vec<String> = rows.iter().map(|(t, c)| format!("{t}/{c}")).collect();
        wanted.sort();
        let mut found = pages(Direction::Forward, &rows, limit).concat();
        let mut turned = pages(Direction::Backward, &rows, limit).concat();
        turned.reverse();
        assert_eq!(found, turned, "one order, both ways");
        let times: Vec<i64> =
            found.iter().map(|r| r.split('/').next().expect("time").parse().expect("number")).collect();
        assert!(times.is_sorted(), "{found:?}");
        found.sort();
        assert_eq!(found, wanted);
    }
}
