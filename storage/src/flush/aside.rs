//! One bad partition: what cannot be written is set aside, and all others go on.
//!
//! Where a partition (tenant, signal, day) cannot be built three times in a row, the records of the
//! log that hold its rows become an object of kind `raw`, committed with the blocks of all others: so
//! the log can be let go of, and nothing is lost. No query reads such an object; answers that would
//! need it say that they are partial, and of what (PAR-1). When the reason is gone, a newer version of
//! the program above all, [`repair`](mod@super::repair) builds its blocks and puts them in its place.
//!
//! ```text
//! magic 8 · version u16 · zero u16 · header length u32 · header · records
//! ```
//! The header is JSON; records are those of the log, with their checksums. The checksum of the whole
//! is in the catalog, as of every block.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tarn_model::error::{Error, Result};
use tarn_model::metrics;
use tarn_model::units::ByteSize;

use super::build::{self, BuildContext};
use super::pieces::{Faults, Spoiled};
use crate::WalSync;
use crate::block::seal::NewBlock;
use crate::block::{BlockMeta, LsnRange};
use crate::disk::ReadOnly;
use crate::file::Disk;
use crate::head::HeadGeneration;
use crate::paths::{BlockKey, DataDir, flush_block_name};
use crate::schema::kind;
use crate::wal::{self, Lsn, Record, RecordBuilder};

/// As often a partition is tried.
const ATTEMPTS: u32 = 3;
const MAGIC: [u8; 8] = *b"TARNRAW\n";
/// The version that is written, and the newest that is read.
const VERSION: u16 = 1;
/// Bytes in front of the header.
const PREFIX_BYTES: usize = 16;

/// What a raw object says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) tenant: String,
    pub(super) signal: String,
    pub(super) day: String,
    pub(super) days: Vec<String>,
    pub(super) lsn: LsnRange,
    /// When the flush was, ms: metadata of metrics belongs to that day.
    pub(super) time_ms: i64,
    /// Why the rows could not be written.
    pub(super) error: String,
}

/// Builds blocks, and sets aside what cannot be built.
#[derive(Debug)]
pub(crate) struct Aside {
    wal: PathBuf,
    writer_id: u128,
    disk: Arc<dyn Disk>,
    pub(super) faults: Faults,
    partitions: Counter,
}

impl Aside {
    pub(crate) fn register(
        dir: &DataDir,
        writer_id: u128,
        (disk, faults): (&Arc<dyn Disk>, &Faults),
        registry: &mut Registry,
    ) -> Arc<Self> {
        let (partitions, name) = (Counter::default(), metrics::FLUSH_SET_ASIDE);
        registry.register(name.name, name.help, partitions.clone());
        let (disk, faults) = (Arc::clone(disk), faults.clone());
        Arc::new(Self { wal: dir.wal(), writer_id, disk, faults, partitions })
    }

