use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ascii");
            u8::from_str_radix(pair, 16).expect("hex")
        })
        .collect()
}

#[test]
fn numbers_of_every_length() {
    for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
        let mut bytes = Vec::new();
        prost::encoding::encode_varint(value, &mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.varint(), Ok(value));
        assert!(reader.is_empty());
        for cut in 0..bytes.len() {
            let cut = bytes.get(..cut).expect("shorter");
            assert!(Reader::new(cut).varint().is_err(), "{value} cut to {} bytes", cut.len());
        }
    }
}

#[test]
fn numbers_that_are_none() {
    for (bytes, what) in [
        ("ffffffffffffffffff02", "a number is longer than 64 bits"),
        ("ffffffffffffffffffff01", "a number is longer than 64 bits"),
        ("80", "the message ends inside a number"),
    ] {
        let error = Reader::new(&hex(bytes)).varint().expect_err(bytes);
        assert_eq!((error.what, error.offset), (what, 0));
    }
}

#[test]
fn tags_that_are_none() {
    for (bytes, what) in [
        ("0e", "a wire type is unknown"),
        ("07", "a wire type is unknown"),
        ("02", "a field number is 0"),
        ("8280808010", "a field number is too large"),
    ] {
        assert_eq!(Reader::new(&hex(bytes)).tag().expect_err(bytes).what, what);
    }
}

/// Skips all fields of a body, as a message of which no field is known.
fn skip_all(bytes: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let (number, wire) = reader.tag()?;
        reader.skip(number, wire, DEPTH_MAX)?;
    }
    Ok(())
}

#[test]
fn unknown_fields_are_skipped_by_their_type() {
    for good in
        ["", "0801", "0d00000000", "090000000000000000", "1203616263", "0b08010c", "0b131 40c"]
    {
        assert_eq!(skip_all(&hex(good)), Ok(()), "{good}");
    }
    for bad in ["08", "0d000000", "0900", "12036162", "0b0801", "0c", "0b14", "0b0813"] {
        assert!(skip_all(&hex(bad)).is_err(), "{bad}");
    }
}

#[test]
fn groups_nest_as_deep_as_elsewhere() {
    for (depth, ok) in [(100, true), (101, false), (100_000, false)] {
        let mut bytes = vec![0x0b; depth];
        bytes.extend(vec![0x0c; depth]);
        assert_eq!(skip_all(&bytes).is_ok(), ok, "{depth}");
    }
}

#[test]
fn a_length_never_leaves_its_message() {
    // A message of 3 bytes, in it a field that claims 4; two more bytes follow outside.
    let bytes = hex("0a03 0a04 61 6263");
    let mut outer = Reader::new(&bytes);
    let (_, wire) = outer.tag().expect("tag");
    let mut inner = outer.message(wire).expect("message");
    let (_, wire) = inner.tag().expect("tag");
    let error = inner.bytes(wire).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "protobuf is broken at byte 3: a length points beyond the end of its message"
    );
    let far = hex("0affffffffffffffffff01");
    let mut far = Reader::new(&far);
    let (_, wire) = far.tag().expect("tag");
    assert!(far.bytes(wire).is_err());
}
