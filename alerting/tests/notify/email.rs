//! Mail, to a server on loopback.

use std::sync::Arc;

use anyhow::Result;
use tarn_alerting::egress::NamedBy;
use tarn_alerting::notify::DeliveryState;
use tarn_alerting::notify::email::Email;
use tarn_alerting::route::Reason;
use tarn_alerting::route::config::EmailConfig;
use tarn_testkit::receiver::{SmtpAct, SmtpSink};

use crate::notify::configs;
use crate::notify::desk::{Desk, context};

fn config(sink: &SmtpSink) -> EmailConfig {
    configs::email("127.0.0.1", sink.address().port())
}

fn desk(config: &EmailConfig) -> Desk {
    let sender = Email::new(config, &context(NamedBy::Operator));
    Desk::new("email", Arc::new(sender), Vec::new())
}

#[tokio::test]
async fn a_mail_says_who_and_what_and_hides_nothing() -> Result<()> {
    let sink = SmtpSink::start([]).await?;
    let mut config = config(&sink);
    config.auth_username = "user".to_owned();
    config.auth_password = Some(configs::secret("password"));
    let desk = desk(&config);
    let page = desk.acked("Down", Reason::First, 1).await?;
    desk.acked("Down", Reason::AllResolved, 2).await?;
    let mails = sink.mails();
    let mail = &mails[0];
    let sent_to = [
        "MAIL FROM:<tarn@example.org>",
        "RCPT TO:<ops@example.org>",
        "RCPT TO:<second@example.org>",
    ];
    assert!(
        mail.envelope.iter().zip(sent_to).all(|(line, start)| line.starts_with(start)),
        "{mail:?}"
    );
    for line in [
        &format!("Message-ID: <{}@example.org>\r\n", page.id),
        "Subject: Down is firing Bcc: everybody@example.org\r\n",
        "X-Team: ops\r\n",
        "it is firing",
        "<b>Down</b>",
    ] {
        assert!(mail.data.contains(line), "{line}: {}", mail.data);
    }
    let references = |data: &str| {
        let found = data.lines().find(|line| line.starts_with("References: "));
        found.map(str::to_owned)
    };
    assert!(references(&mail.data).is_some());
    assert_eq!(references(&mail.data), references(&mails[1].data), "one thread");
    Ok(())
}

#[tokio::test]
async fn what_passes_is_tried_again() -> Result<()> {
    for (at, act) in [
        ("EHLO", SmtpAct::Drop),
        ("MAIL", SmtpAct::Say("421 closing")),
        ("RCPT", SmtpAct::Say("450 mailbox busy")),
        ("DATA", SmtpAct::Say("451 later")),
        (".", SmtpAct::Say("452 no room")),
        (".", SmtpAct::Drop),
    ] {
        let sink = SmtpSink::start([(at, act.clone())]).await?;
        let acked = desk(&config(&sink)).acked("Down", Reason::First, 1).await;
        acked.map_err(|error| error.context(format!("{at} {act:?}")))?;
        assert_eq!(sink.mails().len(), 1, "{at} {act:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_refused_is_a_dead_letter() -> Result<()> {
    for (at, act) in [("RCPT", "550 no such user"), (".", "554 spam"), ("MAIL", "530 log in first")]
    {
        let sink = SmtpSink::start([(at, SmtpAct::Say(act))]).await?;
        let desk = desk(&config(&sink));
        let page = desk.page("Down", Reason::First, 1);
        desk.until(&page, DeliveryState::Dead).await?;
        let attempt = &desk.outbox.deliveries(1)[0].attempts[0];
        let code = act.get(..3).and_then(|code| code.parse().ok());
        assert_eq!(attempt.status, code, "{attempt:?}");
    }
    Ok(())
}

/// A server that has no TLS does not get what must go over TLS.
#[tokio::test]
async fn without_tls_nothing_goes_where_it_is_required() -> Result<()> {
    let sink = SmtpSink::start([]).await?;
    let mut config = config(&sink);
    config.require_tls = true;
    let desk = desk(&config);
    let page = desk.page("Down", Reason::First, 1);
    desk.until(&page, DeliveryState::Dead).await?;
    assert!(sink.mails().is_empty());
    Ok(())
}
