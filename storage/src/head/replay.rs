//! Rebuilds the head from the log: payloads → rows → insert.
//!
//! Decoding is a pure function, so that several threads can do it; inserting follows the order of
//! the log. Series references in the log belong to the process that wrote it: definitions lead from
//! them to labels, and labels to today's places. Nothing is rejected here: what was acknowledged is
//! kept.
//!
//! A scrape touches each series once, and what a column holds is out of the processor's cache when its
//! next sample comes. So neighbouring records are joined and their samples sorted by series before
//! they are inserted; the samples of one series stay in the order of the log.

use std::sync::Arc;

use tarn_model::error::{Error, Result};
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::append::{encode, tables};
use crate::head::columns::{FloatRun, Rows};
use crate::head::series::place;
use crate::head::tables::TableBatch;
use crate::head::{Head, HeadGeneration, TenantHead};
use crate::schema::payload;
use crate::schema::tables::{Table, payload as tables_payload};
use crate::wal::{Lsn, Payload};

/// Joined records hold no more samples: some of each of thousands of series, and little enough for
/// the sorting to stay in the cache.
const JOINED_SAMPLES_MAX: usize = 128 << 10;

/// Numbers of series that lie further apart, in times the samples, are not worth sorting by.
const SPREAD_MAX: usize = 4;

/// The rows of one record, or of several joined ones, with the series references of the process that wrote it.
#[derive(Debug, Default)]
pub struct DecodedRecord {
    definitions: Vec<(u32, LabelSet)>,
    rows: Rows,
    /// Log records or spans.
    tables: Vec<TableBatch>,
    /// Who follows the log, and how far it is.
    acknowledged: Vec<(String, Lsn)>,
}

impl DecodedRecord {
    /// Takes the rows of the record behind this one in; gives it back where it must be inserted after
    /// this one.
    pub(crate) fn join(&mut self, next: Self) -> Option<Self> {
        let samples = self.rows.times.len() + next.rows.times.len();
        let alike = self.rows.starts.is_empty() == next.rows.starts.is_empty();
        // A definition may give a number away that rows of this record mean another series by.
        let joins = alike
            && samples <= JOINED_SAMPLES_MAX
            && self.has_floats_only()
            && next.has_floats_only()
            && next.definitions.is_empty();
        if !joins {
            return Some(next);
        }
        self.acknowledged.extend(next.acknowledged);
        let Rows { runs, times, bits, starts, .. } = next.rows;
        self.rows.runs.extend(runs);
        self.rows.times.extend(times);
        self.rows.bits.extend(bits);
        self.rows.starts.extend(starts);
        None
    }

    fn has_floats_only(&self) -> bool {
        let Rows { histograms, exemplars, families, .. } = &self.rows;
        let others = histograms.is_empty() && exemplars.is_empty() && families.is_empty();
        others && self.tables.is_empty()
    }

    /// Brings the floats of each series together; they stay in their order. Where few series can come
    /// twice, all stays as it is.
    pub(crate) fn sort(&mut self) {
        let Rows { runs, times, bits, starts, .. } = &mut self.rows;
        let first = runs.iter().map(|run| run.index).min().unwrap_or(0);
        let last = runs.iter().map(|run| run.index).max().unwrap_or(0);
        let series = (last - first) as usize + 1;
        if series > runs.len() * SPREAD_MAX {
            return;
        }
        // Where the next float of each series goes: behind all those of the series before it.
        let mut counts = vec![0_u32; series];
        runs.iter().for_each(|run| counts[(run.index - first) as usize] += run.n);
        let mut places = Vec::with_capacity(series);
        let mut end = 0;
        for n in &counts {
            places.push(end);
            end += *n as usize;
        }
        let (mut new_times, mut new_bits) = (vec![0; times.len()], vec![0; bits.len()]);
        let mut new_starts = vec![0; starts.len()];
        let mut at = 0;
        for run in &*runs {
            let (n, place) = (run.n as usize, &mut places[(run.index - first) as usize]);
            let (from, to) = (at..at + n, *place..*place + n);
            new_times[to.clone()].copy_from_slice(&times[from.clone()]);
            new_bits[to.clone()].copy_from_slice(&bits[from.clone()]);
            if !starts.is_empty() {
                new_starts[to].copy_from_slice(&starts[from]);
            }
            at += n;
            *place += n;
        }
        runs.clear();
        let counted = (first..=last).zip(counts).filter(|(_, n)| *n > 0);
        runs.extend(counted.map(|(index, n)| FloatRun { index, n }));
        (*times, *bits, *starts) = (new_times, new_bits, new_starts);
    }
}

/// Decodes the payloads of one record.
///
/// # Errors
/// `Corrupt` where a payload is not what its schema number says.
pub fn decode(payloads: &[Payload]) -> Result<DecodedRecord> {
    let mut record = DecodedRecord::default();
    for part in payloads {
        if let Some(table) = table_of(part)? {
            record.tables.push(tables::decode(&part.bytes, table)?);
            continue;
        }
        let (bytes, rows) = (&part.bytes, &mut record.rows);
        match part.schema {
            payload::DEFINITIONS => encode::read_definitions(bytes, &mut record.definitions)?,
            payload::FLOATS => encode::read_floats(bytes, false, rows)?,
            payload::FLOATS_STARTED => encode::read_floats(bytes, true, rows)?,
            payload::HISTOGRAMS => encode::read_histograms(bytes, rows)?,
            payload::EXEMPLARS => encode::read_exemplars(bytes, rows)?,
            payload::FAMILIES => encode::read_families(bytes, rows)?,
            payload::ACKNOWLEDGED => encode::read_acknowledged(bytes, &mut record.acknowledged)?,
            other => {
                return Err(Error::corrupt(format!("log payload schema {other} is not known")));
            }
        }
    }
    Ok(record)
}

