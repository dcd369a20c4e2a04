//! Lines on their way to someone who watches: bounded, and never waited for.
//!
//! The writer puts lines in; when there are too many bytes, the oldest go and are counted. The reader
//! takes what has collected in one chunk, and in the place of what is gone it finds how much it was.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tarn_model::time::Clock;

use crate::api::json::object::Object;

/// What a line costs besides its text.
const OVERHEAD: usize = size_of::<Vec<u8>>() + 16;

/// The reader takes about this much at once.
const CHUNK: usize = 64 << 10;

/// Lines that wait for their reader.
#[derive(Debug)]
pub(crate) struct Ring {
    state: Mutex<State>,
    reader: AtomicWaker,
    bytes_max: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Rows that went, and are not yet told of.
    skipped: u64,
    /// Requests with an unknown number of rows that went.
    missed: u64,
    closed: bool,
    /// When the reader last looked.
    looked: Duration,
}

impl Ring {
    pub(crate) fn new(bytes_max: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            lines: VecDeque::new(),
            bytes: 0,
            skipped: 0,
            missed: 0,
            closed: false,
            looked: clock.monotonic(),
        };
        Arc::new(Self { state: Mutex::new(state), reader: AtomicWaker::new(), bytes_max, clock })
    }

    /// Puts lines in.
    pub(crate) fn push(&self, lines: impl IntoIterator<Item = Vec<u8>>) {
        let mut state = self.state.lock();
        for line in lines {
            state.bytes += line.len() + OVERHEAD;
            state.lines.push_back(line);
            while state.bytes > self.bytes_max
                && let Some(oldest) = state.lines.pop_front()
            {
                state.bytes -= oldest.len() + OVERHEAD;
                state.skipped += 1;
            }
        }
        drop(state);
        self.reader.wake();
    }

    /// Says that the rows of so many requests never came.
    pub(crate) fn miss(&self, requests: u64) {
        self.state.lock().missed += requests;
        self.reader.wake();
    }

    /// Ends the lines; those that are in are still read.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.reader.wake();
    }

    /// Returns for how long something has been waiting for the reader.
    pub(crate) fn stalled(&self) -> Duration {
        let state = self.state.lock();
        if state.lines.is_empty() {
            return Duration::ZERO;
        }
        self.clock.monotonic().saturating_sub(state.looked)
    }

    /// Takes lines; `None` where there are none.
    fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        state.looked = self.clock.monotonic();
        let mut out = Vec::new();
        if state.skipped > 0 || state.missed > 0 {
            let mut line = Object::new(&mut out);
            line.count("skipped", state.skipped);
            if state.missed > 0 {
                line.count("missed_requests", state.missed);
            }
            line.close();
            out.push(b'\n');
            (state.skipped, state.missed) = (0, 0);
        }
        while out.len() < CHUNK
            && let Some(line) = state.lines.pop_front()
        {
            state.bytes -= line.len() + OVERHEAD;
            out.extend_from_slice(&line);
        }
        (!out.is_empty()).then(|| out.into())
    }
}

/// The reader's end. Owns what fills the ring.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    pub(crate) ring: Arc<Ring>,
    pub(crate) _filled_by: T,
}

impl<T: Unpin> Stream for Lines<T> {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Registered first: what is put in after the look wakes.
        self.ring.reader.register(context.waker());
        let is_closed = self.ring.state.lock().closed;
        match self.ring.take() {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None if is_closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests;
