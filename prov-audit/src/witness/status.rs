use jiff::Timestamp;
use serde::Serialize;

/// How far the witnesses of a log are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditWitnessing))]
#[non_exhaustive]
pub struct WitnessingStatus {
    /// What enough of them have cosigned, of each log.
    pub logs: Vec<CosignedLog>,
    /// Each witness of the policy.
    pub witnesses: Vec<WitnessStatus>,
}

/// What enough witnesses have cosigned of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditCosignedLog))]
#[non_exhaustive]
pub struct CosignedLog {
    /// Which log: `standard` or `break_glass`.
    pub log: String,
    /// How many events the newest checkpoint covers that enough of them cosigned.
    pub size: u64,
    /// How many events came since.
    pub behind: u64,
    /// When it was cosigned, by the clock of the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub time: Option<Timestamp>,
}

/// How a witness is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditWitness))]
#[non_exhaustive]
pub struct WitnessStatus {
    /// What the policy calls it.
    pub name: String,
    /// Its public key.
    pub key: String,
    /// How it is.
    pub state: WitnessState,
    /// How many events of each log it has cosigned: the standard one, and emergency access.
    pub sizes: [u64; 2],
    /// How often it failed since it last did not.
    pub failures: u64,
    /// When it cosigned last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub last_cosigned: Option<Timestamp>,
    /// Why it failed last, while it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// How a witness is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditWitnessState))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WitnessState {
    /// Nobody asks it: the policy has no URL for it.
    NotAsked,
    /// It cosigned when it was asked last, or was not asked yet.
    Up,
    /// It did not.
    Failing,
    /// It says that the log does not continue what it saw: the log was put back or forked, or another
    /// has its name.
    Refusing,
}
