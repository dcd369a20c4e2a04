//! `tarn backup drill`: proves that a backup can be restored, and measures how long that takes.
//!
//! A backup is made, or one that is there is taken; it is restored into an empty folder; that is
//! opened, asked fixed questions and compared with the store as it was at the manifest of the backup,
//! which its history has. Where the store is gone, or its history, the figures of the backup's index
//! are compared alone.
//!
//! - **RPO**: how old the newest acknowledged row may be that is not in the backup, when the trial
//!   begins: the time since the flush before it.
//! - **RTO**: from the first byte that is restored to the last answer of the restored store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;
use tarn_model::limits::Limits;
use tarn_model::rng::Rng as _;
use tarn_model::signal::Signal;
use tarn_model::tenant::TenantId;
use tarn_model::units::ByteSize;
use tarn_query::Engine;
use tarn_storage::Handles;
use tarn_storage::operate::backup::{self as backups, Index, JOBS, Origin, Target, Vault};
use tarn_storage::operate::inspect::Inspection;
use tarn_storage::operate::stats::SignalStats;

use super::progress::Bar;
use super::{CreateArgs, make, seconds, time};
use crate::cli::client::Server;
use crate::cli::place::Store;
use crate::cli::print;
use crate::cli::query::Question;
use crate::cli::query::local::{ask_engine, engine};
use crate::clock::SystemRng;
use crate::host;

/// Differences that are printed.
const SHOWN_MAX: usize = 10;

/// `tarn backup drill`
#[derive(Debug, Clone, Args)]
pub(crate) struct DrillArgs {
    /// Tries a backup of this folder or bucket instead of making one.
    #[arg(long, visible_alias = "from", value_name = "DIR|URL")]
    at: Option<String>,
    /// Which one; the newest by default.
    #[arg(long, value_name = "ID", requires = "at")]
    id: Option<String>,
    /// An empty folder for the trial, which stays; by default a temporary one, which goes.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    server: Server,
    /// Does not ask the server to flush before.
    #[arg(long)]
    no_flush: bool,
}

/// The folder of a trial.
struct Room {
    path: PathBuf,
    temporary: bool,
}

/// What is compared: a tenant, what is asked, and how that is printed.
struct Asked {
    tenant: TenantId,
    text: String,
    question: Question,
}

/// Runs the trial.
///
/// # Errors
/// What failed, and that anything differs.
pub(super) async fn run(args: &DrillArgs, handles: &Handles) -> anyhow::Result<()> {
    let room = Room::of(args);
    let done = Box::pin(in_room(args, &room, handles)).await;
    if room.temporary
        && let Err(error) = std::fs::remove_dir_all(&room.path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %room.path.display(), "folder of the drill stays");
    }
    done
}

impl Room {
    fn of(args: &DrillArgs) -> Self {
        let random = SystemRng::new().next_u64();
        match &args.to {
            Some(path) => Self { path: path.clone(), temporary: false },
            None => {
                let name = format!("tarn-drill-{random:016x}");
                Self { path: std::env::temp_dir().join(name), temporary: true }
            }
        }
    }
}

