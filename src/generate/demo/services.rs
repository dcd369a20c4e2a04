//! Who runs where: the services of the shop, their pods and nodes.

use super::super::series::Chance;
use super::super::wire::Message;
use super::story::Release;

/// The services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Frontend,
    Checkout,
    Payment,
    Cart,
    Catalog,
    Currency,
    Shipping,
    Email,
    Recommend,
    Ads,
}

/// What is known of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) language: &'static str,
    pub(crate) replicas: u64,
    /// What its library of instruments is called.
    pub(crate) scope: &'static str,
}

const fn about(
    name: &'static str,
    version: &'static str,
    language: &'static str,
    replicas: u64,
    scope: &'static str,
) -> About {
    About { name, version, language, replicas, scope }
}

const ABOUT: [About; 10] = [
    about("frontend", "5.8.2", "nodejs", 3, "@opentelemetry/instrumentation-http"),
    about("checkout", "3.4.0", "go", 2, "otelgrpc"),
    about("payment", "2.14.0", "java", 3, "io.opentelemetry.grpc-1.6"),
    about("cart", "1.9.5", "dotnet", 2, "OpenTelemetry.Instrumentation.AspNetCore"),
    about("catalog", "4.1.0", "go", 3, "otelgrpc"),
    about("currency", "1.2.3", "cpp", 2, "shop.currency"),
    about("shipping", "0.9.8", "rust", 2, "shipping::server"),
    about("email", "2.0.1", "ruby", 1, "OpenTelemetry::Instrumentation::Sinatra"),
    about("recommend", "1.6.0", "python", 2, "opentelemetry.instrumentation.grpc"),
    about("ads", "3.0.4", "java", 2, "io.opentelemetry.grpc-1.6"),
];

/// Letters of the random part of a pod's name, as Kubernetes has them.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

impl Service {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Frontend,
        Self::Checkout,
        Self::Payment,
        Self::Cart,
        Self::Catalog,
        Self::Currency,
        Self::Shipping,
        Self::Email,
        Self::Recommend,
        Self::Ads,
    ];

    /// Returns what is known of it.
    pub(crate) fn about(self) -> &'static About {
        &ABOUT[self as usize]
    }
}

/// One pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instance {
    pub(crate) service: Service,
    pub(crate) replica: u64,
    pub(crate) release: Release,
    /// Tells the pods of one run from those of another.
    pub(crate) run: u64,
}

impl Instance {
    /// Returns the name of its pod.
    pub(crate) fn pod(&self) -> String {
        let mut deployed = self.chance(0);
        let mut replica = self.chance(1 + self.replica);
        let name = self.service.about().name;
        format!("{name}-{}-{}", letters(&mut deployed, 9), letters(&mut replica, 5))
    }

    fn chance(&self, of: u64) -> Chance {
        let service = (self.service as u64) << 48;
        Chance::new(self.run ^ service ^ self.release.number << 32 ^ of << 8)
    }

    /// Writes the `Resource` message.
    pub(crate) fn resource(&self) -> Message {
        let About { name, language, .. } = *self.service.about();
        let mut placed = self.chance(1 + self.replica);
        let node = format!("node-{:02}", 1 + placed.below(6));
        let (region, zone) = placed.pick([
            ("eu-central-1", "eu-central-1a"),
            ("eu-central-1", "eu-central-1b"),
            ("eu-west-1", "eu-west-1a"),
        ]);
        let id: String = (0..2).map(|_| format!("{:08x}", placed.below(1 << 31))).collect();
        let pod = self.pod();
        let mut resource = Message::default();
        for (key, value) in [
            ("service.name", name),
            ("service.namespace", "shop"),
            ("service.version", self.release.version),
            ("service.instance.id", &id),
            ("deployment.environment.name", "production"),
            ("telemetry.sdk.name", "opentelemetry"),
            ("telemetry.sdk.language", language),
            ("telemetry.sdk.version", "1.39.0"),
            ("host.name", &node),
            ("k8s.cluster.name", "shop-eu"),
            ("k8s.namespace.name", "shop"),
            ("k8s.node.name", &node),
            ("k8s.deployment.name", name),
            ("k8s.pod.name", &pod),
            ("k8s.container.name", name),
            ("cloud.provider", "aws"),
            ("cloud.region", region),
            ("cloud.availability_zone", zone),
        ] {
            resource.attribute(1, key, &value.into());
        }
        resource
    }

    /// Writes the `InstrumentationScope` message.
    pub(crate) fn scope(&self) -> Message {
        let mut scope = Message::default();
        scope.text(1, self.service.about().scope).text(2, "0.61.0");
        scope
    }
}

fn letters(chance: &mut Chance, count: usize) -> String {
    // The first draws of close seeds are close.
    chance.below(2);
    (0..count).map(|_| char::from(LETTERS[chance.below(LETTERS.len() as u64) as usize])).collect()
}
