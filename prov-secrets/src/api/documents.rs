//! What stands in bodies about leases.

use std::collections::BTreeMap;
use std::time::Duration;

use prov_core::{Result, Timestamp};
use prov_http::axum::PageQuery;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::{
    EndReason, EngineInfo, EngineStats, Grant, Lease, LeaseFilter, LeaseState, Renewal,
    RevocationReport,
};

/// Reads an optional duration such as `1h`.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| prov_core::duration_text::parse(&text).map_err(de::Error::custom)).transpose()
}

/// Which leases to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseQuery {
    /// Only of this engine.
    engine: Option<String>,
    /// Only of this principal's stable id.
    user: Option<String>,
    /// Only in this state: `intent`, `active`, `revoking`, `revoked`, `expired`.
    #[param(value_type = Option<String>)]
    state: Option<LeaseState>,
    /// At most this many, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<std::num::NonZeroU32>,
    /// Continues where an earlier answer's `next_cursor` says.
    cursor: Option<String>,
}

impl LeaseQuery {
    pub(super) fn into_parts(self) -> (LeaseFilter, PageQuery) {
        let filter =
            LeaseFilter::default().of_engine(self.engine).of_user(self.user).in_state(self.state);
        let mut page = PageQuery::default();
        (page.limit, page.cursor) = (self.limit, self.cursor);
        (filter, page)
    }
}

/// A lease. It never contains the secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Lease)]
pub(super) struct LeaseDocument {
    /// Its name.
    #[schema(example = "lease_01JQ8Z6V6T3N8W0F4R5X2Y7K9M")]
    lease_id: String,
    /// The engine that made the credential.
    engine: String,
    /// By which role.
    role: String,
    /// For whom: a principal's stable id.
    user: String,
    /// `intent`, `active`, `revoking`, `revoked` or `expired`.
    #[schema(value_type = String)]
    state: LeaseState,
    /// Whether it can be renewed.
    renewable: bool,
    /// When it began.
    #[schema(value_type = String)]
    issued_at: Timestamp,
    /// When the credential ends.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// How far it may be renewed.
    #[schema(value_type = String)]
    max_expires_at: Timestamp,
    /// What is known about the credential: a certificate's serial, say.
    #[schema(value_type = Object)]
    facts: Map<String, Value>,
    /// How often ending it was tried.
    attempts: u32,
    /// The code of the last failure to end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// `revoked`, `expired` or `abandoned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    end_reason: Option<EndReason>,
    /// When it had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    ended_at: Option<Timestamp>,
}

impl From<Lease> for LeaseDocument {
    fn from(lease: Lease) -> Self {
        Self {
            lease_id: lease.id.as_str().to_owned(),
            engine: lease.engine,
            role: lease.role,
            user: lease.user,
            state: lease.state,
            renewable: lease.renewable,
            issued_at: lease.created_at,
            expires_at: lease.expires_at,
            max_expires_at: lease.max_expires_at,
            facts: lease.facts,
            attempts: lease.attempts,
            last_error: lease.last_error,
            end_reason: lease.end_reason,
            ended_at: lease.ended_at,
        }
    }
}

/// Prolong a lease.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewBody {
    /// For how long from now.
    #[serde(with = "prov_core::duration_text")]
    #[schema(value_type = String, example = "1h")]
    pub(super) ttl: Duration,
}

/// Revoke what lies under a path.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokePrefixBody {
    /// The start of `engine/role/lease id`, the engine in full.
    #[schema(example = "ssh/ops/")]
    pub(super) prefix: String,
}

/// Revoke everything of one principal.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeUserBody {
    /// The principal's stable id.
    pub(super) user: String,
}

/// What became of many leases.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RevocationReport)]
pub(super) struct ReportDocument {
    /// How many have ended.
    revoked: usize,
    /// How many have not ended yet.
    pending: usize,
    /// One line per lease.
    leases: Vec<ReportLine>,
}

/// What became of one lease.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Revocation)]
pub(super) struct ReportLine {
    /// Which.
    lease_id: String,
    /// Where it stands; absent when its revocation could not even be made durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    state: Option<LeaseState>,
    /// The code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<RevocationReport> for ReportDocument {
    fn from(report: RevocationReport) -> Self {
        let line = |line: crate::Revocation| ReportLine {
            lease_id: line.lease.as_str().to_owned(),
            state: line.state,
            error: line.error,
        };
        Self {
            revoked: report.revoked(),
            pending: report.pending(),
            leases: report.leases.into_iter().map(line).collect(),
        }
    }
}

/// An engine.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SecretEngine)]
pub(super) struct EngineDocument {
    /// Its name.
    name: String,
    /// What it issues.
    description: String,
    /// Who ends its credentials: `native` or `needs_manager`.
    expiry: &'static str,
    /// Whether its credentials can be prolonged.
    renewable: bool,
}

impl From<EngineInfo> for EngineDocument {
    fn from(info: EngineInfo) -> Self {
        Self {
            name: info.name,
            description: info.description,
            expiry: info.expiry.as_str(),
            renewable: info.renewal == Renewal::UpToMaximum,
        }
    }
}

/// Issue a credential.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GenerateBody {
    /// By which role.
    #[serde(default = "default_role")]
    #[schema(default = "default")]
    pub(super) role: String,
    /// For how long; the role's default when absent.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schema(value_type = Option<String>, example = "1h")]
    pub(super) ttl: Option<Duration>,
}

pub(super) fn default_role() -> String {
    crate::ssh::DEFAULT_ROLE.to_owned()
}

/// A credential; this is the only time it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Secret)]
pub(super) struct SecretDocument {
    /// Its lease.
    lease_id: String,
    /// Whether the lease can be renewed.
    renewable: bool,
    /// How long it lives, in seconds.
    lease_duration: u64,
    /// When it ends.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// The credential.
    data: Shown,
}

/// A credential on its way to its owner; `Debug` shows nothing of it.
#[derive(Serialize, utoipa::ToSchema)]
struct Shown(BTreeMap<String, String>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<Grant> for SecretDocument {
    fn from(grant: Grant) -> Self {
        let lease = grant.lease;
        let data = grant.data.into_iter().map(|(name, value)| (name, value.expose().to_owned()));
        Self {
            lease_id: lease.id.as_str().to_owned(),
            renewable: lease.renewable,
            lease_duration: crate::leases::until(lease.expires_at, lease.created_at).as_secs(),
            expires_at: lease.expires_at,
            data: Shown(data.collect()),
        }
    }
}

/// Figures, counted since the process started unless said otherwise.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LeaseStats)]
pub(super) struct StatsDocument {
    /// One line per engine.
    pub(super) engines: Vec<EngineStatsDocument>,
}

/// Figures of one engine.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EngineStats)]
pub(super) struct EngineStatsDocument {
    /// Which.
    engine: String,
    /// Leases this node watches now.
    live: u64,
    /// Leases that could not be ended yet and are tried again.
    retrying: u64,
    /// Credentials handed out.
    issued: u64,
    /// Leases prolonged.
    renewed: u64,
    /// Leases ended before their time.
    revoked: u64,
    /// Leases that ended at their time.
    expired: u64,
    /// Calls to the engine that failed.
    failures: u64,
}

impl From<EngineStats> for EngineStatsDocument {
    fn from(stats: EngineStats) -> Self {
        Self {
            engine: stats.engine,
            live: stats.live,
            retrying: stats.retrying,
            issued: stats.issued,
            renewed: stats.renewed,
            revoked: stats.revoked,
            expired: stats.expired,
            failures: stats.failures,
        }
    }
}
