use super::*;

#[test]
fn a_row_group_belongs_to_one_share() {
    for (rows, group) in [(1, 65_536), (131_072, 131_072), (200_000, 65_536), (1_000_003, 7_919)] {
        for parts in 1..9 {
            for first in (0..rows).step_by(group) {
                let of = |number| Share { number, parts }.has(first as u32, rows);
                let owners = (0..parts).filter(|number| of(*number)).count();
                assert_eq!(owners, 1, "row {first} of {rows} in {parts} parts");
            }
        }
    }
}

#[test]
fn conditions_are_those_of_the_table() {
    let prune = RowPrune {
        start_us: 5,
        services: Some(vec!["shop".to_owned()]),
        severity: Some((9, 12)),
        kinds: Some(vec![2]),
        statuses: Some(vec![1, 2]),
        names: Some(vec!["GET".to_owned()]),
        ..RowPrune::default()
    };
    for (table, expected) in [
        (Table::Logs, &[column::TIMESTAMP, column::SERVICE_NAME, column::SEVERITY_NUMBER][..]),
        (
            Table::Spans,
            &[column::START, column::SERVICE_NAME, column::NAME, column::KIND, column::STATUS],
        ),
    ] {
        let columns: Vec<_> = conditions(&prune, table).iter().map(|c| c.column).collect();
        assert_eq!(columns, expected);
    }
    assert!(conditions(&RowPrune::default(), Table::Logs).is_empty());
}
