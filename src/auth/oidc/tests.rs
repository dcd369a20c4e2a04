//! A provider that lies as told: what is believed of it, and what is not.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use http::header::COOKIE;
use openidconnect::PrivateSigningKey as _;
use openidconnect::core::CoreEdDsaPrivateSigningKey;
use parking_lot::Mutex;
use serde_json::json;
use sha2::Sha256;
use tarn_alerting::egress::EgressOptions;
use tarn_testkit::sim::SimClock;

use super::*;

const SECRET: &str = "shared with the provider";
/// PKCS #8 of an Ed25519 key, up to its 32 bytes.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

type Shared = Arc<Mutex<Says>>;

/// What the provider says next.
#[derive(Default)]
struct Says {
    issuer: String,
    keys: Vec<Value>,
    keys_read: usize,
    /// `None`: the code is not taken.
    id_token: Option<String>,
    user_info: Value,
    verifiers: Vec<String>,
}

struct Fake {
    says: Shared,
    oidc: Oidc,
    clock: SimClock,
    key: Key,
}

fn signing_key(seed: u8, id: &str) -> CoreEdDsaPrivateSigningKey {
    let der = [&PKCS8[..], &[seed; 32]].concat();
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    let pem = format!("{begin}\n{}\n{end}\n", STANDARD.encode(der));
    let id = openidconnect::JsonWebKeyId::new(id.to_owned());
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(id)).unwrap()
}

fn public(key: &CoreEdDsaPrivateSigningKey) -> Value {
    serde_json::to_value(key.as_verification_key()).unwrap()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn signed(key: &CoreEdDsaPrivateSigningKey, id: &str, claims: &Value) -> String {
    let text = unsigned(&json!({ "alg": "EdDSA", "kid": id }), claims);
    let signature = key.sign(&CoreJwsSigningAlgorithm::EdDsa, text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn configuration(State(says): State<Shared>) -> Json<Value> {
    let issuer = says.lock().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // A provider that says so would be believed by a careless client.
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
    }))
}

async fn keys(State(says): State<Shared>) -> Json<Value> {
    let mut says = says.lock();
    says.keys_read += 1;
    Json(json!({ "keys": says.keys }))
}

async fn token(State(says): State<Shared>, body: String) -> (StatusCode, Json<Value>) {
    let mut says = says.lock();
    let pairs = url::form_urlencoded::parse(body.as_bytes());
    says.verifiers.extend(pairs.filter(|(n, _)| n == "code_verifier").map(|(_, v)| v.into()));
    match says.id_token.take() {
        Some(token) => {
            let body = json!({ "access_token": "a", "token_type": "Bearer", "id_token": token });
            (StatusCode::OK, Json(body))
        }
        // A code is good once.
        None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))),
    }
}

async fn me(State(says): State<Shared>) -> Json<Value> {
    Json(says.lock().user_info.clone())
}

fn oidc(issuer: &str, clock: &SimClock) -> Oidc {
    let settings = Settings {
        issuer: Some(Url::parse(issuer).unwrap()),
        client_id: "tarn".to_owned(),
        client_secret: Some(Secret::fixed("inline", SECRET)),
        scopes: vec!["openid".to_owned(), "groups".to_owned()],
        groups_claim: "groups".to_owned(),
        name: "test".to_owned(),
    };
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let egress = Egress::new(EgressOptions::default(), Arc::clone(&clock));
    Oidc::new(settings, &egress, clock).unwrap().unwrap()
}

async fn fake() -> Fake {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let says = Shared::default();
    says.lock().issuer.clone_from(&issuer);
    says.lock().keys = vec![public(&signing_key(1, "one"))];
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/keys", get(keys))
        .route("/token", post(token))
        .route("/me", get(me))
        .with_state(Arc::clone(&says));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let clock = SimClock::default();
    let oidc = oidc(&issuer, &clock);
    Fake { says, oidc, clock, key: Key::random().unwrap() }
}

/// A login that has begun.
struct Begun {
    state: String,
    nonce: String,
    cookie: HeaderMap,
}

