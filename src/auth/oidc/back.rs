//! Where a browser goes after the login: a place on this server, and never elsewhere.

use url::Url;

/// Longer addresses would not fit into the cookie of a login that has begun.
const BYTES_MAX: usize = 1500;
/// Any origin: what is resolved against it must stay there.
const HERE: &str = "http://tarn.invalid";

/// Returns the path, query and fragment of an address on this server; of any other one `/`.
///
/// It is resolved as a browser resolves it, which drops tabs and takes backslashes for slashes; what
/// comes out is what is sent.
pub(crate) fn same_origin(text: &str) -> String {
    resolved(text).unwrap_or_else(|| "/".to_owned())
}

fn resolved(text: &str) -> Option<String> {
    if !text.starts_with('/') || text.len() > BYTES_MAX || text.chars().any(char::is_control) {
        return None;
    }
    let here = Url::parse(HERE).ok()?;
    let url = here.join(text).ok()?;
    let mut place = url.path().to_owned();
    if url.origin() != here.origin() || place.starts_with("//") {
        return None;
    }
    if let Some(query) = url.query() {
        place.push('?');
        place.push_str(query);
    }
    if let Some(fragment) = url.fragment() {
        place.push('#');
        place.push_str(fragment);
    }
    (place.len() <= BYTES_MAX).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_origin() {
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        for (text, expected) in [
            ("/", "/"),
            ("/logs?q=error&start=1#row", "/logs?q=error&start=1#row"),
            ("/tarn/logs?q=a b", "/tarn/logs?q=a%20b"),
            ("", "/"),
            ("logs", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("/\t/evil.example/", "/"),
            ("/.//evil.example/", "/"),
            ("/x/..//evil.example/", "/"),
            ("/%2e%2e//evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/x\r\nset-cookie: a=b", "/"),
            (&long, "/"),
        ] {
            assert_eq!(same_origin(text), expected, "{text:?}");
        }
    }
}
