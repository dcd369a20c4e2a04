//! Flipped bits and torn tails in a log: found, told apart, never served (COR-1, COR-2); what an
//! operator sees of it, and how a damaged segment is set aside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tarn_model::error::{Error, ErrorKind};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_storage::file::{Disk, OpenHow, RealDisk};
use tarn_storage::operate::quarantine::quarantine;
use tarn_storage::operate::wal_dump::dump;
use tarn_storage::paths::DataDir;
use tarn_storage::wal::{
    CommitLoop, Lsn, Options, Payload, RecordBuilder, Recovery, ReplyCounts, Sink, Step, Wal,
    fuzz_segment, recover,
};
use tarn_testkit::sim::{SimClock, SimRng};
use tarn_testkit::sim_disk::SimDisk;

#[path = "support/wal.rs"]
mod support;

use support::{handles, options};

const DIR: &str = "/data/wal";
const SEGMENT: u64 = 8 << 10;

/// Takes bytes, forgets them.
struct Forget;

impl Sink for Forget {
    type Item = Bytes;
    type Reply = Lsn;

    fn bytes(item: &Bytes) -> usize {
        item.len()
    }

    fn frame(&mut self, lsn: Lsn, item: &mut Bytes, record: &mut RecordBuilder) {
        record.tenant = Some(TenantId::default_tenant());
        record.request_hash = u128::from(lsn.0) << 64;
        record.counts = ReplyCounts { floats: 1, ..ReplyCounts::default() };
        let bytes = item.clone();
        record.payloads.push(Payload { signal: Signal::Metrics, schema: 1, bytes });
    }

    fn apply(&mut self, lsn: Lsn, _item: Bytes) -> Lsn {
        lsn
    }

    fn group_applied(&mut self, _last: Lsn) {}

    fn begin_generation(&mut self, _first: Lsn) {}
}

fn open(disk: &SimDisk, epoch: u64, committed: Lsn) -> Result<Recovery, Error> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    recover(&options(Path::new(DIR), epoch, SEGMENT), &disk, committed)
}

fn start(disk: &SimDisk, epoch: u64) -> (Wal<Forget>, CommitLoop<Forget>) {
    let handles = handles(Arc::new(disk.clone()), SimClock::default());
    let recovery = open(disk, epoch, Lsn(0)).expect("a sound log opens");
    let options = options(Path::new(DIR), epoch, SEGMENT);
    let (wal, commits, _) = Wal::start_stepped(options, &handles, recovery, Forget);
    (wal, commits)
}

/// Appends one record per group.
fn append(wal: &Wal<Forget>, commits: &mut CommitLoop<Forget>, value: u8, bytes: usize) -> Lsn {
    let item = Bytes::from(vec![value; bytes]);
    let appended = wal.append(item);
    let step = async { commits.step() };
    let (lsn, step) = futures::executor::block_on(futures::future::join(appended, step));
    assert_eq!(step, Step::Committed(1));
    lsn.expect("a sound disk takes it")
}

/// A log of 30 records over several segments and two starts, its process killed.
fn sample_log() -> SimDisk {
    let disk = SimDisk::new(1);
    for epoch in [1, 2] {
        let (wal, mut commits) = start(&disk, epoch);
        for value in 0..15 {
            append(&wal, &mut commits, value, 700 + usize::from(value) * 31);
        }
        drop((wal, commits));
        disk.kill();
    }
    disk
}

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let entries =
        disk.list(Path::new(DIR)).expect("the folder is there").into_iter().map(|entry| entry.path);
    entries.filter(|path| path.extension().is_some_and(|e| e == "segment")).collect()
}

/// What a start serves: LSN, first byte and length of each record.
fn served(recovery: &Recovery) -> Result<Vec<(u64, u8, usize)>, Error> {
    let records = recovery.records(Lsn(0)).map(|record| {
        let record = record?;
        let bytes = &record.payloads[0].bytes;
        Ok((record.lsn.0, bytes[0], bytes.len()))
    });
    records.collect()
}

fn flip(disk: &SimDisk, path: &Path, bit: u64) {
    disk.flip_bit(path, bit).expect("the bit is there");
}

