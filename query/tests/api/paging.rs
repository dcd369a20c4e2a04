//! Pages of logs in both directions, and what surrounds a record.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tarn_testkit::sim::SimRng;

use crate::counts::{Line, QUESTIONS, data, encode, lines, rows};
use crate::support::{NOW_MS, World};

/// Returns the attribute `n` of each row.
fn numbers(rows: &Value) -> Vec<u64> {
    rows.as_array().unwrap().iter().map(|row| row["attributes"]["n"].as_u64().unwrap()).collect()
}

/// Follows the cursors to the end, flushing on the way.
async fn pages(world: &World, question: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let path = format!("/logs/search?{question}&limit={limit}&cursor={cursor}");
        let answer = data(world, &path).await;
        let rows = answer["rows"].as_array().unwrap();
        assert!(rows.len() <= limit, "{question}");
        found.extend(rows.iter().cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
        if page == 2 {
            world.flush().await;
        }
    }
    found
}

#[tokio::test]
async fn both_directions_page_through_everything_exactly_once() {
    let all = lines(&SimRng::new(11), 700);
    let world = World::new().await;
    world.rows(rows(&all[..300])).await;
    world.flush().await;
    world.rows(rows(&all[300..])).await;
    for (search, wants) in QUESTIONS {
        let wanted: BTreeSet<u64> = all.iter().filter(|l| wants(l)).map(|l| l.n).collect();
        let question = format!("q={}", encode(search));
        let mut found = Vec::new();
        for direction in ["backward", "forward"] {
            let page = pages(&world, &format!("{question}&direction={direction}"), 70).await;
            let set: BTreeSet<u64> = numbers(&json!(page)).into_iter().collect();
            assert_eq!((set, page.len()), (wanted.clone(), wanted.len()), "{search} {direction}");
            found.push(page);
        }
        found[1].reverse();
        assert_eq!(found[0], found[1], "one order, both ways: {search}");
        // From any time on, back and forth are the whole.
        let anchor = format!("{}.{:03}", NOW_MS / 1000 + 43, 217);
        let back = pages(&world, &format!("{question}&end={anchor}"), 9).await;
        let on = pages(&world, &format!("{question}&start={anchor}&direction=forward"), 9).await;
        let whole: Vec<Value> = on.into_iter().rev().chain(back).collect();
        assert_eq!(whole, found[0], "{search}");
    }
    let wrong = world.native("/logs/search?direction=up").await;
    assert_eq!(wrong.status.as_u16(), 400);
    assert!(wrong.body.contains(r#"\"up\" is not backward or forward"#), "{}", wrong.body);
}

#[tokio::test]
async fn the_first_pages_of_both_ends_read_little() {
    let world = World::new().await;
    // Blocks of 100 s each, a part of a day.
    for block in 0..6 {
        let mut all = lines(&SimRng::new(block), 100);
        let away = i64::try_from(block).unwrap() * 200_000_000_000;
        all.iter_mut().for_each(|line| line.time_ns += away);
        world.rows(rows(&all)).await;
        world.flush().await;
    }
    for direction in ["backward", "forward"] {
        let path = format!("/logs/search?limit=5&direction={direction}");
        let answer = world.native(&path).await.json();
        assert_eq!(answer["stats"]["pages"], 1, "{direction}: {}", answer["stats"]);
    }
}

#[tokio::test]
async fn context_is_of_the_same_sender_by_time() {
    let mut all = lines(&SimRng::new(12), 600);
    // The same record three times: the one that is named, and two behind it.
    let again = Line { n: 599, ..all[599].clone() };
    all.extend([again.clone(), again]);
    let world = World::new().await;
    world.rows(rows(&all[..250])).await;
    world.flush().await;
    world.rows(rows(&all[250..])).await;
    for named in [0, 17, 300, 599] {
        let anchor = &all[named];
        let (at, service) = (anchor.time_ns, anchor.service);
        let q = format!("n={}", anchor.n);
        let path = format!("/logs/context?at={at}&service={service}&q={q}&before=7&after=5");
        let found = data(&world, &path).await;
        assert_eq!(found["row"]["attributes"]["n"], anchor.n);
        let is_same = |line: &Line| {
            let sender = |line: &Line| (line.service, line.pod, line.zone);
            sender(line) == sender(anchor)
        };
        let question = format!("/logs/search?limit=10000&direction=forward&q=service:{service}");
        let order = data(&world, &question).await;
        let of_sender: Vec<u64> =
            numbers(&order["rows"]).into_iter().filter(|n| is_same(&all[*n as usize])).collect();
        let place = of_sender.iter().position(|n| *n == anchor.n).unwrap();
        let before = &of_sender[place.saturating_sub(7)..place];
        let after = &of_sender[place + 1..(place + 6).min(of_sender.len())];
        assert_eq!(numbers(&found["before"]), before, "{named}");
        assert_eq!(numbers(&found["after"]), after, "{named}");
    }
}

#[tokio::test]
async fn context_of_nothing_is_not_found() {
    let world = World::new().await;
    let all = lines(&SimRng::new(13), 10);
    world.rows(rows(&all)).await;
    let at = all[0].time_ns;
    let none = if all[0].service == "db" { "web" } else { "db" };
    let cases = [
        (format!("at={}", at + 1), 404),
        (format!("at={at}&service={none}x"), 404),
        (format!("at={at}&q=nowhere"), 404),
        (format!("at={at}"), 200),
        (format!("at={at}&before=0&after=0"), 200),
        (format!("at={at}&before=1001"), 400),
        ("at=".to_owned(), 400),
        ("at=2023-11-14T22:13:20Z".to_owned(), 400),
        (format!("at={}", i64::MIN), 404),
        (format!("at={}", i64::MAX), 404),
    ];
    for (query, status) in cases {
        let answer = world.native(&format!("/logs/context?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {}", answer.body);
    }
    let alone = data(&world, &format!("/logs/context?at={at}&before=0&after=0")).await;
    assert_eq!((&alone["before"], &alone["after"]), (&json!([]), &json!([])));
    let late = world.native(&format!("/logs/context?at={at}&timeout=0")).await;
    assert_eq!(late.status.as_u16(), 503, "not that there is none: {}", late.body);
}
