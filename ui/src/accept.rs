//! What a client takes: the headers `Accept-Encoding` and `Accept`, read as lists with weights. A search
//! for a substring would take `br;q=0` for a wish.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

#[cfg(test)]
mod tests;

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Brotli: the smallest.
    Br,
    /// What every client can read.
    Gzip,
    /// As it is.
    Identity,
}

impl Encoding {
    /// Returns the value of `Content-Encoding`; none for a body as it is.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Br => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }
}

/// A weight in thousandths, as RFC 9110 bounds them.
type Weight = u16;

/// The weight of what is listed without one.
const FULL: Weight = 1000;

/// Chooses among the encodings that there are, in the order in which the server prefers them. Where the
/// client takes none of them, the body goes as it is: an answer is better than a 406.
pub fn encoding(headers: &HeaderMap, there_are: &[Encoding]) -> Encoding {
    let wishes = list(headers, ACCEPT_ENCODING.as_str());
    let mut best = (0, Encoding::Identity);
    for encoding in there_are {
        let name = encoding.name().unwrap_or("identity");
        let weight = weight_of(&wishes, &[name, "*"]).unwrap_or(0);
        if weight > best.0 {
            best = (weight, *encoding);
        }
    }
    best.1
}

/// Returns whether the client is a browser that opens an address: only those name `text/html`.
pub fn wants_html(headers: &HeaderMap) -> bool {
    weight_of(&list(headers, ACCEPT.as_str()), &["text/html"]).is_some_and(|weight| weight > 0)
}

/// Returns the weight of the first of these names that is listed.
fn weight_of(list: &[(String, Weight)], names: &[&str]) -> Option<Weight> {
    names.iter().find_map(|name| list.iter().find(|(n, _)| n == name).map(|(_, weight)| *weight))
}

/// Reads a header, which may stand several times, as names in lower case with weights.
fn list(headers: &HeaderMap, name: &str) -> Vec<(String, Weight)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(item).collect()
}

fn item(text: &str) -> Option<(String, Weight)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, q.map_or(FULL, weight)))
}

/// Reads a weight; one that is no number between 0 and 1 is no wish.
fn weight(text: &str) -> Weight {
    let q: f32 = text.parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&q) { (q * f32::from(FULL)).round() as Weight } else { 0 }
}
