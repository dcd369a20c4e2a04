//! Who may do what: every route with every method, every kind of caller and every way to name a tenant,
//! over real connections, against the role that the table of routes asks for. The same walk prints the
//! table of `access.md`: `TARN_UPDATE=1` writes it.
//!
//! What a role may do is written down here once more, apart from the code that decides it.
#![expect(clippy::disallowed_methods, reason = "the test writes the files of an operator")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tarn_testkit::grpc::{Grpc, frame};
use tarn_testkit::process::Tarn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{TARN, data_folder};

mod isolation;
mod life;

/// A row of `src/routes.rs`.
#[derive(Debug, Clone)]
struct Route {
    path: String,
    methods: Vec<&'static str>,
    needs: String,
    handler: String,
}

/// Reads the table: `route("/path", Methods::X, NEEDS, BodyLimit::Y, Handler::Z),`, one a line.
fn routes() -> Result<Vec<Route>> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("cargo runs the tests")?;
    let text = std::fs::read_to_string(PathBuf::from(here).join("src/routes.rs"))?;
    let mut routes = Vec::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("    route(")) {
        let (path, rest) = row.split_once(", Methods::").context("a row has methods")?;
        let path = match path.trim_matches('"') {
            "openapi::PATH" => "/api/v1/openapi.json",
            path => path,
        };
        let (methods, rest) = rest.split_once(", ").context("a row has needs")?;
        let (needs, rest) = rest.split_once(", BodyLimit::").context("a row has a limit")?;
        let (_, handler) = rest.split_once("Handler::").context("a row has a handler")?;
        let methods = match methods {
            "Get" => vec!["GET", "HEAD"],
            "Post" => vec!["POST"],
            "PostAndPut" => vec!["POST", "PUT"],
            "Put" => vec!["PUT"],
            "GetAndPost" => vec!["GET", "HEAD", "POST"],
            "Delete" => vec!["DELETE"],
            other => bail!("methods {other} are new"),
        };
        let (path, needs) = (path.to_owned(), needs.to_owned());
        routes.push(Route { path, methods, needs, handler: handler.to_owned() });
    }
    ensure!(routes.len() > 100, "the table of routes has {} rows", routes.len());
    Ok(routes)
}

const ROLES: [&str; 4] = ["ingest", "viewer", "editor", "admin"];

/// What whoever has one role may do that another may.
#[expect(clippy::panic, reason = "a new role must be written down here")]
fn includes(has: &str, needed: &str) -> bool {
    match needed {
        "Ingest" => matches!(has, "ingest" | "admin"),
        "Viewer" => matches!(has, "viewer" | "editor" | "admin"),
        "Editor" => matches!(has, "editor" | "admin"),
        "Admin" => has == "admin",
        other => panic!("role {other} is new"),
    }
}

/// Who asks.
#[derive(Debug, Clone)]
struct Caller {
    name: String,
    token: Option<String>,
    /// Role, and whether it holds for all tenants or for tenant `a`; `None` for whoever is refused.
    known: Option<(&'static str, bool)>,
}

/// How a tenant is named: lines of the header.
const NAMED: [(&str, &[&str]); 5] = [
    ("none", &[]),
    ("granted", &["a"]),
    ("another", &["b"]),
    ("twice", &["a", "a"]),
    ("several", &["a|b"]),
];

/// What must happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The handler answers, whatever it says.
    Answered,
    Unauthenticated,
    Forbidden,
    Invalid,
}

fn expected(needs: &str, caller: &Caller, named: &str) -> Expected {
    use Expected::{Answered, Forbidden, Invalid, Unauthenticated};
    if needs == "Anyone" {
        return Answered;
    }
    let Some((role, everywhere)) = caller.known else { return Unauthenticated };
    let (scope, needed) = needs.trim_end_matches(')').split_once('(').expect("a scope and a role");
    if scope == "Server" {
        return if everywhere && includes(role, needed) { Answered } else { Forbidden };
    }
    match named {
        "twice" | "several" => Invalid,
        _ if !includes(role, needed) => Forbidden,
        "another" if !everywhere => Forbidden,
        _ => Answered,
    }
}

/// The file of keys: each role for tenant `a` and for all, and one that has expired.
fn write_keys(folder: &Path) -> Result<(PathBuf, Vec<Caller>)> {
    let mut text = "keys:\n".to_owned();
    let mut callers = Vec::new();
    for (place, everywhere) in [("a", false), ("*", true)] {
        for role in ROLES {
            let name = format!("{role} of {}", if everywhere { "all" } else { "a" });
            let token = token_of(&name);
            writeln!(
                text,
                "  - name: {name}\n    token: {token}\n    grants: [{{role: {role}, tenants: ['{place}']}}]"
            )?;
            callers.push(Caller { name, token: Some(token), known: Some((role, everywhere)) });
        }
    }
    let token = token_of("expired");
    writeln!(
        text,
        "  - name: expired\n    token: {token}\n    expires: 2020-01-01T00:00:00Z\n    \
         grants: [{{role: admin, tenants: ['*']}}]"
    )?;
    let of =
        |name: &str, token: Option<String>| Caller { name: name.to_owned(), token, known: None };
    callers.push(of("expired", Some(token)));
    callers.push(of("nobody", None));
    callers.push(of("wrong", Some(format!("tarn_{}_{}", "0a".repeat(8), "1b".repeat(32)))));
    let path = folder.join("auth.yaml");
    std::fs::write(&path, text)?;
    Ok((path, callers))
}

