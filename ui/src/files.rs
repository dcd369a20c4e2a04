//! The files of the app: names that hold a hash are kept for ever, others are asked for again with
//! their tag. Each is in the binary as it is and compressed, so nothing is compressed while it is served.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::FILES;
use crate::accept::{Encoding, encoding};
use crate::headers;

#[cfg(test)]
mod tests;

/// The folder of names that hold a hash of what is in them.
const HASHED: &str = "assets/";

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Path below the app's folder.
    pub(crate) path: &'static str,
    /// Media type.
    pub(crate) kind: &'static str,
    /// Hash of the bytes.
    pub(crate) tag: &'static str,
    pub(crate) raw: &'static [u8],
    pub(crate) br: Option<&'static [u8]>,
    pub(crate) gz: Option<&'static [u8]>,
}

/// Yields the paths of the files that stand beside the page, with `/` in front.
pub fn beside_the_page() -> impl Iterator<Item = String> {
    FILES.iter().filter(|file| !file.path.starts_with(HASHED)).map(|file| format!("/{}", file.path))
}

/// Answers a path; `None` where there is no such file.
pub fn answer(path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let path = path.strip_prefix('/')?;
    let at = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    FILES.get(at).map(|file| file.answer(headers))
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response<Bytes> {
        let encoding = encoding(asked, &self.encodings());
        let etag = self.etag(encoding);
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        let caching = if self.path.starts_with(HASHED) { FOR_EVER } else { "no-cache" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        let is_known = matches(asked, &etag);
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, etag);
        }
        headers::harmless(headers);
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if let Some(name) = encoding.name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        *response.body_mut() = Bytes::from_static(self.bytes(encoding));
        response
    }

    fn encodings(&self) -> Vec<Encoding> {
        let br = self.br.map(|_| Encoding::Br);
        let gzip = self.gz.map(|_| Encoding::Gzip);
        [br, gzip, Some(Encoding::Identity)].into_iter().flatten().collect()
    }

    fn bytes(&self, encoding: Encoding) -> &'static [u8] {
        let encoded = match encoding {
            Encoding::Br => self.br,
            Encoding::Gzip => self.gz,
            Encoding::Identity => None,
        };
        encoded.unwrap_or(self.raw)
    }

    /// Returns the tag: a strong one must differ where the bytes do.
    fn etag(&self, encoding: Encoding) -> String {
        let tag = self.tag;
        match encoding.name() {
            Some(name) => format!("\"{tag}-{name}\""),
            None => format!("\"{tag}\""),
        }
    }
}

/// Returns whether a client has it already. A cache in between may have made the tag a weak one.
fn matches(asked: &HeaderMap, etag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
