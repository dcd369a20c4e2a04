use super::answer::Reply;
use super::*;

fn args(line: &[&str]) -> QueryArgs {
    use clap::{Args as _, FromArgMatches as _};
    let command = QueryArgs::augment_args(clap::Command::new("query"));
    let matches = command.get_matches_from([&["query"], line].concat());
    QueryArgs::from_arg_matches(&matches).expect("arguments fit")
}

#[test]
fn arguments_become_parameters() {
    let now = 1_435_781_451_781;
    let instant = args(&["a + b"]).question(now).expect("a question");
    assert_eq!(instant.target, Target::Promql(Endpoint::Query));
    assert_eq!(instant.form, "query=a+%2B+b&time=1435781451.781");
    let range = args(&["up", "--range", "1h", "--time", "2015-07-01T20:10:51Z"]);
    let range = range.question(now).expect("a question");
    assert_eq!(range.target, Target::Promql(Endpoint::QueryRange));
    let sql = args(&["--sql", "SELECT 1"]).question(now).expect("a question");
    assert_eq!((sql.target, &*sql.form), (Target::Sql, "q=SELECT+1&format=json"));
    assert_eq!(range.form, "query=up&start=1435777851.000&end=1435781451.000&step=60.000");
    let step = args(&["up", "--range", "1h", "--step", "15s", "--tenant", "a"]).question(now);
    assert!(step.expect("a question").form.ends_with("step=15.000"));
    for (line, message) in [
        (["up", "--time", "x"], "read --time: cannot parse \"x\" to a valid timestamp"),
        (["up", "--range", "0"], "read --range: 0 is not above zero"),
        (["up", "--time", ""], "read --time: cannot parse \"\" to a valid timestamp"),
    ] {
        let error = args(&line).question(now).expect_err("must be refused");
        assert_eq!(format!("{error:#}"), message);
    }
}

#[test]
fn a_server_or_a_folder_is_asked() {
    use clap::Args as _;
    let command = || QueryArgs::augment_args(clap::Command::new("query"));
    command().debug_assert();
    // TARN_URL may be set for good, so the folder wins instead of being refused.
    let both = args(&["up", "--server", "http://127.0.0.1:1", "--data", "x"]);
    assert_eq!(both.data.as_deref(), Some("x"));
    assert_eq!(args(&["up"]).tenant().expect("valid").as_str(), "default");
    let several = args(&["up", "--tenant", "a|b"]).tenant().expect_err("one tenant only");
    assert!(format!("{several:#}").starts_with("read --tenant: "), "{several:#}");
}

const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"__name__":"up","job":"a,\"b\""},"value":[1435781451.781,"1"]},
    {"metric":{"__name__":"h","zone":"x"},"histogram":[1435781451.781,{"count":"2","sum":"3.5"}]}
]},"warnings":["careful"],"infos":["note"]}"#;

#[test]
fn a_vector_is_a_row_per_series() {
    let reply = Reply::parse(VECTOR.as_bytes()).expect("parses");
    let rows = reply.rows().expect("rows");
    assert_eq!(
        table::csv(&rows),
        "__name__,job,zone,value\r\nup,\"a,\"\"b\"\"\",,1\r\nh,,x,\"{count:2, sum:3.5}\"\r\n"
    );
    let shown = table::aligned(&rows);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 6, "{shown}");
    assert!(lines[1].contains("__name__") && lines[3].contains("up"), "{shown}");
    assert_eq!(reply.remarks().collect::<Vec<_>>(), ["warning: careful", "info: note"]);
    assert_eq!(reply.failure(), None);
}

#[test]
fn a_matrix_is_a_row_per_sample() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{},"values":[[0,"1"],[15.5,"2"]]}]}}"#;
    let rows = Reply::parse(body.as_bytes()).and_then(|r| r.rows()).expect("rows");
    assert_eq!(
        table::csv(&rows),
        "time,value\r\n1970-01-01T00:00:00Z,1\r\n1970-01-01T00:00:15.500Z,2\r\n"
    );
}

#[test]
fn scalars_errors_and_other_bodies() {
    let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}"#;
    let rows = Reply::parse(scalar).and_then(|r| r.rows()).expect("rows");
    assert_eq!(table::csv(&rows), "value\r\n2.5\r\n");
    let empty = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let rows = Reply::parse(empty).and_then(|r| r.rows()).expect("rows");
    assert_eq!(table::aligned(&rows), "no data");
    let error = br#"{"status":"error","errorType":"bad_data","error":"no"}"#;
    assert_eq!(Reply::parse(error).expect("parses").failure().as_deref(), Some("bad_data: no"));
    assert!(Reply::parse(b"<html>").is_err());
}