/// Returns the same token for the same name, of visible characters.
fn token_of(name: &str) -> String {
    let mut text: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    while text.len() < 40 {
        text.push('x');
    }
    text
}

fn auth(token: &str) -> String {
    format!("Bearer {token}")
}

/// Sends a request over a connection of its own; returns the status and what came with it at once.
async fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n")?;
    }
    head.push_str("content-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // A tail never ends: the head and what is there with it suffice.
    loop {
        let read = stream.read(&mut part);
        let n =
            tokio::time::timeout(Duration::from_secs(30), read).await.context("no answer")??;
        answer.extend_from_slice(&part[..n]);
        if n == 0 || answer.windows(4).any(|w| w == b"\r\n\r\n") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.with_context(|| format!("{method} {path}: {text:?}"))?, text))
}

/// Fills the parameters of a path with something that is nowhere.
fn filled(path: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('{') { "0a0b0c0d0e0f0a0b".to_owned() } else { part.to_owned() }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Calls of gRPC are answered over HTTP/2 only; to what comes otherwise all are told so.
fn is_call(route: &Route) -> bool {
    route.handler.starts_with("OtlpGrpc") || route.handler.starts_with("GrpcHealth")
}

/// The routes of the login decide by what is in the body.
fn decides_itself(route: &Route) -> bool {
    route.needs == "Anyone" && route.path.starts_with("/api/v1/access/")
}

async fn one(
    address: &str,
    (route, method): (&Route, &str),
    caller: &Caller,
    (named, tenants): (&str, &[&str]),
) -> Result<u16> {
    let bearer = caller.token.as_deref().map(auth);
    let mut headers: Vec<(&str, &str)> =
        vec![("accept", "application/json"), ("content-type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    headers.extend(tenants.iter().map(|tenant| ("x-scope-orgid", *tenant)));
    let path = filled(&route.path);
    let (status, text) = ask(address, method, &path, &headers).await?;
    let what = || format!("{method} {path} by {}, tenant {named}: {text}", caller.name);
    match expected(&route.needs, caller, named) {
        // An address that is wrong too often is told to wait.
        Expected::Unauthenticated => ensure!(matches!(status, 401 | 429), "{}", what()),
        Expected::Forbidden => ensure!(status == 403, "{}", what()),
        Expected::Invalid => ensure!(status == 400, "{}", what()),
        Expected::Answered => ensure!(!matches!(status, 401 | 403), "{}", what()),
    }
    if status == 401 {
        ensure!(text.contains("www-authenticate: Bearer"), "{}", what());
    }
    Ok(status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_asks_every_caller_for_what_the_table_says() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let (file, mut callers) = write_keys(temporary.path())?;
    let file = file.to_string_lossy().into_owned();
    let tarn = Tarn::start(TARN, &data_folder(&temporary), &["--auth.file", &file]).await?;
    callers.push(revoked(&tarn).await?);
    let routes = routes()?;
    let asked = routes.iter().filter(|route| !is_call(route) && !decides_itself(route));
    let mut cases = Vec::new();
    for route in asked {
        for method in &route.methods {
            for caller in &callers {
                cases.extend(NAMED.iter().map(|named| (route, *method, caller, *named)));
            }
        }
    }
    let address = &tarn.address;
    let statuses: Vec<u16> = stream::iter(&cases)
        .map(|(route, method, caller, named)| one(address, (route, method), caller, *named))
        .buffered(16)
        .try_collect()
        .await?;
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for status in &statuses {
        *counts.entry(*status).or_default() += 1;
    }
    println!("{} requests over {} routes: {counts:?}", cases.len(), routes.len());
    let calls = grpc(&tarn, &callers).await?;
    println!("{calls} calls of gRPC");
    let seen: Vec<Seen<'_>> = cases
        .iter()
        .zip(statuses)
        .map(|(case, status)| (case.0, case.1, case.2, case.3.0, status))
        .collect();
    check_page(&table(&routes, &seen)?)
}

/// Makes a key through the API, which works, and revokes it, after which it does not.
async fn revoked(tarn: &Tarn) -> Result<Caller> {
    let admin = auth(&token_of("admin of all"));
    let headers = [("authorization", admin.as_str()), ("content-type", "application/json")];
    let wanted = json!({"name": "revoked", "grants": [{"role": "admin", "tenants": ["*"]}]});
    let made =
        tarn.http.send(Method::POST, "/api/v1/access/keys", &headers, wanted.to_string()).await?;
    ensure!(made.status == 201, "{}", made.text());
    let data = made.json()?["data"].take();
    let (token, id) = (data["token"].as_str().context("a token")?, data["key"]["id"].as_str());
    let own = auth(token);
    let status = tarn.http.send(Method::GET, "/status", &[("authorization", &own)], "").await?;
    ensure!(status.status == 200, "{}", status.text());
    let path = format!("/api/v1/access/keys/{}", id.context("an id")?);
    let gone = tarn.http.send(Method::DELETE, &path, &headers, "").await?;
    ensure!(gone.status == 200, "{}", gone.text());
    let token = Some(token.to_owned());
    Ok(Caller { name: "revoked".to_owned(), token, known: None })
}

/// Calls of gRPC, on its own port and on that for everything.
async fn grpc(tarn: &Tarn, callers: &[Caller]) -> Result<usize> {
    let mut calls = 0;
    for address in [tarn.otlp_grpc(), &tarn.address] {
        let client = Grpc::new(address);
        for service in ["logs.v1.LogsService", "trace.v1.TraceService", "metrics.v1.MetricsService"]
        {
            let path = format!("/opentelemetry.proto.collector.{service}/Export");
            for caller in callers {
                for (named, tenants) in NAMED {
                    let bearer = caller.token.as_deref().map(auth);
                    let mut headers: Vec<(&str, &str)> = Vec::new();
                    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
                    headers.extend(tenants.iter().map(|tenant| ("x-scope-orgid", *tenant)));
                    let ended = client.call(&path, &headers, frame(false, b"")).await?;
                    let code = ended.code();
                    let right = match expected("Tenant(Ingest)", caller, named) {
                        Expected::Answered => code == 0,
                        Expected::Unauthenticated => matches!(code, 16 | 8),
                        Expected::Forbidden => code == 7,
                        Expected::Invalid => code == 3,
                    };
                    let name = &caller.name;
                    ensure!(right, "{path} by {name}, tenant {named}: {code} {:?}", ended.headers);
                    calls += 1;
                }
            }
        }
    }
    Ok(calls)
}

/// Route, method, caller, how the tenant was named, status.
type Seen<'a> = (&'a Route, &'a str, &'a Caller, &'a str, u16);

/// Makes the table of what was seen.
fn table(routes: &[Route], seen: &[Seen<'_>]) -> Result<String> {
    let mut text =
        "| method | path | nobody | ingest | viewer | editor | admin | of another tenant |\n\
                    |---|---|---|---|---|---|---|---|\n"
            .to_owned();
    let is_let = |status: u16| !matches!(status, 401 | 403 | 429);
    for route in routes.iter().filter(|route| !decides_itself(route)) {
        let methods: Vec<&str> = route.methods.iter().copied().filter(|m| *m != "HEAD").collect();
        let status = |caller: &str, named: &str| {
            let found = seen.iter().find(|(r, method, who, how, _)| {
                std::ptr::eq(*r, route)
                    && *method == methods[0]
                    && who.name == caller
                    && *how == named
            });
            found.map(|found| found.4)
        };
        let mut cells = Vec::new();
        if is_call(route) {
            let open = route.needs == "Anyone";
            let may = |role: &str| open || includes(role, "Ingest");
            cells.push(if open { "yes" } else { "" });
            cells.extend(ROLES.map(|role| if may(role) { "yes" } else { "" }));
            cells.push(if open { "yes" } else { "" });
        } else {
            let nobody = status("nobody", "none").context("nobody asked")?;
            cells.push(if is_let(nobody) { "yes" } else { "" });
            for role in ROLES {
                let own = status(&format!("{role} of a"), "granted").context("one asked")?;
                let all = status(&format!("{role} of all"), "granted").context("all asked")?;
                cells.push(match (is_let(own), is_let(all)) {
                    (true, _) => "yes",
                    (false, true) => "of all",
                    (false, false) => "",
                });
            }
            let other = status("admin of a", "another").context("another asked")?;
            cells.push(if is_let(other) { "yes" } else { "" });
        }
        let (methods, path) = (methods.join(", "), route.path.replace('|', "\\|"));
        writeln!(text, "| {methods} | `{path}` | {} |", cells.join(" | "))?;
    }
    Ok(text)
}

const BEGIN: &str = "<!-- table: TARN_UPDATE=1 cargo test --workspace --test it access -->\n";
const END: &str = "<!-- end of table -->\n";

fn check_page(table: &str) -> Result<()> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").context("cargo runs the tests")?;
    let path = PathBuf::from(here).join("access.md");
    let page = std::fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(BEGIN).context("access.md has a place for the table")?;
    let (_, after) = rest.split_once(END).context("access.md says where the table ends")?;
    let now = [before, BEGIN, table, END, after].concat();
    if std::env::var_os("TARN_UPDATE").is_some() {
        std::fs::write(&path, &now)?;
    }
    let kept = std::fs::read_to_string(&path)?;
    ensure!(
        kept == now,
        "access.md is stale: TARN_UPDATE=1 cargo test --workspace --test it access"
    );
    Ok(())
}

/// Returns `data` of an answer.
fn data(text: &str) -> Result<Value> {
    let json: Value = serde_json::from_str(text).with_context(|| text.to_owned())?;
    Ok(json["data"].clone())
}
