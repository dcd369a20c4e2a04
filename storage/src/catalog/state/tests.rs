//! Every rule of a manifest is checked by whoever applies it.

use super::*;
use crate::catalog::format::WriterState;

fn block(object: &str, day: &str) -> Arc<BlockMeta> {
    Arc::new(BlockMeta {
        object: object.to_owned(),
        offset: 0,
        bytes: 10,
        tail_bytes: 4,
        tail_crc: 0,
        block_crc: 0,
        format: "slices/1".to_owned(),
        kind: "slices".to_owned(),
        tenant: "default".to_owned(),
        signal: "metrics".to_owned(),
        day: day.to_owned(),
        days: Vec::new(),
        class: String::new(),
        level: 0,
        shard: 0,
        lsn: Vec::new(),
        seq: 0,
        erased: Vec::new(),
        rows: 1,
        samples: 1,
        series: 1,
        time_min_ms: 0,
        time_max_ms: 1,
        overlaps: false,
        labels: Vec::new(),
        attributes: Vec::new(),
        values: Vec::new(),
    })
}

fn manifest(number: u64) -> Manifest {
    let predecessor = if number == 1 { String::new() } else { format!("n{}", number - 1) };
    Manifest {
        number,
        time_ms: 0,
        writer: "w".to_owned(),
        epoch: 1,
        nonce: format!("n{number}"),
        predecessor,
        cuts: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        condemned: Vec::new(),
        writers: Vec::new(),
        checkpoint: None,
        ..Manifest::default()
    }
}

fn update(epoch: u64) -> WriterUpdate {
    WriterUpdate { id: "w".to_owned(), state: WriterState::Live, epoch, label: String::new() }
}

fn cut(epoch: u64, lo: u64, hi: u64) -> LsnRange {
    LsnRange { writer: "w".to_owned(), epoch, lo, hi }
}

fn checkpoint(number: u64) -> Option<CheckpointRef> {
    Some(CheckpointRef { number, object: "checkpoints/x".to_owned() })
}

fn two() -> State {
    let first = Manifest { writers: vec![update(1)], ..manifest(1) };
    let second = Manifest {
        cuts: vec![cut(1, 1, 5)],
        added: vec![block("a", "2026-11-21"), block("b", "2026-11-20")],
        ..manifest(2)
    };
    let state = State::default().apply(&first, None).expect("first");
    state.apply(&second, None).expect("second")
}

#[test]
fn blocks_come_by_day_and_the_old_state_stays() {
    let before = two();
    let third = Manifest {
        removed: vec!["a".to_owned()],
        added: vec![block("c", "2026-11-20")],
        ..manifest(3)
    };
    let after = before.apply(&third, None).expect("fits");
    let tenant = TenantId::default_tenant();
    let names = |state: &State| -> Vec<String> {
        state.blocks(&tenant, Signal::Metrics).map(|b| b.object.clone()).collect()
    };
    assert_eq!(names(&before), ["b", "a"]);
    assert_eq!(names(&after), ["b", "c"]);
    assert_eq!(after.blocks(&tenant, Signal::Logs).count(), 0);
    assert_eq!((before.committed("w"), after.version()), (5, 3));
}

#[test]
fn a_manifest_that_breaks_a_rule_is_refused() {
    let condemned = Manifest { condemned: vec!["z".to_owned()], ..manifest(3) };
    let base = two().apply(&condemned, None).expect("fits");
    let wrong = [
        ("another number", manifest(5)),
        ("another branch", Manifest { predecessor: "n9".to_owned(), ..manifest(4) }),
        ("cut again", Manifest { cuts: vec![cut(1, 1, 5)], ..manifest(4) }),
        ("a hole before the cut", Manifest { cuts: vec![cut(1, 7, 9)], ..manifest(4) }),
        ("backwards", Manifest { cuts: vec![cut(1, 6, 5)], ..manifest(4) }),
        ("old epoch", Manifest { cuts: vec![cut(0, 6, 9)], ..manifest(4) }),
        ("epoch goes back", Manifest { writers: vec![update(0)], ..manifest(4) }),
        ("block twice", Manifest { added: vec![block("a", "2026-11-21")], ..manifest(4) }),
        ("condemned", Manifest { added: vec![block("z", "2026-11-21")], ..manifest(4) }),
        ("checkpoint of the future", Manifest { checkpoint: checkpoint(4), ..manifest(4) }),
        ("removed unknown", Manifest { removed: vec!["y".to_owned()], ..manifest(4) }),
    ];
    for (name, manifest) in wrong {
        assert!(base.apply(&manifest, None).is_err(), "{name}");
    }
}

fn tombstone(id: &str, last: u64) -> Arc<Tombstone> {
    Arc::new(Tombstone {
        id: id.to_owned(),
        tenant: "default".to_owned(),
        signal: "metrics".to_owned(),
        matchers: Vec::new(),
        start_ms: 0,
        end_ms: 10,
        positions: vec![("w".to_owned(), last)],
        time_ms: 0,
    })
}

fn with_rows(object: &str, lo: u64, hi: u64) -> Arc<BlockMeta> {
    Arc::new(BlockMeta { lsn: vec![cut(1, lo, hi)], seq: 2, ..(*block(object, "d")).clone() })
}

