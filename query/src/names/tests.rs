use super::{Name, choose};

fn chosen(wanted: &str, limit: usize) -> (Vec<String>, bool) {
    let names = [
        ("http.route", Some(9)),
        ("http.status", Some(20)),
        ("HTTP.Old", Some(1)),
        ("rpc.http", Some(3)),
        ("xhttpx", None),
        ("service.name", Some(40)),
        ("größe", Some(2)),
    ];
    let names =
        names.map(|(name, count)| Name { name: name.to_owned(), count }).into_iter().collect();
    let (names, is_cut) = choose(names, wanted, limit);
    (names.into_iter().map(|name| name.name).collect(), is_cut)
}

#[test]
fn what_begins_so_comes_first_and_alone() {
    let rows: [(&str, &[&str]); 8] = [
        ("http", &["http.status", "http.route", "HTTP.Old"]),
        ("HTTP.", &["HTTP.Old", "http.status", "http.route"]),
        ("route", &["http.route"]),
        ("htpt.s", &["http.status"]),
        ("sname", &["service.name"]),
        ("grösse", &["größe"]),
        ("grö", &["größe"]),
        ("zzzzzz", &[]),
    ];
    for (wanted, expected) in rows {
        assert_eq!(chosen(wanted, 10).0, expected, "{wanted}");
    }
    assert_eq!(
        chosen("", 3),
        (["service.name", "http.status", "http.route"].map(String::from).into(), true)
    );
    assert!(!chosen("", 7).1);
}
