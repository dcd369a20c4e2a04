//! Which blocks are to be merged: a pure function of a catalog version, the settings and the time.
//!
//! Per tenant, signal and kind the blocks of a day stand in the order of commits, and between them
//! the `late` blocks that hold rows of that day. Only neighbours in this row are merged, and none
//! jumps over a late block: so "later wins" stays decidable (ORD-1). What is planned:
//!
//! 1. `late` blocks among themselves, which splits them by day;
//! 2. runs of flushed blocks of a day, once there are enough of them or they are old enough: level 1;
//! 3. all of a day that is over and quiet: level 2; again when much has come late;
//! 4. blocks that hold erased rows.
//!
//! No block is in two jobs of a plan, and each merge raises the level of what it takes, so planning
//! ends. Day and age are those of the rows; where rows of old times arrive, the time at which a
//! block was first seen says whether more is to be expected.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use crate::block::BlockMeta;
use crate::catalog::State;
use crate::catalog::state::rank;
use crate::compact::merge::MergeJob;
use crate::flush::build::LATE;
use crate::flush::cut::{day_name, day_of};
use crate::options::Compaction;
use crate::schema::tables::Table;

/// Inputs of one merge: each is an open file with buffers of its own.
const INPUTS_MAX: usize = 64;
/// Bytes that one merge takes in: some ten seconds of work, which is lost where it is interrupted.
const INPUT_BYTES_MAX: u64 = 512 << 20;
/// Memory of a merge that a span needs in the worst case: the table of traces may have a third of it,
/// and holds 160 bytes for each trace, which may have one span only.
const SPAN_BYTES: u64 = 480;
/// A day that has its final blocks is merged again when this share of it has come later, in percent.
const LATE_PERCENT: u64 = 10;
/// Or when it has more files than this: each costs a query one look.
const FILES_MAX: usize = 64;
/// The level of final blocks.
const FINAL: u8 = 2;
/// Tombstones are collected for this long before blocks are rewritten for them, ms: rows are
/// invisible at once, and gone from the blocks well within a day.
const ERASE_WAIT_MS: i64 = 3_600_000;

/// Why blocks are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Enough flushed blocks lie next to one another.
    Count,
    /// Few lie there, and for long.
    Age,
    /// Blocks that span days are split.
    Late,
    /// The day is over.
    DayOver,
    /// Much came after the day had got its final blocks.
    LateData,
    /// Rows were erased.
    Erased,
    /// Somebody asked for it.
    Asked,
}

impl Reason {
    /// Returns the reason as a word, for people and machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Age => "age",
            Self::Late => "late",
            Self::DayOver => "day_over",
            Self::LateData => "late_data",
            Self::Erased => "erased",
            Self::Asked => "asked",
        }
    }

    /// What shortens queries most comes first: many small blocks.
    fn urgency(self) -> u8 {
        match self {
            Self::Asked => 0,
            Self::Count | Self::Late | Self::Age => 1,
            Self::DayOver | Self::LateData => 2,
            Self::Erased => 3,
        }
    }
}

/// A merge that should happen.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) job: MergeJob,
    /// Day of the inputs, or `late`.
    pub(crate) day: String,
    pub(crate) reason: Reason,
    /// Bytes of the inputs.
    pub(crate) bytes: u64,
}

/// What is merged when somebody asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Of this tenant only.
    pub tenant: Option<TenantId>,
    /// Of this signal only.
    pub signal: Option<Signal>,
}

/// What a plan depends on beside the catalog.
pub(crate) struct Planner<'a> {
    pub(crate) options: &'a Compaction,
    pub(crate) now_ms: i64,
    /// When a block was first seen, ms.
    pub(crate) arrived: &'a dyn Fn(&BlockMeta) -> i64,
    /// Everything of this is merged as far as it goes, whatever its age.
    pub(crate) asked: Option<&'a Which>,
    /// Kinds that are merged.
    pub(crate) kinds: &'a [&'a str],
}

/// The blocks of one tenant, signal and kind.
struct Holder<'a> {
    tenant: &'a TenantId,
    signal: Signal,
    kind: &'a str,
    state: &'a State,
    /// In the order of commits, as in each day.
    late: Vec<&'a Arc<BlockMeta>>,
    days: BTreeMap<&'a str, Vec<&'a Arc<BlockMeta>>>,
}

