use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn set(pod: u64, user: u64) -> LabelSet {
    let (pod, user) = (format!("pod-{pod}"), format!("user-{user}"));
    LabelSet::from_pairs(&[("__name__", "m"), ("pod", pod.as_str()), ("user_id", user.as_str())])
}

#[test]
fn estimates_are_near_for_all_sizes() {
    for n in [0u64, 1, 2, 10, 100, 300, 1_000, 50_000, 2_000_000] {
        let mut sketch = Sketch::default();
        (0..n).for_each(|value| sketch.add(xxh3_64(&value.to_le_bytes())));
        let (found, off) = (sketch.estimate(), (n as f64 * 0.3).max(1.0));
        assert!((found as f64 - n as f64).abs() <= off, "{found} for {n}");
    }
}

#[test]
fn the_label_that_explodes_comes_first() {
    let growth = Growth::default();
    assert_eq!(&*growth.told(Duration::ZERO), "");
    for n in 0..5_000 {
        growth.note(&set(n % 12, n), MINUTE);
    }
    let names = growth.exploding(MINUTE, 10);
    let order: Vec<&str> = names.iter().map(|(name, _)| &**name).collect();
    assert_eq!(order, ["user_id", "pod"], "one metric name is no growth: {names:?}");
    assert!((3_500..6_500).contains(&names[0].1) && (10..15).contains(&names[1].1), "{names:?}");
    let told = growth.told(MINUTE);
    assert!(told.starts_with("; new series differ most in \"user_id\" (about "), "{told}");
    // The same text for a second, however much comes.
    assert!(Arc::ptr_eq(&told, &growth.told(MINUTE + Duration::from_millis(900))));
}

#[test]
fn old_growth_is_forgotten() {
    let growth = Growth::default();
    growth.note(&set(1, 1), MINUTE);
    growth.note(&set(1, 2), MINUTE);
    assert_eq!(growth.exploding(6 * MINUTE, 10).len(), 1, "the window before counts");
    assert_eq!(growth.exploding(16 * MINUTE, 10), []);
}

#[test]
fn names_are_bounded() {
    let growth = Growth::default();
    for n in 0..1_000 {
        let name = format!("l{n}");
        growth.note(&LabelSet::from_pairs(&[(name.as_str(), "v")]), MINUTE);
    }
    assert_eq!(growth.0.lock().now.names.len(), NAMES_MAX);
}

#[test]
fn a_rate_lets_a_minute_through_at_once_and_fills_up_again() {
    let growth = Growth::default();
    let mut now = MINUTE;
    let taken = |now| (0..1_000).take_while(|_| growth.take(100, now).is_ok()).count();
    assert_eq!((taken(now), taken(now)), (100, 0));
    now += Duration::from_secs(30);
    assert_eq!((taken(now), growth.take(100, now)), (50, Err(Duration::from_secs(15))));
    assert_eq!(taken(now + 10 * MINUTE), 100);
}
