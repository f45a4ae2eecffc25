//! What may be signed: the rules of one role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prov_core::store::Entity;
use prov_core::{Error, Principal, Result, Role, TeamName, codes};
use serde::{Deserialize, Serialize};

use super::address::AddressRange;
use super::key::KeyType;
use super::names;
use crate::leases::check_ttl;

/// The rules for one kind of user certificate.
///
/// A caller asks within them or is refused; nothing is cut silently. `force_command` and
/// `source_addresses` stand in every certificate of the role: a caller can't drop or replace the
/// command, and can only narrow the addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SshRole {
    /// Its name: 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, starting with a letter.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Teams whose members may use it.
    #[serde(default)]
    pub teams: BTreeSet<TeamName>,
    /// Roles whose holders may use it, with inheritance: `viewer` is everybody.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// The principals it allows, exactly; `{{username}}` stands for the caller's user name.
    pub allowed_principals: BTreeSet<String>,
    /// Those it gives when the caller names none; a part of the allowed ones.
    pub default_principals: BTreeSet<String>,
    /// How long a certificate lives when the caller does not say.
    #[serde(with = "prov_core::duration_text")]
    pub default_ttl: Duration,
    /// How long it may live at most; up to 30 days.
    #[serde(with = "prov_core::duration_text")]
    pub max_ttl: Duration,
    /// The extensions it allows, each with its value (empty for those of OpenSSH).
    #[serde(default)]
    pub extensions: BTreeMap<String, String>,
    /// Those it gives when the caller names none; a part of the allowed ones.
    #[serde(default)]
    pub default_extensions: BTreeSet<String>,
    /// The only command that may be run, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_command: Option<String>,
    /// From where the certificate may be used; empty: from anywhere.
    #[serde(default)]
    pub source_addresses: Vec<AddressRange>,
    /// The kinds of key it certifies.
    #[serde(default = "all_key_types")]
    pub key_types: BTreeSet<KeyType>,
}

/// The longest life a role may allow.
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// The most entries any list of a role may have.
const MOST: usize = 64;

fn all_key_types() -> BTreeSet<KeyType> {
    KeyType::ALL.into()
}

fn refuse(field: &'static str, why: &'static str) -> Error {
    Error::new(codes::INVALID_REQUEST).field(field, why)
}

impl SshRole {
    /// A role for nobody, without principals: one hour by default, 24 hours at most, `permit-pty`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            teams: BTreeSet::new(),
            roles: Vec::new(),
            allowed_principals: BTreeSet::new(),
            default_principals: BTreeSet::new(),
            default_ttl: Duration::from_hours(1),
            max_ttl: Duration::from_hours(24),
            extensions: BTreeMap::from([("permit-pty".to_owned(), String::new())]),
            default_extensions: BTreeSet::from(["permit-pty".to_owned()]),
            force_command: None,
            source_addresses: Vec::new(),
            key_types: all_key_types(),
        }
    }

    /// The shipped role: everybody, as the principal of their own user name and no other.
    #[must_use]
    pub fn shipped() -> Self {
        let mut role = Self::new(super::authority::DEFAULT_ROLE).allowing(["{{username}}"]);
        "everybody, under their own user name".clone_into(&mut role.description);
        role.roles = vec![Role::Viewer];
        role
    }

    /// Allows these principals, and gives them by default.
    #[must_use]
    pub fn allowing<T: Into<String>>(mut self, principals: impl IntoIterator<Item = T>) -> Self {
        self.allowed_principals = principals.into_iter().map(Into::into).collect();
        self.default_principals.clone_from(&self.allowed_principals);
        self
    }

    /// For the members of this team.
    #[must_use]
    pub fn for_team(mut self, team: TeamName) -> Self {
        self.teams.insert(team);
        self
    }

    /// For the holders of this role.
    #[must_use]
    pub fn for_role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// Whether this principal may use it.
    #[must_use]
    pub fn admits(&self, caller: &Principal) -> bool {
        self.roles.iter().any(|role| caller.has_role(*role))
            || caller.teams.iter().any(|team| self.teams.contains(team))
    }

    /// Refuses rules that make no sense.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`], naming the field.
    pub fn check(&self) -> Result<()> {
        names::check_role(&self.name)?;
        if self.description.len() > 512 || self.description.chars().any(char::is_control) {
            return Err(refuse("description", "at most 512 bytes in one line"));
        }
        if self.teams.is_empty() && self.roles.is_empty() {
            return Err(refuse("teams", "nobody may use this role; name teams or roles"));
        }
        self.check_principals()?;
        self.check_times()?;
        self.check_options()
    }

    fn check_principals(&self) -> Result<()> {
        if !(1..=MOST).contains(&self.allowed_principals.len()) {
            return Err(refuse("allowed_principals", "between 1 and 64 principals"));
        }
        self.allowed_principals.iter().try_for_each(|text| names::check_template(text))?;
        if self.default_principals.is_subset(&self.allowed_principals) {
            Ok(())
        } else {
            Err(refuse("default_principals", "only principals that are allowed"))
        }
    }

    fn check_times(&self) -> Result<()> {
        check_ttl(self.default_ttl)?;
        if self.max_ttl > LONGEST {
            return Err(refuse("max_ttl", "at most 30 days"));
        }
        if self.default_ttl > self.max_ttl {
            return Err(refuse("default_ttl", "not longer than `max_ttl`"));
        }
        Ok(())
    }

    fn check_options(&self) -> Result<()> {
        let printable = |text: &str| text.len() <= 1024 && !text.chars().any(char::is_control);
        if self.extensions.len() > MOST || self.source_addresses.len() > 32 {
            return Err(refuse("extensions", "at most 64 extensions and 32 source addresses"));
        }
        for (name, value) in &self.extensions {
            names::check_extension(name)?;
            if !printable(value) || (!name.contains('@') && !value.is_empty()) {
                return Err(refuse("extensions", "only a vendor's extension has a value"));
            }
        }
        if self.default_extensions.iter().any(|name| !self.extensions.contains_key(name)) {
            return Err(refuse("default_extensions", "only extensions that are allowed"));
        }
        if self.force_command.as_ref().is_some_and(|text| text.is_empty() || !printable(text)) {
            return Err(refuse("force_command", "one line of 1 to 1024 bytes"));
        }
        if self.key_types.is_empty() {
            return Err(refuse("key_types", "at least one kind of key"));
        }
        Ok(())
    }
}

impl Entity for SshRole {
    const KIND: &'static str = "secrets.ssh_role";

    fn id(&self) -> String {
        self.name.clone()
    }
}
