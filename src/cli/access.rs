//! `tarn access`: who may do what on a running server.

use clap::Subcommand;

use crate::auth::principal::{Grant, Role, Tenants};

pub(crate) mod keys;
pub(crate) mod users;

/// `tarn access …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Keys of collectors, Grafana and scripts.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// People who log in with a password.
    #[command(subcommand)]
    Users(users::UsersCommand),
}

/// Runs the command.
///
/// # Errors
/// What the server answered, if it was not what was asked for.
pub(crate) fn run(command: &AccessCommand) -> anyhow::Result<()> {
    match command {
        AccessCommand::Keys(command) => keys::run(command),
        AccessCommand::Users(command) => users::run(command),
    }
}

/// Reads `viewer` or `editor:team-a,team-b`.
pub(crate) fn grant(text: &str) -> Result<Grant, String> {
    let (role, tenants) = text.split_once(':').unwrap_or((text, "*"));
    let role: Role = role.parse()?;
    let tenants: Vec<String> = tenants.split(',').map(str::to_owned).collect();
    let tenants = Tenants::try_from(tenants).map_err(|e| e.message())?;
    Ok(Grant { role, tenants })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_typed_as_people_say_them() {
        for (text, expected) in [
            ("viewer", Some("viewer of all tenants")),
            ("admin:*", Some("admin of all tenants")),
            ("editor:team-a,team-b", Some("editor of team-a, team-b")),
            ("owner", None),
            ("editor:", None),
            ("editor:a b", None),
            ("editor:*,a", None),
        ] {
            let grant = grant(text).ok().map(|grant| grant.to_string());
            assert_eq!(grant.as_deref(), expected, "{text}");
        }
    }
}
