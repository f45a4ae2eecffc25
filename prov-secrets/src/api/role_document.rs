//! What stands in bodies about roles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prov_core::{Role, TeamName};
use serde::{Deserialize, Serialize};

use crate::ssh::{AddressRange, KeyType, SshRole};

/// The rules for one kind of user certificate. What is absent takes the value of a role that allows
/// the least.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SshRole)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleDocument {
    /// Its name: 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, starting with a letter.
    #[serde(default)]
    pub(super) name: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// Teams whose members may use it.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    teams: BTreeSet<TeamName>,
    /// Roles whose holders may use it, with inheritance.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
    /// The principals it allows; `{{username}}` stands for the caller's user name.
    #[schema(example = json!(["{{username}}"]))]
    allowed_principals: BTreeSet<String>,
    /// Those it gives when the caller names none; all allowed ones when absent.
    #[serde(default)]
    default_principals: Option<BTreeSet<String>>,
    /// How long a certificate lives when the caller does not say.
    #[serde(default = "one_hour", with = "prov_core::duration_text")]
    #[schema(value_type = String, default = "1h")]
    default_ttl: Duration,
    /// How long it may live at most; up to 30 days.
    #[serde(default = "one_day", with = "prov_core::duration_text")]
    #[schema(value_type = String, default = "24h")]
    max_ttl: Duration,
    /// The extensions it allows, each with its value.
    #[serde(default = "pty")]
    extensions: BTreeMap<String, String>,
    /// Those it gives when the caller names none; all allowed ones when absent.
    #[serde(default)]
    default_extensions: Option<BTreeSet<String>>,
    /// The only command that may be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    force_command: Option<String>,
    /// From where the certificate may be used; empty: from anywhere.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    source_addresses: Vec<AddressRange>,
    /// The kinds of key it certifies.
    #[serde(default = "all_key_types")]
    #[schema(value_type = Vec<String>)]
    key_types: BTreeSet<KeyType>,
}

fn one_hour() -> Duration {
    Duration::from_hours(1)
}

fn one_day() -> Duration {
    Duration::from_hours(24)
}

fn pty() -> BTreeMap<String, String> {
    BTreeMap::from([("permit-pty".to_owned(), String::new())])
}

fn all_key_types() -> BTreeSet<KeyType> {
    KeyType::ALL.into()
}

impl From<SshRole> for RoleDocument {
    fn from(role: SshRole) -> Self {
        Self {
            name: role.name,
            description: role.description,
            teams: role.teams,
            roles: role.roles,
            allowed_principals: role.allowed_principals,
            default_principals: Some(role.default_principals),
            default_ttl: role.default_ttl,
            max_ttl: role.max_ttl,
            extensions: role.extensions,
            default_extensions: Some(role.default_extensions),
            force_command: role.force_command,
            source_addresses: role.source_addresses,
            key_types: role.key_types,
        }
    }
}

impl From<RoleDocument> for SshRole {
    fn from(document: RoleDocument) -> Self {
        let mut role = Self::new(document.name).allowing(document.allowed_principals);
        if let Some(given) = document.default_principals {
            role.default_principals = given;
        }
        role.description = document.description;
        role.teams = document.teams;
        role.roles = document.roles;
        role.default_ttl = document.default_ttl;
        role.max_ttl = document.max_ttl;
        role.default_extensions = document
            .default_extensions
            .unwrap_or_else(|| document.extensions.keys().cloned().collect());
        role.extensions = document.extensions;
        role.force_command = document.force_command;
        role.source_addresses = document.source_addresses;
        role.key_types = document.key_types;
        role
    }
}
