//! What the table says, and what it leaves alone for a while.

use tarn_model::units::ByteSize;

use super::*;
use crate::compact::merge::MergeJob;
use crate::compact::plan::Reason;

const SECOND: Duration = Duration::from_secs(1);

fn planned(day: &str) -> Planned {
    let job = MergeJob {
        tenant: TenantId::default_tenant(),
        signal: Signal::Logs,
        kind: "logs".to_owned(),
        level: 1,
        inputs: Vec::new(),
        erased: Vec::new(),
    };
    Planned { job, day: day.to_owned(), reason: Reason::Count, bytes: ByteSize::kib(1).0 }
}

/// Queues a day, runs it and ends it; returns whether it ran, and whether it is set aside.
fn attempt(table: &JobTable, now: Duration, outcome: &Outcome) -> (bool, bool) {
    table.queue(vec![planned("2026-11-20")], now);
    let Some(started) = table.start(UnixNanos(0)) else { return (false, false) };
    (true, table.end(&started, outcome, SECOND, now))
}

#[test]
fn a_job_goes_through_the_table() {
    let table = JobTable::default();
    assert_eq!(table.queue(vec![planned("2026-11-20"), planned("late")], SECOND), 2048);
    let started = table.start(UnixNanos(5_000_000)).unwrap();
    started.progress.rows.store(7, Ordering::Relaxed);
    let report = table.report(SECOND);
    let running = report.running.unwrap();
    assert_eq!((running.state, running.rows_read), (JobState::Running, 7));
    assert_eq!((running.started_ms, report.queued_total, report.queued_bytes), (Some(5), 1, 1024));
    let done = Outcome::Done { outputs: 1, bytes: 512 };
    assert!(!table.end(&started, &done, SECOND, SECOND));
    let started = table.start(UnixNanos(0)).unwrap();
    table.end(&started, &Outcome::Dropped("gone".to_owned()), SECOND, SECOND);
    let report = table.report(SECOND);
    let ended: Vec<_> = report.ended.iter().map(|j| (j.day.as_str(), j.state)).collect();
    assert_eq!(ended, [("late", JobState::Dropped), ("2026-11-20", JobState::Done)]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["ended"][1]["state"], "done");
    assert_eq!(json["ended"][0]["error"], "gone");
}

#[test]
fn what_fails_three_times_is_set_aside_for_an_hour() {
    let table = JobTable::default();
    let failed = || Outcome::Failed(Error::corrupt("checksum mismatch"));
    assert_eq!(attempt(&table, Duration::ZERO, &failed()), (true, false));
    // Others go on meanwhile.
    assert_eq!(attempt(&table, 9 * SECOND, &failed()), (false, false));
    table.queue(vec![planned("2026-11-20"), planned("2026-11-21")], 9 * SECOND);
    assert_eq!(table.start(UnixNanos(0)).unwrap().planned.day, "2026-11-21");
    assert_eq!(attempt(&table, 10 * SECOND, &failed()), (true, false));
    assert_eq!(attempt(&table, 29 * SECOND, &failed()), (false, false));
    assert_eq!(attempt(&table, 30 * SECOND, &failed()), (true, true));
    let trouble = table.report(31 * SECOND).trouble;
    assert_eq!((trouble[0].failures, trouble[0].retry_in_ms), (3, 3_599_000));
    assert!(trouble[0].error.contains("checksum"));
    assert_eq!(attempt(&table, 3600 * SECOND, &failed()), (false, false));
    // One success forgets it all.
    let done = Outcome::Done { outputs: 1, bytes: 1 };
    assert_eq!(attempt(&table, 3631 * SECOND, &done), (true, false));
    assert_eq!(attempt(&table, 3632 * SECOND, &failed()), (true, false));
}

#[test]
fn a_store_that_fails_sets_nothing_aside() {
    let table = JobTable::default();
    let mut now = Duration::ZERO;
    for _ in 0..12 {
        let away = Outcome::Failed(Error::unavailable("bucket is away", SECOND));
        assert_eq!(attempt(&table, now, &away), (true, false));
        now += RETRY_MAX;
    }
}

#[test]
fn the_table_is_bounded() {
    let table = JobTable::default();
    for _ in 0..ENDED_MAX + 10 {
        attempt(&table, Duration::ZERO, &Outcome::Done { outputs: 1, bytes: 1 });
    }
    table.queue(vec![planned("late"); 1000], Duration::ZERO);
    let report = table.report(Duration::ZERO);
    assert_eq!((report.ended.len(), report.queued.len()), (ENDED_MAX, QUEUED_SHOWN));
    assert_eq!(report.queued_total, 1000);
}
