use std::path::Path;

use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;

use super::*;
use crate::file::{OpenHow, RealDisk, read_whole};
use crate::wal::Payload;

fn header() -> Header {
    Header {
        tenant: "team-a".to_owned(),
        signal: "logs".to_owned(),
        day: "2026-11-21".to_owned(),
        days: Vec::new(),
        lsn: LsnRange { writer: "0a".repeat(16), epoch: 3, lo: 7, hi: 9 },
        time_ms: 1_795_262_400_000,
        error: "panicked: at the rows".to_owned(),
    }
}

fn object() -> Bytes {
    let mut records = Vec::new();
    for lsn in [7, 9] {
        let bytes = Bytes::from(vec![lsn as u8; 100]);
        let payloads = vec![Payload { signal: Signal::Logs, schema: 3, bytes }];
        let tenant = Some(TenantId::parse("team-a").unwrap());
        let record = RecordBuilder { tenant, payloads, ..Default::default() };
        wal::write_record(Lsn(lsn), &record, &mut records).unwrap();
    }
    seal(&header(), &records).unwrap()
}

/// An object of version 1 opens, today and for ever. `TARN_UPDATE=1` writes it where it is absent.
#[test]
fn a_raw_object_of_version_1_opens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat/v1/raw");
    let file = folder.join("logs.raw");
    if std::env::var_os("TARN_UPDATE").is_some() && !folder.try_exists().unwrap_or(false) {
        RealDisk.create_dir_all(&folder).unwrap();
        let new = RealDisk.open(&file, OpenHow::CreateNew).unwrap();
        new.write_at(&object(), 0).unwrap();
    }
    let bytes = read_whole(&RealDisk, &file, 1 << 20).expect("the golden file is there");
    let (found, records) = open(&Bytes::from(bytes)).unwrap();
    assert_eq!(found, header());
    let told: Vec<_> = records.iter().map(|r| (r.lsn.0, r.tenant.as_str())).collect();
    assert_eq!(told, [(7, "team-a"), (9, "team-a")]);
    assert_eq!(records[1].payloads[0].bytes, vec![9; 100]);
}

/// COR-1: what is not whole is not taken for records.
#[test]
fn cor_1_a_damaged_object_is_refused() {
    let whole = object();
    let (_, first) = open(&whole).unwrap();
    assert_eq!(first.len(), 2);
    for len in 0..whole.len() {
        let found = open(&whole.slice(..len)).map_or(0, |(_, records)| records.len());
        assert!(found < 2, "{len} bytes");
    }
    let begin = whole.len() - 100;
    for at in begin..whole.len() {
        let mut bad = whole.to_vec();
        bad[at] ^= 1;
        assert!(open(&Bytes::from(bad)).is_err(), "byte {at}");
    }
}
