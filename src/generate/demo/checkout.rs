//! Buying: the longest way through the shop, and the one that the story is about.

use super::journeys::{SKUS, catalog, convert, redis};
use super::services::{Instance, Service};
use super::story::{GATEWAYS, Story};
use super::visit::{Failure, Kind, Level, Query, Reply, Rpc, Visit};

/// How long a payment waits for a connection to a gateway, in ms.
const POOL_WAIT_MS: f64 = 3_000.0;
const TOPIC: &str = "orders";

/// What is bought, and how.
#[derive(Debug, Clone, Copy)]
struct Order {
    number: u64,
    items: u64,
    cents: i64,
    currency: &'static str,
}

/// Buys what is in the cart.
pub(super) fn checkout(visit: &mut Visit<'_>, root: usize, at_ns: i64) -> Reply {
    let items = 1 + visit.chance.below(3);
    let order = Order {
        number: 100_000 + visit.chance.below(900_000),
        items,
        cents: 900 + visit.chance.below(24_000) as i64,
        currency: visit.chance.pick(["EUR", "EUR", "EUR", "USD", "GBP"]),
    };
    let call = Rpc { to: Service::Checkout, service: "shop.Checkout", method: "PlaceOrder" };
    visit.rpc(root, at_ns, call, |visit, server, at_ns| place(visit, server, at_ns, order))
}

fn place(visit: &mut Visit<'_>, server: usize, at_ns: i64, order: Order) -> Reply {
    let Order { number, items, cents, currency } = order;
    visit.set(server, "app.order.id", format!("ord-{number}"));
    visit.set(server, "app.order.items", items);
    visit.set(server, "app.order.currency", currency);
    let body = format!("placing order ord-{number}: {items} items");
    visit.say(server, at_ns, Level::Info, body);
    let mut now = cart(visit, server, at_ns, "GetCart");
    for _ in 0..items {
        now = catalog(visit, server, now, "GetProduct").end_ns;
        now = convert(visit, server, now, currency);
    }
    now = quote(visit, server, now);
    let paid = pay(visit, server, now, order);
    if let Some(failure) = paid.failure {
        let attributes = vec![
            ("app.order.id", format!("ord-{number}").into()),
            ("exception.type", failure.exception.into()),
            ("exception.message", failure.message.clone().into()),
        ];
        let body = format!("order ord-{number} failed: could not charge the card");
        visit.say_with(server, paid.end_ns, Level::Error, body, attributes);
        let (_, end_ns) = visit.inside(server, paid.end_ns, "release stock", 1.5);
        let message = format!("charge card: {}", failure.message);
        let failure = Failure { exception: "checkout.PaymentError", message };
        return Reply { end_ns, failure: Some(failure) };
    }
    let (_, stored_ns) = visit.query(
        server,
        paid.end_ns,
        Query {
            system: "postgresql",
            operation: "INSERT",
            of: "orders",
            text: "INSERT INTO orders (id, user_id, total_cents, currency) VALUES ($1, $2, $3, $4)"
                .into(),
            ms: 4.5,
        },
    );
    let sent_ns = publish(visit, server, stored_ns, number);
    let emptied_ns = cart(visit, server, stored_ns, "EmptyCart");
    let end_ns = sent_ns.max(emptied_ns);
    let attributes = vec![
        ("app.order.id", format!("ord-{number}").into()),
        ("app.order.total_cents", cents.into()),
        ("app.order.currency", currency.into()),
    ];
    let body = format!("order ord-{number} placed: {items} items, {cents} cents {currency}");
    visit.say_with(server, end_ns, Level::Info, body, attributes);
    Reply::at(end_ns + visit.ms(0.6))
}

fn cart(visit: &mut Visit<'_>, from: usize, at_ns: i64, method: &'static str) -> i64 {
    let call = Rpc { to: Service::Cart, service: "shop.Cart", method };
    let reply = visit.rpc(from, at_ns, call, |visit, server, at_ns| {
        let command =
            if method == "GetCart" { ("HGETALL", "HGETALL cart:?") } else { ("DEL", "DEL cart:?") };
        let end_ns = redis(visit, server, at_ns, command);
        visit.say(
            server,
            end_ns,
            Level::Debug,
            format!("{} cart:u-{:04}", command.0, at_ns % 4_000),
        );
        Reply::at(end_ns + visit.ms(0.2))
    });
    reply.end_ns
}

