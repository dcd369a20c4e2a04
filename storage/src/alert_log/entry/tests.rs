use super::*;

fn entries() -> Vec<Entry> {
    let entry = |tenant: &str, kind, body: &'static [u8]| Entry {
        tenant: TenantId::parse(tenant).unwrap(),
        kind,
        body: Bytes::from_static(body),
    };
    vec![entry("team-a", 1, b"one"), entry("default", u16::MAX, b""), entry("b", 0, &[0; 300])]
}

#[test]
fn entries_are_read_back() {
    let item = encode(&entries()).unwrap();
    assert_eq!(item.tenant.as_str(), "team-a");
    let mut found = Vec::new();
    decode(item.bytes, &mut found).unwrap();
    assert_eq!(found, entries());
}

#[test]
fn nothing_is_read_behind_the_end() {
    let whole = encode(&entries()).unwrap().bytes;
    let ends = [14 + 3, 14 + 3 + 15];
    for len in 1..whole.len() {
        let read = decode(whole.slice(..len), &mut Vec::new());
        assert_eq!(read.is_some(), ends.contains(&len), "{len} bytes");
    }
}

#[test]
fn too_much_at_once_is_refused() {
    let body = Bytes::from(vec![0; APPEND_BYTES_MAX]);
    let entry = Entry { tenant: TenantId::default_tenant(), kind: 1, body };
    let error = encode(&[entry]).unwrap_err();
    assert!(error.message().contains("limit is 67108864"), "{error}");
}
