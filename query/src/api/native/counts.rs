//! `logs/histogram` and `logs/facets`: the records that a search finds, counted.
//!
//! Both count the rows that `logs/search` with the same `q`, `start` and `end` pages through.

use tarn_storage::schema::tables::Table;

use super::Call;
use super::run::Answer;
use crate::api::json::number::integer;
use crate::api::json::object::Object;
use crate::api::json::strings;
use crate::api::reply::{Failure, Gone, Sink};
use crate::logs::facets::{self, Facet, Facets};
use crate::logs::histogram::{self, Histogram};
use crate::logs::keys;
use crate::logs::levels::LEVELS;

/// Buckets, unless a request says otherwise: a bar of a dozen pixels each.
const BUCKETS: usize = 60;

/// Buckets at most: more than a screen has pixels to tell apart.
const BUCKETS_MAX: usize = 2000;

/// Values of a facet, unless a request says otherwise.
const VALUES: usize = 20;

/// Values of a facet at most.
const VALUES_MAX: usize = 1000;

/// Keys of one request; each is a column to be read.
const KEYS_MAX: usize = 30;

/// Keys that are chosen where none are named, besides level and service.
const KEYS_CHOSEN: usize = 8;

/// How many log records there are when, by level.
pub(super) async fn histogram(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let mut answer = match count(call).await {
        Ok(answer) => answer,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    let Histogram { grid, counts } = &answer.value;
    sink.open();
    let mut data = Object::new(&mut sink.out);
    data.int("start_ms", grid.start_ms);
    data.int("step_ms", grid.step_ms);
    strings(data.member("levels"), &LEVELS);
    let out = data.member("counts");
    out.push(b'[');
    for level in 0..LEVELS.len() {
        if level > 0 {
            out.push(b',');
        }
        integers(out, counts.iter().map(|bucket| bucket[level]));
    }
    out.push(b']');
    data.count("total", answer.value.total());
    data.close();
    answer.stats(&mut sink, counts.len());
    sink.close(&remarks).await
}

/// Writes a list of numbers.
pub(super) fn integers(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    out.push(b'[');
    for (i, number) in numbers.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        integer(out, number);
    }
    out.push(b']');
}

async fn count(call: &Call) -> Result<Answer<Histogram>, Failure> {
    let asked = call.asked(Table::Logs)?;
    let buckets = call.number("buckets", BUCKETS, 1..=BUCKETS_MAX)?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = histogram::run(&mut scanner, &asked.plan, asked.range, buckets).await;
    let cost = scanner.cost();
    run.end(&asked.text, cost, result)
}

/// Which values keys have, and in how many log records.
pub(super) async fn facets(call: &Call, mut sink: Sink) -> Result<(), Gone> {
    let (limit, mut answer) = match tally(call).await {
        Ok(found) => found,
        Err(failure) => return sink.fail(&failure).await,
    };
    let remarks = answer.remarks(call, &mut sink);
    sink.open();
    let Facets { facets, rows, .. } = &answer.value;
    sink.out.extend_from_slice(b"{\"facets\":[");
    for (i, facet) in facets.iter().enumerate() {
        if i > 0 {
            sink.out.push(b',');
        }
        write(&mut sink.out, facet, limit);
        sink.send_full().await?;
    }
    sink.out.push(b']');
    let mut data = Object::within(&mut sink.out);
    data.count("rows", *rows);
    data.close();
    answer.stats(&mut sink, facets.len());
    sink.close(&remarks).await
}

fn write(out: &mut Vec<u8>, facet: &Facet, limit: usize) {
    let mut object = Object::new(out);
    object.text("key", &facet.name);
    let values = object.member("values");
    values.push(b'[');
    for (i, (value, count)) in facet.tally.top(limit).into_iter().enumerate() {
        if i > 0 {
            values.push(b',');
        }
        let mut entry = Object::new(values);
        entry.text("value", value);
        entry.count("count", count);
        entry.close();
    }
    values.push(b']');
    object.count("distinct", facet.tally.distinct() as u64);
    object.bool("truncated", facet.tally.is_cut());
    object.count("rows", facet.tally.rows());
    object.close();
}

async fn tally(call: &Call) -> Result<(usize, Answer<Facets>), Failure> {
    let asked = call.asked(Table::Logs)?;
    let limit = call.number("limit", VALUES, 1..=VALUES_MAX)?;
    let named = named(call)?;
    let run = call.begin().await?;
    let mut scanner = run.scanner();
    let result = async {
        let facets = match named {
            Some(facets) => facets,
            None => {
                let (keys, _) =
                    keys::run(&mut scanner, Table::Logs, &asked.plan, asked.range).await?;
                let best = keys.best(Table::Logs, KEYS_CHOSEN);
                let names = ["level", "service"].into_iter().chain(best.iter().map(String::as_str));
                names.filter_map(|name| Facet::parse(Table::Logs, name).ok()).collect()
            }
        };
        facets::run(&mut scanner, Table::Logs, &asked.plan, asked.range, facets).await
    };
    let result = result.await;
    let cost = scanner.cost();
    Ok((limit, run.end(&asked.text, cost, result)?))
}

/// Reads the keys that are named, with commas between them or one by one; `None` where none are.
fn named(call: &Call) -> Result<Option<Vec<Facet>>, Failure> {
    let given = call.params.all("keys");
    let mut names: Vec<&str> =
        given.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    names.retain(|name| !name.is_empty());
    if names.is_empty() {
        return Ok(None);
    }
    let refused = |message: String| Failure::parameter("keys", message);
    if names.len() > KEYS_MAX {
        return Err(refused(format!("{} keys are named, limit is {KEYS_MAX}", names.len())));
    }
    let facets = names.into_iter().map(|name| Facet::parse(Table::Logs, name).map_err(refused));
    facets.collect::<Result<Vec<_>, _>>().map(Some)
}
