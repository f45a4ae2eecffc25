//! `prov policy entities`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{Part, Session};
use super::{attributes_of, entity};
use crate::client::segment;
use crate::failure::{Failure, Outcome};

const PATH: &str = "/api/v1/authz/entities";
/// So many are entered by one request; each request is taken as a whole.
const AT_ONCE: usize = 500;

/// What is known of resources and groups: what is known decides, whatever a request says.
#[derive(Debug, Subcommand)]
pub(crate) enum Entities {
    /// List what is known
    #[command(after_help = "Example:\n  prov policy entities list --type Server --limit 20")]
    List {
        /// Only entities of this type
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show one entity, with all it is in
    #[command(after_help = "Example:\n  prov policy entities show Server web-1")]
    Show {
        /// Its type
        kind: String,
        /// Its id
        id: String,
    },
    /// Enter an entity, or change it: what is not given, goes
    #[command(after_help = "Example:\n  prov policy entities set Server web-1 \\\n      \
                            -a hostname=web-1.internal -a workspace=core -a environment=production")]
    Set(Set),
    /// Take an entity out
    #[command(after_help = "Example:\n  prov policy entities delete Server web-1")]
    Delete {
        /// Its type
        kind: String,
        /// Its id
        id: String,
    },
    /// Enter the entities of a file in Cedar's JSON, 500 at a time, each 500 as a whole
    #[command(after_help = "Example:\n  prov policy entities import entities.json")]
    Import {
        /// `[{"uid": {"type": "Provisioning::Server", "id": "web-1"}, "attrs": {…}, "parents": []}]`
        file: PathBuf,
    },
}

/// An entity, whole.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Its type
    kind: String,
    /// Its id
    id: String,
    /// An attribute, `name=value`; may be repeated. Numbers and `true`/`false` are read as such
    #[arg(long = "attribute", short = 'a', value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// A parent, `Type::id`, beyond those that attributes name; may be repeated
    #[arg(long = "parent", value_name = "TYPE::ID")]
    parents: Vec<String>,
}

impl Entities {
    pub(super) fn run(self, session: &Session) -> Outcome {
        let one = |kind: &str, id: &str| format!("{PATH}/{}/{}", segment(kind), segment(id));
        let client = &session.client;
        match self {
            Self::List { kind, part } => {
                let answer = client.get(&part.of(PATH, &[("type", kind.as_deref())]))?;
                session.show(&answer, &["type", "id", "origin", "attributes"])
            }
            Self::Show { kind, id } => session.show(&client.get(&one(&kind, &id))?, &[]),
            Self::Set(set) => {
                let parents: Vec<Value> = set
                    .parents
                    .iter()
                    .map(|text| entity(text).map(|(kind, id)| json!({ "type": kind, "id": id })))
                    .collect::<Outcome<_>>()?;
                let facts =
                    json!({ "attributes": attributes_of(&set.attributes)?, "parents": parents });
                session.show(&client.put(&one(&set.kind, &set.id), &facts)?, &[])
            }
            Self::Delete { kind, id } => {
                client.delete(&one(&kind, &id))?;
                session.done("deleted");
                Ok(())
            }
            Self::Import { file } => import(session, &file),
        }
    }
}

fn import(session: &Session, file: &std::path::Path) -> Outcome {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|e| Failure::of(&format!("reading `{name}`"), e))?;
    let entities: Vec<Value> = serde_json::from_str(&text)
        .map_err(|e| Failure::of(&format!("`{name}` is no list of entities"), e))?;
    let entities: Vec<Value> = entities
        .iter()
        .enumerate()
        .map(|(at, entity)| {
            of_cedar(entity).ok_or_else(|| {
                Failure::Failed(format!("`{name}`: entity {at} has no `uid` with `type` and `id`"))
            })
        })
        .collect::<Outcome<_>>()?;
    for (at, some) in entities.chunks(AT_ONCE).enumerate() {
        let entered = at * AT_ONCE;
        if let Err(failure) = session.client.put(PATH, &json!({ "entities": some })) {
            eprintln!("{entered} of {} are entered", entities.len());
            return Err(failure);
        }
    }
    session.show(&json!({ "entered": entities.len() }), &[])
}

/// An entity of Cedar's JSON as the API takes it: without the namespace.
fn of_cedar(entity: &Value) -> Option<Value> {
    let name = |uid: &Value| {
        let uid = uid.get("__entity").unwrap_or(uid);
        let kind = uid.get("type")?.as_str()?;
        let kind = kind.strip_prefix("Provisioning::").unwrap_or(kind);
        Some((kind.to_owned(), uid.get("id")?.as_str()?.to_owned()))
    };
    let (kind, id) = name(entity.get("uid")?)?;
    let parents: Vec<Value> = entity
        .get("parents")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|parent| name(parent).map(|(kind, id)| json!({ "type": kind, "id": id })))
        .collect::<Option<_>>()?;
    let attributes = entity.get("attrs").cloned().unwrap_or_else(|| json!({}));
    Some(json!({ "type": kind, "id": id, "attributes": attributes, "parents": parents }))
}
