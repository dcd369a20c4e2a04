//! What a cookie is worth: forged, old, ended, of somebody who is gone.

use http::header::COOKIE;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_testkit::sim::SimClock;
use tarn_testkit::store::documents;

use super::*;
use crate::auth::principal::{Role, Tenants};
use crate::auth::users;

const HOUR: Duration = Duration::from_secs(3600);
const LIVES: Lives =
    Lives { idle: Duration::from_secs(12 * 3600), max: Duration::from_secs(7 * 86_400) };

#[derive(Debug)]
struct Sre;

impl GroupGrants for Sre {
    fn grants(&self, groups: &[String]) -> Vec<Grant> {
        let found = groups.iter().filter(|group| *group == "sre");
        found.map(|_| Grant { role: Role::Editor, tenants: Tenants::All }).collect()
    }
}

struct Lab {
    clock: SimClock,
    book: Arc<Book>,
    sessions: Sessions,
}

async fn lab() -> Lab {
    let clock = SimClock::default();
    clock.advance_to(HOUR);
    let tenant = TenantId::parse("_tarn").unwrap();
    let clock_of_book: Arc<dyn Clock> = Arc::new(clock.clone());
    let book = Arc::new(Book::new(documents(&clock, 7), tenant, clock_of_book));
    book.load().await.unwrap();
    let metrics = Metrics::unregistered();
    let sessions = Sessions::new(Arc::clone(&book), LIVES, Arc::new(Sre), metrics);
    Lab { clock, book, sessions }
}

impl Lab {
    async fn user(&self, name: &str) -> User {
        let grants = [Grant { role: Role::Viewer, tenants: Tenants::All }];
        users::add(&self.book, "test", name, &grants).await.unwrap();
        self.book.known().users[name].clone()
    }

    fn later(&self, duration: Duration) {
        self.clock.advance_to(self.clock.monotonic() + duration);
    }

    fn who(&self, cookie: &str) -> Option<String> {
        self.sessions.principal(&shows(cookie)).map(|(principal, _)| principal.name)
    }
}

/// Returns the headers of a request with what a `Set-Cookie` set.
fn shows(cookie: &str) -> HeaderMap {
    let pair = cookie.split(';').next().unwrap_or_default();
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(pair.as_bytes()).unwrap())])
}

fn text(cookie: &HeaderValue) -> String {
    cookie.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_is_known_until_it_is_idle_or_old() {
    let lab = lab().await;
    let user = lab.user("ada").await;
    let mut cookie = text(&lab.sessions.begin("ada", &user).unwrap());
    let (principal, session) = lab.sessions.principal(&shows(&cookie)).unwrap();
    assert_eq!(
        (principal.name.as_str(), principal.how, &*principal.id),
        ("ada", How::Password, "ada")
    );
    assert_eq!(principal.grants, user.grants);
    assert_eq!(lab.sessions.renewed(&session), None, "a new cookie is not made anew");

    let first = cookie.clone();
    lab.later(12 * HOUR);
    assert_eq!(lab.who(&cookie).as_deref(), Some("ada"));
    // Used again and again it lives on, and not beyond seven days.
    let mut hours = 12;
    while let Some((_, session)) = lab.sessions.principal(&shows(&cookie)) {
        cookie = text(&lab.sessions.renewed(&session).unwrap());
        lab.later(6 * HOUR);
        hours += 6;
        assert!(hours < 200, "it never ends");
    }
    assert_eq!(hours, 7 * 24 + 6);
    assert_eq!(lab.who(&first), None, "idle");
}

#[tokio::test]
async fn forged_cookies_are_nobody() {
    let (ours, other) = (lab().await, lab().await);
    let user = ours.user("ada").await;
    let good = text(&ours.sessions.begin("ada", &user).unwrap());
    let foreign = text(&other.sessions.begin("ada", &user).unwrap());
    let value = good.split(';').next().unwrap();
    let key = ours.book.known().key.clone().unwrap();
    let tokens = key.seal(Purpose::Oidc, &"x").unwrap();
    let how = |how: How, seen_ms: i64| Sealed {
        id: "x".to_owned(),
        how,
        name: "ada".to_owned(),
        of: user.stamp.clone(),
        groups: Vec::new(),
        begun_ms: seen_ms,
        seen_ms,
    };
    let now = ours.book.now_ms();
    let sealed = |how: &Sealed| format!("__Host-tarn={}", key.seal(Purpose::Session, how).unwrap());
    assert_eq!(ours.who(&sealed(&how(How::Password, now))).as_deref(), Some("ada"));
    let wrong = [
        foreign,
        format!("{value}x"),
        value.replacen('.', "", 1),
        value.get(..value.len() - 2).unwrap().to_owned(),
        "__Host-tarn=".to_owned(),
        "__Host-tarn=.".to_owned(),
        format!("__Host-tarn={tokens}"),
        format!("{value}; {value}"),
        format!("__Host-tarn={}", "a".repeat(10_000)),
        // Sealed with the key, which nobody has: still not every word is believed.
        sealed(&how(How::Key, now)),
        sealed(&how(How::Open, now)),
        sealed(&how(How::Password, now + 600_000)),
        sealed(&how(How::Password, i64::MAX)),
        sealed(&how(How::Password, i64::MIN)),
    ];
    for cookie in wrong {
        assert_eq!(ours.sessions.principal(&shows_all(&cookie)).map(|(p, _)| p), None, "{cookie}");
    }
    assert_eq!(ours.who(&good).as_deref(), Some("ada"));
}

fn shows_all(cookie: &str) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
}

