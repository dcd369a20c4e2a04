use super::{Calls, Half, Peer, Side, WAIT_MS, WAITING_MAX};

fn half(service: &str, side: Side, seconds: f64) -> Half {
    Half { side, own: Peer::named(service), seconds, failed: false, weight: 1.0, end_ms: 0 }
}

fn client(database: Option<&str>, peer: Option<&str>) -> Side {
    let [database, peer] = [database, peer].map(|name| name.map(Into::into));
    Side::Client { messaging: false, database, peer }
}

const SERVER: Side = Side::Server { messaging: false, root: false };

#[test]
fn the_two_spans_of_a_call_meet_in_any_order() {
    for turned in [false, true] {
        let mut calls = Calls::default();
        let caller = half("web", client(None, Some("ignored")), 0.5);
        let callee = Half { failed: true, ..half("cart", SERVER, 0.25) };
        let (first, second) = if turned { (callee, caller) } else { (caller, callee) };
        assert_eq!(calls.take((7, 1), first, 0, false), None);
        let edge = calls.take((7, 1), second, 1, false).expect("whole");
        assert_eq!((&*edge.key.client.service, &*edge.key.server.service), ("web", "cart"));
        assert_eq!((edge.client_seconds, edge.server_seconds, edge.failed), (0.5, 0.25, true));
        assert_eq!((edge.key.connection, edge.trace_id), ("", 7));
        assert!(calls.is_empty());
        assert_eq!(calls.expire(i64::MAX), (vec![], 0));
    }
}

#[test]
fn who_sends_no_spans_is_a_node_all_the_same() {
    let mut calls = Calls::default();
    let edge = calls.take((1, 1), half("cart", client(Some("orders"), None), 0.1), 0, false);
    let key = edge.expect("at once").key;
    assert_eq!((&*key.server.service, key.connection), ("orders", "database"));
    let root = Side::Server { messaging: false, root: true };
    let key = calls.take((1, 2), half("web", root, 0.1), 0, false).expect("at once").key;
    assert_eq!((&*key.client.service, key.connection), ("user", "virtual_node"));
    assert_eq!(calls.take((1, 3), half("web", client(None, Some("stripe")), 0.1), 0, false), None);
    assert_eq!(calls.take((1, 4), half("web", SERVER, 0.1), 0, false), None);
    assert_eq!(calls.expire(WAIT_MS - 1), (vec![], 0));
    let (edges, unpaired) = calls.expire(WAIT_MS);
    assert_eq!((edges.len(), unpaired), (1, 1));
    assert_eq!(
        (&*edges[0].key.server.service, edges[0].key.connection),
        ("stripe", "virtual_node")
    );
}

#[test]
fn those_who_wait_are_bounded() {
    let mut calls = Calls::default();
    for span in 0..WAITING_MAX as u64 + 5 {
        assert_eq!(calls.take((1, span), half("web", SERVER, 0.1), 0, false), None);
    }
    assert_eq!(calls.expire(WAIT_MS).1, WAITING_MAX as u64 + 5);
    assert!(calls.is_empty());
}
