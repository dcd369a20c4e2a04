//! What is committed, and what is not wanted any more.

use tarn_model::tenant::TenantId;

use super::*;
use crate::block::LsnRange;
use crate::catalog::format::{Manifest, WriterState, WriterUpdate};
use crate::retain::erase::Tombstone;

fn identity(epoch: u64) -> Identity {
    Identity { id: "w".to_owned(), epoch }
}

fn block(object: &str, level: u8, rows: u64) -> Arc<BlockMeta> {
    let lsn = vec![LsnRange { writer: "w".to_owned(), epoch: 1, lo: 1, hi: 9 }];
    Arc::new(BlockMeta {
        object: object.to_owned(),
        offset: 0,
        bytes: 10,
        tail_bytes: 4,
        tail_crc: 0,
        block_crc: 0,
        format: "logs/1".to_owned(),
        kind: "logs".to_owned(),
        tenant: "default".to_owned(),
        signal: "logs".to_owned(),
        day: "2026-11-21".to_owned(),
        days: Vec::new(),
        class: String::new(),
        level,
        shard: 0,
        lsn,
        seq: 1,
        erased: Vec::new(),
        rows,
        samples: 0,
        series: 0,
        time_min_ms: 0,
        time_max_ms: 1,
        overlaps: false,
        labels: Vec::new(),
        attributes: Vec::new(),
        values: Vec::new(),
    })
}

fn next(state: &State, change: Manifest) -> State {
    let number = state.version() + 1;
    let predecessor = state.nonce().unwrap_or_default().to_owned();
    state
        .apply(&Manifest { number, nonce: format!("n{number}"), predecessor, ..change }, None)
        .unwrap()
}

fn base() -> State {
    let state = WriterState::Live;
    let writer = WriterUpdate { id: "w".to_owned(), state, epoch: 1, label: String::new() };
    let added = vec![block("a", 0, 1), block("b", 0, 2)];
    let started = Manifest { writers: vec![writer], ..Manifest::default() };
    let cuts = vec![LsnRange { writer: "w".to_owned(), epoch: 1, lo: 1, hi: 9 }];
    next(&next(&State::default(), started), Manifest { cuts, added, ..Manifest::default() })
}

fn job(state: &State) -> MergeJob {
    let tenant = TenantId::default_tenant();
    let inputs: Vec<_> = state.blocks(&tenant, Signal::Logs).cloned().collect();
    let erased = inputs.iter().map(|block| state.erased_in(block)).collect();
    MergeJob { tenant, signal: Signal::Logs, kind: "logs".to_owned(), level: 1, inputs, erased }
}

fn tombstone() -> Arc<Tombstone> {
    Arc::new(Tombstone {
        id: "t".to_owned(),
        tenant: "default".to_owned(),
        signal: "logs".to_owned(),
        matchers: Vec::new(),
        start_ms: 0,
        end_ms: 10,
        positions: vec![("w".to_owned(), 9)],
        time_ms: 0,
    })
}

#[test]
fn vis_3_outputs_take_the_place_of_inputs_that_are_all_there() {
    let state = base();
    let (job, outputs) = (job(&state), [block("c", 1, 3)]);
    let proposed = propose(&state, &identity(1), &job, &outputs).unwrap();
    let Proposal::Commit(draft) = proposed else { panic!("{proposed:?}") };
    let Draft { added, removed, .. } = *draft;
    assert_eq!(removed, ["a", "b"]);
    let merged = next(&state, Manifest { added, removed, ..Manifest::default() });
    // The reply was lost, or the proposal is made again after a conflict.
    let again = propose(&merged, &identity(1), &job, &outputs).unwrap();
    assert!(matches!(again, Proposal::Done), "{again:?}");
}

#[test]
fn outputs_are_dropped_where_an_input_went_or_rows_were_erased() {
    let state = base();
    let job = job(&state);
    let gone = next(&state, Manifest { removed: vec!["a".to_owned()], ..Manifest::default() });
    let erased = next(&state, Manifest { erased: vec![tombstone()], ..Manifest::default() });
    for (state, why) in [(gone, "input a is gone"), (erased, "erased meanwhile, by t")] {
        for outputs in [vec![block("c", 1, 3)], Vec::new()] {
            let proposed = propose(&state, &identity(1), &job, &outputs).unwrap();
            assert!(matches!(&proposed, Proposal::Drop(w) if w.contains(why)), "{proposed:?}");
        }
    }
}

#[test]
fn a_tombstone_that_the_merge_knew_is_no_obstacle() {
    let state = next(&base(), Manifest { erased: vec![tombstone()], ..Manifest::default() });
    let job = job(&state);
    assert!(job.erased.iter().all(|erased| erased.len() == 1));
    // All rows may be erased: then nothing comes out.
    let proposed = propose(&state, &identity(1), &job, &[]).unwrap();
    assert!(matches!(&proposed, Proposal::Commit(d) if d.removed.len() == 2), "{proposed:?}");
    check(&job, &[]).unwrap();
}

#[test]
fn fen_1_a_newer_epoch_stops_the_merge() {
    let state = base();
    let refused = propose(&state, &identity(0), &job(&state), &[block("c", 1, 3)]);
    assert!(matches!(refused, Err(CommitError::Fenced { ours: 0, theirs: 1, .. })), "{refused:?}");
}

#[test]
fn vis_3_rows_that_vanish_or_appear_are_found_before_the_commit() {
    let job = job(&base());
    check(&job, &[block("c", 1, 3)]).unwrap();
    check(&job, &[block("c", 1, 1), block("d", 1, 2)]).unwrap();
    for wrong in [block("c", 1, 2), block("c", 1, 4), block("c", 2, 3)] {
        check(&job, std::slice::from_ref(&wrong)).unwrap_err();
    }
    let elsewhere = BlockMeta { seq: 9, ..(*block("c", 1, 3)).clone() };
    check(&job, &[Arc::new(elsewhere)]).unwrap_err();
}

#[test]
fn the_age_of_what_was_there_at_the_start_is_that_of_its_rows() {
    let state = base();
    let mut arrivals = Arrivals::default();
    arrivals.see(&state, 1000);
    let added = vec![block("c", 0, 1), block("d", 2, 1)];
    let later = next(&state, Manifest { added, ..Manifest::default() });
    arrivals.see(&later, 2000);
    arrivals.see(&later, 3000);
    let of = |object: &str| arrivals.of(later.all_blocks().find(|b| b.object == object).unwrap());
    assert_eq!((of("a"), of("c")), (1, 2000));
}