    /// Returns the blocks of a generation, among them what was set aside. Blocks on the disk.
    ///
    /// # Errors
    /// `Internal` where the generation was not cut; what the log says where it cannot be read.
    pub(crate) fn build(
        &self,
        generation: &HeadGeneration,
        context: &BuildContext<'_>,
    ) -> Result<Vec<NewBlock>> {
        let mut left = ATTEMPTS;
        let (mut blocks, spoiled) = loop {
            let (blocks, spoiled) = build::pieces(generation, context, &self.faults)?.split();
            left -= 1;
            if spoiled.is_empty() || left == 0 {
                break (blocks, spoiled);
            }
            for Spoiled { tenant, signal, days, error } in &spoiled {
                tracing::warn!(%tenant, %signal, day = days.day, %error, left, "rows cannot be written");
            }
        };
        let lsn = build::positions(generation, context)?;
        for spoiled in spoiled {
            let block = self.raw(&spoiled, &lsn, context)?;
            let Spoiled { tenant, signal, days, error } = &spoiled;
            let object = &block.meta.object;
            tracing::error!(
                %tenant, %signal, day = days.day, %error, object,
                "rows cannot be written as blocks: their records are set aside, answers lack them \
                 until `tarn block repair`"
            );
            self.partitions.inc();
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Makes the object of one partition out of the records of the log.
    fn raw(
        &self,
        spoiled: &Spoiled,
        lsn: &LsnRange,
        context: &BuildContext<'_>,
    ) -> Result<NewBlock> {
        let Spoiled { tenant, signal, days, error } = spoiled;
        let mut records = Vec::new();
        let mut count = 0;
        for record in wal::inspect(&self.options(), &self.disk, Lsn(lsn.lo).prev())? {
            let Record { lsn: at, tenant: whose, mut payloads, .. } = record?;
            if at.0 > lsn.hi {
                break;
            }
            payloads.retain(|payload| payload.signal == *signal);
            if whose == *tenant && !payloads.is_empty() {
                let record = RecordBuilder { tenant: Some(whose), payloads, ..Default::default() };
                wal::write_record(at, &record, &mut records)?;
                count += 1;
            }
        }
        let header = Header {
            tenant: tenant.to_string(),
            signal: signal.to_string(),
            day: days.day.clone(),
            days: days.days.clone(),
            lsn: lsn.clone(),
            time_ms: context.now_ms,
            error: error.message(),
        };
        let bytes = seal(&header, &records)?;
        let attempt = context.rng.next_u64();
        let name = flush_block_name(&lsn.writer, lsn.epoch, lsn.lo, lsn.hi, 0, attempt);
        let day = &*days.day;
        let key = BlockKey { tenant, signal: *signal, day, kind: kind::RAW, level: 0, name: &name };
        let meta = meta(&key, &header, &bytes, (count, spoiled));
        Ok(NewBlock { meta, bytes })
    }

    /// The log as somebody sees it who changes nothing.
    fn options(&self) -> wal::Options {
        wal::Options {
            dir: self.wal.clone(),
            writer_id: self.writer_id,
            // Our own segments are among them.
            epoch: u64::MAX,
            segment_bytes: ByteSize(0),
            bytes_max: ByteSize(0),
            queue_bytes_max: ByteSize(0),
            sync: WalSync::None,
            read_only: ReadOnly::apart(),
            metrics: wal::Metrics::register(&mut Registry::default()),
            keep: Arc::default(),
        }
    }
}

fn meta(
    key: &BlockKey<'_>,
    header: &Header,
    bytes: &Bytes,
    (records, spoiled): (u64, &Spoiled),
) -> BlockMeta {
    let crc = crc32c::crc32c(bytes);
    let range = spoiled.days.range;
    BlockMeta {
        object: key.key(),
        offset: 0,
        bytes: bytes.len() as u64,
        // All of it is read at once.
        tail_bytes: bytes.len() as u64,
        tail_crc: crc,
        block_crc: crc,
        format: format!("{}/{VERSION}", kind::RAW),
        kind: kind::RAW.to_owned(),
        tenant: header.tenant.clone(),
        signal: header.signal.clone(),
        day: header.day.clone(),
        days: header.days.clone(),
        class: String::new(),
        level: 0,
        shard: 0,
        lsn: vec![header.lsn.clone()],
        seq: 0,
        erased: Vec::new(),
        rows: records,
        samples: 0,
        series: 0,
        time_min_ms: range.start_ms,
        time_max_ms: range.end_ms,
        overlaps: true,
        labels: Vec::new(),
        attributes: Vec::new(),
        values: Vec::new(),
    }
}

fn seal(header: &Header, records: &[u8]) -> Result<Bytes> {
    let failed = |e: serde_json::Error| Error::internal("encode a raw object").with_source(e);
    let header = serde_json::to_vec(header).map_err(failed)?;
    let mut out = Vec::with_capacity(PREFIX_BYTES + header.len() + records.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&(header.len() as u32).to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(records);
    Ok(Bytes::from(out))
}

/// Tells people what an object is; `None` where it is none of these.
///
/// # Errors
/// As [`open`].
pub(crate) fn describe(bytes: &Bytes) -> Result<Option<String>> {
    if !bytes.starts_with(&MAGIC) {
        return Ok(None);
    }
    let (Header { tenant, signal, day, days, lsn, error, .. }, records) = open(bytes)?;
    let LsnRange { writer, epoch, lo, hi } = lsn;
    Ok(Some(format!(
        "{} records of {signal} of tenant {tenant}, day {day} {days:?}, from the log of {writer}, \
         start {epoch}, LSN {lo} to {hi}, that could not be written as blocks: {error}\n",
        records.len()
    )))
}

/// Takes a raw object apart.
///
/// # Errors
/// `Corrupt` where it is not what was written; `Invalid` where a newer program wrote it.
pub(super) fn open(bytes: &Bytes) -> Result<(Header, Vec<Record>)> {
    let corrupt = |what: &str| Error::corrupt(format!("raw object {what}"));
    let prefix = bytes.first_chunk::<PREFIX_BYTES>().filter(|prefix| prefix.starts_with(&MAGIC));
    let [.., v0, v1, _, _, l0, l1, l2, l3] = *prefix.ok_or_else(|| corrupt("begins as none"))?;
    let version = u16::from_le_bytes([v0, v1]);
    if version != VERSION {
        let message = format!("raw object has version {version}, this program reads {VERSION}");
        return Err(Error::invalid(message));
    }
    let end = PREFIX_BYTES.saturating_add(u32::from_le_bytes([l0, l1, l2, l3]) as usize);
    let header = bytes.get(PREFIX_BYTES..end).ok_or_else(|| corrupt("ends in its header"))?;
    let header = serde_json::from_slice(header)
        .map_err(|e| corrupt("has not the expected fields").with_source(e))?;
    let mut rest = bytes.slice(end..);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, length) =
            wal::read_record(&rest).ok_or_else(|| corrupt("has a damaged record"))?;
        records.push(record);
        rest.advance(length);
    }
    Ok((header, records))
}

#[cfg(test)]
mod tests;
