//! An event as it is read back.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use prov_core::audit::{DecisionRecord, Outcome, Resource, RetentionClass};
use prov_core::{PrincipalKind, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::leaf::Leaf;
use crate::people::Opened;

/// One event of the log, with its personal part if that can still be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditEvent))]
#[non_exhaustive]
pub struct AuditRecord {
    /// A UUIDv7.
    #[cfg_attr(feature = "axum", schema(value_type = String, format = "uuid"))]
    pub id: Uuid,
    /// The name of its log: of the node that recorded it, and its class.
    #[serde(default)]
    pub origin: String,
    /// Its place in its log, from 0.
    pub seq: u64,
    /// Which log: the retention class.
    #[cfg_attr(feature = "axum", schema(value_type = String, example = "standard"))]
    pub log: RetentionClass,
    /// When it happened.
    #[cfg_attr(feature = "axum", schema(value_type = String, format = "date-time"))]
    pub time: Timestamp,
    /// What was done.
    pub action: String,
    /// How it ended.
    #[cfg_attr(feature = "axum", schema(value_type = String, example = "success"))]
    pub outcome: Outcome,
    /// Who did it.
    pub actor: RecordedActor,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<Object>))]
    pub resource: Option<Resource>,
    /// In which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RecordedRequest>,
    /// Further facts.
    #[serde(default)]
    #[cfg_attr(feature = "axum", schema(value_type = Object))]
    pub context: Map<String, Value>,
    /// The decision behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<Object>))]
    pub decision: Option<DecisionRecord>,
    /// The hash of its leaf (RFC 6962, section 2.1), hexadecimal.
    pub hash: String,
    /// Whether the personal part is gone: its key was destroyed, or has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditActor))]
#[non_exhaustive]
pub struct RecordedActor {
    /// What kind of actor.
    #[cfg_attr(feature = "axum", schema(value_type = String, example = "user"))]
    pub kind: PrincipalKind,
    /// The stable id; absent when nobody was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name, or the name the request claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// In which request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditRequest))]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>))]
    pub id: Option<RequestId>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>))]
    pub ip: Option<IpAddr>,
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path as its route has it, with ids in their places and `{name}` where callers write what they like; without
    /// the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the client calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// Where an event stands.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) origin: String,
    pub(crate) log: RetentionClass,
    pub(crate) seq: u64,
    pub(crate) hash: String,
}

impl AuditRecord {
    pub(crate) fn new(place: Place, leaf: Leaf<'_>, opened: Option<Opened>) -> Self {
        let Place { origin, log, seq, hash } = place;
        let (personal, erased) = match opened {
            Some(Opened::Clear(personal)) => (personal, false),
            Some(Opened::Erased) => (crate::people::PersonalData::default(), true),
            None => (crate::people::PersonalData::default(), false),
        };
        let request = RecordedRequest {
            id: leaf.request.id.map(Cow::into_owned),
            ip: personal.ip,
            method: leaf.request.method.map(Cow::into_owned),
            path: leaf.request.path.map(Cow::into_owned),
            user_agent: personal.user_agent.map(Cow::into_owned),
        };
        Self {
            id: leaf.id,
            origin,
            seq,
            log,
            time: leaf.time,
            action: leaf.action.into_owned(),
            outcome: leaf.outcome,
            actor: RecordedActor {
                kind: leaf.actor.kind,
                id: leaf.actor.id.map(Cow::into_owned),
                name: personal.name.map(Cow::into_owned),
            },
            resource: leaf.resource.map(Cow::into_owned),
            request: (request != RecordedRequest::default()).then_some(request),
            context: leaf.context.into_owned(),
            decision: leaf.decision.map(Cow::into_owned),
            hash,
            erased,
        }
    }
}
