//! Where rows come from: the canonical JSON of the columns `resource` and `scope`.

use tarn_model::attributes::AnyValue;
use tarn_model::error::Result;

use super::read::{Members, map, parse};

/// Members of the objects, in the order in which they are written. Empty ones are left out.
pub mod member {
    /// Of a scope: its name.
    pub const NAME: &str = "name";
    /// Of a scope: its version.
    pub const VERSION: &str = "version";
    /// An object of attributes.
    pub const ATTRIBUTES: &str = "attributes";
    /// Attributes that were dropped, as sent plus those beyond our caps.
    pub const DROPPED: &str = "dropped";
    /// URL of the schema.
    pub const SCHEMA_URL: &str = "schema_url";
    /// Of a resource: an array of objects that name the entities it is made of.
    pub const ENTITY_REFS: &str = "entity_refs";
    /// Of an entity: its type.
    pub const TYPE: &str = "type";
    /// Of an entity: keys of the attributes that identify it.
    pub const ID_KEYS: &str = "id_keys";
    /// Of an entity: keys of the attributes that describe it.
    pub const DESCRIPTION_KEYS: &str = "description_keys";
}

/// A resource or a scope.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// Name of a scope.
    pub name: String,
    /// Version of a scope.
    pub version: String,
    /// Attributes in order.
    pub attributes: Vec<(String, AnyValue)>,
    /// Dropped attributes.
    pub dropped: u32,
    /// URL of the schema.
    pub schema_url: String,
    /// Entities of a resource.
    pub entity_refs: Vec<EntityRef>,
}

/// An entity that a resource is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityRef {
    /// URL of the schema.
    pub schema_url: String,
    /// Type.
    pub entity_type: String,
    /// Keys of the attributes that identify it.
    pub id_keys: Vec<String>,
    /// Keys of the attributes that describe it.
    pub description_keys: Vec<String>,
}

impl Origin {
    /// Reads a value of the columns `resource` and `scope`.
    ///
    /// # Errors
    /// `Corrupt` where it is no such object.
    pub fn from_json(json: &str) -> Result<Self> {
        let mut origin = Self::default();
        for (key, value) in parse::<Members<'_>>(json)?.0 {
            let value = value.get();
            match key.as_ref() {
                member::NAME => origin.name = parse(value)?,
                member::VERSION => origin.version = parse(value)?,
                member::ATTRIBUTES => origin.attributes = map(value)?,
                member::DROPPED => origin.dropped = parse(value)?,
                member::SCHEMA_URL => origin.schema_url = parse(value)?,
                member::ENTITY_REFS => {
                    let refs: Vec<Members<'_>> = parse(value)?;
                    origin.entity_refs = refs.iter().map(entity).collect::<Result<_>>()?;
                }
                // A newer version may have written more.
                _ => {}
            }
        }
        Ok(origin)
    }
}

fn entity(members: &Members<'_>) -> Result<EntityRef> {
    let mut entity = EntityRef::default();
    for (key, value) in &members.0 {
        let value = value.get();
        match key.as_ref() {
            member::SCHEMA_URL => entity.schema_url = parse(value)?,
            member::TYPE => entity.entity_type = parse(value)?,
            member::ID_KEYS => entity.id_keys = parse(value)?,
            member::DESCRIPTION_KEYS => entity.description_keys = parse(value)?,
            _ => {}
        }
    }
    Ok(entity)
}
