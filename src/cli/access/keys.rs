//! `tarn access keys`: API keys of a running server, and tokens for `auth.file`.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tarn_model::units::parse_duration;

use super::grant;
use crate::auth::api_key::{Fingerprint, Token, is_id};
use crate::auth::principal::{Grant, Role, Tenants};
use crate::cli::client::{Server, block_on};
use crate::cli::print;
use crate::cli::remote::succeeded;
use crate::cli::terminal::printable;

const KEYS: &str = "/api/v1/access/keys";

/// `tarn access keys …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// List keys: what they may do, until when, and when they were used last.
    List(Server),
    /// Make a key, and print its token: it is shown this once.
    Create(CreateArgs),
    /// End a key.
    Revoke(RevokeArgs),
    /// Print a new token and its SHA-256, for an entry of auth.file. Asks no server.
    Generate,
}

/// `tarn access keys create`
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name of whoever will use it. Several keys may have one name, so that they can be changed one
    /// after the other.
    name: String,
    /// What it may do: ingest, viewer, editor or admin, of the tenant of --tenant, else of all.
    #[arg(long, value_name = "ROLE", required_unless_present = "grants")]
    role: Option<Role>,
    /// A role of some tenants, such as viewer:team-a,team-b. May be given several times.
    #[arg(long = "grant", value_name = "ROLE[:TENANT,…]", value_parser = grant)]
    grants: Vec<Grant>,
    /// When it ends: after a time such as 90d, or at one such as 2027-01-01T00:00:00Z. Without it never.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// `tarn access keys revoke`
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// Id of the key, 16 hex digits: see `tarn access keys list`.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Created {
    key: Key,
    token: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    id: String,
    name: String,
    grants: Vec<Grant>,
    expires: Option<String>,
    last_used: Option<String>,
    origin: String,
}

/// Runs the command.
///
/// # Errors
/// What the server answered, if it was not what was asked for.
pub(crate) fn run(command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::List(server) => block_on(list(server)),
        KeysCommand::Create(args) => block_on(create(args)),
        KeysCommand::Revoke(RevokeArgs { id, server }) => {
            ensure!(
                is_id(id),
                "{id:?} is no id of a key: 16 hex digits, see `tarn access keys list`"
            );
            let path = format!("{KEYS}/{id}");
            succeeded(&block_on(server.send(Method::DELETE, &path, None, ""))?)?;
            print(format_args!("{id} is revoked; other nodes notice within ten seconds"));
            Ok(())
        }
        KeysCommand::Generate => {
            let token = Token::generate()?;
            print(&token.text);
            print(format_args!("sha256: {}", Fingerprint::of(&token.text).to_hex()));
            Ok(())
        }
    }
}

async fn list(server: &Server) -> anyhow::Result<()> {
    let answer = server.send(Method::GET, KEYS, None, "").await?;
    let Answer { data: Keys { keys } } =
        serde_json::from_str(&succeeded(&answer)?).context("read the list of keys")?;
    keys.iter().for_each(|key| print(printable(&line(key))));
    Ok(())
}

fn line(key: &Key) -> String {
    let Key { id, name, grants, expires, last_used, origin } = key;
    let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
    let expires = expires.as_ref().map(|at| format!("; until {at}")).unwrap_or_default();
    let used = last_used.as_ref().map_or("not used".to_owned(), |at| format!("last used {at}"));
    let origin = if origin == "file" { "; in auth.file" } else { "" };
    format!("{id}  {name}  {}{expires}; {used}{origin}", grants.join("; "))
}

async fn create(args: &CreateArgs) -> anyhow::Result<()> {
    let CreateArgs { name, role, grants, expires, server } = args;
    let mut grants = grants.clone();
    if let Some(role) = role {
        let tenant = server.tenant.clone().unwrap_or_else(|| "*".to_owned());
        grants.push(Grant { role: *role, tenants: Tenants::try_from(vec![tenant])? });
    }
    let expires = expires.as_deref().map(|text| ends(text, SystemTime::now())).transpose()?;
    let body = json!({ "name": name, "grants": grants, "expires": expires }).to_string();
    let answer = server.send(Method::POST, KEYS, Some("application/json"), body).await?;
    let Answer { data: Created { key, token } } =
        serde_json::from_str(&succeeded(&answer)?).context("read the key")?;
    print(printable(&line(&key)));
    print("This is its token, shown this once: Authorization: Bearer …, or the password of Basic.");
    print(printable(&token));
    Ok(())
}

fn ends(text: &str, now: SystemTime) -> anyhow::Result<Timestamp> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let wrong = || format!("--expires {text:?} is neither a time such as 90d nor one in RFC 3339");
    let after: Duration = parse_duration(text).ok().with_context(wrong)?;
    let at = now.checked_add(after).with_context(wrong)?;
    let at = Timestamp::try_from(at).with_context(wrong)?;
    // Nobody wants to read nanoseconds.
    Ok(Timestamp::from_second(at.as_second())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_after_a_time_or_at_one() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        for (text, expected) in [
            ("90d", Some("1970-04-02T00:00:00Z")),
            ("2027-01-01T00:00:00Z", Some("2027-01-01T00:00:00Z")),
            ("tomorrow", None),
            ("", None),
        ] {
            let at = ends(text, now).ok().map(|at| at.to_string());
            assert_eq!(at.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_key_is_one_line() {
        let text = r#"{"id":"0f0f0f0f0f0f0f0f","name":"grafana","expires":null,"last_used":null,
            "grants":[{"role":"viewer","tenants":["a"]}],"origin":"file","created":null}"#;
        let key: Key = serde_json::from_str(text).unwrap();
        let expected = "0f0f0f0f0f0f0f0f  grafana  viewer of a; not used; in auth.file";
        assert_eq!(line(&key), expected);
    }
}
