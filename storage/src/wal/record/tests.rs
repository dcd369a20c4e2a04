use super::*;

fn sample() -> RecordBuilder {
    let payload = |signal, schema, bytes: &'static [u8]| Payload {
        signal,
        schema,
        bytes: Bytes::from_static(bytes),
    };
    RecordBuilder {
        tenant: Some(TenantId::parse("team-a").unwrap()),
        request_hash: 7,
        counts: ReplyCounts { floats: 1, histograms: 2, exemplars: 3, rejected: 4 },
        payloads: vec![
            payload(Signal::Metrics, 1, b"floats"),
            payload(Signal::Traces, 900, b""),
            payload(Signal::Logs, 3, b"lines"),
        ],
        entries: Bytes::new(),
    }
}

fn sealed(lsn: Lsn, seed: Seed) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(lsn, &sample(), &mut bytes).unwrap();
    assert!(seal(&mut bytes, seed).is_empty());
    bytes
}

#[test]
fn a_record_is_read_back() {
    let seed = Seed::new(1, 2, 3);
    let bytes = sealed(Lsn(42), seed);
    assert_eq!(check(&bytes, seed, Lsn(42)), Some(bytes.len()));
    let record = decode(&Bytes::from(bytes)).unwrap();
    let expected = sample();
    assert_eq!(record.lsn, Lsn(42));
    assert_eq!(Some(record.tenant), expected.tenant);
    assert_eq!((record.request_hash, record.counts), (7, expected.counts));
    assert_eq!(record.payloads, expected.payloads);
}

/// COR-1: a record of another segment, start, folder or place does not pass.
#[test]
fn cor_1_a_misplaced_record_is_refused() {
    let bytes = sealed(Lsn(42), Seed::new(1, 2, 3));
    for seed in [Seed::new(9, 2, 3), Seed::new(1, 9, 3), Seed::new(1, 2, 9)] {
        assert_eq!(check(&bytes, seed, Lsn(42)), None);
    }
    assert_eq!(check(&bytes, Seed::new(1, 2, 3), Lsn(43)), None);
}

/// COR-1: every single flipped bit of a record is noticed.
#[test]
fn cor_1_every_flipped_bit_is_noticed() {
    let seed = Seed::new(1, 2, 3);
    let good = sealed(Lsn(42), seed);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&bad, seed, Lsn(42)), None, "bit {bit}");
    }
    for len in 0..good.len() {
        assert_eq!(check(&good[..len], seed, Lsn(42)), None, "cut to {len}");
    }
}

#[test]
fn what_cannot_be_a_record_is_refused_and_leaves_no_trace() {
    let mut bytes = b"before".to_vec();
    let unnamed = RecordBuilder::default();
    assert!(encode(Lsn(1), &unnamed, &mut bytes).is_err());
    let mut crowded = sample();
    crowded.payloads = vec![crowded.payloads[1].clone(); 70_000];
    assert!(encode(Lsn(1), &crowded, &mut bytes).is_err());
    assert_eq!(bytes, b"before");
}
