//! `tarn access users`: who may log in with a password, as a running server knows them.
//!
//! Nobody types a password of somebody else: `add` and `link` print a link, behind which the person sets
//! one.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::auth::principal::Grant;
use crate::cli::access::grant;
use crate::cli::client::{Server, block_on};
use crate::cli::print;
use crate::cli::remote::succeeded;
use crate::cli::terminal::printable;

const USERS: &str = "/api/v1/access/users";

/// `tarn access users …`
#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// List users: what they may do, and whether they have set a password.
    List(Server),
    /// Make a user, and print the link behind which the person sets a password: good once, for a day.
    Add(AddArgs),
    /// Print another link for a user who has lost theirs, or the password.
    Link(NameArgs),
    /// Remove a user, whose sessions end.
    Remove(NameArgs),
}

/// `tarn access users add`
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Name: of a-z, 0-9 and . _ @ + -
    name: String,
    /// What the user may do: viewer, editor or admin, of all tenants or of some, such as
    /// editor:team-a,team-b. May be given several times.
    #[arg(long = "grant", value_name = "ROLE[:TENANT,…]", required = true, value_parser = grant)]
    grants: Vec<Grant>,
    #[command(flatten)]
    server: Server,
}

/// A user.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name of the user.
    name: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Debug, Deserialize)]
struct Users {
    users: Vec<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    grants: Vec<Grant>,
    has_password: bool,
    last_login: Option<String>,
    locked_until: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Link {
    link: String,
    expires: String,
}

/// Runs the command.
///
/// # Errors
/// What the server answered, if it was not what was asked for.
pub(crate) fn run(command: &UsersCommand) -> anyhow::Result<()> {
    block_on(async {
        match command {
            UsersCommand::List(server) => list(server).await,
            UsersCommand::Add(AddArgs { name, grants, server }) => {
                let body = json!({ "name": name, "grants": grants }).to_string();
                linked(server, USERS, body).await
            }
            UsersCommand::Link(NameArgs { name, server }) => {
                linked(server, &format!("{}/link", path(name)?), "{}".to_owned()).await
            }
            UsersCommand::Remove(NameArgs { name, server }) => {
                succeeded(&server.send(Method::DELETE, &path(name)?, None, "").await?)?;
                print(format_args!("{} is removed", printable(name)));
                Ok(())
            }
        }
    })
}

async fn list(server: &Server) -> anyhow::Result<()> {
    let answer = server.send(Method::GET, USERS, None, "").await?;
    let Answer { data: Users { users } } =
        serde_json::from_str(&succeeded(&answer)?).context("read the list of users")?;
    let width = users.iter().map(|user| user.name.len()).max().unwrap_or_default();
    users.iter().for_each(|user| print(printable(&line(user, width))));
    Ok(())
}

fn line(user: &User, width: usize) -> String {
    let User { name, grants, has_password, last_login, locked_until } = user;
    let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
    let state = match (has_password, last_login) {
        (false, _) => "no password yet".to_owned(),
        (true, None) => "never logged in".to_owned(),
        (true, Some(at)) => format!("last login {at}"),
    };
    let waits = locked_until.as_ref().map(|at| format!("; waits until {at}")).unwrap_or_default();
    format!("{name:width$}  {}; {state}{waits}", grants.join("; "))
}

async fn linked(server: &Server, path: &str, body: String) -> anyhow::Result<()> {
    let answer = server.send(Method::POST, path, Some("application/json"), body).await?;
    let Answer { data: Link { link, expires } } =
        serde_json::from_str(&succeeded(&answer)?).context("read the link")?;
    print(printable(&link));
    print(format_args!("good once, until {}", printable(&expires)));
    Ok(())
}

/// Returns the path of a user. A name that could not be one never becomes part of a path.
fn path(name: &str) -> anyhow::Result<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    anyhow::ensure!(
        !name.is_empty() && name.bytes().all(fine) && name.trim_matches('.') == name,
        "{name:?} is no name of a user"
    );
    Ok(format!("{USERS}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(path("ada@example.org").unwrap(), "/api/v1/access/users/ada@example.org");
        for wrong in ["", "..", ".", "a/b", "a?b", "a#b", "ä", "a%2fb"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
