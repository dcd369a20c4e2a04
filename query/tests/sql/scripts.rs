//! Runs the scripts of `tests/sql`; with `TARN_UPDATE=1` writes what is answered into them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{
    AsyncDB, DBOutput, DefaultColumnType, Runner, default_column_validator, default_normalizer,
    default_validator,
};

use crate::world::World;

struct Database(Arc<World>);

#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

#[async_trait]
impl AsyncDB for Database {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let rows = self.0.rows(sql).await.map_err(Refused)?;
        let columns = rows.first().map_or(1, Vec::len);
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn shutdown(&mut self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_answer_what_they_say() {
    let folder = tarn_testkit::tree::own_folder().join("../tests/sql");
    let world = Arc::new(World::new().await);
    let update = std::env::var_os("TARN_UPDATE").is_some();
    let mut scripts: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", folder.display());
    for script in scripts {
        let mut runner = Runner::new(|| async { Ok(Database(Arc::clone(&world))) });
        if update {
            let column = default_column_validator;
            let (validator, normalizer) = (default_validator, default_normalizer);
            runner.update_test_file(&script, " ", validator, normalizer, column).await.unwrap();
            continue;
        }
        if let Err(error) = runner.run_file_async(&script).await {
            panic!("{}: {error}", script.display());
        }
    }
}
