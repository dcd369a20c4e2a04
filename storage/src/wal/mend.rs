//! Makes a log startable again whose middle is damaged, by giving up what cannot be read.
//!
//! Finds the first segment that lacks what is claimed to be durable, and builds the one to put in
//! its place: the readable records in front of the damage, then a witness whose LSNs say that the
//! rest is given up. Later segments of the same start are given up with it, because series
//! definitions that their records lean on may be lost; the next start defined everything anew.

use std::path::PathBuf;

use tarn_model::error::{Error, Result};

use super::Lsn;
use super::replay::read_segment;
use super::segment::{GroupBuffer, GroupKind, SECTOR, SegmentHeader};
use super::walk::{Found, Scan, Walk, scan};
use crate::file::Disk;

/// What takes the place of a damaged segment.
#[derive(Debug)]
pub(crate) struct Mended {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) first_lost: Lsn,
    pub(crate) last_lost: Lsn,
    /// Segments that are given up as a whole.
    pub(crate) later: Vec<(u64, PathBuf)>,
}

struct Segment {
    number: u64,
    path: PathBuf,
    /// `None` where the header cannot be read.
    scan: Option<Scan>,
}

/// Finds the first damaged segment among `segments`, which are in order. Reads all of them.
pub(crate) fn mend(disk: &dyn Disk, segments: &[(u64, PathBuf)]) -> Result<Option<Mended>> {
    let mut read = Vec::new();
    for (number, path) in segments {
        let bytes = read_segment(disk, path)?;
        let header = SegmentHeader::decode(&bytes).ok().filter(|h| h.number == *number);
        let scan = header.map(|header| scan(&bytes, header, Lsn(0)));
        read.push(Segment { number: *number, path: path.clone(), scan });
    }
    let mut have = read.first().and_then(|s| s.scan).map_or(Lsn(0), |scan| scan.header.durable);
    for (at, segment) in read.iter().enumerate() {
        let (earlier, later) = read.split_at(at);
        let later = later.get(1..).unwrap_or_default();
        let claim = later.iter().find_map(|s| s.scan).map(|scan| scan.header.durable);
        let Some(scan) = segment.scan else {
            let model =
                earlier.iter().rev().chain(later).find_map(|s| s.scan).ok_or_else(|| {
                    let path = segment.path.display();
                    Error::invalid(format!(
                        "log segment {path} has no neighbour to be replaced after"
                    ))
                })?;
            let header = SegmentHeader {
                number: segment.number,
                first: have.next(),
                durable: have,
                ..model.header
            };
            return give_up(disk, segment, header, have.next(), later).map(Some);
        };
        have = have.max(claim.map_or(scan.accounted, |claim| scan.accounted.min(claim)));
        let proven = scan.problem.filter(|problem| problem.witness.is_some());
        if proven.is_some() || claim.is_some_and(|claim| have < claim) {
            let first_lost = proven.map_or(have.next(), |problem| problem.lsn);
            return give_up(disk, segment, scan.header, first_lost, later).map(Some);
        }
    }
    Ok(None)
}

fn give_up(
    disk: &dyn Disk,
    segment: &Segment,
    header: SegmentHeader,
    first_lost: Lsn,
    later: &[Segment],
) -> Result<Mended> {
    let same_start =
        |other: &&Segment| other.scan.is_none_or(|scan| scan.header.epoch == header.epoch);
    let given_up: Vec<&Segment> = later.iter().take_while(same_start).collect();
    let behind = later.get(given_up.len()).and_then(|s| s.scan).map(|scan| scan.header.durable);
    let scans = given_up.iter().filter_map(|s| s.scan).chain(segment.scan);
    let claims = scans.flat_map(|scan| {
        let witness = scan.problem.and_then(|problem| problem.witness);
        [Some(scan.durable), Some(scan.next.prev()), witness.map(|(_, group)| group.next().prev())]
    });
    let last_lost = claims.chain([behind]).flatten().fold(first_lost.prev(), Lsn::max);
    let bytes = read_segment(disk, &segment.path)?;
    Ok(Mended {
        number: segment.number,
        path: segment.path.clone(),
        bytes: rebuild(&bytes, header, first_lost, last_lost),
        first_lost,
        last_lost,
        later: given_up.iter().map(|s| (s.number, s.path.clone())).collect(),
    })
}

/// Returns the bytes of a segment with the records below `first_lost`.
fn rebuild(bytes: &[u8], header: SegmentHeader, first_lost: Lsn, last_lost: Lsn) -> Vec<u8> {
    let mut out = header.encode().to_vec();
    let mut group = GroupBuffer::default();
    let mut walk = Walk::new(bytes, header, Lsn(0));
    while let Some(Ok((offset, found))) = walk.step() {
        let Found::Record { lsn, bytes: len } = found else { continue };
        if lsn >= first_lost {
            break;
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let record = bytes.get(start..start.saturating_add(len)).unwrap_or_default();
        group.clear();
        let pushed: Result<(), std::convert::Infallible> = group.push(|into| {
            into.extend_from_slice(record);
            Ok(())
        });
        let Ok(()) = pushed;
        out.append(group.finish(&header, GroupKind::Rows, lsn, header.durable));
    }
    group.clear();
    out.append(group.finish(&header, GroupKind::Witness, last_lost.next(), last_lost));
    out.resize(out.len().saturating_add(SECTOR), 0);
    out
}
