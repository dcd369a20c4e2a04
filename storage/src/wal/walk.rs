//! Which bytes of a log count.
//!
//! [`Walk`] goes through a segment group by group, record by record, and stops at the first byte
//! that is not what it should be. There are two reasons for such a place, and they must not be
//! mixed up: a *torn tail* was never acknowledged and may be cut off; a *damaged middle* was, and
//! must stop the start (COR-2). The witnesses decide: every group header, and every segment header,
//! carries the LSN that was durable when it was written. A valid one further on that claims the bad
//! place as durable proves the damage. The search for it is cheap, because groups begin on sectors.
//! Without a witness the place is behind everything that was ever synced, except perhaps the very
//! last group.

use bytes::Bytes;

use super::Lsn;
use super::record::{self, Record};
use super::segment::{GROUP_HEADER_BYTES, GroupHeader, GroupKind, SECTOR, SegmentHeader, round_up};

/// What stands at a place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Group(GroupHeader),
    Record {
        lsn: Lsn,
        /// Length with its prefix.
        bytes: usize,
    },
}

/// A place that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) offset: u64,
    /// The LSN that should stand there.
    pub(crate) lsn: Lsn,
    /// Bytes that look written, from there to the end of the group.
    pub(crate) bytes: u64,
    pub(crate) what: &'static str,
    /// A later group of the segment that claims the place as durable: where it stands.
    pub(crate) witness: Option<(u64, GroupHeader)>,
}

/// Goes through the bytes of a segment.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    header: SegmentHeader,
    /// Damage is stepped over while all that is lost lies at or below this LSN.
    skip_through: Lsn,
    /// Where the next group should begin.
    at: usize,
    /// The group at work: where its next record begins, where its records end, how many are left.
    group: Option<(usize, usize, u32)>,
    /// The LSN expected next.
    next: Lsn,
    /// Largest LSN that a header claimed as durable.
    durable: Lsn,
    /// Last LSN that an operator gave up: a header claims it as durable, and nothing holds it.
    given_up: Lsn,
    sealed: bool,
    skipped: u32,
    done: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(bytes: &'a [u8], header: SegmentHeader, skip_through: Lsn) -> Self {
        Self {
            bytes,
            header,
            skip_through,
            at: SECTOR,
            group: None,
            next: header.first,
            durable: header.durable,
            given_up: Lsn(0),
            sealed: false,
            skipped: 0,
            done: false,
        }
    }

    /// Returns the next place, or the first problem, and `None` from then on.
    pub(crate) fn step(&mut self) -> Option<Result<(u64, Found), Problem>> {
        while !self.done {
            let step = match self.group {
                Some((at, end, left)) if left > 0 => self.record(at, end, left),
                _ => self.group_header(),
            };
            match step {
                Err(problem) if self.step_over(&problem) => {}
                Err(problem) => {
                    self.done = true;
                    return Some(Err(problem));
                }
                Ok(Some(found)) => return Some(Ok(found)),
                Ok(None) => self.done = true,
            }
        }
        None
    }

    fn record(
        &mut self,
        at: usize,
        end: usize,
        left: u32,
    ) -> Result<Option<(u64, Found)>, Problem> {
        let bytes = self.bytes.get(at..end).unwrap_or_default();
        let whole = record::check(bytes, self.header.seed(), self.next);
        let Some(bytes) = whole else {
            return Err(self.problem(at, self.at, "record fails its checksum"));
        };
        let found = Found::Record { lsn: self.next, bytes };
        self.group = Some((at.saturating_add(bytes), end, left.saturating_sub(1)));
        self.next = self.next.next();
        Ok(Some((at as u64, found)))
    }

    fn group_header(&mut self) -> Result<Option<(u64, Found)>, Problem> {
        let at = self.at;
        let rest = self.bytes.get(at..).unwrap_or_default();
        let seed = self.header.seed();
        let header = GroupHeader::decode(rest, self.header.number, seed);
        let Some(header) = header.filter(|h| h.first >= self.next) else {
            let written = written_bytes(rest);
            let problem = self.problem(at, at.saturating_add(written), "group header is not valid");
            // Nothing but zeros, and nobody claims that there was more: the end of the log.
            let end = written == 0 && problem.witness.is_none();
            return if end { Ok(None) } else { Err(problem) };
        };
        let start = at.saturating_add(GROUP_HEADER_BYTES);
        let end = start.saturating_add(header.bytes as usize);
        if end > self.bytes.len() {
            return Err(self.problem(at, self.bytes.len(), "group is longer than its segment"));
        }
        self.group = Some((start, end, header.count));
        self.at = at.saturating_add(usize::try_from(header.span()).unwrap_or(usize::MAX));
        if header.durable >= self.next {
            self.given_up = header.durable;
        }
        self.next = header.first;
        self.durable = self.durable.max(header.durable);
        self.sealed = header.kind == GroupKind::Seal;
        Ok(Some((at as u64, Found::Group(header))))
    }

    fn problem(&self, at: usize, end: usize, what: &'static str) -> Problem {
        let bytes = end.saturating_sub(at) as u64;
        let witness = self.witness(at);
        Problem { offset: at as u64, lsn: self.next, bytes, what, witness }
    }

    /// Looks for a later group of this segment that claims `self.next` as durable.
    fn witness(&self, at: usize) -> Option<(u64, GroupHeader)> {
        let first = at.checked_div(SECTOR)?.checked_add(1)?;
        let sectors = self.bytes.chunks(SECTOR).enumerate().skip(first);
        let seed = self.header.seed();
        let mut groups = sectors.filter_map(|(sector, bytes)| {
            let header = GroupHeader::decode(bytes, self.header.number, seed)?;
            Some((sector.saturating_mul(SECTOR) as u64, header))
        });
        groups.find(|(_, header)| header.durable >= self.next)
    }

    /// Steps over damage in records that nobody needs any more.
    fn step_over(&mut self, problem: &Problem) -> bool {
        let Some((offset, header)) = problem.witness else { return false };
        let Ok(offset) = usize::try_from(offset) else { return false };
        let needless = header.first <= self.skip_through.next();
        if needless {
            self.at = offset;
            self.group = None;
            self.skipped = self.skipped.saturating_add(1);
        }
        needless
    }
}

