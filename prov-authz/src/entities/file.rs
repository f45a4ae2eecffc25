//! Entities in Cedar's own JSON, as they stand in `entities.json` and are exchanged.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{EntityRef, Finding, ResourceEntity, SourceFile};

/// One entity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityJson {
    uid: UidJson,
    #[serde(default)]
    attrs: Map<String, Value>,
    #[serde(default)]
    parents: Vec<UidJson>,
    /// Written by Cedar's own tools, always empty where the schema has no tags.
    #[serde(default)]
    tags: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum UidJson {
    Plain(PlainUid),
    Escaped(EscapedUid),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainUid {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EscapedUid {
    #[serde(rename = "__entity")]
    entity: PlainUid,
}

/// Every entity of a file, each with the byte of the text where it stands.
pub(crate) fn read_entities(
    file: &SourceFile,
    namespace: &str,
) -> Result<Vec<(usize, ResourceEntity)>, Vec<Finding>> {
    let remedy = "write what Cedar writes: `[{\"uid\": {\"type\": \"Provisioning::Server\", \
                  \"id\": \"web-1\"}, \"attrs\": {…}, \"parents\": [{…}]}]`";
    let list: Vec<&RawValue> = serde_json::from_str(&file.text).map_err(|error| {
        let finding = Finding::file(&file.name, format!("is no list of entities: {error}"), remedy);
        vec![finding.at_line(error.line(), error.column())]
    })?;
    let mut findings = Vec::new();
    let mut entities = Vec::with_capacity(list.len());
    let mut seen = HashSet::new();
    for raw in list {
        // A part of the text, so their difference is where it stands.
        let offset = raw.get().as_ptr().addr().saturating_sub(file.text.as_ptr().addr());
        let wrong =
            |message: String| Finding::file(&file.name, message, remedy).at(&file.text, offset);
        match read_one(raw, namespace) {
            Ok(entity) if !seen.insert(entity.entity.clone()) => {
                let EntityRef { kind, id } = &entity.entity;
                findings.push(wrong(format!("`{kind}::{}` stands here twice", id.escape_debug())));
            }
            Ok(entity) => entities.push((offset, entity)),
            Err(message) => findings.push(wrong(message)),
        }
    }
    if findings.is_empty() { Ok(entities) } else { Err(findings) }
}

fn read_one(raw: &RawValue, namespace: &str) -> Result<ResourceEntity, String> {
    let json: EntityJson = serde_json::from_str(raw.get())
        .map_err(|error| format!("an entity can't be read: {error}"))?;
    if !json.tags.is_empty() {
        return Err("entities have no tags here".to_owned());
    }
    let EntityRef { kind, id } = reference(json.uid, namespace)?;
    let mut entity = ResourceEntity::new(kind, id);
    entity.attributes = json.attrs;
    let parents = json.parents.into_iter().map(|parent| reference(parent, namespace));
    entity.parents = parents.collect::<Result<_, _>>()?;
    Ok(entity)
}

/// The name without its namespace, which must be that of the schema.
fn reference(uid: UidJson, namespace: &str) -> Result<EntityRef, String> {
    let (UidJson::Plain(uid) | UidJson::Escaped(EscapedUid { entity: uid })) = uid;
    let short = uid.kind.strip_prefix(namespace).and_then(|rest| rest.strip_prefix("::"));
    match short {
        Some(short) => Ok(EntityRef::new(short.to_owned(), uid.id)),
        None if uid.kind.contains("::") => {
            let shown: String = uid.kind.chars().take(64).flat_map(char::escape_debug).collect();
            Err(format!("`{shown}` is of another namespace than `{namespace}`"))
        }
        None => Ok(EntityRef::new(uid.kind, uid.id)),
    }
}
