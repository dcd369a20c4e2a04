use super::*;

fn refused_with(sql: &str) -> String {
    match parse(sql, &Limits::default()) {
        Ok(_) => "parsed".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn limits_are_told_with_their_number() {
    let rows = [
        (format!("SELECT 1{}", "+1".repeat(150)), "query is nested more than 100 deep"),
        (format!("SELECT 1{}", "+1".repeat(80)), "parsed"),
        (format!("SELECT {}", vec!["1"; 2500].join(",")), "query has more than 2000 parts"),
        (format!("SELECT 1{}", " UNION SELECT 1".repeat(32)), "parsed"),
        (format!("SELECT 1 FROM t{}", ",t".repeat(9)), "query has more than 8 joins"),
        (
            "SELECT 1 FROM a NATURAL JOIN b".to_owned(),
            "NATURAL JOIN is not answered: name the columns with USING",
        ),
        ("SELECT".to_owned(), "expected: an expression, found: EOF (line 1, column 7)"),
        (
            "SELECT 1\n  FROM t WHERE ü =\n".to_owned(),
            "expected: an expression, found: EOF (line 2, column 19)",
        ),
        ("  ".to_owned(), "query is empty"),
        ("SELECT 1; SELECT 2".to_owned(), "there are 2 statements, only one is answered"),
        ("EXPLAIN ANALYZE SELECT 1".to_owned(), "parsed"),
    ];
    for (sql, expected) in rows {
        let found = refused_with(&sql);
        assert!(found.to_lowercase().starts_with(&expected.to_lowercase()), "{sql:.60}: {found}");
    }
}

#[test]
fn only_queries_are_let_in() {
    for sql in [
        "COPY (SELECT 1) TO 'x'",
        "EXPLAIN COPY (SELECT 1) TO 'x'",
        "CREATE TABLE t AS SELECT 1",
        "SET a = 1",
        "SHOW ALL",
        "WITH t AS (SELECT 1) INSERT INTO t SELECT 1",
        "SELECT 1 INTO t",
        "SELECT 1 FROM t FOR UPDATE",
    ] {
        assert!(refused_with(sql).starts_with("only queries are answered"), "{sql}");
    }
}
