//! Logging in at a real provider: panva's, which is certified, run by Node.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of others")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use http::Method;
use http::header::LOCATION;
use tarn_testkit::http::{Answer, Http};
use tarn_testkit::process::Tarn;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use crate::people::Browser;
use crate::{TARN, data_folder};

const PROVIDER: &str = include_str!("oidc/provider.mjs");
const GROUPS: &str = "groups:\n  - name: sre\n    grants: [{role: admin, tenants: ['*']}]\n";

/// A provider that runs.
struct Provider {
    http: Http,
    // Ends with the test.
    _child: Child,
}

/// Returns where the provider is installed.
#[expect(clippy::print_stdout, reason = "tells what this machine lacks")]
fn tools() -> Option<PathBuf> {
    let tools = std::env::var_os("TARN_TOOLS").map(|tools| PathBuf::from(tools).join("oidc"));
    let found = tools.filter(|tools| tools.join("node_modules/oidc-provider").is_dir());
    if found.is_none() {
        println!("skipped: oidc-provider is not installed, make tools does it");
    }
    found
}

impl Provider {
    /// Starts it on a port, for a server that stands at an address.
    async fn start(folder: &Path, tools: &Path, port: u16, address: &str) -> Result<Self> {
        let script = folder.join("provider.mjs");
        tokio::fs::write(&script, PROVIDER).await?;
        let mut child = Command::new("node")
            .arg(&script)
            .arg(tools)
            .arg(port.to_string())
            .arg(format!("http://{address}/api/v1/access/oidc/callback"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start node")?;
        let out = child.stdout.take().context("its output")?;
        BufReader::new(out).lines().next_line().await?.context("it has ended")?;
        Ok(Self { http: Http::new(&format!("127.0.0.1:{port}")), _child: child })
    }

    /// Logs in there as a person who consents; returns where the provider sends the browser then, as
    /// path and query.
    async fn log_in(&self, authorize: &str, name: &str) -> Result<String> {
        let mut browser = Browser::new(&self.http);
        let mut path = local(authorize)?;
        for _ in 0..8 {
            let page = browser.get(&path).await?;
            let to = if (300..400).contains(&page.status) {
                to(&page)?
            } else {
                let prompt =
                    if page.text().contains("value=\"login\"") { "login" } else { "consent" };
                let form = [("content-type", "application/x-www-form-urlencoded")];
                let body = format!("prompt={prompt}&login={name}&password=any");
                to(&browser.send(Method::POST, &path, &form, body).await?)?
            };
            if to.contains("/api/v1/access/oidc/callback") {
                return local(&to);
            }
            path = local(&to)?;
        }
        anyhow::bail!("the provider never sends the browser back")
    }
}

fn to(answer: &Answer) -> Result<String> {
    let to = answer.headers.get(LOCATION).with_context(|| answer.text())?;
    Ok(to.to_str()?.to_owned())
}

/// Returns path and query.
fn local(address: &str) -> Result<String> {
    let url = Url::parse("http://localhost")?.join(address)?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{}{query}", url.path()))
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
async fn people_log_in_at_a_certified_provider() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let file = temporary.path().join("auth.yaml");
    std::fs::write(&file, GROUPS)?;
    let file = file.to_string_lossy().into_owned();
    let Some(tools) = tools() else { return Ok(()) };
    let port = tarn_testkit::process::free_port()?;
    let issuer = format!("http://127.0.0.1:{port}");
    let flags = [
        ["--auth.file", &file],
        ["--auth.oidc.issuer", &issuer],
        ["--auth.oidc.client-id", "tarn"],
        ["--auth.oidc.client-secret", "env:OIDC_SECRET"],
        ["--auth.oidc.scopes", "openid, profile, groups"],
        ["--auth.oidc.name", "Test"],
    ];
    let variables = [("OIDC_SECRET", "not a secret in a test")];
    let data = data_folder(&temporary);
    let tarn = Tarn::start_with(TARN, &data, &flags.concat(), &variables).await?;
    let http = tarn.http.clone();
    let early = Browser::new(&http).get("/api/v1/access/oidc/start").await?;
    status(&early, 503)?;
    ensure!(early.text().contains("does not answer"), "{}", early.text());
    let provider = Provider::start(temporary.path(), &tools, port, &tarn.address).await?;

    let mut ada = Browser::new(&http);
    let me = ada.me().await?;
    ensure!(me["login"] == true && me["oidc"]["name"] == "Test", "{me}");
    let started = ada.get("/api/v1/access/oidc/start?back=/logs%3Fq%3Da").await?;
    status(&started, 303)?;
    let back = provider.log_in(&to(&started)?, "ada").await?;
    // The address that comes back is worth nothing in another browser, nor with another state.
    status(&Browser::new(&http).get(&back).await?, 403)?;
    status(&ada.get(&back.replace("state=", "state=x")).await?, 403)?;
    let kept = ada.cookies.clone();
    let done = ada.get(&back).await?;
    status(&done, 303)?;
    ensure!(to(&done)? == "/logs?q=a", "{}", to(&done)?);
    let me = ada.me().await?;
    ensure!(me["principal"]["name"] == "ada" && me["principal"]["how"] == "oidc", "{me}");
    ensure!(me["principal"]["grants"][0]["role"] == "admin", "{me}");
    ensure!(ada.get("/api/v1/query?query=up").await?.status == 200);
    // A code that was used is worth nothing, also to who began the login.
    let mut again = Browser::new(&http);
    again.cookies = kept;
    let replayed = again.get(&back).await?;
    status(&replayed, 401)?;
    ensure!(replayed.text().contains("invalid_grant"), "{}", replayed.text());

    // Somebody whom the provider knows, and of whose groups this server was told nothing.
    let mut eve = Browser::new(&http);
    let started = eve.get("/api/v1/access/oidc/start").await?;
    let back = provider.log_in(&to(&started)?, "eve").await?;
    let refused = eve.get(&back).await?;
    status(&refused, 403)?;
    ensure!(refused.text().contains("visitors"), "{}", refused.text());
    ensure!(!eve.cookies.contains_key("__Host-tarn"));

    let groups = GROUPS.replace("sre", "others");
    std::fs::write(temporary.path().join("auth.yaml"), groups)?;
    for _ in 0..150 {
        if ada.get("/api/v1/query?query=up").await?.status == 403 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    status(&ada.get("/api/v1/query?query=up").await?, 403)?;
    let expected = [
        "a login at the provider fails",
        "the provider of logins does not answer",
        "disk fills up",
    ];
    ensure!(tarn.unexpected_lines(&expected).is_empty(), "{:?}", tarn.unexpected_lines(&expected));
    Ok(())
}
