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
