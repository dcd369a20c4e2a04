//! Requests of HTTP/1.1, byte by byte.

use std::fmt::Write as _;

use super::*;

/// What a request must be answered with.
enum Expect {
    /// One of these, and nothing of a second request.
    Status(&'static [u16]),
    /// An error of the client's, or the end of the connection without an answer.
    Refused,
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Expect,
}

fn case(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Case {
    Case { name: name.into(), bytes: bytes.into(), expect }
}

/// A question with these lines in its head, and this body.
fn post(lines: &str, body: &str) -> String {
    format!(
        "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{lines}\r\n{body}"
    )
}

fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_say_two_things_are_refused() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary, &[]).await?;
    let all = [lengths(), heads(), hosts(), tenants(), sizes(), paths("")];
    for case in all.into_iter().flatten() {
        check(&tarn.address, &case).await.with_context(|| case.name.clone())?;
    }
    well(&tarn).await
}

async fn check(address: &str, case: &Case) -> Result<()> {
    let (answer, ended) = exchange(address, &case.bytes).await?;
    let text = String::from_utf8_lossy(&answer);
    let statuses: Vec<u16> = text
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect();
    ensure!(!text.contains("root:x:"), "a file of the system: {text}");
    ensure!(statuses.iter().all(|status| *status < 500), "{text}");
    match case.expect {
        Expect::Status(allowed) => {
            let one = statuses.len() == 1 && statuses.iter().all(|s| allowed.contains(s));
            ensure!(one, "{statuses:?} is not one of {allowed:?}: {text}");
        }
        Expect::Refused => {
            let refused = statuses.iter().all(|s| (400..500).contains(s)) && statuses.len() <= 1;
            ensure!(refused, "{statuses:?}: {text}");
            ensure!(ended || !statuses.is_empty(), "the connection is open, and nothing is said");
        }
    }
    Ok(())
}

/// Where one request ends and the next begins.
fn lengths() -> Vec<Case> {
    use Expect::Refused;
    let mut cases = Vec::new();
    for length in ["+7", "-1", "0x7", "7,8", "7 7", "", "a", "99999999999999999999999"] {
        let name = format!("a length of {length:?}");
        cases.push(case(name, post(&format!("Content-Length: {length}\r\n"), "query=1"), Refused));
    }
    let two = post("Content-Length: 7\r\nContent-Length: 3\r\n", "query=1");
    cases.push(case("two lengths", two, Refused));
    for coding in
        ["identity", "chunked, identity", "xchunked", "gzip", "chunked\x0b", "\"chunked\""]
    {
        let name = format!("a coding of {coding:?}");
        let lines = format!("Transfer-Encoding: {coding}\r\n");
        cases.push(case(name, post(&lines, "7\r\nquery=1\r\n0\r\n\r\n"), Refused));
    }
    let old = post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").replacen("1.1", "1.0", 1);
    cases.push(case("chunks in HTTP/1.0", old, Refused));
    for (name, body) in [
        ("a size that is none", "zz\r\nquery=1\r\n0\r\n\r\n".to_owned()),
        ("a size below nothing", "-7\r\nquery=1\r\n0\r\n\r\n".to_owned()),
        ("a size with a prefix", "0x7\r\nquery=1\r\n0\r\n\r\n".to_owned()),
        ("a size beyond 64 bits", "FFFFFFFFFFFFFFFFF\r\nquery=1\r\n0\r\n\r\n".to_owned()),
        ("more than the size", "3\r\nquery=1\r\n0\r\n\r\n".to_owned()),
        ("an extension without end", format!("7;{}\r\nquery=1\r\n0\r\n\r\n", "x".repeat(1 << 20))),
        ("a newline in an extension", "7;a\nb\r\nquery=1\r\n0\r\n\r\n".to_owned()),
        ("trailers without end", {
            let mut body = "7\r\nquery=1\r\n0\r\n".to_owned();
            for number in 0..100_000 {
                // Writing to a string does not fail.
                write!(body, "x-{number}: y\r\n").ok();
            }
            body
        }),
    ] {
        cases.push(case(name, post("Transfer-Encoding: chunked\r\n", &body), Refused));
    }
    cases
}