/// COR-1: bits flipped at random places, and at every place of headers, of every segment.
#[test]
fn cor_1_flipped_bits_are_found_and_never_served() {
    let disk = sample_log();
    let expected = served(&open(&disk.fork(), 9, Lsn(0)).unwrap()).unwrap();
    assert_eq!(expected.len(), 30);
    let paths = segments(&disk);
    assert!(paths.len() >= 4, "{paths:?}");
    let rng = SimRng::new(5);
    let (mut refused, mut truncated, mut harmless) = (0, 0, 0);
    for (at, path) in paths.iter().enumerate() {
        let bits = disk.read(path).unwrap().len() as u64 * 8;
        let random = (0..600).map(|_| rng.below(bits));
        let headers = (0..70 * 8).chain((512..600).flat_map(|byte| byte * 8..byte * 8 + 8));
        for bit in headers.chain(random) {
            // Recovery writes: each flip gets a log of its own.
            let disk = disk.fork();
            flip(&disk, path, bit);
            match open(&disk, 9, Lsn(0)) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
                    assert!(error.message().contains("tarn wal quarantine"), "{error:?}");
                    refused += 1;
                }
                Ok(recovery) => {
                    let found = served(&recovery).unwrap();
                    let whole = found == expected;
                    // Only the very last group may go, and then it is reported.
                    let cut = recovery.report.truncated.is_some();
                    let last = at + 1 == paths.len() && found[..] == expected[..29];
                    assert!(whole || (cut && last), "bit {bit} of {path:?}: {found:?}");
                    truncated += u32::from(!whole);
                    harmless += u32::from(whole);
                }
            }
        }
    }
    println!("{refused} flips refused the start, {truncated} cut the tail, {harmless} hit zeros");
    assert!(refused > 1000 && truncated > 10, "{refused} {truncated} {harmless}");
}

/// COR-1, while the log is being replayed: what passed at the start is checked again.
#[test]
fn cor_1_decay_between_the_passes_is_found() {
    let disk = sample_log();
    let recovery = open(&disk, 9, Lsn(0)).unwrap();
    flip(&disk, &segments(&disk)[0], 700 * 8);
    let error = served(&recovery).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
}

/// COR-2: the message names file, offset and LSN; damage in committed records is no obstacle.
#[test]
fn cor_2_a_damaged_middle_stops_the_start_unless_it_is_committed() {
    let disk = sample_log();
    let second = segments(&disk)[1].clone();
    flip(&disk, &second, 600 * 8);
    let error = open(&disk, 9, Lsn(0)).unwrap_err();
    let message = error.message();
    for part in ["00000000000000000002.segment", "offset 560", "LSN 8", "tarn wal quarantine"] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    assert!(open(&disk, 9, Lsn(7)).is_err());
    let recovery = open(&disk, 9, Lsn(8)).unwrap();
    assert_eq!(recovery.report.stepped_over, 1);
    let found: Vec<u64> = recovery.records(Lsn(8)).map(|r| r.unwrap().lsn.0).collect();
    assert_eq!(found, (9..=30).collect::<Vec<_>>());
}

/// COR-2: a missing segment is a damaged middle, too.
#[test]
fn cor_2_a_missing_segment_stops_the_start() {
    for missing in 0..segments(&sample_log()).len() {
        let disk = sample_log();
        let paths = segments(&disk);
        disk.remove(&paths[missing]).unwrap();
        let last = missing + 1 == paths.len();
        // Nothing can know of the very last one.
        assert_eq!(open(&disk, 9, Lsn(0)).is_ok(), last, "segment {missing}");
    }
}

/// COR-2: the torn group is cut off once, reported, and does not come back.
#[test]
fn cor_2_a_torn_tail_is_cut_off_once_and_reported() {
    let disk = SimDisk::new(1);
    let (wal, mut commits) = start(&disk, 1);
    for value in 0..3 {
        append(&wal, &mut commits, value, 900);
    }
    drop((wal, commits));
    disk.kill();
    // 512 header, then three groups of two sectors each.
    flip(&disk, &segments(&disk)[0], (512 + 2 * 1024 + 600) * 8);
    let recovery = open(&disk, 2, Lsn(0)).unwrap();
    let torn = recovery.report.truncated.clone().unwrap();
    assert_eq!((torn.segment, torn.offset, torn.lsn), (1, 512 + 2048 + 48, Lsn(3)));
    assert!(torn.bytes > 900, "{torn:?}");
    assert_eq!(served(&recovery).unwrap(), vec![(1, 0, 900), (2, 1, 900)]);
    assert_eq!(recovery.next_lsn, Lsn(4), "the lost LSN is not given to another record");

    disk.kill();
    let again = open(&disk, 3, Lsn(0)).unwrap();
    assert_eq!(again.report.truncated, None);
    assert_eq!(served(&again).unwrap(), vec![(1, 0, 900), (2, 1, 900)]);
}

