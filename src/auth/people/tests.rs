//! Logins, links and passwords, with everything but the network.

use tarn_model::tenant::TenantId;
use tarn_testkit::sim::SimClock;
use tarn_testkit::store::documents;

use super::*;
use crate::auth::principal::{Grant, Role, Tenants};

const PASSWORD: &str = "correct horse battery";
const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const LIVES: Lives =
    Lives { idle: Duration::from_secs(12 * 3600), max: Duration::from_secs(7 * 86_400) };

#[derive(Debug)]
struct Sre;

impl GroupGrants for Sre {
    fn grants(&self, groups: &[String]) -> Vec<Grant> {
        let grant = Grant { role: Role::Editor, tenants: Tenants::All };
        groups.iter().filter(|group| group.starts_with("sre")).map(|_| grant.clone()).collect()
    }
}

async fn people() -> (People, SimClock) {
    let clock = SimClock::default();
    clock.advance_to(Duration::from_secs(1));
    let tenant = TenantId::parse("_tarn").unwrap();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let book = Book::new(documents(&clock, 3), tenant, Arc::clone(&shared));
    let people = People::new(Parts {
        book,
        lives: LIVES,
        oidc: None,
        groups: Arc::new(Sre),
        metrics: Metrics::unregistered(),
        clock: shared,
    });
    people.load().await.unwrap();
    (people, clock)
}

/// Makes a user who has the password.
async fn with_password(people: &People, name: &str) -> String {
    let grants = [Grant { role: Role::Viewer, tenants: Tenants::All }];
    let link = users::add(&people.book, "test", name, &grants).await.unwrap();
    let done = people.redeem(&link.token, PASSWORD, IP).await.unwrap();
    cookie(&done)
}

fn cookie(done: &LoggedIn) -> String {
    done.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn who(people: &People, cookie: &str) -> Option<String> {
    let headers = http::HeaderMap::from_iter([(
        http::header::COOKIE,
        HeaderValue::from_str(cookie).unwrap(),
    )]);
    people.sessions.principal(&headers).map(|(principal, _)| principal.name)
}

fn shown<'a>(name: &'a str, password: &'a str) -> Shown<'a> {
    Shown { name, password, ip: IP }
}

#[tokio::test]
async fn a_link_is_good_once_and_for_a_day() {
    let (people, clock) = people().await;
    let grants = [Grant { role: Role::Viewer, tenants: Tenants::All }];
    let link = users::add(&people.book, "test", "ada", &grants).await.unwrap();
    assert!(users::add(&people.book, "test", "ada", &grants).await.is_err(), "the name is taken");
    // A password that is too short does not use the link up.
    assert_eq!(
        people.redeem(&link.token, "short", IP).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let done = people.redeem(&link.token, PASSWORD, IP).await.unwrap();
    assert_eq!(who(&people, &cookie(&done)).as_deref(), Some("ada"));
    let again = people.redeem(&link.token, "another password", IP).await.unwrap_err();
    let never = people.redeem("AAAA", "another password", IP).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Forbidden);
    assert_eq!(again.message(), never.message());
    assert!(people.login(shown("ada", PASSWORD)).await.is_ok());

    let late = users::link(&people.book, "test", "ada").await.unwrap();
    clock.advance_to(Duration::from_secs(25 * 3600));
    let error = people.redeem(&late.token, "another password", IP).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(users::link(&people.book, "test", "eve").await.is_err(), "nobody");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_the_same() {
    let (people, _) = people().await;
    with_password(&people, "ada").await;
    users::add(&people.book, "test", "bob", &[Grant { role: Role::Viewer, tenants: Tenants::All }])
        .await
        .unwrap();
    for (name, password) in [("ada", "wrong"), ("ada", ""), ("bob", PASSWORD), ("eve", PASSWORD)] {
        let error = people.login(shown(name, password)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert_eq!(error.message(), "name or password is wrong", "{name}");
    }
    // People type their names as they like.
    assert_eq!(people.login(shown(" Ada ", PASSWORD)).await.unwrap().name, "ada");
    let long = "x".repeat(2000);
    assert_eq!(people.login(shown(&long, "x")).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn whoever_guesses_waits_also_for_names_that_are_none() {
    let (people, clock) = people().await;
    with_password(&people, "ada").await;
    for name in ["ada", "eve"] {
        for _ in 0..5 {
            let error = people.login(shown(name, "wrong")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{name}");
        }
        // The right one waits too: else the wait would tell it.
        let error = people.login(shown(name, PASSWORD)).await.unwrap_err();
        let ErrorKind::LimitExceeded { retry_after: Some(wait) } = error.kind() else {
            panic!("{error:?}")
        };
        assert!((1..=2).contains(&wait.as_secs()), "{wait:?}");
        assert!(people.locked_until_ms(name).is_some());
    }
    clock.advance_to(clock.monotonic() + Duration::from_secs(3));
    assert!(people.login(shown("ada", PASSWORD)).await.is_ok());
}

#[tokio::test]
async fn another_password_ends_all_other_sessions() {
    let (people, _) = people().await;
    let first = with_password(&people, "ada").await;
    let second = cookie(&people.login(shown("ada", PASSWORD)).await.unwrap());
    let new = "a wholly other password";
    let wrong = people.change_password(shown("ada", "wrong"), new).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unauthenticated);
    assert_eq!(who(&people, &first).as_deref(), Some("ada"));
    let done = people.change_password(shown("ada", PASSWORD), new).await.unwrap();
    assert_eq!((who(&people, &first), who(&people, &second)), (None, None));
    assert_eq!(who(&people, &cookie(&done)).as_deref(), Some("ada"));
    assert!(people.login(shown("ada", PASSWORD)).await.is_err());
    assert!(people.login(shown("ada", new)).await.is_ok());
    // Behind a link as well.
    let link = users::link(&people.book, "test", "ada").await.unwrap();
    people.redeem(&link.token, "one more password", IP).await.unwrap();
    assert_eq!(who(&people, &cookie(&done)), None);
}

#[tokio::test]
async fn the_first_administrator_is_made_once_and_has_no_password() {
    let (people, _) = people().await;
    assert!(!users::is_set_up(&people.book));
    let first = users::first(&people.book).await.unwrap();
    let second = users::first(&people.book).await.unwrap();
    assert_eq!(people.book.known().users.len(), 1);
    for guess in ["", "admin", "password"] {
        assert!(people.login(shown("admin", guess)).await.is_err());
    }
    // Each start prints one; all are good until one is used.
    let done = people.redeem(&first.token, PASSWORD, IP).await.unwrap();
    assert_eq!(done.name, "admin");
    assert!(users::is_set_up(&people.book) && users::is_only_admin(&people.book, "admin"));
    assert!(people.redeem(&second.token, PASSWORD, IP).await.is_err());
}

#[tokio::test]
async fn of_groups_only_those_that_are_granted_something_count() {
    let (people, _) = people().await;
    let of = |groups: &[&str]| Identity {
        subject: "1".to_owned(),
        name: "ada".to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let cookie = people.let_in(&of(&["staff", "sre-1"])).unwrap();
    assert!(cookie.to_str().unwrap().starts_with("__Host-tarn="));
    let error = people.let_in(&of(&["staff"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.message().contains("staff"), "{error:?}");
    assert!(people.let_in(&of(&[])).unwrap_err().message().contains("none"));
    // Hundreds do not fill the cookie.
    let many: Vec<String> = (0..500).map(|n| format!("sre-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(people.let_in(&of(&many)).is_ok());
}
