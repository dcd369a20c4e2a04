//! Whether a request may be answered, and for which tenant: one pure function.
//!
//! Everything it needs is in its arguments, so that a table and random grants can test it whole. The
//! header `X-Scope-OrgID` is a wish: the grants of the principal decide. Without the header a request
//! belongs to the only tenant that the grants allow, else to `default` where they allow that.

use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::tenant::TenantId;

use super::principal::{Principal, Role, Tenants};

/// Tenant of the audit records. Nobody writes to it through an API, and only who administers the whole
/// server reads it: else an editor of all tenants could see, or a collector's key invent, what was done.
pub(crate) const AUDIT_TENANT: &str = "_audit";

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: health, pages without data, the login itself.
    Anyone,
    /// A role for the tenant that is asked for.
    Tenant(Role),
    /// A role for all tenants: what is answered or changed is the server's.
    Server(Role),
}

/// A request, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// Whether anybody has to log in.
    pub(crate) login: bool,
    pub(crate) needs: Needs,
    /// Who asks, where that is known.
    pub(crate) principal: Option<&'a Principal>,
    /// The tenant that the header names; `None` without a header.
    pub(crate) named: Result<Option<TenantId>>,
    /// Whether a request must name its tenant, where its principal does not.
    pub(crate) required: bool,
}

/// Decides.
///
/// # Errors
/// `Unauthenticated` where nobody known asks; `Forbidden` where the grants do not suffice; `Invalid`
/// where the header names no tenant.
pub(crate) fn decide(question: Question<'_>) -> Result<TenantId> {
    let Question { login, needs, principal, named, required } = question;
    match (needs, principal) {
        (Needs::Anyone, _) => Ok(TenantId::default_tenant()),
        (Needs::Server(_), _) if !login => Ok(TenantId::default_tenant()),
        (Needs::Tenant(_), _) if !login => open(named?, required),
        (_, None) => Err(Error::new(ErrorKind::Unauthenticated, "credentials are missing")),
        (Needs::Server(role), Some(principal)) => {
            if principal.may_everywhere(role) {
                return Ok(TenantId::default_tenant());
            }
            let message = format!("this takes the role {role} for all tenants");
            Err(forbidden(&message, principal))
        }
        (Needs::Tenant(role), Some(principal)) => {
            let tenant = match named? {
                Some(tenant) => tenant,
                None => implied(role, principal, required)?,
            };
            granted(role, principal, tenant)
        }
    }
}

/// Where nobody logs in the header is believed.
fn open(named: Option<TenantId>, required: bool) -> Result<TenantId> {
    match named {
        Some(tenant) => Ok(tenant),
        None if required => {
            let message = "header X-Scope-OrgID is missing, and tenants are required";
            Err(Error::new(ErrorKind::Unauthenticated, message))
        }
        None => Ok(TenantId::default_tenant()),
    }
}

/// Returns the tenant of a request that names none.
fn implied(role: Role, principal: &Principal, required: bool) -> Result<TenantId> {
    let mut only: Option<&TenantId> = None;
    let mut several = false;
    for grant in principal.sufficient(role) {
        match &grant.tenants {
            Tenants::All => several = true,
            Tenants::Of(tenants) => {
                for tenant in tenants {
                    several |= only.is_some_and(|only| only != tenant);
                    only = Some(tenant);
                }
            }
        }
    }
    match only {
        Some(tenant) if !several => Ok(tenant.clone()),
        _ => {
            let default = TenantId::default_tenant();
            if !required && principal.may(role, &default) {
                return Ok(default);
            }
            let message = if principal.sufficient(role).next().is_some() {
                "the request names no tenant: send the header X-Scope-OrgID".to_owned()
            } else {
                format!("this takes the role {role}")
            };
            Err(forbidden(&message, principal))
        }
    }
}

fn granted(role: Role, principal: &Principal, tenant: TenantId) -> Result<TenantId> {
    let allowed = if tenant.as_str() == AUDIT_TENANT {
        role == Role::Viewer && principal.may_everywhere(Role::Admin)
    } else {
        principal.may(role, &tenant)
    };
    if allowed {
        return Ok(tenant);
    }
    Err(forbidden(&format!("this takes the role {role} for tenant {tenant}"), principal))
}

/// Makes a refusal that says what the caller has: that is its own, and what people look for first.
fn forbidden(message: &str, principal: &Principal) -> Error {
    let Principal { name, how, grants, .. } = principal;
    let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
    let has = if grants.is_empty() { "nothing".to_owned() } else { grants.join("; ") };
    let how = how.as_str();
    Error::new(ErrorKind::Forbidden, format!("{message}; {how} {name:?} is granted {has}"))
}

#[cfg(test)]
mod tests;