/// COR-2: what a recycled segment keeps from its earlier life is neither served nor taken for a
/// torn tail.
#[test]
fn cor_2_leftovers_of_an_earlier_life_are_no_torn_tail() {
    let disk = SimDisk::new(1);
    let mut last = Lsn(0);
    for epoch in 1..8 {
        let handles = handles(Arc::new(disk.clone()), SimClock::default());
        let recovery = open(&disk, epoch, last).unwrap();
        assert_eq!(recovery.report.truncated, None, "start {epoch}");
        let found: Vec<u64> = recovery.records(last.prev()).map(|r| r.unwrap().lsn.0).collect();
        assert_eq!(found, if epoch == 1 { vec![] } else { vec![last.0] });
        let options = options(Path::new(DIR), epoch, SEGMENT);
        let (wal, mut commits, upkeep) = Wal::start_stepped(options, &handles, recovery, Forget);
        // Ever fewer, so that the end of one life is in the middle of the one before.
        for value in 0..30 - 3 * epoch as u8 {
            last = append(&wal, &mut commits, value, 900);
        }
        wal.truncate(last.prev());
        while upkeep.step().unwrap() {}
        disk.kill();
    }
}

/// The last group was written, and nothing says that it was synced: it is shown only after it has
/// been made durable in a fresh segment, so that a power loss then does not take it away.
#[test]
fn dur_2_an_unwitnessed_group_is_made_durable_before_it_is_shown() {
    let disk = SimDisk::new(3);
    let (wal, mut commits) = start(&disk, 1);
    append(&wal, &mut commits, 1, 900);
    disk.fail_syncs(100);
    let appended = wal.append(Bytes::from(vec![2; 900]));
    let step = async { commits.step() };
    let (refused, _) = futures::executor::block_on(futures::future::join(appended, step));
    assert_eq!(refused.unwrap_err().reply(tarn_model::error::Direction::Write).http, 503);
    drop((wal, commits));
    disk.kill();
    // The page cache still has the group, though the disk may not.
    let recovery = open(&disk, 2, Lsn(0)).unwrap();
    assert_eq!(recovery.report.copied, 1);
    assert_eq!(served(&recovery).unwrap().len(), 2);
    disk.power_loss();
    assert_eq!(served(&open(&disk, 3, Lsn(0)).unwrap()).unwrap().len(), 2);
}

