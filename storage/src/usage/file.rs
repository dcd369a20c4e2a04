//! `usage`: counts on disk, as JSON.
//!
//! Written under another name, synced, renamed. One that is absent or damaged is an empty one.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use super::{KEYS_MAX, Usage};
use crate::file::{Disk, OpenHow};
use crate::paths::DataDir;

/// Bytes of the file at most: thousands of tenants.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    day: i64,
    asked: Vec<Asked>,
}

/// What one tenant asked of one signal.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    tenant: String,
    signal: String,
    keys: BTreeMap<String, u64>,
}

/// Writes all counts, if they changed since.
///
/// # Errors
/// What the disk says; the file is as before then.
pub(crate) fn save(usage: &Usage, dir: &DataDir, disk: &dyn Disk) -> io::Result<()> {
    let mut counts = usage.counts.lock();
    if !counts.changed {
        return Ok(());
    }
    let asked = counts.keys.iter().map(|((tenant, signal), keys)| Asked {
        tenant: tenant.to_string(),
        signal: signal.to_string(),
        keys: keys.clone(),
    });
    let bytes = serde_json::to_vec(&File { day: counts.day, asked: asked.collect() })?;
    counts.changed = false;
    drop(counts);
    let written = write(&bytes, dir, disk);
    if written.is_err() {
        usage.counts.lock().changed = true;
    }
    written
}

fn write(bytes: &[u8], dir: &DataDir, disk: &dyn Disk) -> io::Result<()> {
    let temp = dir.usage_temp();
    match disk.remove(&temp) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let file = disk.open(&temp, OpenHow::CreateNew)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&temp, &dir.usage())?;
    disk.sync_dir(dir.root())
}

/// Takes over what an earlier life has written.
pub(crate) fn load(usage: &Usage, dir: &DataDir, disk: &dyn Disk) {
    match read(dir, disk) {
        Ok(file) => restore(usage, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let path = dir.usage();
            tracing::warn!(path = %path.display(), %error, "what queries asked for is forgotten");
        }
    }
}

fn read(dir: &DataDir, disk: &dyn Disk) -> io::Result<File> {
    let file = disk.open(&dir.usage(), OpenHow::Read)?;
    let len = file.len()?;
    if len > BYTES_MAX {
        return Err(io::Error::other(format!("{len} bytes, limit is {BYTES_MAX}")));
    }
    let mut bytes = vec![0; len as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn restore(usage: &Usage, file: File) {
    let mut counts = usage.counts.lock();
    counts.day = file.day;
    for Asked { tenant, signal, keys } in file.asked {
        let (tenant, signal) = (TenantId::parse(&tenant), Signal::parse(&signal));
        let (Ok(tenant), Some(signal)) = (tenant, signal) else { continue };
        let own = counts.keys.entry((tenant, signal)).or_default();
        for (key, count) in keys {
            if own.len() < KEYS_MAX {
                *own.entry(key).or_default() += count;
            }
        }
    }
}
