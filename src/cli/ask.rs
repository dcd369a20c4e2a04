//! What `tarn logs`, `tarn traces` and `tarn trace` share: whom they ask, and the envelope of the
//! answer.
//!
//! As with `tarn query`, a server is asked over HTTP and a data folder is opened in this process and
//! asked without a socket; both answer with the same JSON.

use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::body::Body;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use tarn_model::tenant::TenantId;
use tarn_query::api::native::{Endpoint, handle};
use tarn_query::api::prometheus::time::{parse_step, parse_time};

use crate::cli::client::Server;
use crate::cli::place::Access;
use crate::cli::query::local;
use crate::cli::terminal::printable;

/// How parameters are sent.
const FORM: &str = "application/x-www-form-urlencoded";

/// The search language in short, below the help of the commands that take it.
pub(crate) const LANGUAGE: &str = "\
Searches:
  word  conn*  \"a phrase\"  /regex/          in the text
  key:value  key:\"a b\"  key:a*  key:/re/    a key with this value
  key:*                                     the key is there
  key>5  key>=1s  key<10KiB  key=5  key!=5  compared as numbers, units converted
  -x  NOT x  x y  x AND y  x OR y  ( )      put together
Keys are service, level, trace and span (of spans also name, kind, status, duration, event), else
attributes, then those of the resource; @attr.x, @resource.x and @scope.x name one of them.";

/// Whom to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    #[command(flatten)]
    server: Server,
    /// A data folder or a bucket (s3://bucket/prefix) to read instead of asking a server; beside a
    /// running one, what is committed.
    #[arg(long, value_name = "DIR|URL")]
    data: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Which time.
#[derive(Debug, Clone, Args)]
pub(crate) struct Range {
    /// How far back to look, such as 15m or 7d.
    #[arg(long, value_name = "DURATION", default_value = "1h", conflicts_with = "start")]
    since: String,
    /// The earliest time: seconds or RFC 3339.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// The latest time, not included; without it there is no end.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
}

/// The envelope of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply {
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    span: Option<Span>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Span {
    start: usize,
    end: usize,
}

impl Source {
    /// Asks, and returns the body of the answer.
    ///
    /// # Errors
    /// Where there is no answer; an answer that is an error is one.
    pub(crate) async fn ask(
        &self,
        endpoint: Endpoint,
        path: &str,
        form: String,
    ) -> anyhow::Result<Bytes> {
        let (method, path, form) = match endpoint.methods().contains(&Method::POST) {
            true => (Method::POST, format!("/api/v1{path}"), Some(form)),
            false => (Method::GET, format!("/api/v1{path}?{form}"), None),
        };
        let content_type = form.as_ref().map(|_| FORM);
        let form = form.unwrap_or_default();
        let Some(data) = &self.data else {
            return Ok(self.server.send(method, &path, content_type, form).await?.body);
        };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::from(form)).context("make the request")?;
        let tenant = match &self.server.tenant {
            Some(id) => TenantId::parse(id).context("read --tenant")?,
            None => TenantId::default_tenant(),
        };
        local::with_engine(&self.access.data(data)?, async |engine| {
            local::body(handle(engine, endpoint, tenant, request).await).await
        })
        .await
    }
}

impl Range {
    /// Returns `start` and `end` as parameters.
    ///
    /// # Errors
    /// Where a time cannot be read.
    pub(crate) fn parameters(&self, now_ms: i64) -> anyhow::Result<Vec<(&'static str, String)>> {
        let time = |name: &str, text: &str| {
            parse_time(text).map_err(anyhow::Error::msg).with_context(|| format!("read --{name}"))
        };
        let start_ms = match &self.start {
            Some(start) => time("start", start)?,
            None => {
                let since = parse_step(&self.since).map_err(anyhow::Error::msg);
                now_ms.saturating_sub(since.context("read --since")?)
            }
        };
        let mut parameters = vec![("start", seconds(start_ms))];
        if let Some(end) = &self.end {
            parameters.push(("end", seconds(time("end", end)?)));
        }
        Ok(parameters)
    }
}

impl Reply {
    /// Takes an answer apart.
    ///
    /// # Errors
    /// Where it is none of Tarn's.
    pub(crate) fn parse(body: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).with_context(|| {
            let start = String::from_utf8_lossy(body.get(..body.len().min(100)).unwrap_or(body));
            format!("read the answer, which begins {start:?}")
        })
    }

    /// Prints warnings, and the error where the answer is one, to the standard error. Returns the
    /// data; `None` after an error.
    ///
    /// # Errors
    /// Where the data is not what is expected.
    pub(crate) fn data<T: serde::de::DeserializeOwned>(
        &self,
        query: &str,
    ) -> anyhow::Result<Option<T>> {
        let mut notes = io::stderr().lock();
        for warning in &self.warnings {
            writeln!(notes, "warning: {}", printable(warning)).context("write a warning")?;
        }
        if let Some(failure) = self.failure(query) {
            writeln!(notes, "{failure}").context("write an error")?;
            return Ok(None);
        }
        let data = self.data.as_ref().context("the answer holds no data")?;
        serde_json::from_str(data.get()).context("read the data of the answer").map(Some)
    }

    /// Returns why there is no answer, with the mistake in the search underlined.
    fn failure(&self, query: &str) -> Option<String> {
        let error = printable(self.error.as_ref()?);
        let kind = self.error_type.as_deref().unwrap_or("error");
        let mut text = format!("error: {kind}: {error}");
        if let Some(span) = self.span
            && let Some(before) = query.get(..span.start)
            && let Some(meant) = query.get(span.start..span.end)
        {
            let gap = " ".repeat(printable(before).chars().count());
            let marks = "^".repeat(printable(meant).chars().count().max(1));
            text.push_str(&format!("\n  {}\n  {gap}{marks}", printable(query)));
        }
        Some(text)
    }
}

/// Returns parameters as a form.
pub(crate) fn form(parameters: &[(&str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Returns the time now.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_underlined() {
        let body =
            br#"{"status":"error","errorType":"bad_data","error":"no","span":{"start":3,"end":5}}"#;
        let reply = Reply::parse(body).expect("parses");
        assert_eq!(
            reply.failure("a\nb>>c").expect("fails"),
            "error: bad_data: no\n  a\\nb>>c\n      ^^"
        );
        assert_eq!(reply.failure("a:b>>").expect("fails"), "error: bad_data: no\n  a:b>>\n     ^^");
        assert_eq!(reply.failure("x").expect("fails"), "error: bad_data: no");
        assert!(Reply::parse(b"<html>").is_err());
    }

    #[test]
    fn times_become_parameters() {
        let range = |since: &str, start: Option<&str>, end: Option<&str>| Range {
            since: since.to_owned(),
            start: start.map(str::to_owned),
            end: end.map(str::to_owned),
        };
        let parameters = |range: Range| range.parameters(10_000_000).map(|p| form(&p));
        assert_eq!(parameters(range("1h", None, None)).expect("reads"), "start=6400.000");
        let both = range("1h", Some("5"), Some("1970-01-01T00:00:06.5Z"));
        assert_eq!(parameters(both).expect("reads"), "start=5.000&end=6.500");
        assert!(parameters(range("x", None, None)).is_err());
    }
}
