//! Who asks: from the `X-Scope-OrgID` header to a [`TenantId`].

use http::HeaderMap;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::tenant::TenantId;

/// The header of Loki, Mimir and Tempo.
pub(crate) const HEADER: &str = "x-scope-orgid";

/// Returns the tenant of a request. Without the header it is `default`, unless tenants are required.
///
/// # Errors
/// `Unauthenticated` where the header is missing and required; `Invalid` where it names no tenant.
pub(crate) fn of(headers: &HeaderMap, required: bool) -> Result<TenantId> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        if required {
            let message = "header X-Scope-OrgID is missing, and tenants are required";
            return Err(Error::new(ErrorKind::Unauthenticated, message));
        }
        return Ok(TenantId::default_tenant());
    };
    if values.next().is_some() {
        return Err(Error::invalid("header X-Scope-OrgID is given twice"));
    }
    let text = value.to_str().map_err(|_| Error::invalid("header X-Scope-OrgID is not ASCII"))?;
    TenantId::parse(text)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_header_selects_the_tenant() {
        let cases: [(&[&'static str], bool, Option<&str>); 6] = [
            (&[], false, Some("default")),
            (&[], true, None),
            (&["team-a"], false, Some("team-a")),
            (&["team-a"], true, Some("team-a")),
            (&["a|b"], false, None),
            (&["a", "a"], false, None),
        ];
        for (values, required, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_static(value));
            }
            let tenant = of(&headers, required).ok();
            assert_eq!(tenant.as_ref().map(TenantId::as_str), expected, "{values:?}");
        }
    }
}
