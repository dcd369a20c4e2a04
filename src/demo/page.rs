//! The page of the stand-in: what came, newest first. No script, nothing from elsewhere, and what
//! came is text whatever it holds.

use axum::response::{Html, IntoResponse, Response};
use http::header;

use super::standin::Message;

/// Nothing may run or be loaded; the styles are those of this page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\
<title>tarn demo: messages</title><style>\
:root{color-scheme:light dark}\
body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
article{border:1px solid color-mix(in srgb,currentColor 20%,transparent);border-radius:6px;\
padding:.6rem .9rem;margin:.8rem 0}\
h2{font-size:1rem;margin:0}small{opacity:.75}\
pre{overflow:auto;max-height:24rem;font-size:12px}</style></head><body>\
<h1>What was sent to Slack, PagerDuty and webhooks</h1>";

/// Makes the page.
pub(super) fn render(count: u64, messages: &[Message]) -> Response {
    let mut html = HEAD.to_owned();
    if messages.is_empty() {
        html.push_str(
            "<p>Nothing came yet. The first page comes some minutes after the server was started \
             with the files that <code>tarn demo</code> has written.</p>",
        );
    } else {
        html.push_str(&format!("<p>{count} messages; the newest first.</p>"));
    }
    for message in messages {
        let body = serde_json::to_string_pretty(&message.body).unwrap_or_default();
        html.push_str(&format!(
            "<article><h2>{}</h2><small>{} at {}</small><details><summary>whole message</summary>\
             <pre tabindex=\"0\">{}</pre></details></article>",
            escape(&message.summary),
            message.to,
            escape(&message.time),
            escape(&body)
        ));
    }
    html.push_str("</body></html>");
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

/// Makes text of text.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
