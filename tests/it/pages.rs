//! How a page gets to a browser, over HTTP: pages, files, what is negotiated, what is refused.

use anyhow::{Result, ensure};
use http::Method;
use tarn_testkit::http::Answer;
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder};

/// As Chromium sends it.
const BROWSER: (&str, &str) =
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8");

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_page(answer: &Answer, base: &str) -> bool {
    let policy = header(answer, "content-security-policy");
    let text = answer.text();
    let nonce =
        text.split("name=\"csp-nonce\" content=\"").nth(1).and_then(|t| t.split('"').next());
    answer.status == 200
        && header(answer, "cache-control") == "no-store"
        && header(answer, "content-type").starts_with("text/html")
        && policy.contains("require-trusted-types-for 'script'")
        && nonce.is_some_and(|n| n.len() == 32 && policy.contains(&format!("'nonce-{n}'")))
        && text.contains(&format!("<base href=\"{base}\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_get_pages_and_programs_what_they_always_got() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &[]).await?;
    let get = |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
        tarn.http.send(Method::GET, path, headers, "")
    };
    for path in ["/", "/metrics", "/status", "/logs?q=a", "/traces/0af7651916cd43dd", "/alerts"] {
        let answer = get(path, &[BROWSER]).await?;
        ensure!(is_page(&answer, "/"), "{path}: {} {:?}", answer.status, answer.headers);
    }
    for (path, kind) in
        [("/metrics", "text/plain"), ("/status", "application/json"), ("/", "text/plain")]
    {
        for accepts in ["*/*", "application/json", "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"] {
            let answer = tarn.http.send(Method::GET, path, &[("accept", accepts)], "").await?;
            ensure!(header(&answer, "content-type").starts_with(kind), "{path} {accepts}");
            ensure!(header(&answer, "vary").contains("accept"), "{path} {:?}", answer.headers);
            let policy = header(&answer, "content-security-policy");
            ensure!(policy == "default-src 'none'; frame-ancestors 'none'", "{path} {policy}");
        }
    }
    let head = tarn.http.send(Method::HEAD, "/logs", &[BROWSER], "").await?;
    ensure!(
        head.status == 200 && head.body.is_empty() && header(&head, "cache-control") == "no-store"
    );
    let posted = tarn.http.send(Method::POST, "/logs", &[BROWSER], "").await?;
    ensure!(posted.status == 405 && header(&posted, "allow") == "GET, HEAD", "{}", posted.text());
    ensure!(header(&posted, "content-security-policy").starts_with("default-src 'none'"));
    for path in
        ["/nothing", "/assets/nothing.js", "/logs/deeper", "/index.html", "/assets/../Cargo.toml"]
    {
        let answer = get(path, &[BROWSER]).await?;
        ensure!(answer.status == 404 && answer.json()?["errorType"] == "not_found", "{path}");
        ensure!(header(&answer, "x-content-type-options") == "nosniff", "{path}");
    }
    let graph = get("/graph?g0.expr=up+%3D%3D+0&g0.tab=1&g0.range_input=2h", &[BROWSER]).await?;
    let to = "/metrics?q=up%20%3D%3D%200&from=now-7200s&to=now";
    ensure!(graph.status == 302 && header(&graph, "location") == to, "{:?}", graph.headers);
    ensure!(get("/status", &[]).await?.json()?["ui"]["built"].is_boolean());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_a_prefix_everything_answers_with_it_and_without() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let flags = ["--ui.base-path", "/tarn"];
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &flags).await?;
    for path in ["/tarn/logs", "/logs", "/tarn/", "/tarn"] {
        let answer = tarn.http.send(Method::GET, path, &[BROWSER], "").await?;
        ensure!(is_page(&answer, "/tarn/"), "{path}: {} {}", answer.status, answer.text());
    }
    for path in ["/tarn/api/v1/query?query=1", "/api/v1/query?query=1", "/tarn/livez"] {
        let answer = tarn.http.send(Method::GET, path, &[], "").await?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
    }
    let answer = tarn.http.send(Method::GET, "/tarnished", &[], "").await?;
    ensure!(answer.status == 404, "{}", answer.text());
    let graph = tarn.http.send(Method::GET, "/tarn/graph?g0.expr=up", &[], "").await?;
    ensure!(header(&graph, "location") == "/tarn/metrics?q=up", "{:?}", graph.headers);
    Ok(())
}
