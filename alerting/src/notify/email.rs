//! Mail over SMTP.
//!
//! The Message-ID is the delivery's id, so a mail that is sent twice is one for clients that look;
//! References name the group, so that its mails form a thread. The server's name is resolved and its
//! address judged as any other; the certificate must be for the name. An answer of 4xx passes, 5xx
//! does not.

use std::time::{Duration, UNIX_EPOCH};

use futures::future::{BoxFuture, Either, select};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, Message, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Identity, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tarn_model::error::{Context as _, Error, Result};
use xxhash_rust::xxh3::xxh3_128;

use super::endpoint::EndpointSpec;
use super::intent::Intent;
use super::outcome::{MessageRef, Outcome};
use super::render::{Writer, summary};
use super::sender::{Context, Sender};
use crate::egress::fresh;
use crate::route::config::EmailConfig;
use crate::route::config::receivers::ThreadBy;

const PARALLEL: usize = 4;
/// For one command of SMTP.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// For the whole mail.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The port where TLS begins with the first byte.
const SMTPS: u16 = 465;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// Headers that the mail is made with, or that only its transport may set.
const OWN_HEADERS: [&str; 8] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "content-type",
    "content-transfer-encoding",
    "mime-version",
];

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends through one server.
#[derive(Debug)]
pub struct Email {
    config: EmailConfig,
    context: Context,
}

impl Email {
    /// Makes the sender of a configuration.
    pub fn new(config: &EmailConfig, context: &Context) -> Self {
        Self { config: config.clone(), context: context.clone() }
    }

    async fn attempt(&self, intent: &Intent) -> Result<Outcome> {
        let mut writer = Writer::new(&*self.context.render, &intent.flush);
        let message = self.message(intent, &mut writer)?;
        let (host, port) = &self.config.smarthost;
        let addresses = self.context.egress.addresses(host, self.context.named_by).await?;
        let mut outcome = Outcome::transient(None, "the server has no address", None);
        for address in addresses {
            let transport = self.transport(&address.to_string(), *port)?;
            outcome = match transport.send(message.clone()).await {
                Ok(answer) => {
                    let said = answer.message().collect::<Vec<_>>().join(" ");
                    Outcome::delivered(Some(answer.code().into()), &said)
                }
                Err(error) => judge(&error),
            };
            // The next address helps where nobody answered at this one.
            if outcome.status.is_some() {
                break;
            }
        }
        outcome.template_errors = writer.errors;
        Ok(outcome)
    }

