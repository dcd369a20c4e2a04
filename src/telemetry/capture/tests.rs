use tracing::{debug, info, info_span, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::clock::{SystemClock, SystemRng};

/// The tests themselves stand below the target that is left out.
const TARGET: &str = "tarn::tested";

fn caught(lines: bool, spans: bool, act: impl FnOnce()) -> Arc<Caught> {
    let caught = Arc::new(Caught::default());
    let layer = Capture {
        caught: Arc::clone(&caught),
        clock: Arc::new(SystemClock::new()),
        rng: Arc::new(SystemRng::new()),
    };
    let wants = Wants { lines, spans };
    let layer = layer.with_filter(filter_fn(move |metadata| wants.admit(metadata)));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    caught
}

#[test]
fn lines_keep_their_values_and_their_span() {
    let caught = caught(true, true, || {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let outer = info_span!(
            target: TARGET,
            "request",
            otel.name = "GET /x",
            otel.kind = "server",
            otel.parent = parent,
            code = tracing::field::Empty
        );
        let entered = outer.enter();
        info!(target: TARGET, rows = 3_u64, ratio = 0.5, ok = true, name = "a", taken = ?"b", "done it");
        info_span!(target: TARGET, "inner", error = "broken")
            .in_scope(|| debug!(target: TARGET, "not caught"));
        outer.record("code", 200);
        drop(entered);
    });
    let (lines, dropped) = caught.take_lines();
    assert_eq!((lines.len(), dropped), (1, 0));
    let line = &lines[0];
    assert_eq!((line.message.as_str(), line.level), ("done it", Level::INFO));
    let expected: Fields = vec![
        ("rows", AnyValue::Int(3)),
        ("ratio", AnyValue::Double(0.5)),
        ("ok", AnyValue::Bool(true)),
        ("name", AnyValue::Text("a".to_owned())),
        ("taken", AnyValue::Text("\"b\"".to_owned())),
    ];
    assert_eq!(line.fields, expected);
    let (spans, _) = caught.take_spans();
    let [inner, outer] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((inner.name.as_str(), inner.error.as_deref()), ("inner", Some("broken")));
    assert_eq!((inner.parent, inner.ids.trace), (Some(outer.ids.span), outer.ids.trace));
    assert_eq!((outer.name.as_str(), outer.kind), ("GET /x", 2));
    assert_eq!(outer.ids.trace[..2], [0x4b, 0xf9]);
    assert_eq!(outer.parent, Some([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]));
    assert_eq!(outer.fields, [("code", AnyValue::Int(200))]);
    assert_eq!(line.within, Some(outer.ids));
}

#[test]
fn what_was_not_asked_for_is_not_caught() {
    let act = || {
        let _span = info_span!(target: TARGET, "work").entered();
        info!(target: TARGET, "said");
        warn!(target: "tarn::telemetry::own", "about storing lines");
    };
    let (lines, spans) = (caught(true, false, act), caught(false, true, act));
    assert_eq!((lines.take_lines().0.len(), lines.take_spans().0.len()), (1, 0));
    assert_eq!((spans.take_lines().0.len(), spans.take_spans().0.len()), (0, 1));
}

#[test]
fn a_flood_is_bounded_and_counted() {
    let caught = caught(true, true, || {
        for number in 0..20_000 {
            info!(target: TARGET, number, "a line of a flood");
        }
        info!(target: TARGET, "{}", "x".repeat(1 << 20));
    });
    let (lines, dropped) = caught.take_lines();
    assert_eq!(lines.len() as u64 + dropped, 20_001);
    assert!(lines.len() > 3000 && dropped > 10_000, "{} and {dropped}", lines.len());
    assert_eq!(lines[0].fields, [("number", AnyValue::Int(0))], "the first ones are kept");
    assert_eq!(caught.take_lines().1, 0);
}
