//! `tarn block list`: the live blocks of a catalog version, one a line.

use std::io::Write;

use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;

use crate::catalog::State;

/// Prints the live blocks of one tenant, or of all.
///
/// # Errors
/// `Internal` where `out` cannot be written.
pub fn print(state: &State, tenant: Option<&TenantId>, out: &mut impl Write) -> Result<()> {
    let failed = |e: std::io::Error| Error::internal("print the blocks").with_source(e);
    let (mut blocks, mut bytes, mut samples) = (0u64, 0u64, 0u64);
    for (holder, signal) in state.holders() {
        if tenant.is_some_and(|wanted| *wanted != holder) {
            continue;
        }
        for block in state.blocks(&holder, signal) {
            blocks += 1;
            bytes += block.bytes;
            samples += block.samples;
            writeln!(
                out,
                "{} bytes {} rows {} samples {} series {} time {}..{}{}",
                block.object,
                block.bytes,
                block.rows,
                block.samples,
                block.series,
                block.time_min_ms,
                block.time_max_ms,
                if block.overlaps { " overlaps" } else { "" },
            )
            .map_err(failed)?;
        }
    }
    let version = state.version();
    writeln!(out, "{blocks} blocks, {samples} samples, {bytes} bytes in manifest {version}")
        .map_err(failed)
}
