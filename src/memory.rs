//! What the process takes from the system: how the allocator behaves, and how much is in memory.
//!
//! Pages that were freed stay with the allocator for a while, because who frees often allocates again
//! at once. jemalloc keeps them for ten seconds, in one of several arenas, where they serve nobody
//! else: large requests and large queries that come one after the other would hold the sum of what
//! each of them needed. Here they go back sooner, on a thread of the allocator's own, and at once
//! where memory runs short ([`trim`]).

use tarn_query::ProcessMemory;
use tikv_jemalloc_ctl::{Access, AsName as _, Mib, Result, arenas, background_thread};
use tracing::debug;

/// How long the allocator keeps pages that were freed, in ms. Longer than the pause between two
/// requests of a busy sender, whose buffers are taken from them; short beside what a storm needs to
/// bring memory to its bound.
const KEPT_MS: isize = 500;

/// What queries are told of the process.
pub(crate) const OF_PROCESS: ProcessMemory = ProcessMemory { resident, trim };

/// Sets the allocator up. To be called before threads are started, which take arenas.
pub(crate) fn set_up() {
    let set = || -> Result<()> {
        b"arenas.dirty_decay_ms\0".name().write(KEPT_MS)?;
        each_arena(|arena| arena.write(KEPT_MS))?;
        background_thread::write(true)
    };
    if let Err(e) = set() {
        // It works, and holds more memory for longer.
        debug!(error = %e, "the allocator keeps its own settings");
    }
}

/// Gives back all pages that were freed.
fn trim() {
    let trimmed = each_arena(|arena| {
        // A time of 0 takes effect when it is set.
        arena.write(0_isize)?;
        arena.write(KEPT_MS)
    });
    if let Err(e) = trimmed {
        debug!(error = %e, "the allocator could not be told to give pages back");
    }
}

/// Calls `act` with the time that each arena keeps pages for. The one for the largest pieces keeps none;
/// arenas that no thread has taken yet do not exist, and refuse.
fn each_arena(act: impl Fn(&Mib<[usize; 3]>) -> Result<()>) -> Result<()> {
    let mut arena: Mib<[usize; 3]> = b"arena.0.dirty_decay_ms\0".name().mib()?;
    for number in 0..arenas::narenas::read()? {
        arena[1] = number as usize;
        if Access::<isize>::read(&arena).is_ok_and(|kept_ms| kept_ms != 0) {
            act(&arena)?;
        }
    }
    Ok(())
}

/// Returns how many bytes the process has in memory, its code included; 0 where the system does not
/// tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::{resident, set_up, trim};

    /// Memory of the process before, with and after many pieces of a page, which the allocator would keep.
    fn measured(bytes: usize) -> [u64; 3] {
        let before = resident();
        let pieces: Vec<Vec<u8>> = (0..bytes / 4096).map(|n| vec![n as u8 | 1; 4096]).collect();
        let held = resident();
        drop(pieces);
        trim();
        [before, held, resident()]
    }

    #[test]
    fn freed_memory_goes_back_when_it_is_trimmed() {
        const MANY: usize = 64 << 20;
        const MOST: u64 = (MANY / 2) as u64;
        set_up();
        assert!(resident() > 1 << 20);
        // Other tests of this process take and give memory meanwhile.
        let mut seen = Vec::new();
        let goes_back = (0..20).any(|_| {
            let [before, held, after] = measured(MANY);
            seen.push([before, held, after]);
            held >= before + MOST && after + MOST <= held
        });
        assert!(goes_back, "{seen:?}");
    }
}