#[tokio::test]
async fn a_session_ends_at_the_logout_everywhere_and_for_good() {
    let lab = lab().await;
    let user = lab.user("ada").await;
    let cookie = text(&lab.sessions.begin("ada", &user).unwrap());
    let another = text(&lab.sessions.begin("ada", &user).unwrap());
    let (_, session) = lab.sessions.principal(&shows(&cookie)).unwrap();
    let gone = lab.sessions.end(&session).await.unwrap();
    assert!(text(&gone).starts_with("__Host-tarn=; Path=/; Max-Age=0;"));
    assert_eq!((lab.who(&cookie), lab.who(&another).as_deref()), (None, Some("ada")));
    lab.later(2 * HOUR);
    assert_eq!(lab.sessions.renewed(&session), None, "an ended session is not made anew");
    // As after a restart: everything is read from the bucket.
    lab.book.load().await.unwrap();
    assert_eq!((lab.who(&cookie), lab.who(&another).as_deref()), (None, Some("ada")));
    // The note leaves when the session would be over anyway.
    lab.later(8 * 24 * HOUR);
    lab.book.load().await.unwrap();
    assert!(lab.book.known().revoked.is_empty());
    assert_eq!(lab.who(&cookie), None);
}

#[tokio::test]
async fn grants_are_those_of_now() {
    let lab = lab().await;
    let user = lab.user("ada").await;
    let cookie = text(&lab.sessions.begin("ada", &user).unwrap());
    let grants = [Grant { role: Role::Admin, tenants: Tenants::All }];
    users::set_grants(&lab.book, "test", "ada", &grants).await.unwrap();
    let (principal, _) = lab.sessions.principal(&shows(&cookie)).unwrap();
    assert_eq!(principal.grants, grants);
    users::remove(&lab.book, "test", "ada").await.unwrap();
    assert_eq!(lab.who(&cookie), None);
    // Somebody new of the same name is somebody else.
    lab.user("ada").await;
    assert_eq!(lab.who(&cookie), None);
}

#[tokio::test]
async fn groups_of_a_provider_are_asked_each_time() {
    let lab = lab().await;
    let groups = vec!["sre".to_owned(), "staff".to_owned()];
    let cookie = lab.sessions.begin_oidc("ada".to_owned(), "sub-1".to_owned(), groups).unwrap();
    let (principal, _) = lab.sessions.principal(&shows(&text(&cookie))).unwrap();
    assert_eq!((principal.how, principal.id.as_str()), (How::Oidc, "sub-1"));
    assert_eq!(principal.grants, [Grant { role: Role::Editor, tenants: Tenants::All }]);
    let many = vec!["x".repeat(300); 20];
    assert!(lab.sessions.begin_oidc("ada".to_owned(), "sub-1".to_owned(), many).is_err());
}

#[tokio::test]
async fn only_a_page_of_ours_changes_something() {
    let lab = lab().await;
    let user = lab.user("ada").await;
    let session = |cookie: HeaderValue| lab.sessions.principal(&shows(&text(&cookie))).unwrap().1;
    let mine = session(lab.sessions.begin("ada", &user).unwrap());
    let other = session(lab.sessions.begin("ada", &user).unwrap());
    let uri: Uri = "/-/flush".parse().unwrap();
    for (headers, fine) in [
        (vec![("x-tarn-csrf", mine.csrf.as_str())], true),
        (vec![("x-tarn-csrf", &mine.csrf), ("sec-fetch-site", "same-origin")], true),
        (vec![("x-tarn-csrf", &mine.csrf), ("host", "tarn"), ("origin", "https://tarn")], true),
        (vec![], false),
        (vec![("sec-fetch-site", "same-origin")], false),
        (vec![("x-tarn-csrf", "")], false),
        (vec![("x-tarn-csrf", "wrong")], false),
        (vec![("x-tarn-csrf", &other.csrf)], false),
        (vec![("x-tarn-csrf", &mine.csrf), ("sec-fetch-site", "cross-site")], false),
        (vec![("x-tarn-csrf", &mine.csrf), ("sec-fetch-site", "same-site")], false),
        (vec![("x-tarn-csrf", &mine.csrf), ("host", "tarn"), ("origin", "https://evil")], false),
        (vec![("x-tarn-csrf", &mine.csrf), ("host", "tarn"), ("origin", "null")], false),
    ] {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
            })
            .collect();
        assert_eq!(lab.sessions.check_page(&mine, &uri, &map).is_ok(), fine, "{headers:?}");
    }
}

#[tokio::test]
async fn before_the_store_was_read_nobody_is_known() {
    let lab = lab().await;
    let user = lab.user("ada").await;
    let cookie = text(&lab.sessions.begin("ada", &user).unwrap());
    let tenant = TenantId::parse("_tarn").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(lab.clock.clone());
    let unread = Arc::new(Book::new(documents(&lab.clock, 7), tenant, clock));
    let sessions = Sessions::new(unread, LIVES, Arc::new(Sre), Metrics::unregistered());
    assert!(sessions.principal(&shows(&cookie)).is_none());
    assert!(sessions.begin("ada", &user).is_err());
}