/// Lines that one reader takes for another line.
fn heads() -> Vec<Case> {
    use Expect::Status;
    let bad: &[u16] = &[400];
    let mut cases = Vec::new();
    for (name, line) in [
        ("a folded line", "X-A: b\r\n c\r\n"),
        ("a space before the colon", "X-A : b\r\n"),
        ("a space before the name", " X-A: b\r\n"),
        ("no name", ": b\r\n"),
        ("no colon", "X-A\r\n"),
        ("a return in a value", "X-A: b\rX-B: c\r\n"),
        ("NUL in a value", "X-A: b\0c\r\n"),
        ("NUL in a name", "X\0A: b\r\n"),
        ("a bell in a value", "X-A: \x07\r\n"),
    ] {
        cases.push(case(name, get("/livez", line), Status(bad)));
    }
    for (name, line) in [
        ("no version", "GET /livez\r\n"),
        ("another version", "GET /livez HTTP/9.9\r\n"),
        ("a space in the method", "G ET /livez HTTP/1.1\r\n"),
        ("a space in the address", "GET /livez HTTP/1.1 HTTP/1.1\r\n"),
        ("a newline in the address", "GET /live\nz HTTP/1.1\r\n"),
    ] {
        cases.push(case(name, format!("{line}Host: localhost\r\n\r\n"), Expect::Refused));
    }
    for method in ["CONNECT localhost:1", "TRACE /livez", "get /livez"] {
        let request = format!("{method} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        cases.push(case(method, request, Expect::Refused));
    }
    cases
}

/// For whom a request is.
fn hosts() -> Vec<Case> {
    use Expect::Status;
    let with = |address: &str, lines: &str| {
        format!("GET {address} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n")
    };
    let (two, bad, ok): (&[u16], &[u16], &[u16]) = (&[421], &[400], &[200]);
    vec![
        case("no host", with("/livez", ""), Status(bad)),
        case("two hosts", with("/livez", "Host: localhost\r\nHost: a\r\n"), Status(bad)),
        case("the same twice", with("/livez", "Host: a\r\nHost: a\r\n"), Status(bad)),
        case("a page's name", with("/livez", "Host: evil.example\r\n"), Status(two)),
        case("one with a user", with("/livez", "Host: localhost@evil.example\r\n"), Status(two)),
        case("one that looks like us", with("/livez", "Host: 127.0.0.1.nip.io\r\n"), Status(two)),
        case("a host that is no text", with("/livez", "Host: \u{e9}vil.example\r\n"), Status(bad)),
        case(
            "another address",
            with("http://evil.example/livez", "Host: localhost\r\n"),
            Status(bad),
        ),
        case("another host", with("http://localhost/livez", "Host: evil.example\r\n"), Status(bad)),
        case("the same host", with("http://localhost/livez", "Host: localhost\r\n"), Status(ok)),
        // Nobody has said that this peer is a proxy: what it says changes nothing.
        case("a forged host", get("/livez", "X-Forwarded-Host: evil.example\r\n"), Status(ok)),
        case("a forged client", get("/livez", "X-Forwarded-For: 10.0.0.1\r\n"), Status(ok)),
    ]
}

/// Whose data is asked for.
fn tenants() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("two tenants", "X-Scope-OrgID: a\r\nX-Scope-OrgID: b\r\n"),
        ("the same tenant twice", "X-Scope-OrgID: a\r\nx-scope-orgid: a\r\n"),
        ("several tenants", "X-Scope-OrgID: a|b\r\n"),
        ("a tenant that climbs", "X-Scope-OrgID: ..\r\n"),
        ("a tenant with a path", "X-Scope-OrgID: a/../b\r\n"),
        ("a tenant of two words", "X-Scope-OrgID: a b\r\n"),
        ("a tenant with a return", "X-Scope-OrgID: a\rX-B: c\r\n"),
        ("a tenant with an escape", "X-Scope-OrgID: a%0d%0aX-B: c\r\n"),
        ("a tenant that is no text", "X-Scope-OrgID: \u{e9}\r\n"),
        ("no tenant", "X-Scope-OrgID:\r\n"),
        ("a long tenant", &format!("X-Scope-OrgID: {}\r\n", "a".repeat(151))),
    ] {
        let request = get("/api/v1/query?query=1", lines);
        cases.push(case(name, request, Expect::Status(&[400])));
    }
    cases
}

/// What is too much.
fn sizes() -> Vec<Case> {
    use Expect::Status;
    let many: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    let big = format!("X-A: {}\r\n", "a".repeat(40 << 10));
    let cookies = "Cookie: a=b\r\n".repeat(3000);
    let long = format!("/livez?{}", "a".repeat(9 << 10));
    let longer = format!("/livez?{}", "a".repeat(70 << 10));
    vec![
        case("many headers", get("/livez", &many), Status(&[431])),
        case("a big header", get("/livez", &big), Status(&[431])),
        case("many cookies", get("/livez", &cookies), Status(&[431])),
        case("a long address", get(&long, ""), Status(&[414])),
        case("a longer address", get(&longer, ""), Status(&[414, 431])),
    ]
}

/// Files that are not ours to give.
fn paths(prefix: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for path in [
        "/assets/../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/..%252f..%252fetc%252fpasswd",
        "/assets/....//....//etc/passwd",
        "/assets/..\\..\\etc\\passwd",
        "/assets/..%5c..%5cetc%5cpasswd",
        "/assets/%c0%ae%c0%ae/etc/passwd",
        "/assets/index.html%00.js",
        "/assets//etc/passwd",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/prometheus/../../etc/passwd",
        "/config/v1/rules/..%2f..%2fetc/..%2fpasswd",
        "/api/v1/dashboards/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/traces/..%2f..%2fetc%2fpasswd",
        "/file:///etc/passwd",
    ] {
        let path = format!("{prefix}{path}");
        cases.push(case(path.as_str(), get(&path, ""), Expect::Refused));
    }
    cases
}

/// Below a prefix nothing else is found than at the root.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_are_no_way_out() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary, &["--ui.base-path", "/deep/tarn"]).await?;
    let fine = case("below", get("/deep/tarn/livez", ""), Expect::Status(&[200]));
    let climbs = ["/deep/tarn", "/deep/tarn/..", "/deep/%74arn", "/deep/../deep/tarn"];
    let climbs = climbs.into_iter().flat_map(paths);
    for case in std::iter::once(fine).chain(climbs) {
        check(&tarn.address, &case).await.with_context(|| case.name.clone())?;
    }
    well(&tarn).await
}

/// A proxy that goes by the length passes the rest on as somebody else's answer: behind one that is
/// trusted, nothing follows chunks on the same connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_chunks_behind_a_proxy() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = start(&temporary, &["--http.trusted-proxies", "127.0.0.0/8"]).await?;
    let hidden = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = format!("7\r\nquery=1\r\n0\r\n\r\n{hidden}");
    for lines in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", body.len()),
    ] {
        let (answer, ended) = exchange(&tarn.address, post(&lines, &body).as_bytes()).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(ended && text.matches("HTTP/1.1 ").count() == 1, "{text}");
        ensure!(!text.contains("ok\n"), "the hidden request was answered: {text}");
    }
    well(&tarn).await
}
