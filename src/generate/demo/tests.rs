use super::services::Service;
use super::story::{MINUTE_NS, SECOND_NS, Story};
use super::visit::{Kind, Level, Span, Visit};
use super::write::Shop;
use super::{background, journeys};

const DEPLOY_NS: i64 = 1_800_000_000 * SECOND_NS;
const STORY: Story = Story { seed: 7, deploy_ns: DEPLOY_NS };

/// All spans of visits that begin at a time.
fn spans(visits: u64, at_ns: i64) -> Vec<Vec<Span>> {
    (0..visits)
        .map(|n| {
            let mut visit = Visit::new(&STORY, 0, n);
            journeys::go(&mut visit, at_ns);
            visit.spans
        })
        .collect()
}

#[test]
fn the_same_seed_tells_the_same() {
    let tell = |seed| {
        let story = Story { seed, ..STORY };
        let mut shop = Shop::new(story, 3.0, DEPLOY_NS, 15 * SECOND_NS);
        let batch = shop.until(DEPLOY_NS + MINUTE_NS);
        (batch.spans, batch.logs, batch.metrics)
    };
    assert_eq!(tell(1), tell(1));
    assert_ne!(tell(1), tell(2));
}

#[test]
fn windows_may_be_cut_anywhere_between_reports() {
    let told = |cuts: &[i64]| {
        let mut shop = Shop::new(STORY, 3.0, DEPLOY_NS, 15 * SECOND_NS);
        let (mut logs, mut metrics) = (0, Vec::new());
        for seconds in cuts {
            let batch = shop.until(DEPLOY_NS + seconds * SECOND_NS);
            logs += batch.logs.1;
            metrics.extend(batch.metrics);
        }
        (logs, metrics)
    };
    assert_eq!(told(&[60]), told(&[15, 30, 60]));
}

#[test]
fn traces_are_trees_in_time() {
    let (mut all, mut most) = (0, 0);
    for trace in spans(300, DEPLOY_NS + 10 * MINUTE_NS) {
        (all, most) = (all + trace.len(), most.max(trace.len()));
        for span in &trace {
            assert!(span.end_ns > span.start_ns, "{span:?}");
            let Some(parent) = span.parent else { continue };
            let parent = trace.iter().find(|other| other.id == parent).expect("a parent");
            assert!(parent.start_ns <= span.start_ns && parent.trace_id == span.trace_id);
            // Who takes a message does so later than it was sent.
            if span.kind != Kind::Consumer && parent.kind != Kind::Consumer {
                assert!(parent.end_ns >= span.end_ns, "{parent:?} ends before {span:?}");
            }
        }
        let roots = trace.iter().filter(|span| span.parent.is_none()).collect::<Vec<_>>();
        assert!(roots.iter().skip(1).all(|root| root.links.len() == 1), "{roots:?}");
    }
    let mean = all / 300;
    assert!((8..=40).contains(&mean) && most <= 60, "{mean} spans on average, at most {most}");
}

#[test]
fn the_bad_release_fails_over_one_gateway() {
    let share = |at_ns| {
        let payments: Vec<Span> = spans(12_000, at_ns)
            .into_iter()
            .flatten()
            .filter(|s| s.name == "shop.Payment/Charge" && s.kind == Kind::Server)
            .collect();
        let failed: Vec<&Span> = payments.iter().filter(|s| s.failure.is_some()).collect();
        let over = |s: &&&Span| {
            s.attributes.iter().any(|(key, value)| {
                let is = matches!(value, super::super::wire::Value::Text(text) if text == "eu-2");
                *key == "gateway" && is
            })
        };
        let of_gateway = failed.iter().filter(over).count();
        (failed.len() as f64 / payments.len() as f64, of_gateway as f64 / failed.len() as f64)
    };
    let (before, _) = share(DEPLOY_NS - MINUTE_NS);
    assert!(before < 0.004, "{before}");
    let (after, of_gateway) = share(DEPLOY_NS + 10 * MINUTE_NS);
    assert!((0.025..0.055).contains(&after), "{after}");
    assert!(of_gateway > 0.88, "{of_gateway}");
}

#[test]
fn pods_are_replaced_one_by_one_and_say_so() {
    let version = |replica, at_ns| STORY.release(Service::Payment, replica, at_ns).version;
    assert_eq!(version(0, DEPLOY_NS - 1), "2.14.0");
    assert_eq!(version(0, DEPLOY_NS), "2.14.1");
    assert_eq!(version(1, DEPLOY_NS), "2.14.0");
    assert_eq!(version(2, DEPLOY_NS + MINUTE_NS), "2.14.1");
    assert_eq!(version(2, DEPLOY_NS + 45 * MINUTE_NS), "2.14.0");
    assert_eq!(version(2, DEPLOY_NS + 65 * MINUTE_NS), "2.14.1");
    let notes = background::notes(&STORY, 0, DEPLOY_NS, DEPLOY_NS + MINUTE_NS);
    let deployed = notes.iter().filter(|note| note.event_name == "deployment").count();
    assert_eq!(deployed, 3);
    assert!(notes.iter().any(|note| note.body.contains("gateway.pool.max=8 (was 64)")));
    assert!(notes.iter().any(|note| note.level == Level::Warn));
}