async fn in_room(args: &DrillArgs, room: &Room, handles: &Handles) -> anyhow::Result<()> {
    let clock = &handles.clock;
    let (vault, index) = backup(args, room, handles).await?;
    let age_ms = clock.now().as_millis().saturating_sub(index.begun_ms).max(0);
    print(format_args!("backup {} of manifest {}", index.id, index.manifest));
    let begun = clock.monotonic();
    let path = room.path.join("store");
    let target = Target::folder(&path, handles)?;
    let bar = Bar::new("restored", handles);
    let restored = backups::restore(Origin::Backup(&vault, &index), &target, handles, &bar).await;
    bar.finish();
    let restored = restored?;
    drop(target);
    let copied = clock.monotonic();
    let limits = Limits { memory_budget: host::memory_budget(), ..Limits::default() };
    let opened = Inspection::open(&path, limits.clone(), handles.clone()).await?;
    let note = opened.note.clone().or_else(|| opened.reader.view().partial());
    if let Some(note) = note {
        bail!("the restored store does not answer in full: {note}");
    }
    let of_restored = engine(opened.reader, limits.clone(), Arc::clone(clock));
    let asked = questions(&index.stored)?;
    let answers = answers(&of_restored, &asked).await?;
    let ended = clock.monotonic();

    let mut differences = counts(&index.stored, &restored.stored);
    let same_counts = index.stored.len().saturating_sub(differences.len());
    let compared = compare(args, &index, &asked, &answers, limits, handles).await?;
    let rpo = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    print(format_args!(
        "rpo {}: in it is what was there at {}",
        seconds(rpo),
        time(index.begun_ms)
    ));
    let rto = ended.saturating_sub(begun);
    print(format_args!("rto {}: to the last answer of the restored store", seconds(rto)));
    print(format_args!("restore {}", seconds(copied.saturating_sub(begun))));
    print(format_args!("bytes {} ({})", restored.bytes, ByteSize(restored.bytes)));
    print(format_args!("objects {}", restored.objects));
    print(format_args!("counts {same_counts} of {} the same", index.stored.len()));
    match compared {
        Some(found) => {
            let same = asked.len().saturating_sub(found.len());
            print(format_args!("answers {same} of {} the same", asked.len()));
            differences.extend(found);
        }
        None => print(format_args!(
            "answers {} of the restored store, not compared: the store, or its history of manifest \
             {}, is not there",
            asked.len(),
            index.manifest
        )),
    }
    for lacks in &index.lacks {
        print(format_args!("not in it: {lacks}"));
    }
    verdict(&differences)
}

fn verdict(differences: &[String]) -> anyhow::Result<()> {
    for difference in differences.iter().take(SHOWN_MAX) {
        print(format_args!("DIFFERENT: {difference}"));
    }
    match differences.len() {
        0 => Ok(()),
        count => bail!("{count} differences between the store and what was restored of its backup"),
    }
}

/// Makes a backup, or finds the one that is to be tried.
async fn backup(
    args: &DrillArgs,
    room: &Room,
    handles: &Handles,
) -> anyhow::Result<(Vault, Index)> {
    if let Some(at) = &args.at {
        let vault = args.store.access().data(at)?.backups(handles).await?;
        let index = backups::find(&vault, args.id.as_deref()).await?;
        return Ok((vault, index));
    }
    let path = room.path.join("backups");
    let create = CreateArgs {
        to: path.display().to_string(),
        store: args.store.clone(),
        server: args.server.clone(),
        no_flush: args.no_flush,
        recheck: false,
        jobs: JOBS,
    };
    let vault = Vault::folder(&path, handles)?;
    let started = handles.clock.monotonic();
    let created = make(&create, &vault, handles).await?;
    let taken = handles.clock.monotonic().saturating_sub(started);
    print(format_args!("create {}", seconds(taken)));
    Ok((vault, created.index))
}

/// Compares the figures of the catalog.
fn counts(expected: &[SignalStats], found: &[SignalStats]) -> Vec<String> {
    let differs = |wanted: &&SignalStats| !found.contains(wanted);
    let lost = expected.iter().filter(differs).map(|stored| {
        format!("{} {}: the restored store holds other rows", stored.tenant, stored.signal)
    });
    lost.collect()
}

/// What every tenant is asked, by what it has.
fn questions(stored: &[SignalStats]) -> anyhow::Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for of in stored {
        let tenant = TenantId::parse(&of.tenant).context("read a tenant of the backup")?;
        let at_ms = of.latest_ms.unwrap_or_default();
        // Of functions over time this one keeps names, without which many series are the same.
        let promql =
            ["count by (__name__) ({__name__=~\".+\"})", "last_over_time({__name__=~\".+\"}[1h])"];
        let sql: &[&str] = match Signal::parse(&of.signal) {
            Some(Signal::Metrics) => {
                asked.extend(promql.map(|text| Asked {
                    tenant: tenant.clone(),
                    text: text.to_owned(),
                    question: Question::promql(text, at_ms),
                }));
                &["SELECT metric, count(*), min(ts), max(ts), min(value), max(value) FROM samples \
                   GROUP BY metric ORDER BY metric"]
            }
            Some(Signal::Logs) => &[
                "SELECT count(*), min(timestamp), max(timestamp) FROM logs",
                "SELECT service_name, severity_number, count(*) FROM logs GROUP BY 1, 2 ORDER BY 1, 2",
            ],
            Some(Signal::Traces) => &[
                "SELECT count(*), count(DISTINCT trace_id), min(start), max(start) FROM spans",
                "SELECT service_name, name, count(*), sum(duration_ns) FROM spans GROUP BY 1, 2 \
                 ORDER BY 1, 2",
                "SELECT * FROM spans WHERE trace_id = (SELECT max(trace_id) FROM spans) \
                 ORDER BY start, span_id LIMIT 100",
            ],
            None => bail!("{} is no signal", of.signal),
        };
        asked.extend(sql.iter().map(|text| Asked {
            tenant: tenant.clone(),
            text: (*text).to_owned(),
            question: Question::sql(text),
        }));
    }
    Ok(asked)
}