    fn message(&self, intent: &Intent, writer: &mut Writer<'_>) -> Result<Message> {
        let (config, flush) = (&self.config, &intent.flush);
        let header = |name: &str| {
            let found = config.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, template)| template.as_str())
        };
        let from = writer.text("from", header("From").unwrap_or(&config.from));
        let from: Mailbox = parsed(&from, "from")?;
        let shown_to = writer.text("to", header("To").unwrap_or(&config.to));
        let subject = writer.summary("subject", header("Subject").unwrap_or(""));
        let subject = if subject.trim().is_empty() { summary(flush) } else { subject };
        let domain = from.email.domain().to_owned();
        let thread = self.thread(intent);
        let mut builder = Message::builder()
            .from(from)
            // A line break in a subject would begin another header.
            .subject(subject.split_whitespace().collect::<Vec<_>>().join(" "))
            .date(UNIX_EPOCH + Duration::from_millis(u64::try_from(flush.at_ms).unwrap_or(0)))
            .message_id(Some(format!("<{}@{domain}>", intent.id)))
            .in_reply_to(format!("<{thread}@{domain}>"))
            .references(format!("<{thread}@{domain}>"));
        for to in parsed::<Mailboxes>(&shown_to, "to")? {
            builder = builder.to(to);
        }
        let others = config.headers.iter();
        for (name, template) in others.filter(|(n, _)| !OWN_HEADERS.contains(&&*n.to_lowercase())) {
            let text = writer.text(name, template).replace(['\r', '\n'], " ");
            let name = HeaderName::new_from_ascii(name.clone())
                .map_err(|_| Error::invalid(format!("{name} is no header of a mail")))?;
            builder = builder.raw_header(HeaderValue::new(name, text));
        }
        let text = (!config.text.is_empty()).then(|| writer.summary("text", &config.text));
        let html = (!config.html.is_empty()).then(|| writer.html("html", &config.html));
        let made = match (text, html) {
            (Some(text), Some(html)) => {
                builder.multipart(MultiPart::alternative_plain_html(text, html))
            }
            (None, Some(html)) => builder.singlepart(SinglePart::html(html)),
            (text, None) => {
                builder.singlepart(SinglePart::plain(text.unwrap_or_else(|| summary(flush))))
            }
        };
        made.map_err(|e| Error::invalid("write the mail").with_source(e))
    }

    /// Returns what the mails of a group refer to; nothing was ever sent under that name.
    fn thread(&self, intent: &Intent) -> String {
        let day = match self.config.threading {
            Some(ThreadBy::Day) => intent.flush.at_ms.div_euclid(DAY_MS),
            Some(ThreadBy::Group) | None => 0,
        };
        let named = format!("{}\0{day}", intent.flush.group_key);
        format!("{:032x}", xxh3_128(named.as_bytes()))
    }

    fn transport(&self, address: &str, port: u16) -> Result<Transport> {
        let config = &self.config;
        let mut builder = Transport::builder_dangerous(address)
            .port(port)
            .timeout(Some(COMMAND_TIMEOUT))
            .tls(self.tls(port)?);
        if !config.hello.is_empty() {
            builder = builder.hello_name(ClientId::Domain(config.hello.clone()));
        }
        let secret = config.auth_password.as_ref().or(config.auth_secret.as_ref());
        if let (false, Some(secret)) = (config.auth_username.is_empty(), secret) {
            let password = fresh::read(secret)?;
            builder = builder.credentials(Credentials::new(config.auth_username.clone(), password));
        }
        Ok(builder.build())
    }

    fn tls(&self, port: u16) -> Result<Tls> {
        let (config, host) = (&self.config, &self.config.smarthost.0);
        let name = match config.tls.server_name.is_empty() {
            true => host.clone(),
            false => config.tls.server_name.clone(),
        };
        let failed = |e| Error::invalid("set TLS up").with_source(e);
        let mut parameters = TlsParameters::builder(name)
            .dangerous_accept_invalid_certs(config.tls.insecure_skip_verify);
        if let Some(ca) = &config.tls.ca {
            let certificate = Certificate::from_pem(fresh::read(ca)?.as_bytes());
            parameters = parameters.add_root_certificate(certificate.map_err(failed)?);
        }
        if let (Some(certificate), Some(key)) = (&config.tls.cert, &config.tls.key) {
            let (certificate, key) = (fresh::read(certificate)?, fresh::read(key)?);
            let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes());
            parameters = parameters.identify_with(identity.map_err(failed)?);
        }
        let parameters = parameters.build().map_err(failed)?;
        Ok(match config.implicit_tls.unwrap_or(port == SMTPS) {
            true => Tls::Wrapper(parameters),
            false if config.require_tls => Tls::Required(parameters),
            false => Tls::Opportunistic(parameters),
        })
    }
}

impl Sender for Email {
    fn send<'a>(&'a self, intent: &'a Intent, _: Option<&'a MessageRef>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let sending = Box::pin(self.attempt(intent));
            match select(sending, self.context.clock.sleep(TIMEOUT)).await {
                Either::Left((sent, _)) => sent.unwrap_or_else(|error| Outcome::failed(&error)),
                Either::Right(_) => {
                    let said = format!("not sent within {} s", TIMEOUT.as_secs());
                    Outcome::transient(None, &said, None)
                }
            }
        })
    }

    fn endpoint(&self) -> EndpointSpec {
        let (host, port) = &self.config.smarthost;
        let id = format!("email:{host}:{port}:{}", self.config.auth_username);
        EndpointSpec { id: id.into(), rate: None, parallel: PARALLEL }
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str, field: &str) -> Result<T> {
    let parsed = text.trim().parse();
    let wrong = |e| Error::invalid(format!("{text:?} is no address of mail: {e}"));
    parsed.map_err(wrong).context(format!("write {field}"))
}

fn judge(error: &lettre::transport::smtp::Error) -> Outcome {
    let status = error.status().map(u16::from);
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    match error.is_permanent() || error.is_client() {
        true => Outcome::permanent(status, &said),
        false => Outcome::transient(status, &said, None),
    }
}