/// Asks what shipping costs, over plain HTTP.
fn quote(visit: &mut Visit<'_>, from: usize, at_ns: i64) -> i64 {
    let caller = visit.spans[from].instance;
    let client = visit.open(caller, Some(from), "POST", Kind::Client, at_ns);
    let came_ns = at_ns + visit.ms(0.4);
    let callee = visit.instance(Service::Shipping, came_ns);
    let server = visit.open(callee, Some(client), "POST /quote", Kind::Server, came_ns);
    for at in [client, server] {
        visit.set(at, "http.request.method", "POST");
        visit.set(at, "http.response.status_code", 200_i64);
    }
    visit.set(client, "server.address", "shipping");
    visit.set(client, "url.full", "http://shipping:8080/quote");
    visit.set(server, "http.route", "/quote");
    visit.set(server, "url.path", "/quote");
    let (_, end_ns) = visit.inside(server, came_ns + 50_000, "weigh parcels", 1.8);
    let cents = 390 + visit.chance.below(1_200);
    visit.say(
        server,
        end_ns,
        Level::Info,
        format!("quoted {cents} cents for zone eu-{}", cents % 4),
    );
    visit.close(server, &Reply::at(end_ns + 80_000));
    let end_ns = end_ns + 80_000 + visit.ms(0.4);
    visit.close(client, &Reply::at(end_ns));
    end_ns
}

/// Charges the card over one of the gateways.
fn pay(visit: &mut Visit<'_>, from: usize, at_ns: i64, order: Order) -> Reply {
    let mut drawn = visit.chance.unit();
    let gateway = GATEWAYS.iter().find(|(_, share)| {
        drawn -= share;
        drawn < 0.0
    });
    let gateway = gateway.unwrap_or(&GATEWAYS[0]).0;
    let call = Rpc { to: Service::Payment, service: "shop.Payment", method: "Charge" };
    visit.rpc(from, at_ns, call, |visit, server, at_ns| {
        let instance = visit.spans[server].instance;
        let brand = visit.chance.pick(["visa", "mastercard", "sepa"]);
        visit.set(server, "gateway", gateway);
        visit.set(server, "payment.method", brand);
        visit.set(server, "payment.amount_cents", order.cents);
        visit.set(server, "payment.currency", order.currency);
        let (_, checked_ns) = visit.inside(server, at_ns, "check fraud rules", 4.0);
        let fails = Story::payment_fails(instance.release, gateway);
        if visit.chance.happens(fails) {
            return exhausted(visit, server, checked_ns, gateway);
        }
        let charged_ns = charge(visit, server, checked_ns, gateway);
        let end_ns = redis(visit, server, charged_ns, ("SET", "SET idempotency:? ?"));
        let attributes = vec![
            ("gateway", gateway.into()),
            ("payment.method", brand.into()),
            ("payment.amount_cents", order.cents.into()),
        ];
        let took = (charged_ns - checked_ns) / 1_000_000;
        let body = format!("payment for ord-{} authorised by {gateway} in {took} ms", order.number);
        visit.say_with(server, end_ns, Level::Info, body, attributes);
        Reply::at(end_ns + visit.ms(0.4))
    })
}

/// Asks the gateway, which sends no spans.
fn charge(visit: &mut Visit<'_>, server: usize, at_ns: i64, gateway: &'static str) -> i64 {
    let instance = visit.spans[server].instance;
    let at = visit.open(instance, Some(server), "POST", Kind::Client, at_ns);
    visit.set(at, "http.request.method", "POST");
    visit.set(at, "http.response.status_code", 201_i64);
    visit.set(at, "url.full", format!("https://{gateway}.gateway.example/v2/charges"));
    visit.set(at, "server.address", format!("{gateway}.gateway.example"));
    visit.set(at, "peer.service", "card-gateway");
    visit.set(at, "gateway", gateway);
    let end_ns = at_ns + visit.ms(if gateway == "us-1" { 130.0 } else { 62.0 });
    visit.close(at, &Reply::at(end_ns));
    end_ns
}

/// Waits for a connection that never comes free.
fn exhausted(visit: &mut Visit<'_>, server: usize, at_ns: i64, gateway: &'static str) -> Reply {
    let instance = visit.spans[server].instance;
    let pool = if instance.release.is_bad { 8 } else { 64 };
    let at = visit.open(instance, Some(server), "acquire connection", Kind::Internal, at_ns);
    visit.set(at, "gateway", gateway);
    visit.set(at, "pool.max", pool as i64);
    visit.set(at, "pool.in_use", pool as i64);
    let waited = POOL_WAIT_MS + visit.chance.unit() * 40.0;
    let end_ns = at_ns + (waited * 1e6) as i64;
    let message = format!("no connection to {gateway} within 3000 ms: {pool} of {pool} in use");
    let failure = Failure { exception: "com.shop.payment.PoolExhaustedException", message };
    let reply = Reply { end_ns, failure: Some(failure.clone()) };
    visit.close(at, &reply);
    let attributes = vec![
        ("gateway", gateway.into()),
        ("pool.max", (pool as i64).into()),
        ("exception.type", failure.exception.into()),
        ("exception.message", failure.message.clone().into()),
    ];
    let half_ns = at_ns + (end_ns - at_ns) / 2;
    let waits = format!("pool of {gateway}: {} requests wait for a connection", 3 + pool / 2);
    visit.say_with(at, half_ns, Level::Warn, waits, vec![("gateway", gateway.into())]);
    let body = format!("payment failed: {}", failure.message);
    visit.say_with(at, end_ns, Level::Error, body, attributes);
    Reply { end_ns: end_ns + visit.ms(0.4), failure: Some(failure) }
}

