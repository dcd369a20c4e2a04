//! Which tenant a request names: the header `X-Scope-OrgID`. It is a wish; [`crate::auth`] decides.

use http::HeaderMap;
use tarn_model::error::{Error, Result};
use tarn_model::tenant::TenantId;

/// The header of Loki, Mimir and Tempo.
pub(crate) const HEADER: &str = "x-scope-orgid";

/// Returns the tenant that a request names, if it names one.
///
/// # Errors
/// `Invalid` where the header is given twice, or is no tenant.
pub(crate) fn named(headers: &HeaderMap) -> Result<Option<TenantId>> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid("header X-Scope-OrgID is given twice"));
    }
    let text = value.to_str().map_err(|_| Error::invalid("header X-Scope-OrgID is not ASCII"))?;
    TenantId::parse(text).map(Some)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_header_names_a_tenant() {
        let cases: [(&[&'static str], Option<Option<&str>>); 4] = [
            (&[], Some(None)),
            (&["team-a"], Some(Some("team-a"))),
            (&["a|b"], None),
            (&["a", "a"], None),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_static(value));
            }
            let named = named(&headers).ok();
            let named = named.as_ref().map(|t| t.as_ref().map(TenantId::as_str));
            assert_eq!(named, expected, "{values:?}");
        }
    }
}
