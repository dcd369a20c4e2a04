use tarn_storage::schema::tables::Table;

use super::{Keys, Seen, VALUES_MAX};

fn seen(rows: u64, values: usize) -> Seen {
    let mut seen = Seen::default();
    (0..values).for_each(|n| seen.value(&n.to_string()));
    seen.rows = rows;
    seen
}

#[test]
fn keys_of_many_rows_with_few_values_are_the_best() {
    let mut keys = Keys { rows: 1000, ..Keys::default() };
    let attributes = [
        ("route", seen(900, 12)),
        ("rare", seen(10, 2)),
        ("constant", seen(1000, 1)),
        ("pod", seen(1000, 90)),
        ("request.id", seen(1000, VALUES_MAX)),
        ("order", seen(20, 20)),
        ("level", seen(1000, 4)),
        ("@odd", seen(1000, 4)),
    ];
    keys.attributes.extend(attributes.map(|(key, seen)| (key.into(), seen)));
    let resource = [("service.name", seen(1000, 5)), ("zone", seen(1000, 3))];
    keys.resource.extend(resource.map(|(key, seen)| (key.into(), seen)));
    assert_eq!(keys.best(Table::Logs, 4), ["zone", "route", "pod", "constant"]);
    assert_eq!(keys.best(Table::Logs, 9).len(), 5, "those that name rows are no facets");
    let listed = Keys::listed(&keys.resource);
    assert_eq!(listed, [("service.name", 1000), ("zone", 1000)]);
}
