//! Who calls whom: the span of the caller and that of the callee, paired.
//!
//! The two come in any order and from different senders. Whichever is first waits, under the trace
//! and the caller's span id, for two minutes; the number of those who wait is bounded. A call of a
//! database is an edge at once, because databases send no spans; so is a request that came from
//! outside. A caller whose callee never came, and who said whom it called, becomes an edge to that.

use std::collections::VecDeque;
use std::sync::Arc;

use tarn_model::map::HashMap;

/// How long one waits for the other.
const WAIT_MS: i64 = 120_000;
/// So many wait at most: some hundred bytes each.
const WAITING_MAX: usize = 10_000;
/// Who calls from outside.
const USER: &str = "user";

/// Trace id and span id of the caller.
pub(super) type CallId = (u128, u64);

/// One end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) service: Arc<str>,
    pub(super) namespace: Arc<str>,
}

impl Peer {
    fn named(service: &str) -> Self {
        Self { service: service.into(), namespace: "".into() }
    }
}

/// Who calls whom, and over what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EdgeKey {
    pub(super) client: Peer,
    pub(super) server: Peer,
    /// Empty for an ordinary call.
    pub(super) connection: &'static str,
}

/// A kind of connection, as the label says it.
pub(super) fn connection(text: &str) -> &'static str {
    ["database", "messaging_system", "virtual_node"]
        .into_iter()
        .find(|known| *known == text)
        .unwrap_or_default()
}

/// A call, whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edge {
    pub(super) key: EdgeKey,
    pub(super) client_seconds: f64,
    pub(super) server_seconds: f64,
    pub(super) failed: bool,
    pub(super) weight: f64,
    pub(super) trace_id: u128,
    /// When the call ended.
    pub(super) end_ms: i64,
}

/// Which side of a call a span is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    /// It calls.
    Client {
        /// Through a queue.
        messaging: bool,
        /// A database, which will send no span.
        database: Option<Arc<str>>,
        /// Whom it says it calls.
        peer: Option<Arc<str>>,
    },
    /// It is called.
    Server {
        /// Through a queue.
        messaging: bool,
        /// By nobody whose span could come.
        root: bool,
    },
}

/// One span of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Half {
    pub(super) side: Side,
    pub(super) own: Peer,
    pub(super) seconds: f64,
    pub(super) failed: bool,
    pub(super) weight: f64,
    pub(super) end_ms: i64,
}

/// Spans that wait for their other half.
#[derive(Debug, Default)]
pub(super) struct Calls {
    waiting: HashMap<CallId, Half>,
    /// With the time at which each is given up.
    order: VecDeque<(i64, CallId)>,
    /// The same for spans of the past, by their own time.
    late: VecDeque<(i64, CallId)>,
    unpaired: u64,
}

impl Calls {
    /// Takes a span in; returns the edge that it completes. One of the past waits by its own time.
    pub(super) fn take(
        &mut self,
        id: CallId,
        half: Half,
        now_ms: i64,
        is_late: bool,
    ) -> Option<Edge> {
        let alone = match &half.side {
            Side::Client { database: Some(name), .. } => {
                Some((half.own.clone(), Peer::named(name), "database"))
            }
            Side::Server { root: true, messaging: false } => {
                Some((Peer::named(USER), half.own.clone(), "virtual_node"))
            }
            _ => None,
        };
        if let Some((client, server, connection)) = alone {
            return Some(half.whole(EdgeKey { client, server, connection }, id.0));
        }
        let pairs =
            self.waiting.get(&id).is_some_and(|other| other.is_client() != half.is_client());
        match self.waiting.remove(&id).filter(|_| pairs) {
            Some(other) if half.is_client() => Some(Half::pair(&half, &other, id.0)),
            Some(other) => Some(Half::pair(&other, &half, id.0)),
            None if self.order.len() + self.late.len() >= WAITING_MAX => {
                self.unpaired += 1;
                None
            }
            None => {
                let (order, since_ms) =
                    if is_late { (&mut self.late, half.end_ms) } else { (&mut self.order, now_ms) };
                order.push_back((since_ms.saturating_add(WAIT_MS), id));
                self.waiting.insert(id, half);
                None
            }
        }
    }

    /// Gives up who has waited too long: returns the edges to peers that send no spans, and how many
    /// halves stay alone.
    pub(super) fn expire(&mut self, now_ms: i64) -> (Vec<Edge>, u64) {
        let edges = Self::give_up(&mut self.order, &mut self.waiting, &mut self.unpaired, now_ms);
        (edges, std::mem::take(&mut self.unpaired))
    }

    /// Gives up who has waited too long by the clock of the past.
    pub(super) fn expire_late(&mut self, clock_ms: i64) -> Vec<Edge> {
        Self::give_up(&mut self.late, &mut self.waiting, &mut self.unpaired, clock_ms)
    }

    fn give_up(
        order: &mut VecDeque<(i64, CallId)>,
        waiting: &mut HashMap<CallId, Half>,
        unpaired: &mut u64,
        now_ms: i64,
    ) -> Vec<Edge> {
        let mut edges = Vec::new();
        while let Some((_, id)) = order.front().copied().filter(|(due, _)| *due <= now_ms) {
            order.pop_front();
            let Some(half) = waiting.remove(&id) else { continue };
            match &half.side {
                Side::Client { peer: Some(peer), .. } => {
                    let (client, server) = (half.own.clone(), Peer::named(peer));
                    let key = EdgeKey { client, server, connection: "virtual_node" };
                    edges.push(half.whole(key, id.0));
                }
                _ => *unpaired += 1,
            }
        }
        edges
    }

    /// Returns whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Half {
    fn is_client(&self) -> bool {
        matches!(self.side, Side::Client { .. })
    }

    fn is_messaging(&self) -> bool {
        match self.side {
            Side::Client { messaging, .. } | Side::Server { messaging, .. } => messaging,
        }
    }

    fn whole(&self, key: EdgeKey, trace_id: u128) -> Edge {
        let Self { seconds, failed, weight, end_ms, .. } = *self;
        let (client_seconds, server_seconds) = (seconds, seconds);
        Edge { key, client_seconds, server_seconds, failed, weight, trace_id, end_ms }
    }

    fn pair(client: &Self, server: &Self, trace_id: u128) -> Edge {
        let messaging = client.is_messaging() || server.is_messaging();
        let connection = if messaging { "messaging_system" } else { "" };
        Edge {
            key: EdgeKey { client: client.own.clone(), server: server.own.clone(), connection },
            client_seconds: client.seconds,
            server_seconds: server.seconds,
            failed: client.failed || server.failed,
            weight: client.weight,
            trace_id,
            end_ms: client.end_ms.max(server.end_ms),
        }
    }
}

#[cfg(test)]
mod tests;
