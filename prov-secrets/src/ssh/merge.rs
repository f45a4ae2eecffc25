//! What a role forces and what a caller asks for, made one: never wider than the role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prov_core::{Error, Principal, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use super::address::AddressRange;
use super::names;
use super::role::SshRole;
use crate::codes;

/// The most principals one certificate may have.
const MOST_PRINCIPALS: usize = 32;

/// What a caller asks for, beyond the role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Asked {
    pub(crate) principals: Vec<String>,
    pub(crate) extensions: Option<Vec<String>>,
    pub(crate) source_address: Option<String>,
}

/// What a certificate will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) ttl: Duration,
    pub(crate) principals: BTreeSet<String>,
    pub(crate) extensions: BTreeMap<String, String>,
    pub(crate) force_command: Option<String>,
    pub(crate) source_addresses: Vec<AddressRange>,
}

impl Merged {
    /// The critical options, by name.
    pub(crate) fn critical_options(&self) -> BTreeMap<String, String> {
        let mut options = BTreeMap::new();
        if let Some(command) = &self.force_command {
            options.insert("force-command".to_owned(), command.clone());
        }
        if !self.source_addresses.is_empty() {
            let ranges: Vec<String> =
                self.source_addresses.iter().map(ToString::to_string).collect();
            options.insert("source-address".to_owned(), ranges.join(","));
        }
        options
    }
}

/// Refuses what the role does not allow; what it forces stays.
pub(crate) fn merge(
    role: &SshRole,
    caller: &Principal,
    ttl: Option<Duration>,
    asked: &Asked,
) -> Result<Merged> {
    if !role.admits(caller) {
        return Err(codes::ROLE_NOT_YOURS.into());
    }
    Ok(Merged {
        ttl: merged_ttl(role, ttl)?,
        principals: merged_principals(role, caller, &asked.principals)?,
        extensions: merged_extensions(role, asked.extensions.as_deref())?,
        force_command: role.force_command.clone(),
        source_addresses: merged_addresses(role, asked.source_address.as_deref())?,
    })
}

fn merged_ttl(role: &SshRole, asked: Option<Duration>) -> Result<Duration> {
    match asked {
        Some(ttl) if ttl > role.max_ttl => {
            let most = prov_core::duration_text::format(role.max_ttl);
            Err(Error::new(codes::LEASE_TTL_REFUSED)
                .field("ttl", format!("the role allows at most `{most}`")))
        }
        Some(ttl) => Ok(ttl),
        None => Ok(role.default_ttl),
    }
}

fn merged_principals(
    role: &SshRole,
    caller: &Principal,
    asked: &[String],
) -> Result<BTreeSet<String>> {
    if asked.len() > MOST_PRINCIPALS {
        return Err(Error::new(core_codes::INVALID_REQUEST).field("principals", "at most 32"));
    }
    asked.iter().try_for_each(|text| names::check_principal(text))?;
    let rendered = |templates: &BTreeSet<String>| -> BTreeSet<String> {
        templates.iter().filter_map(|template| names::render(template, caller)).collect()
    };
    if asked.is_empty() {
        let given = rendered(&role.default_principals);
        // An empty list in a certificate would mean every account there is.
        return if given.is_empty() {
            Err(Error::new(codes::SSH_PRINCIPAL_REFUSED)
                .detail("the role gives you no principal; name one that it allows"))
        } else {
            Ok(given)
        };
    }
    let allowed = rendered(&role.allowed_principals);
    match asked.iter().find(|principal| !allowed.contains(*principal)) {
        Some(principal) => Err(Error::new(codes::SSH_PRINCIPAL_REFUSED)
            .field("principals", format!("the role does not allow `{principal}` to you"))),
        None => Ok(asked.iter().cloned().collect()),
    }
}

fn merged_extensions(role: &SshRole, asked: Option<&[String]>) -> Result<BTreeMap<String, String>> {
    let names: Vec<&String> = match asked {
        Some(asked) if asked.len() > 64 => {
            return Err(Error::new(core_codes::INVALID_REQUEST).field("extensions", "at most 64"));
        }
        Some(asked) => {
            asked.iter().try_for_each(|name| names::check_extension(name))?;
            asked.iter().collect()
        }
        None => role.default_extensions.iter().collect(),
    };
    let allowed = |name: &String| match role.extensions.get(name) {
        Some(value) => Ok((name.clone(), value.clone())),
        None => Err(Error::new(codes::SSH_OPTION_REFUSED)
            .field("extensions", format!("the role does not allow `{name}`"))),
    };
    names.into_iter().map(allowed).collect()
}

fn merged_addresses(role: &SshRole, asked: Option<&str>) -> Result<Vec<AddressRange>> {
    let Some(asked) = asked else { return Ok(role.source_addresses.clone()) };
    let asked = AddressRange::parse_list(asked)?;
    let within = |range: &AddressRange| role.source_addresses.iter().any(|r| r.contains(range));
    if role.source_addresses.is_empty() || asked.iter().all(within) {
        Ok(asked)
    } else {
        Err(Error::new(codes::SSH_OPTION_REFUSED)
            .field("source_address", "the role allows only a part of these addresses"))
    }
}

#[cfg(test)]
mod tests;