/// The bytes of today's format, against the golden file; a change of the format brings a version,
/// a golden file of its own and a note. To write it: `TARN_WRITE_GOLDEN=1`.
#[test]
fn the_format_is_that_of_the_golden_segment() {
    let disk = SimDisk::new(1);
    let (wal, mut commits) = start(&disk, 1);
    for (value, bytes) in [(1, 10), (2, 600), (3, 33)] {
        append(&wal, &mut commits, value, bytes);
    }
    let closing = async { commits.step() };
    let (closed, _) = futures::executor::block_on(futures::future::join(wal.close(), closing));
    closed.unwrap();
    let written = disk.read(&segments(&disk)[0]).unwrap();

    let golden = tarn_testkit::tree::own_folder();
    let golden = golden.join("../tests/compat/v1/wal/00000000000000000001.segment");
    if std::env::var_os("TARN_WRITE_GOLDEN").is_some() {
        RealDisk.open(&golden, OpenHow::CreateNew).unwrap().write_at(&written, 0).unwrap();
    }
    let file = RealDisk.open(&golden, OpenHow::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    assert!(bytes == written, "the log is written in another format than version 1");
}

/// After a clean stop nothing is in doubt.
#[test]
fn a_sealed_log_has_no_doubtful_tail() {
    let disk = SimDisk::new(1);
    let (wal, mut commits) = start(&disk, 1);
    append(&wal, &mut commits, 1, 100);
    let closing = async { (commits.step(), commits.step()) };
    let (closed, _) = futures::executor::block_on(futures::future::join(wal.close(), closing));
    closed.unwrap();
    let late = futures::executor::block_on(wal.append(Bytes::new()));
    assert!(matches!(late.unwrap_err().kind(), ErrorKind::Unavailable { .. }));
    disk.power_loss();
    let report = open(&disk, 2, Lsn(0)).unwrap().report;
    assert!(report.sealed && report.copied == 0 && report.truncated.is_none(), "{report:?}");
}

/// FEN-1, in part: a log of another folder, or of a later start, is not taken over.
#[test]
fn fen_1_a_log_of_somebody_else_is_refused() {
    let disk = sample_log();
    let error = open(&disk, 2, Lsn(0)).unwrap_err();
    assert!(error.message().contains("is of start 2, this is start 2"), "{error:?}");
    let dyn_disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let error = recover(
        &Options { writer_id: 8, ..options(Path::new(DIR), 9, SEGMENT) },
        &dyn_disk,
        Lsn(0),
    )
    .unwrap_err();
    assert!(error.message().contains("is of writer"), "{error:?}");
}

fn dumped(disk: &SimDisk) -> (String, tarn_storage::operate::wal_dump::DumpSummary) {
    let mut out = Vec::new();
    let summary = dump(disk, Path::new(DIR), &mut out).expect("the log can be read");
    (String::from_utf8(out).expect("a dump is text"), summary)
}

#[test]
fn a_dump_shows_every_record_and_every_problem() {
    let disk = sample_log();
    let (text, summary) = dumped(&disk);
    // The last record of the first start stands twice: the second start copied it.
    assert_eq!((summary.records, summary.problems, summary.torn), (31, 0, 0), "{text}");
    let line = "00000000000000000001.segment 560 1 default metrics/1=700\n";
    assert!(text.contains(line), "{text}");
    flip(&disk, &segments(&disk)[1], 600 * 8);
    let (text, summary) = dumped(&disk);
    assert_eq!((summary.records, summary.problems, summary.torn), (30, 1, 0), "{text}");
    assert!(text.contains(" 560 8 PROBLEM: record fails its checksum"), "{text}");
}

/// COR-2: after the tool has set the damaged segment aside, the log starts again with the rest.
#[test]
fn cor_2_quarantine_makes_the_log_start_again() {
    let aside = Path::new("/data/quarantine");
    let disk = sample_log();
    let _running = disk.lock(Path::new("/data")).unwrap();
    assert!(quarantine(&disk, &DataDir::new("/data")).is_err(), "a process has the folder");
    assert_eq!(quarantine(&sample_log(), &DataDir::new("/data")).unwrap(), None);
    for (bad, bit, lost) in [(1, 600 * 8, (8, 15)), (0, 513 * 8, (1, 15)), (1, 3, (8, 15))] {
        let disk = sample_log();
        flip(&disk, &segments(&disk)[bad], bit);
        assert!(open(&disk, 9, Lsn(0)).is_err());
        let done = quarantine(&disk, &DataDir::new("/data")).unwrap().unwrap();
        assert_eq!((done.first_lost.0, done.last_lost.0), lost, "{done:?}");
        assert_eq!(disk.list(aside).unwrap().len(), done.moved_to.len());
        assert_eq!(quarantine(&disk, &DataDir::new("/data")).unwrap(), None);
        disk.power_loss();
        let recovery = open(&disk, 9, Lsn(0)).unwrap();
        let found: Vec<u64> = served(&recovery).unwrap().iter().map(|(lsn, ..)| *lsn).collect();
        let expected = (1..lost.0).chain(lost.1 + 1..=30).collect::<Vec<_>>();
        assert_eq!(found, expected);
        assert_eq!(recovery.next_lsn, Lsn(31));
    }
}

/// The tool may be cut short anywhere, and given again.
#[test]
fn cor_2_quarantine_may_lose_power_at_any_step() {
    let damaged = sample_log();
    flip(&damaged, &segments(&damaged)[0], 600 * 8);
    for cut in 0..20 {
        let disk = damaged.fork();
        disk.cut_power_after(cut);
        let first = quarantine(&disk, &DataDir::new("/data"));
        disk.power_loss();
        let again = quarantine(&disk, &DataDir::new("/data")).unwrap();
        assert!(first.is_err() || again.is_none(), "cut after {cut}");
        let recovery = open(&disk, 9, Lsn(0)).unwrap();
        let found: Vec<u64> = served(&recovery).unwrap().iter().map(|(lsn, ..)| *lsn).collect();
        assert_eq!(found, (16..=30).collect::<Vec<_>>(), "cut after {cut}");
    }
}

/// The body of the fuzz target, over whole segments, their pieces, and damage of many kinds.
#[test]
fn any_bytes_are_read_without_a_panic() {
    let disk = sample_log();
    let rng = SimRng::new(11);
    for path in segments(&disk) {
        let good = disk.read(&path).unwrap();
        assert!(fuzz_segment(&good) > 0);
        for _ in 0..2000 {
            let mut bytes = good.clone();
            for _ in 0..rng.below(6) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = rng.below(256) as u8;
            }
            bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
            fuzz_segment(&bytes);
        }
        // Records with forged lengths: bodies without the shield of the checksum.
        for start in (0..good.len()).step_by(7) {
            fuzz_segment(&good[start..]);
        }
    }
}
