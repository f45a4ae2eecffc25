//! The error codes of this crate.

use prov_core::{Code, Kind};

/// No engine of this name is installed.
pub const ENGINE_UNKNOWN: Code =
    Code::new("secrets.engine_unknown", Kind::NotFound, "there is no secret engine of this name");
/// The engine did not answer in time; whether it acted is not known, so its work is undone.
pub const ENGINE_TIMEOUT: Code = Code::new(
    "secrets.engine_timeout",
    Kind::Unavailable,
    "the secret engine did not answer in time; nothing was handed out",
);
/// The engine broke its contract.
pub const ENGINE_BROKEN: Code = Code::new(
    "secrets.engine_broken",
    Kind::Internal,
    "the secret engine answered with something that makes no sense",
);
/// No lease has this id.
pub const LEASE_UNKNOWN: Code =
    Code::new("secrets.lease_unknown", Kind::NotFound, "there is no lease of this id");
/// The lease was revoked or has expired.
pub const LEASE_ENDED: Code =
    Code::new("secrets.lease_ended", Kind::Gone, "the lease was revoked or has expired");
/// Credentials of this kind have a fixed end.
pub const LEASE_NOT_RENEWABLE: Code = Code::new(
    "secrets.lease_not_renewable",
    Kind::InvalidRequest,
    "this lease can't be renewed; ask for a new credential",
);
/// A time to live outside of what is allowed.
pub const LEASE_TTL_REFUSED: Code = Code::new(
    "secrets.lease_ttl_refused",
    Kind::InvalidRequest,
    "the time to live is outside of what is allowed",
);
/// No role has this name.
pub const ROLE_UNKNOWN: Code =
    Code::new("secrets.role_unknown", Kind::NotFound, "there is no secret role of this name");
/// A role of this name exists.
pub const ROLE_EXISTS: Code =
    Code::new("secrets.role_exists", Kind::Conflict, "a secret role of this name exists already");
/// The shipped role stays.
pub const ROLE_SHIPPED: Code = Code::new(
    "secrets.role_shipped",
    Kind::Conflict,
    "the role `default` can be narrowed but not deleted",
);
/// The caller is in none of the teams and roles that may use the role.
pub const ROLE_NOT_YOURS: Code =
    Code::new("secrets.role_not_yours", Kind::Denied, "you may not use this secret role");
/// The public key can't be certified.
pub const SSH_KEY_REFUSED: Code = Code::new(
    "secrets.ssh_key_refused",
    Kind::InvalidRequest,
    "the SSH public key can't be certified",
);
/// A principal that the role does not allow.
pub const SSH_PRINCIPAL_REFUSED: Code = Code::new(
    "secrets.ssh_principal_refused",
    Kind::Denied,
    "the role does not allow this principal",
);
/// An option that the role does not allow.
pub const SSH_OPTION_REFUSED: Code = Code::new(
    "secrets.ssh_option_refused",
    Kind::Denied,
    "the role does not allow this certificate option",
);

/// Every code of this crate.
pub const ALL: &[Code] = &[
    ENGINE_UNKNOWN,
    ENGINE_TIMEOUT,
    ENGINE_BROKEN,
    LEASE_UNKNOWN,
    LEASE_ENDED,
    LEASE_NOT_RENEWABLE,
    LEASE_TTL_REFUSED,
    ROLE_UNKNOWN,
    ROLE_EXISTS,
    ROLE_SHIPPED,
    ROLE_NOT_YOURS,
    SSH_KEY_REFUSED,
    SSH_PRINCIPAL_REFUSED,
    SSH_OPTION_REFUSED,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_belong_to_this_crate() {
        let names: BTreeSet<_> = ALL.iter().map(Code::name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("secrets.")));
    }
}
