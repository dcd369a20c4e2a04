//! What shoppers do: they look around, search, fill a cart, look at what sells. Buying is in
//! [`checkout`](super::checkout).

use super::checkout;
use super::services::Service;
use super::visit::{Kind, Level, Query, Reply, Rpc, Visit};

/// What the shop sells.
pub(crate) const SKUS: [&str; 12] = [
    "KETTLE-02",
    "LAMP-17",
    "MUG-05",
    "TENT-31",
    "BOOTS-44",
    "ROPE-10",
    "STOVE-03",
    "PACK-65",
    "CHAIR-12",
    "KNIFE-08",
    "TORCH-21",
    "FLASK-07",
];

const SEARCHES: [&str; 8] =
    ["tent", "mug blue", "boots 44", "gas stove", "lamp", "rope 10m", "knife", "thermos"];

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36",
];

/// What a shopper does: method, route, of a hundred visits how many, and how.
type Journey = (&'static str, &'static str, u64, fn(&mut Visit<'_>, usize, i64) -> Reply);

const JOURNEYS: [Journey; 6] = [
    ("GET", "/", 14, home),
    ("GET", "/product/{sku}", 26, product),
    ("GET", "/search", 14, search),
    ("POST", "/cart", 16, add_to_cart),
    ("GET", "/bestsellers", 5, bestsellers),
    ("POST", "/checkout", 25, checkout::checkout),
];

/// Lets a shopper do something.
pub(crate) fn go(visit: &mut Visit<'_>, at_ns: i64) {
    let mut drawn = visit.chance.below(JOURNEYS.iter().map(|journey| journey.2).sum());
    let found = JOURNEYS.iter().find(|journey| {
        let hit = drawn < journey.2;
        drawn = drawn.saturating_sub(journey.2);
        hit
    });
    let (method, route, _, work) = *found.unwrap_or(&JOURNEYS[0]);
    let frontend = visit.instance(Service::Frontend, at_ns);
    let root = visit.open(frontend, None, format!("{method} {route}"), Kind::Server, at_ns);
    let user = visit.chance.below(4_000);
    let path = route.replace("{sku}", visit.chance.pick(SKUS));
    let browser = visit.chance.pick(BROWSERS);
    visit.set(root, "http.request.method", method);
    visit.set(root, "http.route", route);
    visit.set(root, "url.path", path.clone());
    visit.set(root, "url.scheme", "https");
    visit.set(root, "user_agent.original", browser);
    visit.set(root, "client.address", format!("198.51.100.{}", user % 250));
    visit.set(root, "user.id", format!("u-{user:04}"));
    let begun_ns = at_ns + visit.ms(0.8);
    let reply = work(visit, root, begun_ns);
    let (_, end_ns) = visit.inside(root, reply.end_ns, "render", 2.5);
    let status = if reply.failure.is_some() { 500_i64 } else { 200 };
    visit.set(root, "http.response.status_code", status);
    let reply = Reply { end_ns, ..reply };
    visit.close(root, &reply);
    let ms = (end_ns - at_ns) / 1_000_000;
    let level = if status == 500 { Level::Error } else { Level::Info };
    let attributes = vec![
        ("http.request.method", method.into()),
        ("http.route", route.into()),
        ("http.response.status_code", status.into()),
        ("duration_ms", ms.into()),
        ("user.id", format!("u-{user:04}").into()),
    ];
    visit.say_with(root, end_ns, level, format!("{method} {path} {status} in {ms} ms"), attributes);
}

fn home(visit: &mut Visit<'_>, root: usize, at_ns: i64) -> Reply {
    let listed = catalog(visit, root, at_ns, "ListProducts");
    let now = convert(visit, root, listed.end_ns, "EUR");
    let recommended = recommend(visit, root, now);
    let shown = ads(visit, root, listed.end_ns);
    Reply::at(recommended.max(shown))
}

fn product(visit: &mut Visit<'_>, root: usize, at_ns: i64) -> Reply {
    let found = catalog(visit, root, at_ns, "GetProduct");
    let to = visit.chance.pick(["EUR", "USD", "GBP", "CHF"]);
    let priced = convert(visit, root, found.end_ns, to);
    let recommended = recommend(visit, root, found.end_ns);
    let shown = ads(visit, root, found.end_ns);
    Reply::at(priced.max(recommended).max(shown))
}

fn search(visit: &mut Visit<'_>, root: usize, at_ns: i64) -> Reply {
    let text = visit.chance.pick(SEARCHES);
    let call = Rpc { to: Service::Catalog, service: "shop.Catalog", method: "SearchProducts" };
    visit.set(root, "url.query", format!("q={}", text.replace(' ', "+")));
    let found = visit.rpc(root, at_ns, call, |visit, server, at_ns| {
        let hits = visit.chance.below(30) as i64;
        visit.set(server, "app.search.text", text);
        let (asked, end_ns) = visit.query(server, at_ns, Query {
            system: "postgresql",
            operation: "SELECT",
            of: "products",
            text: "SELECT sku, name, price FROM products WHERE search @@ plainto_tsquery($1) LIMIT 30"
                .into(),
            ms: 14.0,
        });
        visit.set(asked, "db.response.returned_rows", hits);
        visit.set(server, "app.search.hits", hits);
        visit.say(server, end_ns, Level::Info, format!("search \"{text}\" found {hits} products"));
        if hits == 0 {
            let body = format!("no product matches \"{text}\", showing bestsellers of yesterday");
            visit.say(server, end_ns + 10_000, Level::Warn, body);
        }
        Reply::at(end_ns + visit.ms(0.5))
    });
    let shown = ads(visit, root, found.end_ns);
    Reply::at(shown)
}

fn add_to_cart(visit: &mut Visit<'_>, root: usize, at_ns: i64) -> Reply {
    let found = catalog(visit, root, at_ns, "GetProduct");
    let call = Rpc { to: Service::Cart, service: "shop.Cart", method: "AddItem" };
    visit.rpc(root, found.end_ns, call, |visit, server, at_ns| {
        let sku = visit.chance.pick(SKUS);
        let count = 1 + visit.chance.below(3) as i64;
        visit.set(server, "app.product.sku", sku);
        visit.set(server, "app.product.quantity", count);
        let end_ns = redis(visit, server, at_ns, ("HINCRBY", "HINCRBY cart:? sku ?"));
        let end_ns = redis(visit, server, end_ns, ("EXPIRE", "EXPIRE cart:? 7200"));
        let body = format!("added {count} x {sku} to cart of u-{:04}", visit.chance.below(4_000));
        visit.say(server, end_ns, Level::Info, body);
        Reply::at(end_ns + visit.ms(0.3))
    })
}

/// The slow one: the query has no index to go by.
fn bestsellers(visit: &mut Visit<'_>, root: usize, at_ns: i64) -> Reply {
    let call = Rpc { to: Service::Catalog, service: "shop.Catalog", method: "ListBestsellers" };
    visit.rpc(root, at_ns, call, |visit, server, at_ns| {
        let ms = visit.story.slow_query_ms(at_ns);
        let (asked, end_ns) = visit.query(
            server,
            at_ns,
            Query {
                system: "postgresql",
                operation: "SELECT",
                of: "orders",
                text:
                    "SELECT sku, count(*) FROM orders WHERE created_at > now() - interval '7 days' \
                   AND region = $1 GROUP BY sku ORDER BY 2 DESC LIMIT 20"
                        .into(),
                ms,
            },
        );
        visit.set(asked, "db.response.returned_rows", 20_i64);
        let took = (end_ns - at_ns) / 1_000_000;
        let attributes = vec![
            ("db.collection.name", "orders".into()),
            ("db.plan", "Seq Scan on orders".into()),
            ("db.rows_read", (4_100_000 + took * 13).into()),
            ("duration_ms", took.into()),
        ];
        let body = format!("slow query: {took} ms, sequential scan of orders (no index on region)");
        visit.say_with(asked, end_ns, Level::Warn, body, attributes);
        let (_, end_ns) = visit.inside(server, end_ns, "rank products", 3.0);
        Reply::at(end_ns)
    })
}

/// Asks the catalog for products.
pub(super) fn catalog(
    visit: &mut Visit<'_>,
    from: usize,
    at_ns: i64,
    method: &'static str,
) -> Reply {
    let call = Rpc { to: Service::Catalog, service: "shop.Catalog", method };
    visit.rpc(from, at_ns, call, |visit, server, at_ns| {
        let sku = visit.chance.pick(SKUS);
        visit.set(server, "app.product.sku", sku);
        if visit.chance.happens(0.6) {
            let end_ns = redis(visit, server, at_ns, ("GET", "GET product:?"));
            visit.say(server, end_ns, Level::Debug, format!("cache hit for product {sku}"));
            return Reply::at(end_ns + visit.ms(0.2));
        }
        let body = format!("cache miss for product {sku}, asking the database");
        visit.say(server, at_ns, Level::Debug, body);
        let (asked, end_ns) = visit.query(
            server,
            at_ns,
            Query {
                system: "postgresql",
                operation: "SELECT",
                of: "products",
                text: "SELECT sku, name, price, stock FROM products WHERE sku = $1".into(),
                ms: 3.2,
            },
        );
        visit.set(asked, "db.response.returned_rows", 1_i64);
        Reply::at(end_ns + visit.ms(0.2))
    })
}

/// Converts a price.
pub(super) fn convert(visit: &mut Visit<'_>, from: usize, at_ns: i64, to: &'static str) -> i64 {
    let call = Rpc { to: Service::Currency, service: "shop.Currency", method: "Convert" };
    let reply = visit.rpc(from, at_ns, call, |visit, server, at_ns| {
        visit.set(server, "app.currency.from", "EUR");
        visit.set(server, "app.currency.to", to);
        if visit.chance.happens(0.04) {
            let body = format!("rate of EUR/{to} is {} s old", 60 + visit.chance.below(240));
            visit.say(server, at_ns, Level::Warn, body);
        }
        Reply::at(at_ns + visit.ms(0.9))
    });
    reply.end_ns
}

fn recommend(visit: &mut Visit<'_>, from: usize, at_ns: i64) -> i64 {
    let call = Rpc { to: Service::Recommend, service: "shop.Recommend", method: "List" };
    let reply = visit.rpc(from, at_ns, call, |visit, server, at_ns| {
        let (_, scored_ns) = visit.inside(server, at_ns, "score", 7.0);
        let found = catalog(visit, server, scored_ns, "ListProducts");
        let count = 3 + visit.chance.below(5);
        visit.set(server, "app.recommendations", count);
        let body = format!("{count} recommendations, model v12");
        visit.say(server, found.end_ns, Level::Debug, body);
        Reply::at(found.end_ns + visit.ms(0.4))
    });
    reply.end_ns
}

fn ads(visit: &mut Visit<'_>, from: usize, at_ns: i64) -> i64 {
    let call = Rpc { to: Service::Ads, service: "shop.Ads", method: "Get" };
    let reply = visit.rpc(from, at_ns, call, |visit, server, at_ns| {
        let key = visit.chance.pick(["outdoor", "kitchen", "light", "none"]);
        visit.set(server, "app.ads.context", key);
        let end_ns = redis(visit, server, at_ns, ("SRANDMEMBER", "SRANDMEMBER ads:? 2"));
        if key == "none" {
            visit.say(server, end_ns, Level::Info, "no ad for context none, serving a house ad");
        }
        Reply::at(end_ns + visit.ms(0.8))
    });
    reply.end_ns
}

/// Asks the cache.
pub(super) fn redis(
    visit: &mut Visit<'_>,
    from: usize,
    at_ns: i64,
    (operation, text): (&'static str, &'static str),
) -> i64 {
    let of = text.split([' ', ':']).nth(1).unwrap_or_default();
    let query = Query { system: "redis", operation, of, text: text.into(), ms: 0.5 };
    visit.query(from, at_ns, query).1
}
