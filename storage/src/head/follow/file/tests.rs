use super::{Positions, decode, encode};
use crate::wal::Lsn;

#[test]
fn what_is_written_is_read_and_any_flipped_bit_is_found() {
    let positions = [("spans".to_owned(), Lsn(7)), ("slo".to_owned(), Lsn(1 << 40))];
    let boundaries = [Lsn(3), Lsn(5)];
    let written = Positions { positions: positions.into(), boundaries: boundaries.into() };
    let bytes = encode(&written);
    assert_eq!(decode(&bytes), Some(written));
    assert_eq!(decode(&encode(&Positions::default())), Some(Positions::default()));
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode(&bad), None, "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert_eq!(decode(&bytes[..len]), None, "{len} bytes");
    }
}
