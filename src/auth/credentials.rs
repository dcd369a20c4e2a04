//! What a request shows of itself in the header `Authorization`. Nothing is ever taken from a path or a
//! query string: those end in logs, histories and links.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tarn_model::error::{Error, ErrorKind, Result};

/// Returns the token: of `Bearer`, or the password of `Basic` with any user name, for clients that know
/// nothing else.
///
/// # Errors
/// `Invalid` where there are two headers; `Unauthenticated` where one holds something else.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid("header Authorization is given twice"));
    }
    let unreadable = || {
        let message = "header Authorization is neither Bearer with an API key nor Basic with one as \
                       the password";
        Error::new(ErrorKind::Unauthenticated, message)
    };
    let text = value.to_str().map_err(|_| unreadable())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(unreadable)?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Ok(Some(rest.to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let password = decoded.as_ref().and_then(|pair| Some(pair.split_once(':')?.1));
        return password
            .filter(|p| !p.is_empty())
            .map(|p| Some(p.to_owned()))
            .ok_or_else(unreadable);
    }
    Err(unreadable())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_a_bearer_or_a_password() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["Bearer abc"][..], Ok(Some("abc"))),
            (&["bearer  abc "], Ok(Some("abc"))),
            // any:secret:with:colons, :secret
            (&["Basic YW55OnNlY3JldDp3aXRoOmNvbG9ucw=="], Ok(Some("secret:with:colons"))),
            (&["BASIC OnNlY3JldA=="], Ok(Some("secret"))),
            (&["Bearer"], Err(ErrorKind::Unauthenticated)),
            (&["Bearer "], Err(ErrorKind::Unauthenticated)),
            (&["abc"], Err(ErrorKind::Unauthenticated)),
            (&["Digest username=x"], Err(ErrorKind::Unauthenticated)),
            (&["Basic !"], Err(ErrorKind::Unauthenticated)),
            // user, user:
            (&["Basic dXNlcg=="], Err(ErrorKind::Unauthenticated)),
            (&["Basic dXNlcjo="], Err(ErrorKind::Unauthenticated)),
            (&["Bearer a", "Bearer a"], Err(ErrorKind::Invalid)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            let token = token(&headers).map_err(|e| e.kind());
            assert_eq!(
                token.as_ref().map(Option::as_deref).map_err(|k| *k),
                expected,
                "{values:?}"
            );
        }
    }
}
