use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Lets somebody guess as fast as they may for a time; returns how often they could.
fn guesses(attempts: &Attempts, name: &str, from: IpAddr, during: Duration) -> u32 {
    let (mut now, mut count) = (SECOND, 0);
    while now < during {
        match attempts.begin(name, from, now) {
            Ok(()) => count += 1,
            Err(wait) => now += wait,
        }
    }
    count
}

#[test]
fn waits_double_up_to_a_quarter_of_an_hour() {
    let attempts = Attempts::default();
    let mut now = SECOND;
    let mut waits = Vec::new();
    while waits.len() < 11 {
        match attempts.begin("ada", ip(1), now) {
            Ok(()) => {}
            Err(wait) => {
                waits.push(wait.as_secs());
                now += wait;
            }
        }
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    assert!(guesses(&attempts, "ada", ip(1), Duration::from_secs(24 * 3600)) < 110);
    // A day later it is forgotten.
    let later = now + Duration::from_secs(3 * 24 * 3600);
    assert_eq!(attempts.begin("ada", ip(1), later), Ok(()));
    assert_eq!(attempts.begin("ada", ip(1), later), Ok(()));
}

#[test]
fn many_at_once_gain_nothing_and_a_success_forgets() {
    let attempts = Attempts::default();
    let begun = (0..100).filter(|_| attempts.begin("ada", ip(1), SECOND).is_ok()).count();
    assert_eq!(begun, 5);
    assert!(attempts.locked("ada", SECOND).is_some());
    attempts.succeeded("ada", ip(1), SECOND);
    assert_eq!(attempts.begin("ada", ip(1), SECOND), Ok(()));
    assert_eq!(attempts.locked("ada", SECOND), None);
}

/// Somebody who guesses with many names from one address is slowed as well.
#[test]
fn an_address_is_limited_whatever_names_it_says() {
    let attempts = Attempts::default();
    let begun = (0..200).filter(|n| attempts.begin(&format!("n{n}"), ip(1), SECOND).is_ok());
    assert_eq!(begun.count(), 30);
    assert_eq!(attempts.begin("ada", ip(2), SECOND), Ok(()), "nobody else is");
    // An attacker with IPv6 has a network, which counts as one.
    let v6 = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, n, n, n, n]);
    let begun = (0..200).filter(|n| attempts.begin(&format!("n{n}"), v6(*n), SECOND).is_ok());
    assert_eq!(begun.count(), 30);
}

/// A name that many guess is slowed, but whoever owns it gets in from where they always do, and from
/// elsewhere within half a minute.
#[test]
fn nobody_is_locked_out_by_others() {
    let attempts = Attempts::default();
    let home = ip(250);
    assert_eq!(attempts.begin("ada", home, SECOND), Ok(()));
    attempts.succeeded("ada", home, SECOND);
    let mut begun = 0;
    for n in 0..2_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        begun += u32::from(attempts.begin("ada", IpAddr::from([10, a, b, c]), SECOND).is_ok());
    }
    assert_eq!(begun, 50, "two thousand addresses get as many guesses as fifty");
    assert_eq!(attempts.begin("ada", home, SECOND), Ok(()));
    let away = attempts.begin("ada", ip(251), SECOND);
    assert!(away.is_err_and(|wait| wait <= Duration::from_secs(30)), "{away:?}");
}

#[test]
fn nothing_grows_beyond_its_bound_and_the_busiest_stay() {
    let attempts = Attempts::default();
    while attempts.begin("ada", ip(1), SECOND).is_ok() {}
    for n in 0..3 * ENTRIES_MAX as u32 {
        let [a, b, c, d] = (n + (11 << 24)).to_be_bytes();
        assert_eq!(
            attempts.begin(&format!("name {n}"), IpAddr::from([a, b, c, d]), SECOND),
            Ok(())
        );
        attempts.succeeded(&format!("other {n}"), IpAddr::from([a, b, c, d]), SECOND);
    }
    let maps = attempts.0.lock();
    let sizes = [maps.pairs.len(), maps.addresses.len(), maps.names.len(), maps.friends.len()];
    assert!(sizes.iter().all(|size| *size <= ENTRIES_MAX), "{sizes:?}");
    drop(maps);
    assert!(attempts.begin("ada", ip(1), SECOND).is_err(), "still waits");
}
