//! Round trips, and COR-1 for every bit of a sealed object.

use tarn_model::error::ErrorKind;

use super::*;

fn manifest() -> Manifest {
    Manifest {
        number: 42,
        time_ms: 1_763_725_000_000,
        writer: "00".repeat(16),
        epoch: 3,
        nonce: "11".repeat(16),
        predecessor: "22".repeat(16),
        cuts: vec![LsnRange { writer: "00".repeat(16), epoch: 3, lo: 1, hi: 9 }],
        added: Vec::new(),
        removed: vec!["blocks/x".to_owned()],
        condemned: Vec::new(),
        writers: vec![WriterUpdate {
            id: "00".repeat(16),
            state: WriterState::Live,
            epoch: 3,
            label: "laptop".to_owned(),
        }],
        checkpoint: Some(CheckpointRef { number: 7, object: "checkpoints/y".to_owned() }),
        ..Manifest::default()
    }
}

#[test]
fn a_sealed_manifest_opens() {
    let sealed = seal(Magic::Manifest, &manifest()).expect("seals");
    let opened: Manifest = open(Magic::Manifest, "m", &sealed).expect("opens");
    assert_eq!(opened, manifest());
}

#[test]
fn cor_1_every_flipped_bit_and_every_cut_is_found() {
    let sealed = seal(Magic::Manifest, &manifest()).expect("seals");
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = open::<Manifest>(Magic::Manifest, "m", &damaged).expect_err("found");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}: {error:?}");
        assert!(error.message().starts_with("m is damaged"), "{error:?}");
    }
    for len in 0..sealed.len() {
        assert!(open::<Manifest>(Magic::Manifest, "m", &sealed[..len]).is_err(), "length {len}");
    }
    let mut longer = sealed.to_vec();
    longer.push(0);
    assert!(open::<Manifest>(Magic::Manifest, "m", &longer).is_err());
}

#[test]
fn other_kinds_and_newer_versions_are_told_apart() {
    let sealed = seal(Magic::Page, &Page { blocks: Vec::new() }).expect("seals");
    let error = open::<Manifest>(Magic::Manifest, "m", &sealed).expect_err("a page");
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    let mut newer = sealed.to_vec();
    newer[8] = 2;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&newer[..CRC_AT]), &newer[HEADER_BYTES..]);
    newer[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    let error = open::<Page>(Magic::Page, "p", &newer).expect_err("newer");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.message(), "p has format 2, this version reads 1");
}
