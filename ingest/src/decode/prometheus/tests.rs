use super::*;

/// Bits of the value, time, start.
type Sample = (u64, i64, i64);

/// Decodes a sample from hex.
fn decoded(bytes: &[u8], with_start: bool) -> Result<Sample, WireError> {
    sample(Reader::new(bytes), with_start).map(|s| (s.value.to_bits(), s.time_ms, s.start_ms))
}

#[test]
fn samples_in_every_form() {
    let one = 1.0f64.to_bits();
    let double = [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
    let usual = [&double[..], &[0x10, 0x05]].concat();
    let reversed = [&[0x10, 0x05][..], &double].concat();
    let start = [&usual[..], &[0x18, 0x03]].concat();
    let twice = [&usual[..], &[0x10, 0x07]].concat();
    let cases: &[(&[u8], bool, Sample)] = &[
        (&usual, false, (one, 5, 0)),
        (&reversed, false, (one, 5, 0)),
        (&[], true, (0, 0, 0)),
        (&[0x10, 0x05], true, (0, 5, 0)),
        (&double, true, (one, 0, 0)),
        (&start, true, (one, 5, 3)),
        // 1.0 has no start: an unknown field.
        (&start, false, (one, 5, 0)),
        (&twice, true, (one, 7, 0)),
    ];
    for (bytes, with_start, expected) in cases {
        assert_eq!(decoded(bytes, *with_start), Ok(*expected), "{bytes:x?}");
    }
    let (cut_double, cut_time) = (double.split_at(5).0, usual.split_at(10).0);
    for bad in [cut_double, cut_time, &[0x11, 0, 0, 0, 0, 0, 0, 0, 0], &[0x08, 0]] {
        assert!(decoded(bad, true).is_err(), "{bad:x?}");
    }
}

#[test]
fn nan_payloads_pass_untouched() {
    for bits in [tarn_model::sample::STALE_NAN_BITS, 0x7ff8_0000_0000_0001, 1 << 63] {
        let mut bytes = vec![0x09];
        bytes.extend(u64::to_le_bytes(bits));
        bytes.extend([0x10, 0x05]);
        assert_eq!(decoded(&bytes, false), Ok((bits, 5, 0)));
    }
}

#[test]
fn metadata_is_checked_and_long_help_is_cut() {
    let limits = Limits { label_value_bytes_max: 10, ..Limits::default() };
    let parse = |family: &[u8], help: &[u8]| {
        family_metadata(family, MetricType::Counter, help, b"s", &limits)
    };
    let (family, metadata) = parse(b"up", "äöüäöüäöü".as_bytes()).expect("valid");
    assert_eq!((family.as_str(), &*metadata.help, &*metadata.unit), ("up", "äöüäö", "s"));
    for (family, help) in
        [(&b""[..], &b""[..]), (b"\xff", b""), (b"up", b"\0"), (b"01234567890", b"")]
    {
        let invalid = parse(family, help).expect_err("invalid");
        assert_eq!(invalid.reason, Reason::InvalidMetadata);
    }
}
