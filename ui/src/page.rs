//! The one page of the app, which every page route answers: the app reads the rest of the address
//! itself. Two places in it are the server's: the nonce for styles, new in every answer, and
//! `<base href>`, by which all of the app's addresses are relative.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};

use crate::base::BasePath;
use crate::headers;

#[cfg(test)]
mod tests;

const NONCE: &str = "<meta name=\"csp-nonce\" content=\"";
const BASE: &str = "<base href=\"";

/// The page, cut where the nonce goes.
#[derive(Debug, Clone)]
pub struct Page {
    before: String,
    after: String,
}

impl Page {
    /// Makes the page of a server that stands under a prefix.
    pub fn new(base: &BasePath) -> Self {
        Self::of(crate::INDEX, base)
    }

    fn of(index: &str, base: &BasePath) -> Self {
        let index = match cut(index, BASE) {
            Some((before, after)) => format!("{before}{base}{after}"),
            None => index.to_owned(),
        };
        match cut(&index, NONCE) {
            Some((before, after)) => Self { before: before.to_owned(), after: after.to_owned() },
            None => Self { before: index, after: String::new() },
        }
    }

    /// Answers with the page.
    ///
    /// # Errors
    /// Where the operating system gives no random bits: a nonce that can be guessed is none.
    pub fn answer(&self) -> Result<Response<Bytes>, String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| format!("draw a nonce: {e}"))?;
        Ok(self.with(&format!("{:032x}", u128::from_ne_bytes(random))))
    }

    fn with(&self, nonce: &str) -> Response<Bytes> {
        let mut text = String::with_capacity(self.before.len() + nonce.len() + self.after.len());
        text.push_str(&self.before);
        if !self.after.is_empty() {
            text.push_str(nonce);
            text.push_str(&self.after);
        }
        let mut response = Response::new(Bytes::from(text));
        let of = response.headers_mut();
        of.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        // The nonce must not be kept.
        of.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers::page(of, nonce);
        response
    }
}

/// Cuts a text in the value that begins at a mark and ends at the next quote, which is left out. The
/// build has checked that both marks are there.
fn cut<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (before, from) = text.split_once(mark)?;
    let value = from.find('"')?;
    let begin = before.len() + mark.len();
    Some((text.get(..begin)?, from.get(value..)?))
}
