//! Who asks, and what they may do: roles, the tenants they hold for, and the two of them as grants.
//!
//! `viewer` ⊂ `editor` ⊂ `admin`. `ingest` writes only: a collector's key that leaks reads nothing.
//! An admin may ingest as well; viewers and editors may not.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use tarn_model::error::Error;
use tarn_model::tenant::TenantId;

/// What stands for all tenants where tenants are listed.
const ALL: &str = "*";

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Send rows and alerts; read nothing.
    Ingest,
    /// Read.
    Viewer,
    /// Read, and change rules, boards and silences.
    Editor,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub(crate) const ALL: [Self; 4] = [Self::Ingest, Self::Viewer, Self::Editor, Self::Admin];

    /// Returns its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// Returns whether whoever has this role may do what `needed` may.
    pub(crate) fn includes(self, needed: Self) -> bool {
        match needed {
            Self::Ingest => matches!(self, Self::Ingest | Self::Admin),
            Self::Viewer => matches!(self, Self::Viewer | Self::Editor | Self::Admin),
            Self::Editor => matches!(self, Self::Editor | Self::Admin),
            Self::Admin => self == Self::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|role| role.as_str() == text);
        named.ok_or_else(|| format!("role {text:?} is none of ingest, viewer, editor, admin"))
    }
}

/// The tenants that a role holds for: a list of names, in which a lone `*` is all there are and will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub(crate) enum Tenants {
    All,
    Of(Vec<TenantId>),
}

impl Tenants {
    /// Returns whether a tenant is one of them.
    pub(crate) fn contains(&self, tenant: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Of(tenants) => tenants.contains(tenant),
        }
    }
}

impl TryFrom<Vec<String>> for Tenants {
    type Error = Error;

    fn try_from(names: Vec<String>) -> Result<Self, Error> {
        match names.as_slice() {
            [] => Err(Error::invalid("tenants are missing: name some, or \"*\" for all")),
            [all] if all == ALL => Ok(Self::All),
            // A tenant may be called so, but a grant that lists it was meant for all of them.
            names if names.iter().any(|name| name == ALL) => {
                Err(Error::invalid("tenants are either \"*\" alone or a list of names"))
            }
            names => {
                Ok(Self::Of(names.iter().map(|t| TenantId::parse(t)).collect::<Result<_, _>>()?))
            }
        }
    }
}

impl From<Tenants> for Vec<String> {
    fn from(tenants: Tenants) -> Self {
        match tenants {
            Tenants::All => vec![ALL.to_owned()],
            Tenants::Of(tenants) => tenants.iter().map(|t| t.as_str().to_owned()).collect(),
        }
    }
}

impl fmt::Display for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all tenants"),
            Self::Of(tenants) => {
                let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// A role for some tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) role: Role,
    pub(crate) tenants: Tenants,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.role, self.tenants)
    }
}

/// By what someone showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    /// By nothing: no login is asked for.
    Open,
    Key,
    Password,
    Oidc,
    Certificate,
}

impl How {
    /// Returns its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Key => "key",
            Self::Password => "password",
            Self::Oidc => "oidc",
            Self::Certificate => "certificate",
        }
    }
}

/// Someone who is known. A decided request carries an `Arc` of it in its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The name that people know: of the user, of the key, of the certificate.
    pub(crate) name: String,
    pub(crate) how: How,
    /// Tells it from others of the name: the id of a key, the name of a user.
    pub(crate) id: String,
    pub(crate) grants: Vec<Grant>,
}

static OPEN: LazyLock<Arc<Principal>> = LazyLock::new(|| {
    let grants = vec![Grant { role: Role::Admin, tenants: Tenants::All }];
    Arc::new(Principal { name: "anyone".to_owned(), how: How::Open, id: String::new(), grants })
});

static NOBODY: LazyLock<Arc<Principal>> = LazyLock::new(|| {
    let (name, how, id) = ("nobody".to_owned(), How::Open, String::new());
    Arc::new(Principal { name, how, id, grants: Vec::new() })
});

impl Principal {
    /// Returns whoever asks for what anyone may have, where others have to log in.
    pub(crate) fn nobody() -> Arc<Self> {
        Arc::clone(&NOBODY)
    }

    /// Returns whoever asks where no login is needed.
    pub(crate) fn open() -> Arc<Self> {
        Arc::clone(&OPEN)
    }

    /// Returns whether it may do for a tenant what a role may.
    pub(crate) fn may(&self, role: Role, tenant: &TenantId) -> bool {
        self.sufficient(role).any(|grant| grant.tenants.contains(tenant))
    }

    /// Returns whether it may do for the whole server what a role may.
    pub(crate) fn may_everywhere(&self, role: Role) -> bool {
        self.sufficient(role).any(|grant| grant.tenants == Tenants::All)
    }

    /// Returns the grants whose role includes one.
    pub(crate) fn sufficient(&self, role: Role) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |grant| grant.role.includes(role))
    }
}

#[cfg(test)]
mod tests;
