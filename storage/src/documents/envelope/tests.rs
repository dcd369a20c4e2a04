use tarn_model::error::ErrorKind;
use tarn_model::tenant::TenantId;
use xxhash_rust::xxh3::xxh3_128;

use super::*;

fn revision() -> Revision {
    Revision {
        number: 7,
        at_ms: 1_795_262_400_000,
        author: "anna".to_owned(),
        hash: xxh3_128(b"groups: []"),
        deleted: false,
    }
}

fn sealed() -> Bytes {
    let tenant = TenantId::default_tenant();
    let id = Id { tenant: &tenant, kind: "rules", name: "a/b;c" };
    seal(id, &revision(), 42, b"groups: []").unwrap()
}

#[test]
fn a_revision_is_read_back() {
    let (owner, document) = open(&sealed()).unwrap();
    assert_eq!((owner.tenant.as_str(), owner.kind.as_str()), ("default", "rules"));
    assert_eq!(document.name, "a/b;c");
    assert_eq!(document.revision, revision());
    assert_eq!(document.body, "groups: []");
}

/// COR-1: every single flipped bit and every cut is noticed.
#[test]
fn cor_1_every_flipped_bit_is_noticed() {
    let whole = sealed();
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&Bytes::from(bad)).unwrap_err().kind(), ErrorKind::Corrupt, "bit {bit}");
    }
    for len in 0..whole.len() {
        assert!(open(&whole.slice(..len)).is_err(), "{len} bytes");
    }
}
