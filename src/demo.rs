//! `tarn demo`: a small shop that sends to a running server, so that every page can be seen full.
//!
//! First its past, in the order of time and as fast as the server takes it, then what happens now.
//! Nothing of it is made up by the server: the same requests would come from SDKs. Beside it, a
//! stand-in on the loopback takes what the server would send to Slack, PagerDuty and webhooks, and
//! shows it. The data is made in [`generate::demo`](crate::generate::demo).
//!
//! - [`send`]: requests, repeated while the server is away
//! - [`standin`]: what takes the pages; [`page`]: how it shows them
//! - [`files`]: objectives, rules and receivers for the server to be started with

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tarn_model::time::Clock as _;
use tarn_model::units::{format_duration, parse_duration};
use url::Url;

use crate::cli::client::Server;
use crate::cli::print;
use crate::clock::SystemClock;
use crate::generate::demo::story::{MINUTE_NS, SECOND_NS, Story};
use crate::generate::demo::write::{Batch, Shop};
use crate::shutdown::Signals;

mod files;
mod page;
mod send;
mod standin;
#[cfg(test)]
mod tests;

use self::send::{Sender, Sent};

/// The bad release came this long before the past ends: in the middle of what a page shows first.
const DEPLOYED_BEFORE_NS: i64 = 25 * MINUTE_NS;
/// Without a past it comes this long after the start.
const DEPLOYED_AFTER_NS: i64 = 2 * MINUTE_NS;
/// What happens is told this late: the longest request has ended then.
const LAG_NS: i64 = 5 * SECOND_NS;
/// Metrics are reported this often, as most SDKs are set up to.
const REPORT_NS: i64 = 15 * SECOND_NS;
/// Series made of spans end when nothing came for this long; only what is later may be told again.
const ENDED_AFTER_NS: i64 = 16 * MINUTE_NS;
/// How far back a run before this one is looked for.
const RUN_BEFORE: &str = "max(max_over_time(timestamp(shop_carts_active)[6h:1m]))";

/// Send a small shop to a running server, and take the pages that it causes.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    server: Server,
    /// Where OTLP is taken over HTTP, if not at the address of the server.
    #[arg(long, value_name = "URL")]
    otlp: Option<Url>,
    /// How much of the past to send first.
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = history)]
    history: Duration,
    /// End when the past is sent.
    #[arg(long)]
    once: bool,
    /// Shoppers per second.
    #[arg(long, value_name = "NUMBER", default_value_t = 4.0, value_parser = rate)]
    rate: f64,
    /// The same seed tells the same story.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Where the stand-in for Slack and PagerDuty listens: a port of the loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4390", value_parser = loopback)]
    receiver: SocketAddr,
    /// Folder for the files that let the server send pages.
    #[arg(long, value_name = "FOLDER", default_value = "tarn-demo")]
    dir: PathBuf,
}

fn history(text: &str) -> Result<Duration, String> {
    let parsed = parse_duration(text).map_err(|e| e.message().clone())?;
    if parsed > Duration::from_secs(24 * 3600) {
        return Err("at most 24h: the server counts no older spans at their own time".to_owned());
    }
    Ok(parsed)
}

fn rate(text: &str) -> Result<f64, String> {
    let parsed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=200.0).contains(&parsed) { Ok(parsed) } else { Err("not in 0.1..=200".to_owned()) }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let parsed: SocketAddr = text.parse().map_err(|_| "not ADDRESS:PORT".to_owned())?;
    if parsed.ip().is_loopback() { Ok(parsed) } else { Err("not on the loopback".to_owned()) }
}

