//! The catalog of one query: one schema of tables, and what tells about them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::information_schema::InformationSchemaProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::{Result, exec_err};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::object_store::ObjectStore;
use tarn_storage::schema::tables::Table;
use url::Url;

use super::{CATALOG, Parts, SCHEMA};
use crate::scan::events;
use crate::scan::rows::RowTable;
use crate::scan::samples::{self, MetricsTable};
use crate::sql::rewrite::Extra;

/// What the information schema shows; DataFusion's also has settings and routines.
const INFORMATION: [&str; 4] = ["schemata", "tables", "columns", "views"];

const INFORMATION_SCHEMA: &str = "information_schema";

/// All catalogs: one.
#[derive(Debug)]
pub(super) struct Catalogs(Arc<Catalog>);

impl Catalogs {
    pub(super) fn new(parts: &Parts, extra: &Extra) -> Result<Self> {
        let tables = Arc::new(Tables::new(parts, extra)?);
        // What is told about the tables is what they have in every query.
        let plain = Arc::new(Tables::new(parts, &Extra::default())?);
        let told = Arc::new(Self(Arc::new(Catalog { tables: plain, information: None })));
        let information = Arc::new(Information(InformationSchemaProvider::new(told)));
        Ok(Self(Arc::new(Catalog { tables, information: Some(information) })))
    }
}

impl CatalogProviderList for Catalogs {
    fn register_catalog(
        &self,
        _: String,
        _: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::clone(&self.0) as Arc<dyn CatalogProvider>)
    }
}

#[derive(Debug)]
struct Catalog {
    tables: Arc<Tables>,
    information: Option<Arc<Information>>,
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            SCHEMA => Some(Arc::clone(&self.tables) as Arc<dyn SchemaProvider>),
            INFORMATION_SCHEMA => {
                self.information.as_ref().map(|i| Arc::clone(i) as Arc<dyn SchemaProvider>)
            }
            _ => None,
        }
    }
}

/// The tenant's tables.
#[derive(Debug)]
struct Tables(Vec<(&'static str, Arc<dyn TableProvider>)>);

impl Tables {
    fn new(parts: &Parts, extra: &Extra) -> Result<Self> {
        let rows = |table: Table| {
            let (view, context) = (Arc::clone(&parts.view), Arc::clone(&parts.context));
            let table = RowTable::new(view, parts.tenant.clone(), table, extra.of(table), context)?;
            Ok::<_, datafusion::common::DataFusionError>(Arc::new(table))
        };
        let (logs, spans) = (rows(Table::Logs)?, rows(Table::Spans)?);
        let view = |plan| Arc::new(ViewTable::new(plan, None));
        let metrics = |shape| MetricsTable::new(parts, shape, &extra.labels);
        Ok(Self(vec![
            ("logs", logs),
            ("samples", Arc::new(metrics(samples::Shape::Samples))),
            ("slices", Arc::new(metrics(samples::Shape::Slices))),
            ("span_events", view(events::events(rows(Table::Spans)?)?)),
            ("span_links", view(events::links(rows(Table::Spans)?)?)),
            ("spans", spans),
        ]))
    }

    fn find(&self, name: &str) -> Option<&Arc<dyn TableProvider>> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, table)| table)
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.find(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// Four tables of DataFusion's information schema.
#[derive(Debug)]
struct Information(InformationSchemaProvider);

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        INFORMATION.map(str::to_owned).to_vec()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if !self.table_exist(name) {
            return Ok(None);
        }
        self.0.table(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        INFORMATION.contains(&name)
    }
}

/// No object stores: nothing in a query can name a file or an address.
#[derive(Debug)]
pub(super) struct NoStores;

impl ObjectStoreRegistry for NoStores {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        exec_err!("there is no store {url}")
    }
}
