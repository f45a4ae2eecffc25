//! The shapes of requests and answers.

use std::net::IpAddr;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prov_core::audit::{Outcome, RetentionClass};
use prov_core::{RequestId, Result};
use serde::{Deserialize, Serialize};

use super::LogName;
use crate::joining::JoinedLog;
use crate::log::TreeProof;
use crate::note::VerifierKey;
use crate::query::{ActionCount, LogCount, Query, Stats};
use crate::question::{Question, moment};

/// Conditions; all of them must hold.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[schema(as = AuditQuery)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    /// The id of an account, a name it is or was known by, or the name a failed login claimed.
    pub(super) user: Option<String>,
    /// An action (`auth.login`), or all below one (`auth.*`).
    pub(super) action: Option<String>,
    /// `success`, `failure` or `denied`.
    #[schema(value_type = Option<String>)]
    #[param(value_type = Option<String>)]
    pub(super) outcome: Option<Outcome>,
    /// An id, or `type:id`.
    pub(super) resource: Option<String>,
    /// The client's address.
    #[schema(value_type = Option<String>)]
    #[param(value_type = Option<String>)]
    pub(super) ip: Option<IpAddr>,
    /// At or after this moment (RFC 3339), or so long ago (`24h`).
    pub(super) from: Option<String>,
    /// At or before this moment (RFC 3339), or so long ago.
    pub(super) to: Option<String>,
    /// The request's id.
    #[schema(value_type = Option<String>)]
    #[param(value_type = Option<String>)]
    pub(super) request_id: Option<RequestId>,
    /// Words that stand in any text of the event, all of them.
    pub(super) text: Option<String>,
    /// The same, and more, in the query language: `actor:alice and not outcome:success`. In the
    /// body it may end in `| count by action`.
    pub(super) query: Option<String>,
    /// Only of one node (`prov.example/audit/a`), or one log (`prov.example/audit/a/standard`); one that is
    /// not known is refused.
    pub(super) origin: Option<String>,
    /// At most so many events, 1 to 1000; 100 unless said.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) limit: Option<NonZeroU32>,
    /// Continues where an earlier answer's `next_cursor` says.
    pub(super) cursor: Option<String>,
}

impl EventQuery {
    pub(super) fn into_query(self, now: Timestamp) -> Result<Query> {
        let mut query = Query::new();
        query.from = self.from.map(|text| moment("from", &text, now)).transpose()?;
        query.to = self.to.map(|text| moment("to", &text, now)).transpose()?;
        query.user = self.user;
        query.action = self.action;
        query.outcome = self.outcome;
        query.resource = self.resource;
        query.ip = self.ip;
        query.request_id = self.request_id;
        query.text = self.text;
        query.question = self.query.map(|text| Question::parse(&text, now)).transpose()?;
        query.origin = self.origin;
        query.limit = self.limit;
        query.cursor = self.cursor;
        Ok(query)
    }
}

/// Which log.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichLog {
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    pub(super) log: LogName,
}

/// Which log is verified.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyQuery {
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    pub(super) log: LogName,
    /// The name of a joined log instead, of whichever server: its mirror here is verified.
    pub(super) origin: Option<String>,
}

/// Which servers are counted over.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatsQuery {
    /// Only of one node (`prov.example/audit/a`), or one log (`prov.example/audit/a/standard`); one that is
    /// not known is refused.
    pub(super) origin: Option<String>,
}

/// Counts over the logs of all servers that share a store.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditStats)]
pub(super) struct StatsDocument {
    /// Events of the standard class.
    standard: u64,
    /// Events of the break-glass class.
    break_glass: u64,
    /// Events the index has read.
    indexed: u64,
    /// By action and outcome, most frequent first.
    by_action: Vec<ActionCountDocument>,
    /// Each of the logs.
    logs: Vec<LogCountDocument>,
    /// Joined logs with which something is wrong: events of theirs may be missing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) alarms: Vec<JoinedLog>,
}

/// How large a log is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditLogCount)]
struct LogCountDocument {
    /// The log's name.
    origin: String,
    /// How many events of it are here, those that were pruned included.
    events: u64,
    /// How many of them the index has read.
    indexed: u64,
}

