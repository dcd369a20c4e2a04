//! The guard of addresses and the freshness of secrets, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use tarn_alerting::egress::{
    Auth, Client, ClientOptions, Egress, EgressOptions, NamedBy, OAuth2, Places,
};
use tarn_alerting::notify::DeliveryState;
use tarn_alerting::notify::webhook::Webhook;
use tarn_alerting::route::Reason;
use tarn_model::error::{ErrorKind, Result as OurResult};
use tarn_model::secret::Secret;
use tarn_testkit::clock::RealClock;
use tarn_testkit::receiver::{Act, Receiver};
use url::Url;

use crate::notify::configs;
use crate::notify::desk::{Desk, context, egress};

async fn get(client: &Client, url: &str) -> OurResult<tarn_alerting::egress::Answer> {
    let url = Url::parse(url).expect("a url");
    client.send(Method::GET, &url, &HeaderMap::new(), Bytes::new()).await
}

#[tokio::test]
async fn loopback_is_closed_to_what_an_interface_names_by_number_and_by_name() -> Result<()> {
    let receiver = Receiver::start([], Act::answer(200, "")).await?;
    let port = receiver.address().port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let client = egress().client(ClientOptions::default(), NamedBy::Api)?;
        for scheme in ["http", "https"] {
            let error =
                get(&client, &format!("{scheme}://{host}:{port}/")).await.expect_err("closed");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{scheme} {host}: {error:?}");
        }
    }
    assert!(receiver.received().is_empty());
    let client = egress().client(ClientOptions::default(), NamedBy::Operator)?;
    assert_eq!(get(&client, &format!("http://localhost:{port}/")).await?.status, 200);
    // As a delivery: a dead letter at once.
    let sender = Webhook::new(&configs::webhook(&receiver.url("/")), &context(NamedBy::Api));
    let desk = Desk::new("webhook", Arc::new(sender), Vec::new());
    let page = desk.page("Down", Reason::First, 1);
    desk.until(&page, DeliveryState::Dead).await
}

#[tokio::test]
async fn redirects_are_off_and_judged_where_they_are_on() -> Result<()> {
    let to = |place: &str| {
        Act::Answer(302, vec![("Location".to_owned(), place.to_owned())], String::new())
    };
    let receiver = Receiver::start([], to("/next")).await?;
    let off = egress().client(ClientOptions::default(), NamedBy::Operator)?;
    assert_eq!(get(&off, &receiver.url("/")).await?.status, 302);
    let follow = || ClientOptions { follow_redirects: true, ..ClientOptions::default() };
    let options = EgressOptions { allow: Places::parse(["127.0.0.1"])?, deny: Places::default() };
    let open = Egress::new(options, Arc::new(RealClock::default()));
    for named_by in [NamedBy::Operator, NamedBy::Api] {
        for place in [
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/",
            "http://0.0.0.0/",
            "http://[::ffff:169.254.169.254]/",
            "file:///etc/passwd",
        ] {
            receiver.then(to(place));
            let client = open.client(follow(), named_by)?;
            let answer = get(&client, &receiver.url("/")).await;
            // What is no address of HTTP is not followed at all.
            assert!(
                answer.is_err_and(|e| e.kind() == ErrorKind::Invalid) || place.starts_with("file")
            );
        }
    }
    receiver.then(to("/again"));
    let endless = open.client(follow(), NamedBy::Operator)?;
    assert_eq!(
        get(&endless, &receiver.url("/")).await.expect_err("a circle").kind(),
        ErrorKind::Invalid
    );
    Ok(())
}

#[tokio::test]
async fn answers_are_read_up_to_a_cap_and_for_a_time() -> Result<()> {
    let receiver = Receiver::start([Act::Endless], Act::Hang).await?;
    let options = ClientOptions { timeout: Duration::from_millis(300), ..ClientOptions::default() };
    let client = egress().client(options, NamedBy::Operator)?;
    assert_eq!(get(&client, &receiver.url("/")).await?.body.len(), 64 << 10);
    let error = get(&client, &receiver.url("/")).await.expect_err("silence");
    assert_eq!(error.message(), "no answer within 0.3 s");
    Ok(())
}

#[tokio::test]
async fn after_a_401_the_secret_is_read_again() -> Result<()> {
    let refused = || Act::answer(401, "");
    let acts = [Act::answer(200, ""), refused(), Act::answer(200, ""), refused(), refused()];
    let receiver = Receiver::start(acts, Act::Hang).await?;
    let value = Arc::new(Mutex::new("first".to_owned()));
    let shared = Arc::clone(&value);
    let credentials = Secret::new("file:/token", move || Ok(shared.lock().clone()));
    let auth = Auth::Scheme { scheme: "Bearer".to_owned(), credentials };
    let options = ClientOptions { auth, ..ClientOptions::default() };
    let client = egress().client(options, NamedBy::Operator)?;
    for (now, status) in [("first", 200), ("second", 200), ("third", 401)] {
        *value.lock() = now.to_owned();
        assert_eq!(get(&client, &receiver.url("/")).await?.status, status);
    }
    let received = receiver.received();
    let sent: Vec<_> = received.iter().filter_map(|r| r.header("authorization")).collect();
    assert_eq!(
        sent,
        ["Bearer first", "Bearer first", "Bearer second", "Bearer second", "Bearer third"]
    );
    Ok(())
}

#[tokio::test]
async fn tokens_are_fetched_once_and_again_after_a_401() -> Result<()> {
    let token =
        |text: &str| Act::answer(200, &format!(r#"{{"access_token":"{text}","expires_in":3600}}"#));
    let tokens = Receiver::start([token("one"), token("two")], Act::Hang).await?;
    let acts = [Act::answer(200, ""), Act::answer(401, ""), Act::answer(200, "")];
    let receiver = Receiver::start(acts, Act::Hang).await?;
    let auth = Auth::OAuth2(Box::new(OAuth2 {
        client_id: "id".to_owned(),
        client_secret: Secret::fixed("inline", "hush"),
        token_url: Url::parse(&tokens.url("/token"))?,
        scopes: vec!["page".to_owned()],
        params: vec![("audience".to_owned(), "ops".to_owned())],
    }));
    let client =
        egress().client(ClientOptions { auth, ..ClientOptions::default() }, NamedBy::Operator)?;
    for _ in 0..2 {
        assert_eq!(get(&client, &receiver.url("/")).await?.status, 200);
    }
    let received = receiver.received();
    let sent: Vec<_> = received.iter().filter_map(|r| r.header("authorization")).collect();
    assert_eq!(sent, ["Bearer one", "Bearer one", "Bearer two"]);
    let asked = String::from_utf8(tokens.received()[0].body.to_vec())?;
    assert_eq!(asked, "grant_type=client_credentials&scope=page&audience=ops");
    Ok(())
}