/// Tells the others of the order; shipping takes it at once, email somewhat later in a trace of its
/// own.
fn publish(visit: &mut Visit<'_>, from: usize, at_ns: i64, number: u64) -> i64 {
    let instance = visit.spans[from].instance;
    let producer = visit.open(instance, Some(from), "send orders", Kind::Producer, at_ns);
    let offset = (at_ns / 1_000_000_000 % 10_000_000) + number as i64 % 10;
    messaging(visit, producer, "send", offset);
    let sent_ns = at_ns + visit.ms(2.2);
    visit.close(producer, &Reply::at(sent_ns));
    let came_ns = sent_ns + visit.ms(18.0);
    let taker = visit.instance(Service::Shipping, came_ns);
    ship(visit, taker, producer, (came_ns, offset, number));
    let came_ns = sent_ns + visit.ms(420.0);
    let taker = visit.instance(Service::Email, came_ns);
    mail(visit, taker, producer, (came_ns, offset, number));
    sent_ns
}

fn messaging(visit: &mut Visit<'_>, at: usize, operation: &'static str, offset: i64) {
    visit.set(at, "messaging.system", "kafka");
    visit.set(at, "messaging.destination.name", TOPIC);
    visit.set(at, "messaging.operation.name", operation);
    visit.set(at, "messaging.destination.partition.id", (offset % 6).to_string());
    visit.set(at, "messaging.kafka.offset", offset);
    visit.set(at, "server.address", "kafka.shop");
}

fn ship(
    visit: &mut Visit<'_>,
    taker: Instance,
    producer: usize,
    (at_ns, offset, number): (i64, i64, u64),
) {
    let at = visit.open(taker, Some(producer), "process orders", Kind::Consumer, at_ns);
    messaging(visit, at, "process", offset);
    visit.set(at, "messaging.consumer.group.name", "shipping");
    let (_, booked_ns) = visit.inside(at, at_ns, "book parcel", 9.0);
    let (_, end_ns) = visit.query(
        at,
        booked_ns,
        Query {
            system: "postgresql",
            operation: "UPDATE",
            of: "shipments",
            text: "UPDATE shipments SET state = $1 WHERE order_id = $2".into(),
            ms: 3.0,
        },
    );
    let sku = visit.chance.pick(SKUS);
    visit.say(at, end_ns, Level::Info, format!("parcel booked for ord-{number}, first item {sku}"));
    visit.close(at, &Reply::at(end_ns + 100_000));
}

/// Mails in a trace of its own, which links to the one that caused it.
fn mail(
    visit: &mut Visit<'_>,
    taker: Instance,
    producer: usize,
    (at_ns, offset, number): (i64, i64, u64),
) {
    let caused = (visit.trace_id, visit.spans[producer].id);
    let outer = visit.trace_id;
    visit.trace_id = super::super::logs::id(&mut visit.chance);
    let at = visit.open(taker, None, "process orders", Kind::Consumer, at_ns);
    visit.spans[at].links.push(caused);
    messaging(visit, at, "process", offset);
    visit.set(at, "messaging.consumer.group.name", "email");
    let (_, rendered_ns) = visit.inside(at, at_ns, "render template", 12.0);
    let sent = visit.open(taker, Some(at), "SMTP send", Kind::Client, rendered_ns);
    visit.set(sent, "server.address", "smtp.shop");
    visit.set(sent, "peer.service", "smtp");
    let mut end_ns = rendered_ns + visit.ms(85.0);
    if visit.chance.happens(0.01) {
        end_ns += visit.ms(900.0);
        let body = format!("smtp.shop answered 451 4.7.1 for ord-{number}, trying again");
        visit.say(sent, end_ns, Level::Warn, body);
        end_ns += visit.ms(90.0);
    }
    visit.close(sent, &Reply::at(end_ns));
    let body = format!("confirmation of ord-{number} sent to u-{:04}@example.com", number % 4_000);
    visit.say(at, end_ns, Level::Info, body);
    visit.close(at, &Reply::at(end_ns + 200_000));
    visit.trace_id = outer;
}
