//! The error codes of this crate.

use prov_core::{Code, Kind};

/// The code is wrong, or it was used already: which of the two is told to the audit log only.
pub const FACTOR_REJECTED: Code = Code::new(
    "mfa.factor_rejected",
    Kind::Unauthenticated,
    "the code is not right or was used already; wait for the next one",
);
/// Too many attempts at one factor of one user; `Retry-After` says when the next is heard.
pub const FACTOR_LIMITED: Code = Code::new(
    "mfa.factor_limited",
    Kind::RateLimited,
    "too many attempts at this second factor; wait and try again",
);
/// The step needs a second factor that was proved recently (RFC 9470).
pub const STEP_UP_REQUIRED: Code = Code::new(
    "mfa.step_up_required",
    Kind::StepUpRequired,
    "prove your second factor again, then repeat the request",
);
/// The step needs somebody who proved themselves recently, by what they have: there is no second
/// factor yet (RFC 9470).
pub const SIGN_IN_NOT_RECENT: Code = Code::new(
    "mfa.sign_in_not_recent",
    Kind::StepUpRequired,
    "prove your password again, then repeat the request",
);
/// The caller has no factor of this id.
pub const FACTOR_UNKNOWN: Code =
    Code::new("mfa.factor_unknown", Kind::NotFound, "there is no such second factor");
/// The user has as many authenticator apps or passkeys as one user may have.
pub const FACTOR_COUNT_REACHED: Code = Code::new(
    "mfa.factor_count_reached",
    Kind::Conflict,
    "there are as many second factors of this kind as a user may have; remove one first",
);
/// Backup codes stand in for another factor, and there is none.
pub const FACTOR_MISSING: Code = Code::new(
    "mfa.factor_missing",
    Kind::Conflict,
    "there is no confirmed second factor; enrol an authenticator app or a passkey first",
);
/// This kind of factor can't be checked here.
pub const FACTOR_METHOD_UNKNOWN: Code = Code::new(
    "mfa.factor_method_unknown",
    Kind::InvalidRequest,
    "this kind of second factor can't be checked here",
);
/// The caller is a program; only people have second factors.
pub const FACTOR_NEEDS_PERSON: Code =
    Code::new("mfa.factor_needs_person", Kind::Denied, "only people have second factors");
/// This server is not set up for passkeys.
pub const PASSKEYS_NOT_CONFIGURED: Code = Code::new(
    "mfa.passkeys_not_configured",
    Kind::Conflict,
    "passkeys are not configured here; the operator has to name the site they are for",
);
/// A registration that does not hold; the detail says what was wrong with it.
pub const PASSKEY_REFUSED: Code = Code::new(
    "mfa.passkey_refused",
    Kind::InvalidRequest,
    "the passkey can't be accepted; begin again",
);
/// The passkey is registered already, by this user or another.
pub const PASSKEY_KNOWN: Code =
    Code::new("mfa.passkey_known", Kind::Conflict, "this passkey is registered already");

/// Every code of this crate.
pub const ALL: &[Code] = &[
    FACTOR_REJECTED,
    FACTOR_LIMITED,
    STEP_UP_REQUIRED,
    SIGN_IN_NOT_RECENT,
    FACTOR_UNKNOWN,
    FACTOR_COUNT_REACHED,
    FACTOR_MISSING,
    FACTOR_METHOD_UNKNOWN,
    FACTOR_NEEDS_PERSON,
    PASSKEYS_NOT_CONFIGURED,
    PASSKEY_REFUSED,
    PASSKEY_KNOWN,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn names_are_unique_and_belong_to_this_crate() {
        let names: BTreeSet<_> = ALL.iter().map(prov_core::Code::name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("mfa.")));
    }
}
