use http::HeaderValue;

use super::*;

#[test]
fn a_frame_byte_by_byte() {
    let labels = LabelSet::from_pairs(&[("job", "a\"b")]);
    let mut head = Head::new();
    head.column(&Column { name: "time", unit: "ms", length: 2, ..Column::default() });
    head.column(&Column { name: "value", labels: Some(&labels), length: 2, ..Column::default() });
    head.members(|object| object.text("note", "ü"));
    let mut out = head.finish();
    values(&mut out, [1000.0, 2000.0].into_iter());
    values(&mut out, [0.5, f64::NAN].into_iter());

    let json = concat!(
        r#"{"version":1,"columns":[{"name":"time","unit":"ms","offset":0,"length":2},"#,
        r#"{"name":"value","labels":{"job":"a\"b"},"offset":16,"length":2}],"note":"ü"}"#,
    );
    let padding = (json.len() + 4).next_multiple_of(8) - 4 - json.len();
    let mut expected = ((json.len() + padding) as u32).to_le_bytes().to_vec();
    expected.extend(json.bytes());
    expected.extend(std::iter::repeat_n(b' ', padding));
    assert_eq!(expected.len() % 8, 0);
    expected.extend([
        0, 0, 0, 0, 0, 0x40, 0x8f, 0x40, 0, 0, 0, 0, 0, 0x40, 0x9f, 0x40, 0, 0, 0, 0, 0, 0, 0xe0,
        0x3f, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f,
    ]);
    assert_eq!(out, expected);
}

#[test]
fn a_frame_without_columns_is_one() {
    let out = Head::new().finish();
    assert_eq!(&out[4..], b"{\"version\":1,\"columns\":[]}  ");
    let mut head = Head::new();
    head.column(&Column { name: "a", ..Column::default() });
    head.column(&Column { name: "b", dictionary: "d", length: 1, ..Column::default() });
    let out = head.finish();
    let length = u32::from_le_bytes(out[..4].try_into().expect("four bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&out[4..4 + length]).expect("JSON");
    assert_eq!(header["columns"][1]["dictionary"], "d");
    assert_eq!(header["columns"][1]["offset"], 0);
}

#[test]
fn who_asks_for_frames() {
    let wants = |accept: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        is_wanted(&headers)
    };
    assert!(wants(&["application/vnd.tarn.frame"]));
    assert!(wants(&["text/html, application/VND.tarn.Frame;q=0.9"]));
    assert!(wants(&["application/json", "application/vnd.tarn.frame, application/json"]));
    assert!(!wants(&["*/*"]) && !wants(&[]) && !wants(&["application/vnd.tarn.frames"]));
}
