//! Who asks, and whether they may: from a request's credentials to the tenant that it is answered for.
//!
//! [`Auth::admit`] is called once for every request of every port, before its handler. It finds out who
//! asks ([`keys`], a session, a certificate), and [`decide`] says what that allows; a handler gets the
//! tenant that was decided, never the header. Where no login is needed credentials are not looked at.
//!
//! - [`principal`]: roles, grants, and who has them; [`decide`]: one pure function
//! - [`api_key`]: tokens; [`keys`]: those that count; [`file`]: `auth.file`
//! - [`credentials`]: what a request shows; [`failures`]: how often it may be wrong
//! - [`people`] lets people in: [`users`] and [`sessions`] are documents that [`book`] holds, [`passwords`]
//!   and [`attempts`] what a login passes, [`seal`] and [`cookie`] how it travels;
//!   [`oidc`] asks a provider instead
//! - [`audit`]: who did what

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use http::{Extensions, HeaderMap};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tarn_alerting::egress::Egress;
use tarn_model::error::{Error, ErrorKind, Result};
use tarn_model::metrics::AUTH_REFUSALS;
use tarn_model::tenant::TenantId;
use tarn_model::time::Clock;
use tarn_storage::documents::Documents;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::book::Book;
use self::decide::{Needs, Question, decide};
use self::failures::Failures;
use self::keys::Keys;
use self::metrics::Metrics;
use self::oidc::Oidc;
use self::people::People;
use self::principal::{Grant, Principal};
use self::sessions::{GroupGrants, Session};
use self::users::NewLink;
use crate::app::App;
use crate::cli;
use crate::config::Config;
use crate::listen::peer::{Client, Peer};
use crate::tenant;

pub(crate) mod api_key;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod book;
pub(crate) mod cookie;
mod credentials;
pub(crate) mod decide;
mod failures;
pub(crate) mod file;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod oidc;
pub(crate) mod passwords;
pub(crate) mod people;
pub(crate) mod principal;
pub(crate) mod seal;
pub(crate) mod sessions;
pub(crate) mod users;

/// Tenant of what Tarn keeps for itself, keys and users among it.
pub(crate) const OWN_TENANT: &str = "_tarn";
/// How long a start waits for keys that are in the bucket.
const START_WAIT: Duration = Duration::from_secs(5);

/// Who may do what, for the whole process.
#[derive(Debug)]
pub(crate) struct Auth {
    login: bool,
    plain_http: bool,
    tenants_required: bool,
    keys: Arc<Keys>,
    /// Those who log in.
    pub(crate) people: People,
    failures: Failures,
    refusals: Family<RefusalLabels, Counter>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

/// A request that may be answered. Its extensions hold both, too.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    /// Whose data it is about: what was decided, not what a header says.
    pub(crate) tenant: TenantId,
    pub(crate) principal: Arc<Principal>,
}

