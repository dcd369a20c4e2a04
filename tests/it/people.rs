//! People log in, over HTTP, to the real process: the first link, users, sessions, and whoever is none.
//!
//! The whole process, since what counts is what all parts do together: which answer a browser gets for
//! a cookie that was stolen, ended, made up, or sent by a page of somebody else.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use http::Method;
use http::header::SET_COOKIE;
use serde_json::{Value, json};
use tarn_testkit::http::{Answer, Http};
use tarn_testkit::process::Tarn;

use crate::{TARN, data_folder};

const PASSWORD: &str = "correct horse battery";
const FLAGS: [&str; 2] = ["--auth.login", "on"];

/// A browser as far as it matters here: it keeps cookies, and its pages send the token.
pub(crate) struct Browser {
    pub(crate) http: Http,
    pub(crate) cookies: BTreeMap<String, String>,
    csrf: Option<String>,
}

impl Browser {
    pub(crate) fn new(http: &Http) -> Self {
        Self { http: http.clone(), cookies: BTreeMap::new(), csrf: None }
    }

    /// Sends a request with the cookies, and keeps those of the answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<bytes::Bytes>,
    ) -> Result<Answer> {
        let all: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let (all, mut sent) = (all.join("; "), headers.to_vec());
        if !all.is_empty() {
            sent.push(("cookie", &all));
        }
        let answer = self.http.send(method, path, &sent, body).await?;
        for line in answer.headers.get_all(SET_COOKIE) {
            let line = line.to_str()?;
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie")?;
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], "").await
    }

    /// Sends JSON as a page of Tarn does.
    async fn page(&mut self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        let csrf = self.csrf.clone().unwrap_or_default();
        let mut headers =
            vec![("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
        if !csrf.is_empty() {
            headers.push(("x-tarn-csrf", &csrf));
        }
        self.send(method, path, &headers, body.to_string()).await
    }

    pub(crate) async fn me(&mut self) -> Result<Value> {
        let me = data(&self.get("/api/v1/access/me").await?)?;
        self.csrf = me["csrf"].as_str().map(str::to_owned);
        Ok(me)
    }

    async fn redeem(&mut self, link: &str, password: &str) -> Result<Answer> {
        let body = json!({ "link": link, "password": password });
        let answer = self.page(Method::POST, "/api/v1/access/password", &body).await?;
        self.me().await?;
        Ok(answer)
    }

    async fn login(&mut self, name: &str, password: &str) -> Result<Answer> {
        let body = json!({ "name": name, "password": password });
        let answer = self.page(Method::POST, "/api/v1/access/login", &body).await?;
        self.me().await?;
        Ok(answer)
    }

    async fn asks(&mut self) -> Result<u16> {
        Ok(self.get("/api/v1/query?query=up").await?.status)
    }
}

fn data(answer: &Answer) -> Result<Value> {
    tarn_testkit::http::data_of(answer)
}

/// Returns the tokens of the links that were printed at starts.
fn first_links(tarn: &Tarn) -> Vec<String> {
    let log = tarn.log_text();
    let found = log.split("/welcome#").skip(1);
    found.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect()
}

/// Waits until the users were read, and returns the first link.
async fn first_link(tarn: &Tarn) -> Result<String> {
    for _ in 0..500 {
        if let Some(link) = first_links(tarn).pop() {
            return Ok(link);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    anyhow::bail!("no link is printed: {}", tarn.log_text())
}

fn status(answer: &Answer, expected: u16) -> Result<()> {
    ensure!(
        answer.status == expected,
        "{} instead of {expected}: {}",
        answer.status,
        answer.text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_first_link_to_the_logout() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut tarn = Tarn::start(TARN, &data_folder(&temporary), &FLAGS).await?;
    let link = first_link(&tarn).await?;
    let mut admin = Browser::new(&tarn.http);
    let me = admin.me().await?;
    ensure!(me["login"] == true && me["setup"] == true && me["principal"].is_null(), "{me}");
    ensure!(me["password"] == true && me["password_refused"].is_null(), "{me}");
    ensure!(admin.asks().await? == 401);

    status(&admin.redeem(&link, "short").await?, 400)?;
    status(&admin.redeem(&link, PASSWORD).await?, 200)?;
    status(&Browser::new(&tarn.http).redeem(&link, "another password").await?, 403)?;
    let me = admin.me().await?;
    ensure!(me["principal"]["name"] == "admin" && me["setup"] == false, "{me}");
    ensure!(admin.asks().await? == 200);
    only_pages_of_ours_change_something(&mut admin).await?;

    let bob = json!({ "name": "bob", "grants": [{ "role": "viewer", "tenants": ["default"] }] });
    let added = admin.page(Method::POST, "/api/v1/access/users", &bob).await?;
    status(&added, 201)?;
    let link = data(&added)?["link"].as_str().context("a link")?.to_owned();
    ensure!(link.starts_with(&format!("http://{}/welcome#", tarn.address)), "{link}");
    let token = link.split_once('#').context("a token")?.1.to_owned();
    let mut bob = Browser::new(&tarn.http);
    status(&bob.redeem(&token, PASSWORD).await?, 200)?;
    ensure!(bob.asks().await? == 200);
    status(&bob.page(Method::POST, "/-/flush", &json!({})).await?, 403)?;
    status(&bob.get("/api/v1/access/users").await?, 403)?;
    let other = [("x-scope-orgid", "another")];
    status(&bob.send(Method::GET, "/api/v1/query?query=up", &other, "").await?, 403)?;

    // A restart logs nobody out, and prints no link where an administrator has a password.
    let printed = first_links(&tarn).len();
    tarn.kill()?;
    tarn.start_again().await?;
    sessions_are_read(&mut admin).await?;
    ensure!(bob.asks().await? == 200);
    ensure!(first_links(&tarn).len() == printed, "another link is printed");

    let users = data(&admin.get("/api/v1/access/users").await?)?;
    ensure!(users["users"].as_array().is_some_and(|users| users.len() == 2), "{users}");
    ensure!(users["users"][1]["has_password"] == true, "{users}");
    ensure!(!users.to_string().contains("argon2"), "{users}");
    status(&admin.page(Method::DELETE, "/api/v1/access/users/admin", &json!({})).await?, 400)?;
    status(&admin.page(Method::DELETE, "/api/v1/access/users/bob", &json!({})).await?, 200)?;
    ensure!(bob.asks().await? == 401, "a user who was removed is nobody at once");

    let stolen = admin.cookies.clone();
    status(&admin.page(Method::POST, "/api/v1/access/logout", &json!({})).await?, 200)?;
    ensure!(admin.cookies.is_empty() && admin.asks().await? == 401);
    admin.cookies = stolen;
    ensure!(admin.asks().await? == 401, "a session that was ended is over");
    tarn.kill()?;
    tarn.start_again().await?;
    status(&Browser::new(&tarn.http).login("admin", PASSWORD).await?, 200)?;
    ensure!(admin.asks().await? == 401, "after a restart too");
    Ok(())
}

/// Users are read while the log is replayed.
async fn sessions_are_read(browser: &mut Browser) -> Result<()> {
    for _ in 0..250 {
        if browser.asks().await? == 200 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    anyhow::bail!("the session is not known after the restart")
}

async fn only_pages_of_ours_change_something(admin: &mut Browser) -> Result<()> {
    let csrf = admin.csrf.clone().context("a token")?;
    for (headers, expected) in [
        (vec![], 403),
        (vec![("x-tarn-csrf", "wrong")], 403),
        (vec![("x-tarn-csrf", csrf.as_str()), ("sec-fetch-site", "cross-site")], 403),
        (vec![("x-tarn-csrf", &csrf), ("origin", "https://evil.example")], 403),
        (vec![("x-tarn-csrf", &csrf), ("sec-fetch-site", "same-origin")], 200),
        (vec![("x-tarn-csrf", &csrf)], 200),
    ] {
        let answer = admin.send(Method::POST, "/-/flush", &headers, "").await?;
        status(&answer, expected).with_context(|| format!("{headers:?}"))?;
    }
    // A page of somebody else cannot log a browser in or out either.
    let evil = [("content-type", "application/json"), ("sec-fetch-site", "cross-site")];
    let body = json!({ "name": "admin", "password": PASSWORD }).to_string();
    status(&admin.send(Method::POST, "/api/v1/access/login", &evil, body).await?, 403)?;
    status(&admin.send(Method::POST, "/api/v1/access/logout", &evil, "{}").await?, 403)?;
    status(&admin.send(Method::POST, "/api/v1/access/logout", &[], "{}").await?, 403)?;
    ensure!(admin.asks().await? == 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_hostile_gets_nothing() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &FLAGS).await?;
    let link = first_link(&tarn).await?;
    let mut admin = Browser::new(&tarn.http);
    status(&admin.redeem(&link, PASSWORD).await?, 200)?;
    let good = admin.cookies["__Host-tarn"].clone();

    let (payload, tag) = good.split_once('.').context("a sealed value")?;
    let long = "a".repeat(8_000);
    for forged in [
        "",
        ".",
        "x.y",
        payload,
        &format!("{payload}.{payload}"),
        &format!("x{payload}.{tag}"),
        &long,
    ] {
        let cookie = format!("__Host-tarn={forged}");
        let headers = [("cookie", cookie.as_str())];
        let answer = tarn.http.send(Method::GET, "/api/v1/query?query=up", &headers, "").await?;
        status(&answer, 401).with_context(|| forged.to_owned())?;
    }
    for (path, kind, body, expected) in [
        ("login", "application/json", b"{\"name\":\"admin\"}".to_vec(), 400),
        ("login", "application/json", b"{\"name\":\"\xff\",\"password\":\"x\"}".to_vec(), 400),
        ("login", "application/json", b"not json hunter2hunter2".to_vec(), 400),
        ("login", "text/plain", b"{\"name\":\"admin\",\"password\":\"x\"}".to_vec(), 400),
        ("login", "application/x-www-form-urlencoded", b"name=admin&password=x".to_vec(), 400),
        ("login", "application/json", vec![b'x'; 1 << 20], 413),
        ("password", "application/json", b"{\"password\":\"long enough to be one\"}".to_vec(), 400),
        (
            "password",
            "application/json",
            b"{\"link\":\"\",\"password\":\"long enough to be\"}".to_vec(),
            403,
        ),
        (
            "password",
            "application/json",
            b"{\"old\":\"x\",\"password\":\"long enough to be\"}".to_vec(),
            403,
        ),
    ] {
        let headers = [("content-type", kind)];
        let path = format!("/api/v1/access/{path}");
        let answer = tarn.http.send(Method::POST, &path, &headers, body).await?;
        status(&answer, expected).with_context(|| path.clone())?;
        ensure!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    guesses_are_slowed(&tarn, &mut admin).await?;
    // The link was printed for whoever starts the server, and is not among the stored lines.
    status(&admin.get("/-/ready").await?, 200)?;
    let found = admin.get(&format!("/api/v1/logs/search?q={link}")).await?;
    ensure!(found.status == 200 && !found.text().contains(&link), "{}", found.text());
    ensure!(
        tarn.unexpected_lines(&["disk fills up"]).is_empty(),
        "{:?}",
        tarn.unexpected_lines(&["disk fills up"])
    );
    Ok(())
}

async fn guesses_are_slowed(tarn: &Tarn, admin: &mut Browser) -> Result<()> {
    for name in ["nobody", "somebody"] {
        let mut words = Vec::new();
        for _ in 0..5 {
            let answer = Browser::new(&tarn.http).login(name, "a guess").await?;
            status(&answer, 401)?;
            words.push(answer.text());
        }
        words.dedup();
        ensure!(words.len() == 1, "{words:?}");
        let answer = Browser::new(&tarn.http).login(name, "a guess").await?;
        status(&answer, 429)?;
        ensure!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    }
    // Others get in, and who has a session does not notice.
    status(&Browser::new(&tarn.http).login("admin", PASSWORD).await?, 200)?;
    ensure!(admin.asks().await? == 200);
    let metrics = admin.get("/metrics").await?.text();
    for line in [
        "tarn_auth_logins_total{by=\"password\",outcome=\"wrong\"} 10",
        "tarn_auth_logins_total{by=\"password\",outcome=\"limited\"} 2",
        "tarn_auth_logins_total{by=\"link\",outcome=\"done\"} 1",
        "tarn_auth_sessions_refused_total{reason=\"forged\"}",
    ] {
        ensure!(metrics.contains(line), "{line} is not in {metrics}");
    }
    Ok(())
}

/// The command does what the page does, with a key of the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_makes_and_removes_users() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let token = "tarn_test_0123456789abcdefghijklmnopqrstuvwxyz";
    let file = temporary.path().join("auth.yaml");
    let text = "keys:\n  - name: operator\n    token: TOKEN\n    grants: [{role: admin, tenants: ['*']}]\n";
    #[expect(clippy::disallowed_methods, reason = "the test writes the file of an operator")]
    std::fs::write(&file, text.replace("TOKEN", token))?;
    let file = file.to_string_lossy().into_owned();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--auth.file", &file]).await?;
    first_link(&tarn).await?;
    let url = format!("http://{}", tarn.address);
    let run = |args: &[&str], token: &str| -> Result<(bool, String)> {
        let mut command = Command::new(TARN);
        let command = command.args(["access", "users"]).args(args).args(["--url", &url]);
        let out = command.env("TARN_TOKEN", token).output()?;
        let text = [out.stdout, out.stderr].concat();
        Ok((out.status.success(), String::from_utf8(text)?))
    };
    let (done, text) = run(&["add", "ada", "--grant", "editor:default,team-a"], token)?;
    ensure!(done && text.contains("/welcome#") && text.contains("good once"), "{text}");
    let link = text.split("/welcome#").nth(1).and_then(|t| t.split_whitespace().next());
    let mut ada = Browser::new(&tarn.http);
    status(&ada.redeem(link.context("a link")?, PASSWORD).await?, 200)?;
    let (done, text) = run(&["list"], token)?;
    ensure!(done && text.contains("ada    editor of default, team-a; last login "), "{text}");
    ensure!(run(&["link", "ada"], token)?.0);
    ensure!(!run(&["add", "ada", "--grant", "viewer"], token)?.0, "the name is taken");
    ensure!(!run(&["remove", "ada"], "wrong")?.0, "without a key");
    ensure!(ada.asks().await? == 200);
    let (done, text) = run(&["remove", "ada"], token)?;
    ensure!(done && ada.asks().await? == 401, "{text}");
    Ok(())
}
