//! The bytes of a leaf: what stands in the log for ever.
//!
//! JSON, written once and never again. Everything in it is public to whoever may read the log;
//! what is personal is in `subject`, sealed.

use std::borrow::Cow;

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

/// What a leaf says: borrowed from the event that is written, or from the bytes that are read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Leaf<'a> {
    pub(crate) v: u8,
    pub(crate) id: Uuid,
    pub(crate) time: Timestamp,
    #[serde(borrow)]
    pub(crate) action: Cow<'a, str>,
    pub(crate) outcome: Outcome,
    #[serde(borrow)]
    pub(crate) actor: LeafActor<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<Cow<'a, Resource>>,
    #[serde(borrow, default, skip_serializing_if = "LeafRequest::is_empty")]
    pub(crate) request: LeafRequest<'a>,
    #[serde(default, skip_serializing_if = "has_none")]
    pub(crate) context: Cow<'a, Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Cow<'a, DecisionRecord>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Cow<'a, Sealed>>,
}

/// Who, as a pseudonym.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafActor<'a> {
    pub(crate) kind: PrincipalKind,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Cow<'a, str>>,
}

/// In which request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafRequest<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Cow<'a, RequestId>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<Cow<'a, str>>,
}

impl LeafRequest<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn has_none(context: &Map<String, Value>) -> bool {
    context.is_empty()
}

/// The first characters of a path.
fn cut(path: &str) -> &str {
    path.char_indices().nth(LONGEST_PATH).and_then(|(end, _)| path.get(..end)).unwrap_or(path)
}

impl<'a> Leaf<'a> {
    /// The leaf of an event whose personal part is sealed already.
    pub(crate) fn of(event: &'a Event, sealed: Option<&'a Sealed>) -> Self {
        let target = event.target.as_ref();
        Self {
            v: FORMAT,
            id: event.id,
            time: event.time,
            action: event.action.as_str().into(),
            outcome: event.outcome,
            actor: LeafActor {
                kind: event.actor.kind,
                id: event.actor.id.as_deref().map(Cow::Borrowed),
            },
            resource: event.resource.as_ref().map(Cow::Borrowed),
            request: LeafRequest {
                id: event.request_id.as_ref().map(Cow::Borrowed),
                method: target.map(|(method, _)| method.into()),
                path: target.map(|(_, path)| cut(path).into()),
            },
            context: Cow::Borrowed(&event.context),
            decision: event.decision.as_ref().map(Cow::Borrowed),
            subject: sealed.map(Cow::Borrowed),
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
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
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
