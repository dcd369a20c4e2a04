//! What a flush writes beside slices: exemplars, and metadata of metric families.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_model::error::Result;
use tarn_model::labels::LabelSet;
use tarn_model::map::HashMap;
use tarn_model::sample::{Exemplar, Metadata};
use tarn_model::signal::Signal;

use crate::block::columns::LabelColumns;
use crate::block::extras::{ExemplarWriter, Family, write_families};
use crate::block::seal::NewBlock;
use crate::flush::build::Maker;
use crate::flush::cut::day_of;
use crate::flush::pieces::{Days, Pieces};
use crate::schema::SortKey;

impl Maker<'_> {
    /// Writes the exemplars, day by day.
    pub(super) fn exemplars(&self, pieces: &mut Pieces) {
        let mut days: BTreeMap<i64, Vec<(LabelSet, Exemplar)>> = BTreeMap::new();
        for (entry, exemplar) in self.part.columns.exemplars() {
            let day = days.entry(day_of(exemplar.time_ms)).or_default();
            day.push((entry.labels(), exemplar));
        }
        for (shard, (day, mut rows)) in days.into_iter().enumerate() {
            rows.sort_by(|(a, x), (b, y)| {
                SortKey::new(a).cmp(&SortKey::new(b)).then(x.time_ms.cmp(&y.time_ms))
            });
            pieces.add((&self.part.head.id, Signal::Metrics), Days::one(day), || {
                self.exemplar_block(day, shard as u32, &rows)
            });
        }
    }

    fn exemplar_block(
        &self,
        day: i64,
        shard: u32,
        rows: &[(LabelSet, Exemplar)],
    ) -> Result<NewBlock> {
        let mut used: HashMap<Arc<str>, u64> = HashMap::default();
        for (labels, _) in rows {
            labels.iter().for_each(|l| *used.entry(Arc::clone(&l.name)).or_default() += 1);
        }
        let mut writer = ExemplarWriter::begin(LabelColumns::choose(&used))?;
        writer.write(rows)?;
        writer.finish(&self.origin(Days::one(day), shard))
    }

    /// Writes the metadata that is new.
    pub(super) fn families(&self, pieces: &mut Pieces) {
        let latest: BTreeMap<Arc<str>, Metadata> =
            self.part.columns.families().into_iter().collect();
        if latest.is_empty() {
            return;
        }
        let now_ms = self.context.now_ms;
        let family = |(metric, metadata)| Family {
            metric,
            metadata,
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
        };
        let families: Vec<Family> = latest.into_iter().map(family).collect();
        let today = Days::one(self.today());
        pieces.add((&self.part.head.id, Signal::Metrics), today.clone(), || {
            write_families(&families, &self.origin(today, 0))
        });
    }
}