/// Blocks of the positions 1–3 and 4–5, and a tombstone that covers the first.
fn erased() -> State {
    let first = Manifest { writers: vec![update(1)], ..manifest(1) };
    let second = Manifest {
        cuts: vec![cut(1, 1, 5)],
        added: vec![with_rows("a", 1, 3), with_rows("b", 4, 5)],
        ..manifest(2)
    };
    let third = Manifest { erased: vec![tombstone("t", 3)], ..manifest(3) };
    [first, second, third]
        .iter()
        .fold(State::default(), |state, manifest| state.apply(manifest, None).expect("fits"))
}

#[test]
fn a_merge_says_which_tombstones_it_applied() {
    let base = erased();
    let names = |block: &str| base.erased_in(&with_rows(block, 1, 3)).len();
    assert_eq!((names("a"), base.erased_in(&with_rows("b", 4, 5)).len()), (1, 0));
    let merged = |erased: &[&str]| {
        let erased = erased.iter().map(|id| (*id).to_owned()).collect();
        let block = BlockMeta { erased, ..(*with_rows("c", 1, 5)).clone() };
        let removed = vec!["a".to_owned(), "b".to_owned()];
        Manifest { removed, added: vec![Arc::new(block)], ..manifest(4) }
    };
    let refused = base.apply(&merged(&[]), None).expect_err("rows would come back");
    assert!(refused.message().contains("merged without tombstone t"), "{refused:?}");
    let after = base.apply(&merged(&["t"]), None).expect("fits");
    let done = Manifest { erased_done: vec!["t".to_owned()], ..manifest(5) };
    assert_eq!(after.apply(&done, None).expect("nothing is covered").erased().count(), 0);
    let early = Manifest { number: 4, predecessor: "n3".to_owned(), ..done };
    assert!(base.apply(&early, None).is_err(), "its block is there");
    // Dropped as a whole, nothing has to be said.
    let dropped = Manifest { removed: vec!["a".to_owned()], ..manifest(4) };
    assert!(base.apply(&dropped, None).is_ok());
    // Rows of others do not know of it.
    let other = Manifest {
        removed: vec!["b".to_owned()],
        added: vec![with_rows("c", 4, 5)],
        ..manifest(4)
    };
    assert!(base.apply(&other, None).is_ok());
}

#[test]
fn tombstones_reach_as_far_as_blocks_do() {
    let base = erased();
    for (name, manifest) in [
        ("beyond", Manifest { erased: vec![tombstone("u", 6)], ..manifest(4) }),
        ("set twice", Manifest { erased: vec![tombstone("t", 3)], ..manifest(4) }),
        ("unknown", Manifest { erased_done: vec!["u".to_owned()], ..manifest(4) }),
    ] {
        assert!(base.apply(&manifest, None).is_err(), "{name}");
    }
}

#[test]
fn what_is_condemned_is_neither_live_nor_forgotten_early() {
    let base = erased();
    let keys = |key: &str| vec![key.to_owned()];
    for (name, manifest) in [
        ("live", Manifest { condemned: keys("a"), ..manifest(4) }),
        ("swept before", Manifest { swept: keys("x"), ..manifest(4) }),
    ] {
        assert!(base.apply(&manifest, None).is_err(), "{name}");
    }
    let removed = Manifest { removed: keys("a"), clock_ms: Some(70), ..manifest(4) };
    let gone = base.apply(&removed, None).expect("fits");
    assert_eq!(gone.gone.get("a"), Some(&70));
    let condemned = Manifest { condemned: keys("a"), clock_ms: Some(60), ..manifest(5) };
    let condemned = gone.apply(&condemned, None).expect("fits");
    assert_eq!((condemned.gone.len(), condemned.clock_ms()), (0, 70), "the clock stays");
    let swept = Manifest { swept: keys("a"), ..manifest(6) };
    let swept = condemned.apply(&swept, None).expect("fits");
    assert!(condemned.is_condemned("a") && !swept.is_condemned("a"));
}

#[test]
fn what_went_before_the_clock_was_set_counts_from_then() {
    let removed = Manifest { removed: vec!["a".to_owned()], ..manifest(4) };
    let before = erased().apply(&removed, None).expect("fits");
    assert_eq!(before.gone.get("a"), Some(&0));
    let set = Manifest { clock_ms: Some(99), ..manifest(5) };
    let after = before.apply(&set, None).expect("fits");
    assert_eq!(after.gone.get("a"), Some(&99));
}

#[test]
fn a_condemned_page_is_not_pointed_to_again() {
    let tenant = TenantId::default_tenant();
    let object = paths::page_key(&tenant, Signal::Metrics, "d", 3, 1);
    let mut base = erased();
    for partition in base.partitions.values_mut() {
        let page = PageRef { object: object.clone(), bytes: 1, crc: 1 };
        Arc::make_mut(partition).page = Some(page);
    }
    let condemned = Manifest { condemned: vec![object], ..manifest(4) };
    let after = base.apply(&condemned, None).expect("fits");
    assert!(after.partitions.values().all(|partition| partition.page.is_none()));
    let late = Manifest { checkpoint: checkpoint(3), ..manifest(5) };
    assert!(after.apply(&late, None).is_err(), "written before, it may point to the page");
    let fresh = Manifest { checkpoint: checkpoint(4), ..manifest(5) };
    assert!(after.apply(&fresh, None).is_ok());
}
