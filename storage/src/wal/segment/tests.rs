use super::*;

const HEADER: SegmentHeader =
    SegmentHeader { writer_id: 11, epoch: 12, number: 13, first: Lsn(14), durable: Lsn(13) };

/// COR-1: every flipped bit of a segment header is noticed, its zeros included.
#[test]
fn cor_1_a_segment_header_is_read_back_or_refused() {
    let bytes = HEADER.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Ok(HEADER));
    for bit in 0..SECTOR * 8 {
        let mut bad = bytes;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
    }
    assert_eq!(SegmentHeader::decode(&bytes[..100]), Err(HeaderError::Magic));
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = HEADER.encode();
    bytes[8] = 9;
    assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::Version(9)));
}

/// COR-1: every flipped bit of a group header is noticed.
#[test]
fn cor_1_a_group_header_is_read_back_or_refused() {
    for kind in [GroupKind::Rows, GroupKind::Witness, GroupKind::Seal] {
        let group = GroupHeader { first: Lsn(20), durable: Lsn(19), bytes: 1000, count: 3, kind };
        let bytes = group.encode(HEADER.number, HEADER.seed());
        assert_eq!(GroupHeader::decode(&bytes, HEADER.number, HEADER.seed()), Some(group));
        assert_eq!((group.next(), group.span()), (Lsn(23), 1536));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(GroupHeader::decode(&bad, HEADER.number, HEADER.seed()), None, "bit {bit}");
        }
    }
}
