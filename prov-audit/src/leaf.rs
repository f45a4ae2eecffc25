//! The bytes of a leaf: what stands in the log for ever.
//!
//! JSON, written once and never again. Everything in it is public to whoever may read the log;
//! what is personal is in `subject`, sealed.

use jiff::Timestamp;
use prov_core::audit::{DecisionRecord, Event, Outcome, Resource};
use prov_core::{Error, PrincipalKind, RequestId, Result, codes as core_codes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::people::Sealed;

/// Paths are cut to so many characters: a stranger chooses them.
const LONGEST_PATH: usize = 1024;

/// The format's number; a reader that knows another number only must not guess.
const FORMAT: u8 = 1;

/// What a leaf says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Leaf {
    pub(crate) v: u8,
    pub(crate) id: Uuid,
    pub(crate) time: Timestamp,
    pub(crate) action: String,
    pub(crate) outcome: Outcome,
    pub(crate) actor: LeafActor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<Resource>,
    #[serde(default, skip_serializing_if = "LeafRequest::is_empty")]
    pub(crate) request: LeafRequest,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) context: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<DecisionRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Sealed>,
}

/// Who, as a pseudonym.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafActor {
    pub(crate) kind: PrincipalKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

/// In which request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

impl LeafRequest {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Leaf {
    /// The leaf of an event whose personal part is sealed already.
    pub(crate) fn new(event: Event, sealed: Option<Sealed>) -> Self {
        let (method, path) = event.target.unzip();
        Self {
            v: FORMAT,
            id: event.id,
            time: event.time,
            action: event.action.as_str().to_owned(),
            outcome: event.outcome,
            actor: LeafActor { kind: event.actor.kind, id: event.actor.id },
            resource: event.resource,
            request: LeafRequest {
                id: event.request_id,
                method,
                path: path.map(|path| path.chars().take(LONGEST_PATH).collect()),
            },
            context: event.context,
            decision: event.decision,
            subject: sealed,
        }
    }

    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(512);
        serde_json::to_writer(&mut bytes, self).map_err(|e| {
            Error::new(core_codes::INTERNAL).context("serializing an audit event").source(e)
        })?;
        Ok(bytes)
    }

    /// Reads a leaf back; `None` for what this version did not write.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|leaf: &Self| leaf.v == FORMAT)
    }
}

/// The id in a leaf, also when the rest of it can't be read.
pub(crate) fn id_in(bytes: &[u8]) -> Option<Uuid> {
    if let Some(leaf) = Leaf::read(bytes) {
        return Some(leaf.id);
    }
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("\"id\":\"")?;
    Uuid::parse_str(rest.get(..36)?).ok()
}
