//! Every query of every built-in board is one, as the engine reads it.

use tarn_ui::dashboards::check::lint;
use tarn_ui::dashboards::curated;

use super::*;

#[test]
fn every_query_of_every_built_in_board_parses() {
    let parsers = Parsers::default();
    let mut queries = 0;
    for board in curated::boards() {
        let problems = lint(board, &parsers);
        assert!(problems.is_empty(), "{}: {problems:#?}", board.name());
        queries += board.queries().len();
    }
    assert!(queries > 100, "{queries} queries in {} boards", curated::boards().len());
}

#[test]
fn a_mistake_is_told_with_its_place_and_macros_are_none() {
    let parsers = Parsers::default();
    let check = |text: &str| {
        tarn_ui::dashboards::check::check(&parsers, Language::Promql, text)
            .map_err(|mistake| mistake.span)
    };
    for fine in [
        "sum(rate(x{job=~\"$job\"}[$__rate_interval])) by ($by)",
        "topk($n, up offset $back)",
        "rate(${metric:raw}[$interval:[[step]]])",
        "label_replace(up, \"a\", \"$1\", \"b\", \"(.*)\")",
    ] {
        assert_eq!(check(fine), Ok(()), "{fine}");
    }
    assert_eq!(check("rate(x{job=~\"$job\"}[$__rate_interval]"), Err(Some(37..37)));
}
