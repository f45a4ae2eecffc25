//! The error codes of this crate.

use prov_core::{Code, Kind};

/// The policies do not permit it; the detail names the policies that determined that.
pub const ACCESS_DENIED: Code =
    Code::new("authz.access_denied", Kind::Denied, "the policies do not permit this");
/// The credential is good for less than this, whatever its owner may do (RFC 6750, section 3.1).
pub const SCOPE_INSUFFICIENT: Code = Code::new(
    "authz.scope_insufficient",
    Kind::Denied,
    "the credential's scopes do not cover this",
);
/// The policies do not permit it by the factors that were proved, and would with a second one (RFC 9470).
pub const SECOND_FACTOR_WANTED: Code = Code::new(
    "authz.second_factor_wanted",
    Kind::StepUpRequired,
    "the policies permit this to whoever has proved a second factor; prove yours, then repeat the request",
);
/// A request reached the layer without a route that says what it is: a mistake in the wiring.
pub const ROUTE_UNGUARDED: Code = Code::new(
    "authz.route_unguarded",
    Kind::Denied,
    "this path has no authorization rule and is refused",
);
/// A policy set was refused; the one in force stays.
pub const POLICIES_INVALID: Code = Code::new(
    "authz.policies_invalid",
    Kind::InvalidRequest,
    "the policy set is not valid and was not put in force",
);
/// The policies are built in, so there is nothing to read again.
pub const POLICIES_BUILT_IN: Code = Code::new(
    "authz.policies_built_in",
    Kind::Conflict,
    "the policies are built in; configure a policy directory to be able to reload",
);
/// The directory is being changed at this moment.
pub const POLICIES_BUSY: Code = Code::new(
    "authz.policies_busy",
    Kind::Conflict,
    "the policy directory is being changed; ask again when the change is finished",
);
/// Policies are uploaded only where the store is what counts.
pub const POLICIES_ELSEWHERE: Code = Code::new(
    "authz.policies_elsewhere",
    Kind::Conflict,
    "the policies come from a directory; change them there",
);
/// Nothing is kept here that one could go back to.
pub const HISTORY_ABSENT: Code = Code::new(
    "authz.policy_history_absent",
    Kind::Conflict,
    "no history of the policies is kept here",
);
/// Nothing offers recorded decisions here.
pub const DECISIONS_UNRECORDED: Code = Code::new(
    "authz.decisions_unrecorded",
    Kind::Conflict,
    "no recorded decisions can be read here",
);
/// Nothing is tried beside the set in force here.
pub const SHADOW_ABSENT: Code =
    Code::new("authz.shadow_absent", Kind::Conflict, "no policy set can be tried here");
/// Decisions about other principals need a source of principals, and none is configured.
pub const PRINCIPALS_UNKNOWN: Code = Code::new(
    "authz.principals_unknown",
    Kind::InvalidRequest,
    "only the caller can be asked about here; leave `principal` out",
);
/// The entity stands in the policy directory, which is where it is changed.
pub const ENTITY_IN_DIRECTORY: Code = Code::new(
    "authz.entity_in_directory",
    Kind::Conflict,
    "this entity stands in `entities.json` of the policy directory; change it there",
);
/// The entity is not in the inventory.
pub const ENTITY_UNKNOWN: Code =
    Code::new("authz.entity_unknown", Kind::NotFound, "the inventory has no such entity");
/// Entities can't be entered here: the embedding program keeps them itself.
pub const INVENTORY_KEPT_ELSEWHERE: Code = Code::new(
    "authz.inventory_kept_elsewhere",
    Kind::Conflict,
    "the inventory can't be changed here; it is kept by the program that asks",
);

/// Who may do something can be asked only where users are listed.
pub const PRINCIPALS_UNLISTED: Code = Code::new(
    "authz.principals_unlisted",
    Kind::InvalidRequest,
    "who may do something can't be asked here: users are not listed",
);
/// Nothing can be proved without an SMT solver, and there is none.
pub const SOLVER_ABSENT: Code =
    Code::new("authz.solver_absent", Kind::InvalidRequest, "there is no SMT solver");
/// The SMT solver does not start, or does not answer as one.
pub const SOLVER_UNUSABLE: Code =
    Code::new("authz.solver_unusable", Kind::InvalidRequest, "the SMT solver is of no use");

/// A grant of more than whoever grants may do, or of what only an administrator of grants gives.
pub const GRANT_BEYOND_OWN: Code =
    Code::new("authz.grant_beyond_own", Kind::Denied, "nobody grants beyond what they hold");
/// As many grants as there may be are in force.
pub const GRANTS_FULL: Code = Code::new(
    "authz.grants_full",
    Kind::Conflict,
    "10,000 grants are in force; revoke some, or write a policy",
);

/// Every code of this crate.
pub const ALL: &[Code] = &[
    ACCESS_DENIED,
    SCOPE_INSUFFICIENT,
    SECOND_FACTOR_WANTED,
    ROUTE_UNGUARDED,
    POLICIES_INVALID,
    POLICIES_BUILT_IN,
    PRINCIPALS_UNKNOWN,
    PRINCIPALS_UNLISTED,
    GRANT_BEYOND_OWN,
    GRANTS_FULL,
    ENTITY_IN_DIRECTORY,
    ENTITY_UNKNOWN,
    SOLVER_ABSENT,
    SOLVER_UNUSABLE,
    POLICIES_BUSY,
    POLICIES_ELSEWHERE,
    HISTORY_ABSENT,
    DECISIONS_UNRECORDED,
    SHADOW_ABSENT,
    INVENTORY_KEPT_ELSEWHERE,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_no_slug_is_one_of_the_core() {
        let names: BTreeSet<_> = ALL.iter().map(Code::name).collect();
        assert_eq!(names.len(), ALL.len());
        let core: BTreeSet<_> = prov_core::codes::ALL.iter().map(Code::slug).collect();
        for code in ALL {
            assert!(code.name().starts_with("authz."), "{code}");
            assert!(!core.contains(&code.slug()), "{code} has a slug of the core");
        }
    }
}