impl Fake {
    async fn begin(&self) -> Begun {
        let redirect = Url::parse("https://tarn.example/callback").unwrap();
        let (to, cookie) = self.oidc.start(&self.key, "/logs?q=a", &redirect).await.unwrap();
        let to = Url::parse(&to).unwrap();
        let value = |name: &str| {
            to.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned()).unwrap()
        };
        assert_eq!(value("response_type"), "code");
        assert_eq!(value("code_challenge_method"), "S256");
        assert_eq!(value("redirect_uri"), "https://tarn.example/callback");
        assert_eq!(value("scope"), "openid groups");
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        let cookie = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&pair).unwrap())]);
        Begun { state: value("state"), nonce: value("nonce"), cookie }
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = i64::try_from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
        );
        let now = now.unwrap();
        json!({
            "iss": self.says.lock().issuer, "sub": "7", "aud": "tarn", "nonce": nonce,
            "iat": now, "exp": now + 60, "preferred_username": "ada", "groups": ["sre", "staff"],
        })
    }

    async fn finish(&self, begun: &Begun, query: &str) -> Result<(Identity, String)> {
        self.oidc.finish(&self.key, &begun.cookie, Returned::of_query(query)).await
    }

    /// Begins a login, lets the provider answer with what `token` makes of the claims, and ends it.
    async fn whole(&self, token: impl FnOnce(Value) -> String) -> Result<(Identity, String)> {
        let begun = self.begin().await;
        let token = token(self.claims(&begun.nonce));
        self.says.lock().id_token = Some(token);
        self.finish(&begun, &format!("code=c&state={}", begun.state)).await
    }
}

#[tokio::test]
async fn a_login_that_is_right_in_everything_is_believed() {
    let fake = fake().await;
    let key = signing_key(1, "one");
    let (identity, back) = fake.whole(|claims| signed(&key, "one", &claims)).await.unwrap();
    let groups = vec!["sre".to_owned(), "staff".to_owned()];
    assert_eq!(identity, Identity { subject: "7".to_owned(), name: "ada".to_owned(), groups });
    assert_eq!(back, "/logs?q=a");
    assert_eq!(fake.says.lock().verifiers.len(), 1, "PKCE is used");
    // A second login reads neither addresses nor keys again.
    fake.whole(|claims| signed(&key, "one", &claims)).await.unwrap();
    assert_eq!(fake.says.lock().keys_read, 1);
    fake.clock.advance_to(FRESH);
    fake.whole(|claims| signed(&key, "one", &claims)).await.unwrap();
    assert_eq!(fake.says.lock().keys_read, 2);
}

#[tokio::test]
async fn tokens_that_are_wrong_in_one_thing_are_refused() {
    let fake = fake().await;
    let key = signing_key(1, "one");
    let with = |name: &'static str, value: Value| {
        let key = signing_key(1, "one");
        move |mut claims: Value| {
            claims[name] = value;
            signed(&key, "one", &claims)
        }
    };
    for (name, value) in [
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("iss", json!("https://evil.example")),
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("exp", json!(1)),
        ("sub", json!("")),
    ] {
        let shown = format!("{name}: {value}");
        let error = fake.whole(with(name, value)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{shown}: {error:?}");
    }
    let other = signing_key(2, "one");
    let error = fake.whole(|claims| signed(&other, "one", &claims)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "another key of the same id: {error:?}");
    let error = fake.whole(|claims| {
        let token = signed(&key, "one", &claims);
        let mut changed = claims;
        changed["groups"] = json!(["admins"]);
        let (_, signature) = token.rsplit_once('.').unwrap();
        let text = unsigned(&json!({ "alg": "EdDSA", "kid": "one" }), &changed);
        format!("{text}.{signature}")
    });
    let error = error.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "other claims: {error:?}");
    for alg in ["none", "HS256"] {
        let error = fake.whole(|claims| {
            let text = unsigned(&json!({ "alg": alg, "kid": "one" }), &claims);
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(text.as_bytes());
            let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
            if alg == "none" { format!("{text}.") } else { format!("{text}.{tag}") }
        });
        let kind = error.await.unwrap_err().kind();
        // One that cannot even be read is the provider's failure.
        let refused = matches!(kind, ErrorKind::Unauthenticated | ErrorKind::Unavailable { .. });
        assert!(refused, "{alg}: {kind:?}");
    }
}