impl Planner<'_> {
    /// Names the merges that should happen now, the most urgent first and tenants in turn.
    pub(crate) fn plan(&self, state: &State) -> Vec<Planned> {
        let mut jobs = Vec::new();
        for holder in self.holders(state) {
            self.plan_late(&holder, &mut jobs);
            for (day, blocks) in &holder.days {
                let before = jobs.len();
                self.plan_day(&holder, day, blocks, &mut jobs);
                self.plan_erased(&holder, day, blocks, before, &mut jobs);
            }
        }
        let mut turns: BTreeMap<(u8, TenantId), usize> = BTreeMap::new();
        let mut turn = |planned: &Planned| {
            let turn = turns.entry((planned.reason.urgency(), planned.job.tenant.clone()));
            let turn = turn.or_default();
            *turn += 1;
            *turn
        };
        let mut jobs: Vec<_> =
            jobs.into_iter().map(|job| ((job.reason.urgency(), turn(&job)), job)).collect();
        jobs.sort_by_key(|(place, _)| *place);
        jobs.into_iter().map(|(_, job)| job).collect()
    }

    fn holders<'s>(&'s self, state: &'s State) -> Vec<Holder<'s>> {
        let mut holders: BTreeMap<_, Holder<'s>> = BTreeMap::new();
        for (partition, entry) in &state.partitions {
            let (tenant, signal) = (&partition.tenant, partition.signal);
            let wanted = self.asked.is_none_or(|which| {
                which.tenant.as_ref().is_none_or(|t| t == tenant)
                    && which.signal.is_none_or(|s| s == signal)
            });
            if !wanted {
                continue;
            }
            for block in &entry.blocks {
                let Some(kind) = self.kinds.iter().find(|kind| **kind == block.kind) else {
                    continue;
                };
                let holder = holders.entry((tenant, signal, kind)).or_insert_with(|| {
                    let (late, days) = (Vec::new(), BTreeMap::new());
                    Holder { tenant, signal, kind, state, late, days }
                });
                if partition.day == LATE {
                    holder.late.push(block);
                } else {
                    holder.days.entry(&partition.day).or_default().push(block);
                }
            }
        }
        holders.into_values().collect()
    }

    /// Splits late blocks by day, as many at once as may be.
    fn plan_late(&self, holder: &Holder<'_>, jobs: &mut Vec<Planned>) {
        let late = &holder.late;
        let memory_max = self.options.memory_max.0;
        let due = self.asked.is_some()
            || late.len() >= self.options.level1_blocks
            || late.iter().any(|block| self.is_old(block))
            || late.iter().any(|block| self.is_erased(holder, block));
        if !due {
            return;
        }
        let reason = if self.asked.is_some() { Reason::Asked } else { Reason::Late };
        let mut runs = vec![LateRun::new(memory_max)];
        // Cuts of one commit stay together: what is merged takes the highest position of all.
        for commit in late.chunk_by(|a, b| a.seq == b.seq) {
            let joined = runs.last().and_then(|run| run.with(holder, commit));
            if let (Some(joined), Some(last)) = (joined, runs.last_mut()) {
                *last = joined;
            } else if let Some(alone) = LateRun::new(memory_max).with(holder, commit) {
                runs.push(alone);
            } else {
                // A single block keeps its rank, so it jumps over nothing.
                runs.extend(commit.iter().map(|block| LateRun::single(block, memory_max)));
            }
        }
        let runs = runs.into_iter().filter(|run| !run.blocks.is_empty());
        jobs.extend(runs.map(|run| holder.job(LATE, 1, reason, run.blocks)));
    }

    fn plan_day<'s>(
        &self,
        holder: &Holder<'s>,
        day: &str,
        blocks: &[&'s Arc<BlockMeta>],
        jobs: &mut Vec<Planned>,
    ) {
        let memory_max = self.options.memory_max.0;
        let row = Row::new(holder, day, blocks);
        let flushed = blocks.iter().filter(|block| block.level == 0).count();
        match self.final_reason(&row, day, blocks) {
            // So many files are not opened at once: first they become fewer.
            Some(reason) if flushed > INPUTS_MAX => {
                for run in row.runs(|block| block.level == 0) {
                    let chunks =
                        chunks(&run, memory_max).into_iter().filter(|chunk| chunk.blocks.len() > 1);
                    jobs.extend(chunks.map(|c| holder.job(day, 1, reason, c.blocks)));
                }
            }
            Some(reason) => {
                for run in row.runs(|_| true) {
                    let chunks = chunks(&run, memory_max).into_iter();
                    let unfinished = |c: &Chunk<'_>| c.blocks.iter().any(|b| b.level < FINAL);
                    let chunks = chunks.filter(unfinished);
                    jobs.extend(chunks.map(|c| holder.job(day, FINAL, reason, c.blocks)));
                }
            }
            None => {
                for run in row.runs(|block| block.level == 0) {
                    for chunk in chunks(&run, memory_max) {
                        if let Some(reason) = self.first_reason(&chunk) {
                            jobs.push(holder.job(day, 1, reason, chunk.blocks));
                        }
                    }
                }
            }
        }
    }

    /// Returns why a run of flushed blocks is to be merged.
    fn first_reason(&self, chunk: &Chunk<'_>) -> Option<Reason> {
        let count = chunk.blocks.len();
        if count >= self.options.level1_blocks.max(2) || (chunk.full && count > 1) {
            Some(Reason::Count)
        } else if count > 1 && chunk.blocks.iter().any(|block| self.is_old(block)) {
            Some(Reason::Age)
        } else {
            None
        }
    }

    /// Returns why a day is to get its final blocks.
    fn final_reason(&self, row: &Row<'_>, day: &str, blocks: &[&Arc<BlockMeta>]) -> Option<Reason> {
        let rest = || blocks.iter().filter(|block| block.level < FINAL);
        // Blocks on both sides of a late one would end in different files for good; and who asks for
        // everything waits until late blocks are split.
        let waits = row.is_parted() || (self.asked.is_some() && row.has_late());
        if waits || rest().next().is_none() {
            return None;
        }
        if self.asked.is_some() {
            return Some(Reason::Asked);
        }
        let delay = millis(self.options.level2_delay);
        let over = *day < *day_name(day_of(self.now_ms.saturating_sub(delay)));
        let quiet = rest().all(|b| (self.arrived)(b).saturating_add(delay) <= self.now_ms);
        let crowded = blocks.len() > FILES_MAX;
        if !over || !(quiet || crowded) {
            return None;
        }
        let bytes = |blocks: &mut dyn Iterator<Item = &&Arc<BlockMeta>>| -> u64 {
            blocks.map(|block| block.bytes).sum()
        };
        let (late, all) = (bytes(&mut rest()), bytes(&mut blocks.iter()));
        if rest().count() == blocks.len() {
            Some(Reason::DayOver)
        } else if crowded || late >= all / 100 * LATE_PERCENT {
            Some(Reason::LateData)
        } else {
            None
        }
    }

    /// Rewrites what no other job of the day takes.
    fn plan_erased(
        &self,
        holder: &Holder<'_>,
        day: &str,
        blocks: &[&Arc<BlockMeta>],
        before: usize,
        jobs: &mut Vec<Planned>,
    ) {
        for block in blocks {
            let planned = &jobs[before..];
            let taken = planned.iter().any(|p| p.job.inputs.iter().any(|b| Arc::ptr_eq(b, block)));
            if !taken && self.is_erased(holder, block) {
                jobs.push(holder.job(day, block.level.max(1), Reason::Erased, vec![*block]));
            }
        }
    }

    /// Returns whether a block is to be rewritten because it holds erased rows.
    fn is_erased(&self, holder: &Holder<'_>, block: &BlockMeta) -> bool {
        let due = |time_ms: i64| time_ms.saturating_add(ERASE_WAIT_MS) <= self.now_ms;
        holder.state.erased().any(|tombstone| {
            (self.asked.is_some() || due(tombstone.time_ms)) && tombstone.covers(block)
        })
    }

    fn is_old(&self, block: &BlockMeta) -> bool {
        let age = millis(self.options.level1_age);
        (self.arrived)(block).saturating_add(age) <= self.now_ms
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Holder<'_> {
    fn job(&self, day: &str, level: u8, reason: Reason, blocks: Vec<&Arc<BlockMeta>>) -> Planned {
        let inputs: Vec<Arc<BlockMeta>> = blocks.into_iter().map(Arc::clone).collect();
        let erased = inputs.iter().map(|block| self.state.erased_in(block)).collect();
        let bytes = inputs.iter().map(|block| block.bytes).sum();
        let (tenant, signal, kind) = (self.tenant.clone(), self.signal, self.kind.to_owned());
        let job = MergeJob { tenant, signal, kind, level, inputs, erased };
        Planned { job, day: day.to_owned(), reason, bytes }
    }
}