/// Runs the demo until a signal, or, asked so, until the past is sent.
///
/// # Errors
/// Where the files cannot be written, the receiver's port is taken, or the server refuses what is
/// sent.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let signals = Signals::install()?;
    let standin = standin::Standin::start(args.receiver).await?;
    let files = files::write(&args.dir, standin.address())?;
    print(files.how_to_be_paged(&args.server.url, standin.address()));
    let begun = Instant::now();
    let mut sender = Sender::new(&args.server, args.otlp.as_ref())?;
    let told = tokio::select! {
        told = Box::pin(tell(&args, &mut sender)) => told,
        reason = signals.first() => {
            print(format_args!("\nstopping: {reason}"));
            Ok(())
        }
    };
    let Sent { spans, logs, points, .. } = sender.sent();
    let took = Duration::from_secs(begun.elapsed().as_secs());
    print(format_args!(
        "sent {spans} spans, {logs} log records and {points} points in {}; took {} messages",
        format_duration(took),
        standin.count()
    ));
    told
}

/// Tells the past, and then what happens.
async fn tell(args: &DemoArgs, sender: &mut Sender) -> anyhow::Result<()> {
    let clock = SystemClock::new();
    sender.wait_until_ready(&args.server).await?;
    let before_ns = run_before(&args.server).await;
    let now_ns = clock.now().0 - LAG_NS;
    let start_ns = begin_ns(now_ns, args.history, before_ns);
    let story = Story { seed: args.seed, deploy_ns: deploy_ns(now_ns, start_ns) };
    let mut shop = Shop::new(story, args.rate, start_ns, REPORT_NS);
    if start_ns < now_ns {
        past(&mut shop, sender, &clock).await?;
    }
    print(format_args!("open   {}", args.server.url));
    if args.once {
        return Ok(());
    }
    print("the shop is open; Ctrl-C closes it");
    loop {
        clock.sleep(Duration::from_secs(1)).await;
        let batch = shop.until(clock.now().0 - LAG_NS);
        sender.send(batch).await?;
    }
}

/// Sends everything up to now, which goes on meanwhile.
async fn past(shop: &mut Shop, sender: &mut Sender, clock: &SystemClock) -> anyhow::Result<()> {
    let (begun, before) = (Instant::now(), sender.sent());
    let first_ns = shop.told_ns();
    loop {
        let to_ns = (shop.told_ns() + REPORT_NS).min(clock.now().0 - LAG_NS);
        if to_ns - shop.told_ns() < SECOND_NS {
            break;
        }
        let Batch { visits, .. } = sender.send(shop.until(to_ns)).await?;
        tracing::trace!(visits, "told");
    }
    let Sent { spans, logs, points, .. } = sender.sent();
    let length = Duration::from_secs(((shop.told_ns() - first_ns) / SECOND_NS).unsigned_abs());
    print(format_args!(
        "sent   the last {}: {} spans, {} log records, {} points, in {:.1} s",
        format_duration(length),
        spans - before.spans,
        logs - before.logs,
        points - before.points,
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Returns where the past begins: after the run before this one, so that nothing is told twice.
fn begin_ns(now_ns: i64, history: Duration, before_ns: Option<i64>) -> i64 {
    let wanted_ns = now_ns.saturating_sub(i64::try_from(history.as_nanos()).unwrap_or(i64::MAX));
    match before_ns {
        Some(before_ns) => wanted_ns.max(before_ns.saturating_add(ENDED_AFTER_NS)).min(now_ns),
        None => wanted_ns,
    }
}

/// Returns when the bad release is deployed.
fn deploy_ns(now_ns: i64, start_ns: i64) -> i64 {
    if now_ns - start_ns < MINUTE_NS {
        now_ns + DEPLOYED_AFTER_NS
    } else {
        now_ns - DEPLOYED_BEFORE_NS.min((now_ns - start_ns) / 2)
    }
}

/// Asks when a run before this one ended; `None` where there was none, or nobody tells.
async fn run_before(server: &Server) -> Option<i64> {
    let path = {
        let mut url = server.url.join("/api/v1/query").ok()?;
        url.query_pairs_mut().append_pair("query", RUN_BEFORE);
        format!("{}?{}", url.path(), url.query().unwrap_or_default())
    };
    let answer = server.send(http::Method::GET, &path, None, Vec::new()).await.ok()?;
    let json: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let seconds: f64 = json["data"]["result"][0]["value"][1].as_str()?.parse().ok()?;
    print("found  an earlier run; going on after it");
    Some((seconds * 1e9) as i64)
}