/// Returns how many bytes stand before the first sector of zeros.
fn written_bytes(bytes: &[u8]) -> usize {
    let written = bytes.chunks(SECTOR).take_while(|sector| sector.iter().any(|byte| *byte != 0));
    written.map(<[u8]>::len).fold(0, usize::saturating_add)
}

/// What the first pass learns about a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) header: SegmentHeader,
    /// Last valid record; below `header.first` where there is none.
    pub(crate) last: Lsn,
    /// Everything up to here that is not in it was never acknowledged, or was given up by an
    /// operator: at least `last`.
    pub(crate) accounted: Lsn,
    /// Last LSN that an operator gave up. Records up to there do not count, in later segments
    /// neither: series definitions that they lean on are gone.
    pub(crate) given_up: Lsn,
    /// First LSN that no group of it has used.
    pub(crate) next: Lsn,
    /// Largest LSN that it claims as durable.
    pub(crate) durable: Lsn,
    /// Behind the last valid record or group.
    pub(crate) end: u64,
    pub(crate) records: u64,
    pub(crate) sealed: bool,
    /// Damaged places that lie in committed records.
    pub(crate) skipped: u32,
    pub(crate) problem: Option<Problem>,
}

/// Walks through a whole segment.
pub(crate) fn scan(bytes: &[u8], header: SegmentHeader, committed: Lsn) -> Scan {
    let mut walk = Walk::new(bytes, header, committed);
    let mut scan = Scan {
        header,
        last: header.first.prev(),
        accounted: header.first.prev(),
        given_up: Lsn(0),
        next: header.first,
        durable: header.durable,
        end: SECTOR as u64,
        records: 0,
        sealed: false,
        skipped: 0,
        problem: None,
    };
    while let Some(step) = walk.step() {
        match step {
            Ok((offset, Found::Group(group))) => {
                scan.next = group.next();
                scan.accounted = scan.accounted.max(group.durable);
                scan.end = offset.saturating_add(GROUP_HEADER_BYTES as u64);
            }
            Ok((offset, Found::Record { lsn, bytes })) => {
                scan.last = lsn;
                scan.accounted = lsn;
                scan.end = offset.saturating_add(bytes as u64);
                scan.records = scan.records.saturating_add(1);
            }
            Err(problem) => scan.problem = Some(problem),
        }
    }
    Scan {
        end: round_up(scan.end),
        durable: walk.durable,
        given_up: walk.given_up,
        sealed: walk.sealed && scan.problem.is_none(),
        skipped: walk.skipped,
        ..scan
    }
}

/// Tells `on` all that stands in a segment, problems included. For people who look at a log.
pub(crate) fn visit(
    bytes: &Bytes,
    header: SegmentHeader,
    mut on: impl FnMut(Visit<'_>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut walk = Walk::new(bytes, header, Lsn(0));
    while let Some(step) = walk.step() {
        match step {
            Ok((offset, Found::Group(group))) => on(Visit::Group { offset, group })?,
            Ok((offset, Found::Record { lsn, bytes: len })) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let record = record::decode(&bytes.slice(start..start.saturating_add(len)));
                on(Visit::Record { offset, lsn, record: record.as_ref() })?;
            }
            Err(problem) => {
                on(Visit::Problem(problem))?;
                walk.resume(&problem);
            }
        }
    }
    Ok(())
}

/// What [`visit`] tells.
pub(crate) enum Visit<'a> {
    Group { offset: u64, group: GroupHeader },
    Record { offset: u64, lsn: Lsn, record: Option<&'a Record> },
    Problem(Problem),
}

impl Walk<'_> {
    /// Goes on behind a problem, where there is a witness to go on from.
    fn resume(&mut self, problem: &Problem) {
        self.skip_through = Lsn(u64::MAX);
        self.done = !self.step_over(problem);
        self.skip_through = Lsn(0);
    }
}

/// Reads any bytes as a segment and as a record. Returns how many records it found. Must neither
/// panic nor allocate more than the bytes could hold: the body of a fuzz target.
pub fn fuzz_segment(bytes: &[u8]) -> usize {
    let shared = Bytes::copy_from_slice(bytes);
    let direct = usize::from(record::decode(&shared).is_some());
    let Ok(header) = SegmentHeader::decode(bytes) else { return direct };
    let mut found = direct;
    let counted = visit(&shared, header, |place| {
        if matches!(place, Visit::Record { record: Some(_), .. }) {
            found = found.saturating_add(1);
        }
        Ok(())
    });
    counted.map_or(0, |()| found)
}

/// Returns the records of a segment that is whole.
#[cfg(test)]
pub(crate) fn records(bytes: &[u8]) -> Vec<Record> {
    let header = SegmentHeader::decode(bytes).expect("a segment");
    let mut found = Vec::new();
    let visited = visit(&Bytes::copy_from_slice(bytes), header, |place| {
        if let Visit::Record { record: Some(record), .. } = place {
            found.push(record.clone());
        }
        Ok(())
    });
    visited.expect("nothing fails here");
    found
}