#[tokio::test]
async fn only_the_browser_that_began_a_login_ends_it() {
    let fake = fake().await;
    let key = signing_key(1, "one");
    let begun = fake.begin().await;
    let refused = async |cookie: HeaderMap, query: String| {
        let returned = Returned::of_query(&query);
        fake.oidc.finish(&fake.key, &cookie, returned).await.unwrap_err().kind()
    };
    let state = &begun.state;
    fake.says.lock().id_token = Some(signed(&key, "one", &fake.claims(&begun.nonce)));
    for query in ["code=c&state=wrong", "code=c&state=", "code=c", ""] {
        let kind = refused(begun.cookie.clone(), query.to_owned()).await;
        assert_eq!(kind, ErrorKind::Forbidden, "{query}");
    }
    let query = format!("code=c&state={state}");
    assert_eq!(refused(HeaderMap::new(), query.clone()).await, ErrorKind::Forbidden);
    let another = fake.begin().await;
    assert_eq!(refused(another.cookie, query.clone()).await, ErrorKind::Forbidden);
    assert!(fake.says.lock().verifiers.is_empty(), "the provider was not asked");

    assert!(fake.finish(&begun, &query).await.is_ok());
    // The provider takes a code once.
    let again = fake.finish(&begun, &query).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Unauthenticated);
    assert!(again.message().contains("invalid_grant"), "{again:?}");
    // Ten minutes are enough.
    fake.clock.advance_to(PENDING + Duration::from_secs(1));
    assert_eq!(refused(begun.cookie.clone(), query).await, ErrorKind::Forbidden);
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_looked_for_once() {
    let fake = fake().await;
    let (one, two) = (signing_key(1, "one"), signing_key(2, "two"));
    fake.whole(|claims| signed(&one, "one", &claims)).await.unwrap();
    fake.says.lock().keys = vec![public(&two)];
    fake.clock.advance_to(REFRESH_PAUSE);
    fake.whole(|claims| signed(&two, "two", &claims)).await.unwrap();
    assert_eq!(fake.says.lock().keys_read, 2);
    // Whoever makes tokens up does not make this server read keys all the time.
    for _ in 0..5 {
        let error = fake.whole(|claims| signed(&one, "three", &claims)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(fake.says.lock().keys_read, 2);
}

#[tokio::test]
async fn what_the_token_does_not_say_the_user_info_does() {
    let fake = fake().await;
    let key = signing_key(1, "one");
    let without_groups = |mut claims: Value| {
        let all = claims.as_object_mut().unwrap();
        all.remove("groups");
        all.remove("preferred_username");
        signed(&key, "one", &claims)
    };
    fake.says.lock().user_info = json!({ "sub": "7", "groups": "sre", "email": "ada@example.org" });
    let (identity, _) = fake.whole(without_groups).await.unwrap();
    assert_eq!(
        (identity.name.as_str(), &*identity.groups),
        ("ada@example.org", &["sre".to_owned()][..])
    );
    for info in
        [json!({ "sub": "8", "groups": ["admins"] }), json!({ "groups": ["admins"] }), json!(1)]
    {
        fake.says.lock().user_info = info.clone();
        let error = fake.whole(without_groups).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{info}");
    }
}

#[tokio::test]
async fn a_provider_that_refuses_or_is_away_is_told_in_words() {
    let fake = fake().await;
    let begun = fake.begin().await;
    let query = format!("error=access_denied&error_description=%3Cb%3Eno%0A&state={}", begun.state);
    let error = fake.finish(&begun, &query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains("access_denied <b>no"), "{error:?}");
    assert!(!error.message().contains('\n'), "{error:?}");
    let mixed = format!("code=c&iss=https%3A%2F%2Fevil.example&state={}", begun.state);
    let error = fake.finish(&begun, &mixed).await.unwrap_err();
    assert!(error.message().contains("another provider"), "{error:?}");
    let error = fake.finish(&begun, &format!("state={}", begun.state)).await.unwrap_err();
    assert!(error.message().contains("no code"), "{error:?}");

    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let away = oidc(&format!("http://{closed}"), &fake.clock);
    let redirect = Url::parse("https://tarn.example/callback").unwrap();
    let error = away.start(&fake.key, "/", &redirect).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error:?}");
    assert!(error.message().contains("does not answer"), "{error:?}");
    // One that says it is somebody else is not the one that the settings name.
    let fake = self::fake().await;
    fake.says.lock().issuer = "https://evil.example".to_owned();
    let error = fake.oidc.start(&fake.key, "/", &redirect).await.unwrap_err();
    assert!(error.message().contains("cannot be understood"), "{error:?}");
}
