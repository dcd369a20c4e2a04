//! Reads on, for a while, what a handler no longer wants.
//!
//! A handler that refuses a large body answers before the client has sent it all. Closing the
//! connection then destroys the answer on its way: the client sees a reset instead of 413. So what is
//! left of a dropped body is read and thrown away in the background, up to a bound.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

/// Bytes that are read on: twice the largest body that is taken.
const BYTES_MAX: u64 = 128 << 20;
/// How long they may take.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A request body that is read to its end even when its handler drops it.
#[derive(Debug)]
pub(crate) struct Linger(Option<Body>);

impl Linger {
    /// Wraps a body.
    pub(crate) fn new(body: Body) -> Self {
        Self(Some(body))
    }
}

impl HttpBody for Linger {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Linger {
    fn drop(&mut self) {
        let Some(body) = self.0.take().filter(|b| !b.is_end_stream()) else { return };
        if tokio::runtime::Handle::try_current().is_ok() {
            tokio::spawn(tokio::time::timeout(TIME_MAX, discard(body)));
        }
    }
}

async fn discard(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, |d| d.len() as u64);
        if read > BYTES_MAX {
            return;
        }
    }
}
