//! `tarn wal dump`: one line per record, group by group, with every problem where it stands.
//!
//! Reads each segment as a start would, but goes on behind damage wherever a later group can be
//! found, and changes nothing. The columns: segment, offset, LSN, tenant, then one
//! `signal/schema=bytes` per payload.

use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use tarn_model::error::{Error, Result};

use crate::file::{Disk, OpenHow};
use crate::paths;
use crate::wal::{Problem, Record, SegmentHeader, Visit, visit};

/// What a dump came across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DumpSummary {
    /// Segments read.
    pub segments: usize,
    /// Records printed.
    pub records: u64,
    /// Places that a start would refuse, or could not read.
    pub problems: u64,
    /// Torn places, which a start cuts off.
    pub torn: u64,
}

/// Prints the segments in the folder of a log.
///
/// # Errors
/// `Internal` where a file could not be read or `out` not be written; damage is no error.
pub fn dump(disk: &dyn Disk, dir: &Path, out: &mut impl Write) -> Result<DumpSummary> {
    let failed =
        |e: io::Error| Error::internal(format!("dump the log in {}", dir.display())).with_source(e);
    let mut summary = DumpSummary::default();
    for entry in disk.list(dir).map_err(failed)? {
        let name = entry.path.file_name().and_then(|name| name.to_str());
        if name.and_then(paths::parse_segment_name).is_some() {
            dump_segment(disk, &entry.path, out, &mut summary).map_err(failed)?;
        }
    }
    let DumpSummary { segments, records, problems, torn } = summary;
    writeln!(
        out,
        "{segments} segments, {records} records, {problems} problems, {torn} torn places"
    )
    .map_err(failed)?;
    Ok(summary)
}

fn dump_segment(
    disk: &dyn Disk,
    path: &Path,
    out: &mut impl Write,
    summary: &mut DumpSummary,
) -> io::Result<()> {
    summary.segments += 1;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let file = disk.open(path, OpenHow::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_at(&mut bytes, 0)?;
    let bytes = Bytes::from(bytes);
    let header = match SegmentHeader::decode(&bytes) {
        Ok(header) => header,
        Err(error) => {
            summary.problems += 1;
            return writeln!(out, "{name} PROBLEM: {error}");
        }
    };
    let SegmentHeader { writer_id, epoch, first, durable, .. } = header;
    let len = bytes.len();
    writeln!(
        out,
        "{name} {len} bytes, writer {writer_id:032x}, start {epoch}, first LSN {}, durable {}",
        first.0, durable.0
    )?;
    visit(&bytes, header, |place| match place {
        Visit::Group { offset, group } => {
            let (durable, kind, count) = (group.durable.0, group.kind, group.count);
            writeln!(out, "{name} {offset} group of {count}, durable {durable}, {kind:?}")
        }
        Visit::Record { offset, lsn, record, .. } => {
            summary.records += 1;
            match record {
                Some(record) => dump_record(out, &name, offset, record),
                None => {
                    summary.problems += 1;
                    writeln!(out, "{name} {offset} {} PROBLEM: of an unknown kind", lsn.0)
                }
            }
        }
        Visit::Problem(problem) => {
            let counter =
                if problem.witness.is_some() { &mut summary.problems } else { &mut summary.torn };
            *counter += 1;
            dump_problem(out, &name, &problem)
        }
    })
}

fn dump_record(out: &mut impl Write, name: &str, offset: u64, record: &Record) -> io::Result<()> {
    write!(out, "{name} {offset} {} {}", record.lsn.0, record.tenant)?;
    for payload in &record.payloads {
        write!(out, " {}/{}={}", payload.signal, payload.schema, payload.bytes.len())?;
    }
    writeln!(out)
}

fn dump_problem(out: &mut impl Write, name: &str, problem: &Problem) -> io::Result<()> {
    let Problem { offset, lsn, bytes, what, witness } = problem;
    let lsn = lsn.0;
    match witness {
        Some((at, group)) => {
            let durable = group.durable.0;
            writeln!(
                out,
                "{name} {offset} {lsn} PROBLEM: {what}; the group at {at} says that LSN {durable} \
                 is durable"
            )
        }
        None => writeln!(out, "{name} {offset} {lsn} TORN: {what}, {bytes} bytes are cut off"),
    }
}