/// Late blocks that are merged at once.
#[derive(Clone, Default)]
struct LateRun<'a> {
    blocks: Vec<&'a Arc<BlockMeta>>,
    bytes: u64,
    /// What a merge may hold.
    memory_max: u64,
    /// For each day the lowest rank of a block that holds rows of it.
    lowest: BTreeMap<&'a str, (u64, u64)>,
}

impl<'a> LateRun<'a> {
    fn new(memory_max: u64) -> Self {
        Self { memory_max, ..Self::default() }
    }

    fn single(block: &'a Arc<BlockMeta>, memory_max: u64) -> Self {
        let mut run = Self::new(memory_max);
        run.take(block);
        run
    }

    /// Returns the run with the late blocks of one more commit. All its rows will rank as the last
    /// ones do, so no block of one of its days may lie in between: then `None`.
    fn with(&self, holder: &Holder<'_>, commit: &[&'a Arc<BlockMeta>]) -> Option<Self> {
        let mut next = self.clone();
        commit.iter().for_each(|block| next.take(block));
        let seq = commit.last()?.seq;
        let jumped = |(day, lowest): (&&str, &(u64, u64))| {
            let Some(blocks) = holder.days.get(day) else { return false };
            let after = blocks.partition_point(|b| rank(b) <= *lowest);
            blocks.get(after).is_some_and(|b| b.seq <= seq)
        };
        let room = next.blocks.len() <= INPUTS_MAX && next.bytes <= INPUT_BYTES_MAX;
        let single = next.blocks.len() == 1;
        ((room || single) && !next.lowest.iter().any(jumped)).then_some(next)
    }

    fn take(&mut self, block: &'a Arc<BlockMeta>) {
        self.blocks.push(block);
        self.bytes = self.bytes.saturating_add(load(block, self.memory_max));
        for day in &block.days {
            self.lowest.entry(day).or_insert_with(|| rank(block));
        }
    }
}

