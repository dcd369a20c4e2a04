use proptest::collection::vec;
use proptest::prelude::proptest;

use super::{Cursor, Newest};

/// Reads all pages of `limit` rows.
fn pages(rows: &[(i64, u8)], limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let mut newest = Newest::new(limit, after);
        // Another order on every page: rows move from memory to blocks.
        let turn = pages.len() % rows.len().max(1);
        for (time_ns, content) in rows.iter().cycle().skip(turn).take(rows.len()) {
            newest.offer(*time_ns, |out| out.extend(format!("{time_ns}/{content}").bytes()));
        }
        let page = newest.finish();
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
    let all = pages(&rows, 2);
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(all.concat()[4..], ["2/0", "1/0"]);
    assert_eq!(pages(&[], 5), [Vec::<String>::new()]);
    assert_eq!(pages(&[(1, 1)], 1).len(), 1, "a full last page has none behind it");
}

#[test]
fn what_is_too_old_is_not_rendered() {
    let mut newest = Newest::new(1, None);
    for time_ns in [5, 7] {
        newest.offer(time_ns, |out| out.push(b'x'));
    }
    assert_eq!(newest.floor_ns(), Some(5));
    newest.offer(4, |_| panic!("not among the newest"));
    newest.offer(6, |out| out.push(b'y'));
    assert_eq!(newest.bytes(), 2 * super::size(b"x"));
    let page = newest.finish();
    assert_eq!(page.rows, [b"x"]);
    assert_eq!(page.next.map(|c| (c.time_ns, c.seen)), Some((7, 1)));
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
        let mut found = pages(&rows, limit).concat();
        let times: Vec<i64> =
            found.iter().map(|r| r.split('/').next().expect("time").parse().expect("number")).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{found:?}");
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }
}
