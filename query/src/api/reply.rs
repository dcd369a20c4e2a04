//! From the query runtime to the client.
//!
//! A query is evaluated and its answer rendered in one task on the query runtime; the connection
//! lives on another one. Between them is a [`Sink`]: rendered bytes collect in it and leave in
//! chunks over a bounded channel, so a slow client slows the rendering and nothing piles up. An
//! answer that fits into one chunk is sent whole, with its length.
//!
//! The response owns the task. When the client goes away the server drops the response, and with it
//! the query ends. In turn, a body whose task ended early ends with an error, so that the client
//! sees a broken connection instead of a short answer that looks complete. A client that takes no
//! chunk for [`STALLED`] counts as gone: its answer would hold memory for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use tarn_model::time::Clock;
use tarn_promql::query::{Interrupt, QueryError};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::json;
use crate::govern::Cancel;
use crate::task::Task;

/// A chunk is sent once this much has collected: large enough that the channel and the compressor
/// work on batches, small enough that the first bytes leave early.
const CHUNK: usize = 64 << 10;

/// Chunks on their way. With the one being filled they are what an answer holds of its text.
const CHUNKS: usize = 4;

/// How long a client may take for one chunk. Slow networks deliver 64 KiB in a second.
const STALLED: Duration = Duration::from_secs(30);

/// How many remarks of a kind are sent, as upstream; the rest is counted.
const REMARKS_MAX: usize = 10;

/// The form of answers, and of all errors.
const JSON: &str = "application/json";

/// Marks answers that may lack rows (PAR-1).
pub(crate) const PARTIAL: &str = "tarn-partial";

/// Nobody listens any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// Status and headers, which precede the body.
#[derive(Debug, Clone, Copy)]
struct Head {
    status: StatusCode,
    content_type: &'static str,
    partial: bool,
    retry_after: Option<Duration>,
}

/// What the task sends first.
struct Start {
    head: Head,
    body: StartBody,
}

enum StartBody {
    Whole(Bytes),
    Chunks(mpsc::Receiver<Part>),
}

enum Part {
    Chunk(Bytes),
    End,
}

/// Collects the bytes of one answer.
pub(crate) struct Sink {
    /// What is rendered and not yet sent.
    pub(crate) out: Vec<u8>,
    head: Head,
    start: Option<oneshot::Sender<Start>>,
    chunks: Option<mpsc::Sender<Part>>,
    clock: Arc<dyn Clock>,
}

impl Sink {
    fn new(start: oneshot::Sender<Start>, clock: Arc<dyn Clock>) -> Self {
        let (status, content_type) = (StatusCode::OK, JSON);
        let head = Head { status, content_type, partial: false, retry_after: None };
        Self { out: Vec::new(), head, start: Some(start), chunks: None, clock }
    }

    /// Says in the headers that rows may be missing; before anything is sent.
    pub(crate) fn mark_partial(&mut self) {
        self.head.partial = true;
    }

    /// Says in the headers what the answer is written in; before anything is sent.
    pub(crate) fn content_type(&mut self, content_type: &'static str) {
        self.head.content_type = content_type;
    }

    /// Sends what is left of an answer without an envelope.
    pub(crate) async fn end(self) -> Result<(), Gone> {
        self.finish().await
    }

    /// Opens the envelope up to the data.
    pub(crate) fn open(&mut self) {
        self.out.extend_from_slice(b"{\"status\":\"success\",\"data\":");
    }

    /// Closes the envelope behind the data and sends what is left.
    pub(crate) async fn close(mut self, remarks: &Remarks) -> Result<(), Gone> {
        for (key, list) in [("warnings", &remarks.warnings), ("infos", &remarks.infos)] {
            if !list.is_empty() {
                self.out.extend_from_slice(format!(",\"{key}\":").as_bytes());
                json::strings(&mut self.out, list);
            }
        }
        self.out.push(b'}');
        self.finish().await
    }

    /// Sends an error in the envelope. Nothing may have been rendered before.
    pub(crate) async fn fail(mut self, failure: &Failure) -> Result<(), Gone> {
        self.out = failure.body();
        self.head.status = failure.status;
        self.head.retry_after = failure.retry_after;
        self.head.content_type = JSON;
        self.finish().await
    }

    /// Sends what has collected, if it is enough for a chunk; otherwise lets other tasks run.
    pub(crate) async fn send_full(&mut self) -> Result<(), Gone> {
        if self.out.len() < CHUNK {
            tokio::task::coop::consume_budget().await;
            return Ok(());
        }
        if let Some(start) = self.start.take() {
            let (sender, receiver) = mpsc::channel(CHUNKS);
            let body = StartBody::Chunks(receiver);
            start.send(Start { head: self.head, body }).map_err(|_| Gone)?;
            self.chunks = Some(sender);
        }
        let full = std::mem::replace(&mut self.out, Vec::with_capacity(CHUNK + CHUNK / 2));
        self.send(Part::Chunk(full.into())).await
    }