/// All blocks that hold rows of one day, in the order of commits.
struct Row<'a> {
    blocks: Vec<&'a Arc<BlockMeta>>,
}

impl<'a> Row<'a> {
    fn new(holder: &Holder<'a>, day: &str, blocks: &[&'a Arc<BlockMeta>]) -> Self {
        let late = holder.late.iter().filter(|block| block.days.iter().any(|d| d == day));
        let mut blocks: Vec<&Arc<BlockMeta>> = blocks.iter().chain(late).copied().collect();
        blocks.sort_by_key(|block| rank(block));
        Self { blocks }
    }

    fn has_late(&self) -> bool {
        self.blocks.iter().any(|block| block.day == LATE)
    }

    /// Returns whether a late block lies between blocks of the day.
    fn is_parted(&self) -> bool {
        let late = |block: &&&Arc<BlockMeta>| block.day == LATE;
        let mut rest = self.blocks.iter().skip_while(late).skip_while(|block| !late(block));
        rest.any(|block| !late(&block))
    }

    /// Returns the longest runs of neighbours that satisfy `wanted`, without late blocks. Cuts of one
    /// commit are not torn apart.
    fn runs(&self, wanted: impl Fn(&BlockMeta) -> bool) -> Vec<Vec<&'a Arc<BlockMeta>>> {
        let takes = |block: &BlockMeta| block.day != LATE && wanted(block);
        let mut runs = Vec::new();
        let mut from = 0;
        while from < self.blocks.len() {
            let to = from + self.blocks[from..].iter().take_while(|block| takes(block)).count();
            let (mut first, mut end) = (from, to);
            while first < end && first > 0 && one_commit(self.blocks[first - 1], self.blocks[first])
            {
                first += 1;
            }
            while first < end
                && end < self.blocks.len()
                && one_commit(self.blocks[end - 1], self.blocks[end])
            {
                end -= 1;
            }
            if first < end {
                runs.push(self.blocks[first..end].to_vec());
            }
            from = to.max(from + 1);
        }
        runs
    }
}

/// Returns whether two neighbours are different cuts of one commit: a merge with only one of them
/// could rank above the other.
fn one_commit(a: &BlockMeta, b: &BlockMeta) -> bool {
    a.seq == b.seq && rank(a) != rank(b)
}

/// What one merge takes of a run.
struct Chunk<'a> {
    blocks: Vec<&'a Arc<BlockMeta>>,
    /// More would not fit.
    full: bool,
}

/// Returns what a block counts for among the inputs of one merge.
fn load(block: &BlockMeta, memory_max: u64) -> u64 {
    if block.kind != Table::Spans.as_str() {
        return block.bytes;
    }
    // As a share of the memory, for as many bytes of input as may come at most.
    let needed = u128::from(block.rows) * u128::from(SPAN_BYTES) * u128::from(INPUT_BYTES_MAX);
    let least = needed / u128::from(memory_max.max(1));
    block.bytes.max(u64::try_from(least).unwrap_or(u64::MAX))
}

/// Cuts a run into what single merges can take.
fn chunks<'a>(run: &[&'a Arc<BlockMeta>], memory_max: u64) -> Vec<Chunk<'a>> {
    let mut chunks = Vec::new();
    let (mut blocks, mut bytes) = (Vec::<&'a Arc<BlockMeta>>::new(), 0u64);
    for block in run {
        let room = blocks.len() < INPUTS_MAX
            && bytes.saturating_add(load(block, memory_max)) <= INPUT_BYTES_MAX;
        if let Some(last) = blocks.last()
            && !room
            && !one_commit(last, block)
        {
            chunks.push(Chunk { blocks: std::mem::take(&mut blocks), full: true });
            bytes = 0;
        }
        bytes = bytes.saturating_add(load(block, memory_max));
        blocks.push(block);
    }
    if !blocks.is_empty() {
        chunks.push(Chunk { blocks, full: false });
    }
    chunks
}

#[cfg(test)]
mod tests;
