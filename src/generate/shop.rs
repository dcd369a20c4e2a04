//! A small shop: the services that send the generated logs, spans and data points.

use super::series::Chance;
use super::wire::Message;

/// A service with its share of the traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) language: &'static str,
    pub(crate) instances: u64,
    /// Relative to the other services.
    pub(crate) weight: u64,
}

const fn service(
    name: &'static str,
    language: &'static str,
    instances: u64,
    weight: u64,
) -> Service {
    Service { name, language, instances, weight }
}

/// All services. The first one takes the requests of browsers.
pub(crate) const SERVICES: [Service; 16] = [
    service("storefront", "nodejs", 12, 20),
    service("edge-proxy", "cpp", 8, 18),
    service("checkout", "go", 8, 8),
    service("basket", "dotnet", 8, 9),
    service("catalogue", "go", 12, 14),
    service("payments", "java", 6, 5),
    service("delivery", "rust", 4, 3),
    service("exchange-rates", "cpp", 4, 6),
    service("suggestions", "python", 6, 5),
    service("mailer", "ruby", 2, 1),
    service("risk", "kotlin", 3, 2),
    service("ledger", "java", 3, 2),
    service("login", "go", 8, 6),
    service("search", "java", 8, 7),
    service("stock", "java", 6, 4),
    service("flags", "elixir", 3, 3),
];

/// Draws a service by weight.
pub(crate) fn draw(chance: &mut Chance) -> usize {
    let sum: u64 = SERVICES.iter().map(|s| s.weight).sum();
    let mut at = chance.below(sum);
    SERVICES
        .iter()
        .position(|service| {
            let hit = at < service.weight;
            at = at.saturating_sub(service.weight);
            hit
        })
        .unwrap_or(0)
}

/// The `Resource` message of an instance of a service.
pub(crate) fn resource(service: usize, instance: u64) -> Message {
    let Service { name, language, .. } = SERVICES[service];
    let mut chance = Chance::new((service as u64) << 32 | instance);
    let mut resource = Message::default();
    let node = format!("node-{:02}", chance.below(24));
    let pod = format!("{name}-{:08x}-{:05x}", chance.below(1 << 32), chance.below(1 << 20));
    let id = format!("{:016x}", chance.below(u64::from(u32::MAX)) << 20 | instance);
    for (key, value) in [
        ("service.name", name),
        ("service.namespace", "shop"),
        ("service.version", "3.14.1"),
        ("service.instance.id", &id),
        ("deployment.environment.name", "production"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", language),
        ("telemetry.sdk.version", "1.39.0"),
        ("host.name", &node),
        ("k8s.cluster.name", "eu-central"),
        ("k8s.namespace.name", "shop"),
        ("k8s.node.name", &node),
        ("k8s.pod.name", &pod),
        ("k8s.deployment.name", name),
        ("cloud.region", "eu-central-1"),
    ] {
        resource.attribute(1, key, &value.into());
    }
    resource
}

/// The `InstrumentationScope` message of a service.
pub(crate) fn scope(service: usize) -> Message {
    let Service { name, language, .. } = SERVICES[service];
    let mut scope = Message::default();
    scope.text(1, &format!("shop.{language}.{name}")).text(2, "1.4.0");
    scope
}