    async fn finish(mut self) -> Result<(), Gone> {
        let rest = Bytes::from(std::mem::take(&mut self.out));
        if let Some(start) = self.start.take() {
            let body = StartBody::Whole(rest);
            return start.send(Start { head: self.head, body }).map_err(|_| Gone);
        }
        self.send(Part::Chunk(rest)).await?;
        self.send(Part::End).await
    }

    async fn send(&self, part: Part) -> Result<(), Gone> {
        let chunks = self.chunks.as_ref().ok_or(Gone)?;
        // No timer where there is room, which is nearly always.
        let part = match chunks.try_send(part) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Gone),
            Err(TrySendError::Full(part)) => part,
        };
        tokio::select! {
            sent = chunks.send(part) => sent.map_err(|_| Gone),
            () = self.clock.sleep(STALLED) => Err(Gone),
        }
    }
}

/// Warnings and infos of an answer, as they are sent.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
}

impl Remarks {
    /// Takes the remarks of a query and counts those beyond the tenth of a kind.
    pub(crate) fn of(annotations: &tarn_promql::query::Annotations) -> Self {
        let cut = |list: &[String], kind: &str| {
            let mut kept: Vec<String> = list.iter().take(REMARKS_MAX).cloned().collect();
            if list.len() > REMARKS_MAX {
                let more = list.len() - REMARKS_MAX;
                kept.push(format!("{more} more {kind} annotations omitted"));
            }
            kept
        };
        Self {
            warnings: cut(&annotations.warnings, "warning"),
            infos: cut(&annotations.infos, "info"),
        }
    }
}

/// An error as the API tells it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) error_type: &'static str,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// The part of the query that is meant: first byte, and the one behind the last.
    pub(crate) span: Option<(usize, usize)>,
}

impl Failure {
    /// Refuses the request as it stands.
    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "bad_data", message)
    }

    /// Refuses one parameter.
    pub(crate) fn parameter(name: &str, message: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter \"{name}\": {message}"))
    }

    pub(crate) fn of(
        status: StatusCode,
        error_type: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { status, error_type, message: message.into(), retry_after: None, span: None }
    }

    /// Points at a part of the query.
    pub(crate) fn with_span(self, start: usize, end: usize) -> Self {
        Self { span: Some((start, end)), ..self }
    }

    fn body(&self) -> Vec<u8> {
        let mut out = b"{\"status\":\"error\",\"errorType\":".to_vec();
        json::string(&mut out, self.error_type);
        out.extend_from_slice(b",\"error\":");
        json::string(&mut out, &self.message);
        if let Some((start, end)) = self.span {
            let span = format!(",\"span\":{{\"start\":{start},\"end\":{end}}}");
            out.extend_from_slice(span.as_bytes());
        }
        out.push(b'}');
        out
    }

    /// Returns the error as a whole response.
    pub(crate) fn response(&self) -> Response<Body> {
        let retry_after = self.retry_after;
        let (status, content_type) = (self.status, JSON);
        let head = Head { status, content_type, partial: false, retry_after };
        respond(head, Body::from(self.body()))
    }
}

/// Where work runs, and for how long somebody waits for its first bytes.
pub(crate) struct Terms<'a> {
    pub(crate) runtime: &'a Handle,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) cancel: Cancel,
    pub(crate) patience: Duration,
}

/// Runs `work` as a task on the query runtime and returns what it sends.
///
/// The work keeps its own deadline, but looks at it between series only: one long computation must
/// not keep a client waiting, so after `patience` the answer is given without it.
pub(crate) async fn run<F>(terms: Terms<'_>, work: impl FnOnce(Sink) -> F) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let Terms { runtime, clock, cancel, patience } = terms;
    let (sender, receiver) = oneshot::channel();
    let sink = Sink::new(sender, Arc::clone(clock));
    let task = Task::spawn(runtime, cancel.clone(), work(sink));
    let start = tokio::select! {
        start = receiver => start,
        () = clock.sleep(patience) => {
            cancel.interrupt(Interrupt::Timeout);
            return Failure::from(QueryError::Timeout).response();
        }
    };
    match start {
        Ok(Start { head, body: StartBody::Whole(bytes) }) => respond(head, Body::from(bytes)),
        Ok(Start { head, body: StartBody::Chunks(parts) }) => {
            respond(head, Body::from_stream(Parts { parts, ended: false, _task: task }))
        }
        Err(_) => {
            task.join().await;
            Failure::of(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the query was stopped")
                .response()
        }
    }
}

fn respond(head: Head, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(head.content_type));
    if head.partial {
        headers.insert(PARTIAL, HeaderValue::from_static("true"));
    }
    if let Some(retry_after) = head.retry_after {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// The body of an answer in chunks. Owns the task that renders it.
struct Parts {
    parts: mpsc::Receiver<Part>,
    ended: bool,
    _task: Task<()>,
}

impl Stream for Parts {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.parts.poll_recv(cx).map(|part| match part {
            Some(Part::Chunk(bytes)) => Some(Ok(bytes)),
            Some(Part::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(io::Error::other("the query was stopped while its answer was sent")))
            }
        })
    }
}

#[cfg(test)]
mod tests;
