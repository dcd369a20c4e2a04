//! The life of a key, and hostile ways to show one.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use super::*;

/// Returns what of a token nobody may see.
fn secret_of(token: &str) -> &str {
    token.split_at(22).1
}

fn bearer(token: &str) -> [(&'static str, String); 1] {
    [("authorization", auth(token))]
}

async fn status(tarn: &Tarn, headers: &[(&str, String)]) -> Result<u16> {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    Ok(ask(&tarn.address, "GET", "/api/v1/labels", &headers).await?.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_listed_used_and_revoked_and_survives_restarts() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let (file, _) = write_keys(temporary.path())?;
    let file = file.to_string_lossy().into_owned();
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &["--auth.file", &file]).await?;
    let admin = auth(&token_of("admin of all"));
    let headers = [("authorization", admin.as_str())];
    let make = |body: String| tarn.http.send(Method::POST, "/api/v1/access/keys", &headers, body);
    for wrong in [
        json!({"name": "", "grants": [{"role": "viewer", "tenants": ["a"]}]}),
        json!({"name": "x", "grants": []}),
        json!({"name": "x", "grants": [{"role": "root", "tenants": ["a"]}]}),
        json!({"name": "x", "grants": [{"role": "viewer", "tenants": ["a|b"]}]}),
        json!({"name": "x", "grants": [{"role": "viewer", "tenants": ["a"]}], "expires": "2020-01-01T00:00:00Z"}),
        json!({"name": "x", "grants": [{"role": "viewer", "tenants": ["a"]}], "admin": true}),
    ] {
        let answer = make(wrong.to_string()).await?;
        ensure!(answer.status == 400, "{wrong}: {}", answer.text());
    }
    let wanted = json!({"name": "grafana", "grants": [{"role": "viewer", "tenants": ["a"]}]});
    let (first, second) = (make(wanted.to_string()).await?, make(wanted.to_string()).await?);
    let (first, second) = (data(&first.text())?, data(&second.text())?);
    let token = first["token"].as_str().context("a token")?.to_owned();
    let other = second["token"].as_str().context("a token")?.to_owned();
    ensure!(token.len() == 86 && token != other && token.starts_with("tarn_"), "{token}");
    ensure!(
        status(&tarn, &bearer(&token)).await? == 200
            && status(&tarn, &bearer(&other)).await? == 200
    );
    let listed = tarn.http.send(Method::GET, "/api/v1/access/keys", &headers, "").await?;
    ensure!(!listed.text().contains(secret_of(&token)), "the list shows a secret");
    let keys = data(&listed.text())?["keys"].take();
    let of = |id: &Value| keys.as_array().and_then(|keys| keys.iter().find(|key| key["id"] == *id));
    let shown = of(&first["key"]["id"]).context("the key is listed")?;
    ensure!(shown["author"] == "admin of all" && shown["origin"] == "stored", "{shown}");
    ensure!(shown["last_used"].is_string(), "{shown}");

    tarn.kill()?;
    tarn.start_again().await?;
    ensure!(status(&tarn, &bearer(&token)).await? == 200, "a key survives a crash");
    let id = first["key"]["id"].as_str().context("an id")?;
    let path = format!("/api/v1/access/keys/{id}");
    let gone = tarn.http.send(Method::DELETE, &path, &headers, "").await?;
    ensure!(gone.status == 200, "{}", gone.text());
    ensure!(status(&tarn, &bearer(&token)).await? == 401, "a revoked key counts no more at once");
    ensure!(status(&tarn, &bearer(&other)).await? == 200, "the other one of its name does");
    let again = tarn.http.send(Method::DELETE, &path, &headers, "").await?;
    ensure!(again.status == 404, "{}", again.text());
    tarn.kill()?;
    tarn.start_again().await?;
    ensure!(status(&tarn, &bearer(&token)).await? == 401, "and stays gone");
    ensure!(!tarn.log_text().contains(secret_of(&token)), "the log holds a secret");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_ways_to_show_a_key_are_refused() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let (file, _) = write_keys(temporary.path())?;
    let flag = file.to_string_lossy().into_owned();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--auth.file", &flag]).await?;
    let viewer = token_of("viewer of a");
    let line = |value: String| ("authorization", value);
    let basic = {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("anybody:{viewer}"));
        format!("Basic {encoded}")
    };
    for (headers, expected) in [
        (vec![line(auth(&viewer))], 200),
        (vec![line(basic)], 200),
        (vec![line(format!("bearer {viewer}"))], 200),
        (vec![line(auth(&viewer)), line(auth(&viewer))], 400),
        (vec![line(auth(&viewer)), line(auth("other"))], 400),
        (vec![line(auth(viewer.split_at(39).0))], 401),
        (vec![line(auth(&format!("{viewer}x")))], 401),
        (vec![line(format!("Bearer {viewer} {viewer}"))], 401),
        (vec![line(format!("Digest {viewer}"))], 401),
        (vec![line(viewer.clone())], 401),
        (vec![("x-api-key", viewer.clone())], 401),
        (vec![("cookie", format!("__Host-tarn={viewer}"))], 401),
        (vec![line(auth(&viewer)), ("x-scope-orgid", "b".to_owned())], 403),
        (vec![line(auth(&viewer)), ("x-scope-orgid", "A".to_owned())], 403),
        (vec![line(auth(&viewer)), ("x-scope-orgid", "*".to_owned())], 403),
        (vec![line(auth(&viewer)), ("x-scope-orgid", "a,b".to_owned())], 400),
        (vec![line(auth(&viewer)), ("x-scope-orgid", "../b".to_owned())], 400),
        (vec![line(auth(&viewer)), ("x_scope_orgid", "b".to_owned())], 200),
        (vec![line(auth(&viewer)), ("x-forwarded-for", "127.0.0.1".to_owned())], 200),
    ] {
        ensure!(status(&tarn, &headers).await? == expected, "{headers:?} is not {expected}");
    }
    for query in ["token", "access_token", "api_key", "authorization", "bearer"] {
        let path = format!("/api/v1/labels?{query}={viewer}");
        ensure!(ask(&tarn.address, "GET", &path, &[]).await?.0 == 401, "{query} in a query string");
    }
    let browser = [("sec-fetch-mode", "cors")];
    let (code, text) = ask(&tarn.address, "GET", "/api/v1/labels", &browser).await?;
    ensure!(
        code == 401 && !text.contains("Basic"),
        "a page asks, and a password window opens: {text}"
    );
    let (_, text) = ask(&tarn.address, "GET", "/api/v1/labels", &[]).await?;
    ensure!(text.contains("Basic"), "{text}");

    // A flood of wrong keys is told to wait; who is right is not, from the same address.
    let mut limited = false;
    for _ in 0..70 {
        limited |= status(&tarn, &bearer("wrong")).await? == 429;
    }
    ensure!(limited && status(&tarn, &bearer(&viewer)).await? == 200, "limits");

    // A bad file changes nothing, a new one counts within ten seconds.
    std::fs::write(&file, "keys: [")?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    ensure!(status(&tarn, &bearer(&viewer)).await? == 200, "a bad file changed something");
    std::fs::write(&file, "keys: []\n")?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    ensure!(
        matches!(status(&tarn, &bearer(&viewer)).await?, 401 | 429),
        "a key outlived its entry"
    );
    Ok(())
}