impl Auth {
    /// Takes over the settings.
    ///
    /// # Errors
    /// Where `auth.file` cannot be read any more.
    pub(crate) fn new(
        config: &Config,
        documents: Documents,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self> {
        let own = TenantId::parse(OWN_TENANT)?;
        let (path, for_keys) = (&config.auth.file, Arc::clone(&clock));
        let for_people = Book::new(documents.clone(), own.clone(), Arc::clone(&clock));
        let keys = Arc::new(Keys::new(path, own, documents, for_keys, registry)?);
        let people = people(config, for_people, &keys, &clock, registry)?;
        let refusals = Family::default();
        registry.register(AUTH_REFUSALS.name, AUTH_REFUSALS.help, refusals.clone());
        Ok(Self {
            login: config.login(),
            plain_http: config.auth.plain_http,
            tenants_required: config.tenants.required,
            keys,
            people,
            failures: Failures::default(),
            refusals,
            clock,
        })
    }

    /// Returns whether anybody has to log in.
    pub(crate) fn login(&self) -> bool {
        self.login
    }

    /// Returns the keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Finds out who asks and whether that is allowed, and notes both in the request's extensions.
    ///
    /// # Errors
    /// What to answer instead.
    pub(crate) fn admit(
        &self,
        needs: Needs,
        changes: bool,
        request: &mut Request,
    ) -> Result<Admitted> {
        let admitted = self.admitted(needs, request.headers(), request.extensions());
        let (admitted, session) = admitted.inspect_err(|error| self.count(error))?;
        if let Some(session) = session.as_ref().filter(|_| changes) {
            let sessions = &self.people.sessions;
            let checked = sessions.check_page(session, request.uri(), request.headers());
            checked.inspect_err(|error| self.count(error))?;
        }
        let extensions = request.extensions_mut();
        if let Some(session) = session {
            extensions.insert(session);
        }
        extensions.insert(admitted.tenant.clone());
        extensions.insert(Arc::clone(&admitted.principal));
        Ok(admitted)
    }

    fn admitted(
        &self,
        needs: Needs,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<(Admitted, Option<Session>)> {
        let named = tenant::named(headers);
        let (login, required) = (self.login, self.tenants_required);
        if !login || needs == Needs::Anyone {
            let tenant = decide(Question { login, needs, principal: None, named, required })?;
            let principal = if login { Principal::nobody() } else { Principal::open() };
            return Ok((Admitted { tenant, principal }, None));
        }
        let (principal, session) = self.known(headers, extensions)?.unzip();
        let session = session.flatten();
        let asked = Question { login, needs, principal: principal.as_deref(), named, required };
        let tenant = decide(asked)?;
        let missing = || Error::new(ErrorKind::Unauthenticated, "credentials are missing");
        Ok((Admitted { tenant, principal: principal.ok_or_else(missing)? }, session))
    }

    /// Returns who asks; `None` where the request shows nothing. What is shown and wrong is an error,
    /// also where something else that is shown would do.
    ///
    /// # Errors
    /// `Unauthenticated`, `Forbidden` over a connection that anybody on the way can read,
    /// `LimitExceeded` after too many wrong ones, `Unavailable` where keys are not known yet.
    pub(crate) fn principal(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<Arc<Principal>>> {
        Ok(self.known(headers, extensions)?.map(|(principal, _)| principal))
    }

    /// As [`Auth::principal`], with the session, if it was one.
    fn known(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<(Arc<Principal>, Option<Session>)>> {
        let client = extensions.get::<Client>();
        if let Some(token) = credentials::token(headers).map_err(|e| self.wrong(client, e))? {
            self.check_transport(client)?;
            let known = self.keys.principal(&token);
            let known = known.map_err(|e| self.wrong(client, e))?;
            return Ok(Some((known, None)));
        }
        if cookie::is_shown(headers, cookie::SESSION) {
            self.check_transport(client)?;
            let (principal, session) = self.people.sessions.known(headers)?;
            return Ok(Some((Arc::new(principal), Some(session))));
        }
        let certificate = extensions.get::<Peer>().and_then(|peer| peer.certificate.as_ref());
        let known = certificate.and_then(|found| self.keys.of_certificate(&found.names));
        Ok(known.map(|principal| (principal, None)))
    }

    /// Refuses credentials that were sent where they can be read on the way.
    ///
    /// # Errors
    /// `Forbidden`, with what to do.
    pub(crate) fn check_transport(&self, client: Option<&Client>) -> Result<()> {
        if self.plain_http || client.is_some_and(|client| client.secure) {
            return Ok(());
        }
        let message = "credentials came over plain HTTP, where others can read them, and are not \
                       taken: use TLS (listen.tls.certificate and listen.tls.key), or a proxy named \
                       in http.trusted_proxies, or allow it in a network of your own with \
                       auth.plain_http; and replace what was sent";
        Err(Error::new(ErrorKind::Forbidden, message))
    }

    /// Counts wrong credentials; too many of one address are told to wait.
    fn wrong(&self, client: Option<&Client>, error: Error) -> Error {
        if error.kind() != ErrorKind::Unauthenticated {
            return error;
        }
        let ip: Option<IpAddr> = client.map(|client| client.ip);
        match self.failures.count(ip, self.clock.monotonic()) {
            Some(wait) => {
                let kind = ErrorKind::LimitExceeded { retry_after: Some(wait) };
                Error::new(kind, "too many wrong credentials come from this address")
            }
            None => error,
        }
    }

    fn count(&self, error: &Error) {
        let reason = match error.kind() {
            ErrorKind::Unauthenticated => "unauthenticated",
            ErrorKind::Forbidden => "forbidden",
            ErrorKind::LimitExceeded { .. } => "limited",
            ErrorKind::Unavailable { .. } => "unavailable",
            _ => "invalid",
        };
        self.refusals.get_or_create(&RefusalLabels { reason }).inc();
    }

    /// Reads what is in the bucket, as long as a start waits for that.
    pub(crate) async fn begin(&self) {
        if !self.login {
            return;
        }
        if tokio::time::timeout(START_WAIT, Box::pin(self.keys.look())).await.is_err() {
            warn!("keys in the bucket are not read yet: until then those of auth.file work");
        }
        let load = tokio::time::timeout(START_WAIT, Box::pin(self.people.load()));
        if !matches!(load.await, Ok(Ok(()))) {
            warn!("users and sessions in the bucket are not read yet: until then nobody logs in");
        }
    }
}

/// Makes what lets people in.
fn people(
    config: &Config,
    book: Book,
    keys: &Arc<Keys>,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<People> {
    let settings = &config.people;
    let egress = Egress::new(config.alerting.egress.clone(), Arc::clone(clock));
    Ok(People::new(people::Parts {
        book,
        lives: settings.lives,
        oidc: Oidc::new(settings.oidc.clone(), &egress, Arc::clone(clock))?,
        groups: Arc::<Keys>::clone(keys),
        metrics: Metrics::register(registry),
        clock: Arc::clone(clock),
    }))
}

impl GroupGrants for Keys {
    fn grants(&self, groups: &[String]) -> Vec<Grant> {
        let file = self.file();
        let granted = groups.iter().filter_map(|group| file.groups.get(group));
        granted.flatten().cloned().collect()
    }
}

/// Lets the first administrator in, and keeps up with users and sessions until the stop. Where nobody
/// has to log in nobody can.
pub(crate) async fn watch_people(app: Arc<App>, welcome: String, stop: CancellationToken) {
    if app.auth.login {
        let tell = |link: &NewLink| {
            cli::tell(format_args!(
                "nobody administers this server yet; set a password, within a day: {welcome}#{}",
                link.token
            ));
        };
        app.auth.people.run(&tell, stop).await;
    }
}

/// Notices changes of keys until the stop.
pub(crate) async fn watch(app: Arc<App>, stop: CancellationToken) {
    let auth = &app.auth;
    while stop.run_until_cancelled(app.clock.sleep(keys::EVERY)).await.is_some() {
        // Without a login nobody uses keys, but they can be made and revoked.
        auth.keys.look().await;
    }
    if auth.login {
        auth.keys.close().await;
    }
}