/// How often an action ended in one way.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditActionCount)]
struct ActionCountDocument {
    /// The action.
    action: String,
    /// How it ended.
    outcome: String,
    /// How often.
    count: u64,
}

impl From<Stats> for StatsDocument {
    fn from(stats: Stats) -> Self {
        let count =
            |ActionCount { action, outcome, count }| ActionCountDocument { action, outcome, count };
        let log =
            |LogCount { origin, events, indexed, .. }| LogCountDocument { origin, events, indexed };
        Self {
            standard: stats.events(RetentionClass::Standard),
            break_glass: stats.events(RetentionClass::BreakGlass),
            indexed: stats.indexed(),
            by_action: stats.by_action.into_iter().map(count).collect(),
            logs: stats.logs.into_iter().map(log).collect(),
            alarms: Vec::new(),
        }
    }
}

/// What the log vouches for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditCheckpoint)]
pub(super) struct CheckpointDocument {
    /// The name of the log.
    pub(super) origin: String,
    /// How many events.
    pub(super) size: u64,
    /// The root of the Merkle tree over them, hexadecimal.
    pub(super) root: String,
    /// The signed note (C2SP tlog-checkpoint).
    pub(super) note: String,
    /// The newest one that witnesses cosigned, with their signatures; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cosigned: Option<String>,
    /// The public key that verifies it (C2SP signed-note).
    pub(super) verifier_key: String,
    /// The public key for ML-DSA-44 that verifies its second signature (C2SP tlog-cosignature); absent where
    /// the log has none, or, being another server's, none is stated here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ml_dsa_44_key: Option<String>,
}

/// A proof that an event is in the log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditProof)]
pub(super) struct ProofDocument {
    /// The exact bytes the proof is about, base64.
    pub(super) leaf: String,
    /// The text of a `.tlog-proof` file (C2SP tlog-proof).
    pub(super) proof: String,
    /// The public key that verifies it.
    pub(super) verifier_key: String,
}

/// In which log the event is.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofQuery {
    /// Only in the joined log of this name, of whichever server: what is here of it.
    pub(super) origin: Option<String>,
}

/// Which event, in which tree.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct InclusionQuery {
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    pub(super) log: LogName,
    /// The event's place in the log, from 0.
    pub(super) index: u64,
    /// The size of the tree; the newest checkpoint's unless said.
    pub(super) size: Option<u64>,
    /// The name of a joined log instead, of whichever server: what is here of it.
    pub(super) origin: Option<String>,
}

/// Between which sizes.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsistencyQuery {
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    pub(super) log: LogName,
    /// The size of the older checkpoint.
    pub(super) from: u64,
    /// The size of the newer one; the newest checkpoint's unless said.
    pub(super) to: Option<u64>,
    /// The name of a joined log instead, of whichever server: what is here of it.
    pub(super) origin: Option<String>,
}

/// Which checkpoint.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointQuery {
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    pub(super) log: LogName,
    /// The name of a joined log instead, of whichever server: what is here of it.
    pub(super) origin: Option<String>,
}

/// Which events.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RangeQuery {
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    pub(super) log: LogName,
    /// The first event, by its place in the log.
    pub(super) from: u64,
    /// Behind the last one.
    pub(super) to: u64,
    /// The name of a joined log instead, of whichever server: what is here of it.
    pub(super) origin: Option<String>,
}

/// A proof about the tree.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditTreeProof)]
pub(super) struct TreeProofDocument {
    /// How many events the tree has that the proof leads to.
    size: u64,
    /// Its root, base64 as in a checkpoint.
    root: String,
    /// The hashes of the proof, base64.
    hashes: Vec<String>,
    /// The newest checkpoint (C2SP tlog-checkpoint).
    checkpoint: String,
    /// The public key that verifies it.
    verifier_key: String,
}

impl TreeProofDocument {
    pub(super) fn new(proof: TreeProof, key: &VerifierKey) -> Self {
        Self {
            size: proof.size,
            root: STANDARD.encode(proof.root),
            hashes: proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect(),
            checkpoint: proof.checkpoint.note,
            verifier_key: key.to_string(),
        }
    }
}
