use super::*;

#[test]
fn an_image_is_read_back() {
    for image in [&b""[..], b"state", &[7; 100_000]] {
        let bytes = encode(Lsn(42), image).unwrap();
        assert_eq!(decode(Lsn(42), &bytes).unwrap(), image);
    }
}

/// COR-1: every single flipped bit and every cut is noticed.
#[test]
fn cor_1_every_flipped_bit_is_noticed() {
    let whole = encode(Lsn(42), b"what alerting remembers").unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = decode(Lsn(42), &bad).unwrap_err();
        assert_eq!(error.kind(), tarn_model::error::ErrorKind::Corrupt, "bit {bit}: {error}");
    }
    for len in 0..whole.len() {
        assert!(decode(Lsn(42), &whole[..len]).is_err(), "{len} bytes");
    }
    assert!(decode(Lsn(43), &whole).is_err());
}

#[test]
fn a_newer_version_is_told() {
    let mut bytes = encode(Lsn(42), b"state").unwrap();
    bytes[8] = 2;
    let crc = checksum(&bytes).to_le_bytes();
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc);
    let error = decode(Lsn(42), &bytes).unwrap_err();
    assert_eq!(error.kind(), tarn_model::error::ErrorKind::Invalid);
    assert!(error.message().contains("version 2"), "{error}");
}
