//! Hostile and broken requests against the running process: each gets its documented code and a
//! message that says what, where and which limit; the process lives, and what was accepted before
//! is all there.

use anyhow::{Result, ensure};
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tarn_testkit::process::Tarn;
use tarn_testkit::remote_write::{Series, compress, encode_v1, encode_v2, send_v1};

use crate::{TARN, data_folder, now_ms, seconds};

/// What one hostile write must be answered with.
struct Case {
    name: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    says: &'static [&'static str],
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_write_is_told_what_is_wrong() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let now = now_ms();
    let good = Series::of(&[("__name__", "before")], vec![(now, 42.0)]);
    ensure!(send_v1(&tarn.http, &[good]).await?.status == 204, "a good write");
    for case in writes(now)? {
        let answer =
            tarn.http.send(Method::POST, "/api/v1/write", &case.headers, case.body).await?;
        let text = answer.text();
        ensure!(answer.status == case.status, "{}: {} {text}", case.name, answer.status);
        for part in case.says {
            ensure!(text.contains(part), "{}: {text:?} does not say {part:?}", case.name);
        }
        ensure!(text.len() <= 4096, "{}: a message of {} bytes", case.name, text.len());
    }
    still_there(&tarn, now).await
}

fn writes(now: i64) -> Result<Vec<Case>> {
    let snappy = || vec![("content-encoding", "snappy")];
    let v2 = || {
        let kind = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        vec![("content-encoding", "snappy"), ("content-type", kind)]
    };
    let one =
        |labels: &[(&str, &str)]| compress(&encode_v1(&[Series::of(labels, vec![(now, 1.0)])]));
    let whole = encode_v1(&[Series::of(&[("__name__", "x")], vec![(now, 1.0)])]);
    let names: Vec<String> = (0..10_000).map(|i| format!("l{i:05}")).collect();
    let mut many: Vec<(&str, &str)> = vec![("__name__", "x")];
    many.extend(names.iter().map(|n| (n.as_str(), "v")));
    let long = "v".repeat(1 << 20);
    let mut not_utf8 = whole.clone();
    let at = not_utf8.iter().rposition(|b| *b == b'x').unwrap_or_default();
    not_utf8[at] = 0xff;
    let mut bomb = vec![0x80, 0x80, 0x80, 0x80, 0x04];
    bomb.extend([0; 64]);
    let far = |ms: i64| compress(&encode_v1(&[Series::of(&[("__name__", "x")], vec![(ms, 1.0)])]));
    let case = |name, headers, body, status, says| Case { name, headers, body, status, says };
    Ok(vec![
        case("not snappy", snappy(), b"hello".to_vec(), 400, &["snappy"]),
        case("truncated", snappy(), compress(&whole[..whole.len() - 3])?, 400, &["byte"]),
        case("declares 1 GiB", snappy(), bomb, 400, &["32MiB"]),
        case("40 MiB on the wire", snappy(), vec![0; 40 << 20], 413, &["32MiB"]),
        case("not UTF-8", snappy(), compress(&not_utf8)?, 400, &["UTF-8"]),
        case("NUL in a value", snappy(), one(&[("__name__", "x"), ("a", "b\0c")])?, 400, &["NUL"]),
        case("no name", snappy(), one(&[("job", "x")])?, 400, &["__name__"]),
        case(
            "a label twice",
            snappy(),
            one(&[("__name__", "x"), ("a", "1"), ("a", "2")])?,
            400,
            &["twice", "label \"a\""],
        ),
        case("10,001 labels", snappy(), one(&many)?, 400, &["10001", "64"]),
        case(
            "a 1 MiB value",
            snappy(),
            one(&[("__name__", "x"), ("a", &long)])?,
            400,
            &["1048576", "4096"],
        ),
        case("an hour ahead", snappy(), far(now + 3_600_000)?, 400, &["future"]),
        case(
            "wrong type",
            vec![("content-type", "application/json")],
            whole.clone(),
            415,
            &["json"],
        ),
        case("wrong encoding", vec![("content-encoding", "gzip")], whole.clone(), 415, &["gzip"]),
        case("v2 body without symbols", v2(), compress(&[0x2a, 0x02, 0x0a, 0x00])?, 400, &[]),
        case("v1 as v2", v2(), compress(&whole)?, 400, &[]),
        case(
            "one bad among two",
            v2(),
            compress(&encode_v2(&[
                Series::of(&[("__name__", "good_half")], vec![(now, 1.0)]),
                Series::of(&[("job", "nameless")], vec![(now, 1.0)]),
            ]))?,
            400,
            &["__name__"],
        ),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_question_is_told_what_is_wrong() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let parentheses = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let deep = format!("{}1{}", "(".repeat(1_000), ")".repeat(1_000));
    let queries = [
        ("sum(", 400, "parse error"),
        (&parentheses, 400, "500 levels"),
        (&deep, 400, "500 levels"),
        ("{__name__=~\"((a{100}){100}){100}\"}", 400, "regexp"),
        ("up[5m]offset", 400, "parse error"),
        ("rate(up)", 400, "range vector"),
        ("{}", 400, "at least one non-empty matcher"),
    ];
    for (query, status, says) in queries {
        let answer = tarn.http.post_form("/api/v1/query", &[("query", query)]).await?;
        let head: String = query.chars().take(60).collect();
        ensure!(answer.status == status, "{head}: {} {}", answer.status, answer.text());
        ensure!(answer.text().contains(says), "{head}: {}", answer.text());
        ensure!(answer.json()?["errorType"] == "bad_data", "{head}: {}", answer.text());
    }
    let huge = "1+".repeat(5 << 20);
    let answer = tarn.http.post_form("/api/v1/query", &[("query", &huge)]).await?;
    ensure!(answer.status == 413 && answer.text().contains("1MiB"), "{}", answer.text());
    let paths = [
        (Method::GET, "/api/v1/nothing", 404, "not found"),
        (Method::GET, "/nothing", 404, "not found"),
        (Method::GET, "/api/v1/write", 405, "POST"),
        (Method::DELETE, "/api/v1/query", 405, "GET"),
        (Method::GET, "/api/v1/query?query=up&time=x", 400, "cannot parse"),
        (Method::GET, "/api/v1/query_range?query=up&start=1&end=0&step=1", 400, "before start"),
        (Method::GET, "/api/v1/query_range?query=up&start=0&end=9&step=0", 400, "zero or negative"),
        (Method::GET, "/api/v1/query_range?query=up&start=0&end=99999&step=1", 400, "11,000"),
        (Method::GET, "/api/v1/series", 400, "no match[]"),
    ];
    for (method, path, status, says) in paths {
        let answer = tarn.http.send(method, path, &[], "").await?;
        ensure!(answer.status == status, "{path}: {} {}", answer.status, answer.text());
        let allow = answer.headers.get("allow").map(|v| String::from_utf8_lossy(v.as_bytes()));
        let text = format!("{} {}", answer.text(), allow.unwrap_or_default());
        ensure!(text.contains(says), "{path}: {text}");
    }
    ensure!(tarn.unexpected_lines(&[]).is_empty(), "{:?}", tarn.unexpected_lines(&[]));
    Ok(())
}

/// Random and mutated bytes at every endpoint: never a 5xx, never the end.
#[test]
fn noise_at_every_endpoint_is_survived() -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let temporary = tempfile::tempdir()?;
    let tarn = runtime.block_on(Tarn::start(TARN, &data_folder(&temporary), &[]))?;
    let now = now_ms();
    let good = Series::of(&[("__name__", "before")], vec![(now, 42.0)]);
    runtime.block_on(send_v1(&tarn.http, &[good]))?;
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let paths = prop::sample::select(vec![
        "/api/v1/write",
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/label/x/values",
        "/api/v1/metadata",
        "/api/v1/format_query",
        "/metrics",
        "/-/flush",
    ]);
    let seed = encode_v1(&[Series::of(&[("__name__", "x"), ("y", "z")], vec![(now, 1.0)])]);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (0..seed.len(), any::<u8>()).prop_map(move |(at, byte)| {
            let mut mutated = seed.clone();
            mutated[at] = byte;
            compress(&mutated).unwrap_or_default()
        }),
        "query=[a-z(){}\\[\\]0-9+ ]{0,60}&time=[0-9]{0,12}".prop_map(String::into_bytes),
    ];
    let method = prop::sample::select(vec![Method::GET, Method::POST, Method::PUT]);
    let form =
        prop::sample::select(vec!["application/x-www-form-urlencoded", "application/x-protobuf"]);
    runner.run(&(paths, body, method, form), |(path, body, method, form)| {
        let headers = [("content-type", form)];
        let answer = runtime.block_on(tarn.http.send(method, path, &headers, body));
        let answer = answer.map_err(|e| TestCaseError::fail(format!("{path}: {e}")))?;
        prop_assert!(answer.status < 500, "{}: {} {}", path, answer.status, answer.text());
        Ok(())
    })?;
    runtime.block_on(still_there(&tarn, now))
}

async fn still_there(tarn: &Tarn, now: i64) -> Result<()> {
    let data = tarn.http.instant("before", &seconds(now)).await?;
    ensure!(data["result"][0]["value"][1] == "42", "{data}");
    let unexpected = tarn.unexpected_lines(&[]);
    ensure!(unexpected.is_empty(), "unexpected lines in the log: {unexpected:#?}");
    Ok(())
}