/// Returns the table whose rows a payload holds; `None` for metrics.
fn table_of(part: &Payload) -> Result<Option<Table>> {
    match (part.signal, part.schema) {
        (Signal::Metrics, _) => Ok(None),
        (Signal::Logs, tables_payload::LOGS) => Ok(Some(Table::Logs)),
        (Signal::Traces, tables_payload::SPANS) => Ok(Some(Table::Spans)),
        (signal, schema) => {
            let message = format!("log payload schema {schema} of {signal} is not known");
            Err(Error::corrupt(message))
        }
    }
}

/// Inserts decoded records, in the order of the log.
#[derive(Debug)]
pub struct Replayer {
    head: Arc<Head>,
    generation: Arc<HeadGeneration>,
    tenants: HashMap<TenantId, References>,
}

/// Series references of the process that wrote the log, for one tenant.
#[derive(Debug)]
pub(crate) struct References {
    tenant: Arc<TenantHead>,
    /// Reference in the log → place in the table + 1; 0 = not defined.
    places: Vec<u32>,
}

impl Replayer {
    /// Begins with empty series references.
    pub fn new(head: Arc<Head>, generation: Arc<HeadGeneration>) -> Self {
        Self { head, generation, tenants: HashMap::default() }
    }

    /// Inserts one record, or several joined ones of which `lsn` is the first.
    ///
    /// # Errors
    /// `Corrupt` where a row uses a series that no record before it defined.
    pub fn insert(&mut self, lsn: Lsn, tenant: &TenantId, record: DecodedRecord) -> Result<()> {
        let now_ms = self.head.clock.now().as_millis();
        for (name, lsn) in &record.acknowledged {
            self.head.followers.acknowledge(name, *lsn);
        }
        let head = &self.head;
        let references = self
            .tenants
            .entry(tenant.clone())
            .or_insert_with(|| References::new(head.tenant(tenant)));
        let (rows, tables) = references.resolve(lsn, record, now_ms)?;
        references.admit(&rows, now_ms);
        if !rows.is_empty() {
            self.generation.insert(&references.tenant, &rows);
        }
        for batch in tables {
            self.generation.insert_table(&references.tenant, lsn, batch);
        }
        Ok(())
    }
}

impl References {
    pub(crate) fn new(tenant: Arc<TenantHead>) -> Self {
        Self { tenant, places: Vec::new() }
    }

    /// Returns whose they are.
    pub(crate) fn tenant(&self) -> &Arc<TenantHead> {
        &self.tenant
    }

    /// Returns the rows of a record with today's places.
    pub(crate) fn resolve(
        &mut self,
        lsn: Lsn,
        record: DecodedRecord,
        now_ms: i64,
    ) -> Result<(Rows, Vec<TableBatch>)> {
        let DecodedRecord { definitions, mut rows, tables, .. } = record;
        for (reference, labels) in definitions {
            self.define(reference, &labels, now_ms);
        }
        self.translate(&mut rows)
            .map_err(|e| e.context(format!("record {}, or one soon after it", lsn.0)))?;
        Ok((rows, tables))
    }

    fn define(&mut self, reference: u32, labels: &LabelSet, now_ms: i64) {
        let created = self.tenant.table.find_or_create(labels, now_ms, u64::MAX);
        let at = reference as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        self.places[at] = created.map_or(0, |series| series.index + 1);
    }

    fn translate(&self, rows: &mut Rows) -> Result<()> {
        let translate = |index: &mut u32| {
            let place = self.places.get(*index as usize).and_then(|p| p.checked_sub(1));
            *index = place.ok_or_else(|| {
                Error::corrupt(format!("series reference {index} is defined nowhere"))
            })?;
            Ok(())
        };
        rows.runs.iter_mut().try_for_each(|run| translate(&mut run.index))?;
        rows.histograms.iter_mut().try_for_each(|row| translate(&mut row.index))?;
        rows.exemplars.iter_mut().try_for_each(|row| translate(&mut row.0))
    }

    /// Restores what the appender needs to tell late samples.
    fn admit(&self, rows: &Rows, now_ms: i64) {
        let places = self.tenant.table.places();
        let admit = |index: u32, newest_ms: Option<i64>| {
            if let (Some(place), Some(newest_ms)) = (place(&places, index), newest_ms) {
                place.seen(now_ms);
                place.admit(newest_ms);
            }
        };
        let mut at = 0;
        for FloatRun { index, n } in rows.runs.iter().copied() {
            let times = &rows.times[at..at + n as usize];
            at += n as usize;
            admit(index, times.iter().max().copied());
        }
        rows.histograms.iter().for_each(|row| admit(row.index, Some(row.time_ms)));
        let mut newest = self.tenant.exemplars.lock();
        for (index, exemplar) in &rows.exemplars {
            let time = newest.entry(*index).or_insert(i64::MIN);
            *time = exemplar.time_ms.max(*time);
        }
    }
}

#[cfg(test)]
mod tests;
