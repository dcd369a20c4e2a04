//! What services say without being asked: that they start, are well, tidy up, or wait.
//!
//! Time is cut into slots; what a pod says in a slot is drawn from the slot, so that a window may be
//! cut anywhere.

use super::super::series::Chance;
use super::services::{Instance, Service};
use super::story::{SECOND_NS, Story};
use super::visit::{Attributes, Level, Note};

const SLOT_NS: i64 = 10 * SECOND_NS;

/// Returns what is said from one time to before another.
pub(crate) fn notes(story: &Story, run: u64, from_ns: i64, to_ns: i64) -> Vec<Note> {
    let mut notes = Vec::new();
    for service in Service::ALL {
        for replica in 0..service.about().replicas {
            let at = |at_ns| Instance {
                service,
                replica,
                release: story.release(service, replica, at_ns),
                run,
            };
            let now = at(to_ns - 1);
            if let Some(since_ns) = now.release.since_ns.filter(|since| *since >= from_ns) {
                started(now, at(since_ns - 1), since_ns, &mut notes);
            }
            let first = from_ns.div_euclid(SLOT_NS) + i64::from(from_ns % SLOT_NS != 0);
            for slot in first..to_ns.div_euclid(SLOT_NS) + i64::from(to_ns % SLOT_NS != 0) {
                let at_ns = slot * SLOT_NS;
                let seed = (slot as u64) << 16 ^ (service as u64) << 8 ^ replica ^ story.seed << 40;
                let mut chance = Chance::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
                chance.below(2);
                regular(at(at_ns), at_ns + chance.below(900) as i64 * 10_000_000, &mut chance)
                    .into_iter()
                    .for_each(|note| notes.push(note));
            }
        }
    }
    notes
}

fn note(
    instance: Instance,
    at_ns: i64,
    level: Level,
    body: String,
    attributes: Attributes,
) -> Note {
    Note { instance, at_ns, level, body, attributes, within: None, event_name: "" }
}

/// A new pod says what it is, and what has changed.
fn started(now: Instance, before: Instance, at_ns: i64, notes: &mut Vec<Note>) {
    let version = now.release.version;
    let name = now.service.about().name;
    let (pool, was) = if now.release.is_bad { (8_i64, 64_i64) } else { (64, 8) };
    let attributes = vec![
        ("deployment.name", name.into()),
        ("deployment.id", format!("{name}-{}", now.release.number).into()),
        ("service.version.previous", before.release.version.into()),
    ];
    let body = format!("Scaled up replica set of {name}, image {name}:{version}");
    let deployed = note(now, at_ns, Level::Info, body, attributes);
    notes.push(Note { event_name: "deployment", ..deployed });
    let body = format!("shutting down {name} {}: SIGTERM", before.release.version);
    notes.push(note(before, at_ns, Level::Info, body, Vec::new()));
    let lines = [
        (600, Level::Info, format!("starting {name} {version} on OpenJDK 25")),
        (900, Level::Info, format!("configuration read: gateway.pool.max={pool} (was {was})")),
        (1_900, Level::Info, format!("connected to {} gateways", 3)),
        (2_400, Level::Info, format!("{name} {version} is ready in 2.4 s")),
    ];
    for (ms, level, body) in lines {
        let attributes = match ms {
            900 => vec![("gateway.pool.max", pool.into())],
            _ => Vec::new(),
        };
        notes.push(note(now, at_ns + ms * 1_000_000, level, body, attributes));
    }
}

/// What is said again and again.
fn regular(instance: Instance, at_ns: i64, chance: &mut Chance) -> Option<Note> {
    let number = |chance: &mut Chance, of: u64| chance.below(of);
    let drawn = chance.below(100);
    let (level, body) = match (instance.service, drawn) {
        (_, 0..=11) => {
            let requests = 20 + number(chance, 60);
            (Level::Debug, format!("health check passed, {requests} requests since the last one"))
        }
        (Service::Payment | Service::Ads, 12..=25) => {
            let (pause, heap) = (4 + number(chance, 40), 180 + number(chance, 300));
            (Level::Info, format!("GC pause (G1 Evacuation) {pause} ms, heap {heap}M of 768M"))
        }
        (Service::Payment, 26..=29) => {
            let rules = 210 + number(chance, 9);
            (Level::Info, format!("reloaded {rules} fraud rules"))
        }
        (Service::Catalog, 12..=18) => {
            let products = 40 + number(chance, 90);
            (Level::Info, format!("refreshed {products} products from the warehouse feed"))
        }
        (Service::Catalog, 19..=21) => {
            let used = 14 + number(chance, 6);
            (Level::Warn, format!("pool of orders-db: {used} of 20 connections in use"))
        }
        (Service::Cart, 12..=20) => {
            let carts = number(chance, 70);
            (Level::Info, format!("dropped {carts} carts that nobody came back to"))
        }
        (Service::Currency, 12..=24) => {
            (Level::Info, format!("fetched {} exchange rates from ecb.example", 32))
        }
        (Service::Shipping, 12..=15) => {
            let lag = number(chance, 40);
            (Level::Debug, format!("consumer group shipping lags {lag} messages behind on orders"))
        }
        (Service::Email, 12..=20) => {
            let (sent, queued) = (number(chance, 30), number(chance, 5));
            (Level::Info, format!("mail queue: {sent} sent, {queued} waiting"))
        }
        (Service::Frontend, 12..=14) => {
            let ms = 30 + number(chance, 90);
            (Level::Warn, format!("event loop blocked for {ms} ms"))
        }
        (Service::Frontend, 15..=17) => {
            let address = number(chance, 250);
            (Level::Warn, format!("rate limit: 203.0.113.{address} sent 120 requests in 10 s"))
        }
        (Service::Recommend, 12..=15) => {
            let (rows, ms) = (20_000 + number(chance, 9_000), 200 + number(chance, 700));
            (Level::Info, format!("model v12 refreshed with {rows} events in {ms} ms"))
        }
        (Service::Checkout, 12..=15) => {
            let routines = 60 + number(chance, 50);
            (Level::Debug, format!("{routines} goroutines, 14 open connections"))
        }
        _ => return None,
    };
    Some(note(instance, at_ns, level, body, Vec::new()))
}