/// Asks everything; an answer that is an error ends the trial, which would prove nothing.
async fn answers(engine: &Engine, asked: &[Asked]) -> anyhow::Result<Vec<Value>> {
    let mut answers = Vec::with_capacity(asked.len());
    for Asked { tenant, text, question } in asked {
        let body = Box::pin(ask_engine(engine, tenant.clone(), question.clone())).await?;
        let mut answer: Value = serde_json::from_slice(&body).context("read an answer")?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            bail!("the question {text:?} cannot be answered: {error}");
        }
        answers.push(answer.get_mut("data").map(Value::take).map(sorted).unwrap_or_default());
    }
    Ok(answers)
}

/// The order of series of an instant vector says nothing.
fn sorted(mut data: Value) -> Value {
    if let Some(Value::Array(result)) = data.get_mut("result") {
        result.sort_by_key(ToString::to_string);
    }
    // How long it took and what it read differs from time to time.
    if let Value::Object(fields) = &mut data {
        fields
            .retain(|name, _| ["result", "resultType", "columns", "rows"].contains(&name.as_str()));
    }
    data
}

/// Asks the store of the backup the same; `None` where it is not there, or its history is not.
async fn compare(
    args: &DrillArgs,
    index: &Index,
    asked: &[Asked],
    restored: &[Value],
    limits: Limits,
    handles: &Handles,
) -> anyhow::Result<Option<Vec<String>>> {
    let source = async {
        let objects = args.store.place()?.objects(handles).await?;
        let found = Inspection::at(&objects, index.manifest, limits.clone(), handles).await?;
        anyhow::Ok(found)
    };
    let source = match source.await {
        Ok(source) if source.catalog.nonce() == Some(&index.nonce) => source,
        Ok(_) => return Ok(None),
        Err(error) if args.at.is_some() => {
            print(format_args!("the store cannot be asked: {error:#}"));
            return Ok(None);
        }
        Err(error) => return Err(error.context("look into the store")),
    };
    let of_source = engine(source.reader, limits, Arc::clone(&handles.clock));
    let expected = answers(&of_source, asked).await?;
    let pairs = asked.iter().zip(expected.iter().zip(restored));
    let differ = pairs.filter(|(_, (expected, found))| expected != found);
    Ok(Some(differ.map(|(asked, _)| format!("{}: {}", asked.tenant, asked.text)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_differ_are_told() {
        let stored = |signal: &str, rows| SignalStats {
            tenant: "default".to_owned(),
            signal: signal.to_owned(),
            rows,
            ..SignalStats::default()
        };
        let expected = [stored("logs", 5), stored("traces", 7)];
        assert_eq!(counts(&expected, &expected), Vec::<String>::new());
        let lost = counts(&expected, &[stored("logs", 5), stored("traces", 6)]);
        assert_eq!(lost, ["default traces: the restored store holds other rows"]);
        assert!(verdict(&lost).unwrap_err().to_string().contains("1 differences"));
        assert_eq!(questions(&expected).unwrap().len(), 5);
    }

    #[test]
    fn the_order_of_series_is_no_difference() {
        let a = serde_json::json!({"result": [{"x": 1}, {"y": 2}], "stats": 5});
        let b = serde_json::json!({"result": [{"y": 2}, {"x": 1}]});
        assert_eq!(sorted(a), sorted(b));
    }
}
