//! Bodies of requests: whoever stalls is not waited for, and what a handler no longer wants is read on
//! for a while.
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
use tokio::time::Sleep;

/// Bytes that are read on: twice the largest body that is taken.
const BYTES_MAX: u64 = 128 << 20;
/// How long they may take.
const TIME_MAX: Duration = Duration::from_secs(5);
/// A client that sends nothing for so long while its body is waited for sends nothing more. A connection
/// is one of a limited number. Writes are given up before, after 30 s, in the words of their protocol.
const PAUSE_MAX: Duration = Duration::from_secs(40);

/// A request body that is read to its end even when its handler drops it, and fails when it stalls.
#[derive(Debug)]
pub(crate) struct Linger {
    body: Option<Body>,
    pause_max: Duration,
    /// Runs while the next part is waited for. The time that a handler takes is not the client's.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    /// Wraps a body.
    pub(crate) fn new(body: Body) -> Self {
        Self::with_pause(body, PAUSE_MAX)
    }

    fn with_pause(body: Body, pause_max: Duration) -> Self {
        Self { body: Some(body), pause_max, pause: None }
    }

    /// Returns whether the next part has been waited for too long.
    fn has_stalled(&mut self, context: &mut Context<'_>) -> bool {
        let pause_max = self.pause_max;
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause_max)));
        pause.as_mut().poll(context).is_ready()
    }
}

impl HttpBody for Linger {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if polled.is_ready() {
            self.pause = None;
        } else if self.has_stalled(context) {
            self.body = None;
            let message = format!("nothing of the body came for {:?}", self.pause_max);
            return Poll::Ready(Some(Err(axum::Error::new(message))));
        }
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Linger {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|b| !b.is_end_stream()) else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// So many parts, and then nothing for ever.
    struct Stalls(usize);

    impl HttpBody for Stalls {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            if self.0 == 0 {
                return Poll::Pending;
            }
            self.0 -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"part")))))
        }
    }

    #[tokio::test]
    async fn a_client_that_stalls_is_not_waited_for() {
        let pause = Duration::from_millis(50);
        let mut body = Linger::with_pause(Body::new(Stalls(3)), pause);
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
            // The handler is slow, the client is not.
            tokio::time::sleep(2 * pause).await;
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("50ms"), "{error}");
        assert!(body.frame().await.is_none());
    }
}
