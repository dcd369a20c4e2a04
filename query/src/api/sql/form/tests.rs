use super::*;

#[test]
fn the_form_follows_the_name_or_accept() {
    for form in Form::ALL {
        assert_eq!(Form::parse(form.name()), Some(form));
        let kind = form.content_type().split(';').next().unwrap();
        assert_eq!(Form::of_accept(&format!("text/html;q=0.9, {kind};q=0.5, */*")), form);
    }
    assert_eq!(Form::parse("xml"), None);
    assert_eq!(Form::of_accept("*/*"), Form::Json);
}

#[test]
fn csv_quotes_what_needs_it() {
    let mut out = Vec::new();
    csv_line(&mut out, [&b"a"[..], b"b,c", b"d\"e", b"f\ng", b""].into_iter());
    assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\",\"d\"\"e\",\"f\ng\",\r\n");
}
