//! The error codes of this crate.

use prov_core::{Code, Kind};

/// A token that is no JWS in compact form, or whose header or claims break a rule of their own.
pub const TOKEN_MALFORMED: Code =
    Code::new("auth.token_malformed", Kind::Unauthenticated, "the access token does not hold");
/// A token whose signature, algorithm, type or key is not what this verifier demands.
pub const TOKEN_FORGED: Code =
    Code::new("auth.token_forged", Kind::Unauthenticated, "the access token does not hold");
/// A token by another issuer, or for another audience.
pub const TOKEN_FOREIGN: Code =
    Code::new("auth.token_foreign", Kind::Unauthenticated, "the access token does not hold");
/// A token that is not valid yet.
pub const TOKEN_PREMATURE: Code =
    Code::new("auth.token_premature", Kind::Unauthenticated, "the access token does not hold");
/// A token that has ended.
pub const TOKEN_EXPIRED: Code =
    Code::new("auth.token_expired", Kind::Unauthenticated, "the access token has expired");
/// A token that was revoked, or whose session or user was.
pub const TOKEN_REVOKED: Code =
    Code::new("auth.token_revoked", Kind::Unauthenticated, "the access token does not hold");
/// A token that is bound to a key or a certificate, presented without the proof that the key is the client's
/// own; or one that is bound to none, presented as if it were.
pub const TOKEN_BOUND: Code =
    Code::new("auth.token_bound", Kind::Unauthenticated, "the access token does not hold");
/// A proof of possession (RFC 9449) that does not hold for this request.
pub const PROOF_INVALID: Code = Code::new(
    "auth.proof_invalid",
    Kind::InvalidRequest,
    "the DPoP proof does not hold for this request; make a new one for each",
);
/// A proof of possession without a nonce of this server, or with an old one.
pub const PROOF_NONCE_REQUIRED: Code = Code::new(
    "auth.proof_nonce_required",
    Kind::InvalidRequest,
    "make the DPoP proof again, with the nonce in the header `DPoP-Nonce` of this answer",
);
/// More proofs of possession than can be remembered, so that one could be shown twice.
pub const PROOFS_TOO_MANY: Code = Code::new(
    "auth.proofs_too_many",
    Kind::RateLimited,
    "more DPoP proofs than this server remembers; try again in a moment",
);
/// This node has not heard of other nodes' revocations for too long.
pub const REVOCATIONS_UNKNOWN: Code = Code::new(
    "auth.revocations_unknown",
    Kind::Unavailable,
    "this server can't find out which tokens were revoked; try again in a moment",
);
/// An API token that is unknown, ended or deleted, or whose owner may not sign in.
pub const API_TOKEN_REFUSED: Code =
    Code::new("auth.api_token_refused", Kind::Unauthenticated, "the API token does not hold");
/// No API token of this id among the caller's.
pub const API_TOKEN_UNKNOWN: Code =
    Code::new("auth.api_token_unknown", Kind::NotFound, "you have no such API token");
/// An API token can't make, renew or delete API tokens.
pub const API_TOKEN_CHAINED: Code = Code::new(
    "auth.api_token_chained",
    Kind::Denied,
    "API tokens are made by somebody who has signed in themselves",
);
/// More API tokens than anybody needs.
pub const API_TOKENS_TOO_MANY: Code = Code::new(
    "auth.api_tokens_too_many",
    Kind::Conflict,
    "you have too many API tokens; delete those you do not need",
);
/// There is no key to sign with.
pub const SIGNING_KEY_MISSING: Code = Code::new(
    "auth.signing_key_missing",
    Kind::Unavailable,
    "there is no active signing key; rotate the signing keys",
);
/// A private key that can't be used for signing tokens.
pub const SIGNING_KEY_REFUSED: Code = Code::new(
    "auth.signing_key_refused",
    Kind::InvalidRequest,
    "the private key can't be used to sign tokens; give one of RSA (2048 to 4096 bits), P-256 or Ed25519 as PEM",
);
/// The next signing key has not been published long enough.
pub const SIGNING_KEY_UNPUBLISHED: Code = Code::new(
    "auth.signing_key_unpublished",
    Kind::Conflict,
    "the next signing key has not been published long enough; wait, or rotate at once",
);
/// Nothing can be discovered, because nobody has said how the service is reached.
pub const DISCOVERY_UNCONFIGURED: Code = Code::new(
    "auth.discovery_unconfigured",
    Kind::NotFound,
    "nothing can be discovered here: the server's public URL is not configured",
);
/// A public key that can't be used for verifying tokens.
pub const VERIFICATION_KEY_REFUSED: Code = Code::new(
    "auth.verification_key_refused",
    Kind::InvalidRequest,
    "the public key can't be used to verify tokens; give one of RSA (2048 to 4096 bits), P-256 or Ed25519",
);
/// What clients are told of every credential that does not hold (RFC 6750, section 3.1); the reason is
/// the source of the error, for the log.
pub const INVALID_TOKEN: Code = Code::new(
    "auth.invalid_token",
    Kind::Unauthenticated,
    "the credential is not valid or has ended; sign in or refresh",
);
/// A rate limit that can't be read.
pub const RATE_LIMIT_REFUSED: Code = Code::new(
    "auth.rate_limit_refused",
    Kind::InvalidRequest,
    "a rate limit is a count and a unit, such as `100/min`",
);

/// An unknown user, a wrong password, a locked user: one answer for all three.
pub const INVALID_CREDENTIALS: Code = Code::new(
    "auth.invalid_credentials",
    Kind::Unauthenticated,
    "the username or the password is wrong",
);
/// A new password that is too short or too easily guessed.
pub const PASSWORD_REFUSED: Code =
    Code::new("auth.password_refused", Kind::InvalidRequest, "this password can't be chosen");
/// The password was right, but only its change is permitted with it.
pub const PASSWORD_CHANGE_REQUIRED: Code = Code::new(
    "auth.password_change_required",
    Kind::Denied,
    "the password must be changed before signing in",
);
/// The session is good for nothing but enrolling a second factor.
pub const ENROLMENT_REQUIRED: Code = Code::new(
    "auth.enrolment_required",
    Kind::Denied,
    "you must have a second factor: enrol one, then prove it with `POST /api/v1/auth/step-up`",
);
/// Too many passwords are waiting to be hashed.
pub const HASHING_OVERLOADED: Code = Code::new(
    "auth.hashing_overloaded",
    Kind::Unavailable,
    "too many people are signing in at once; try again in a moment",
);
/// Too many attempts at one account, or from one address.
pub const LOGIN_THROTTLED: Code = Code::new(
    "auth.login_throttled",
    Kind::RateLimited,
    "too many attempts to sign in; wait before the next one",
);
/// A challenge that is unknown, spent, expired or used up.
pub const CHALLENGE_INVALID: Code = Code::new(
    "auth.challenge_invalid",
    Kind::Unauthenticated,
    "the sign-in challenge does not hold; sign in again",
);
/// A password is not enough where a second factor is enrolled.
pub const SECOND_FACTOR_REQUIRED: Code = Code::new(
    "auth.second_factor_required",
    Kind::StepUpRequired,
    "prove yourself with a second factor",
);
/// What is asked for outlives the session, and the caller proved who they are too long ago.
pub const RECENT_SIGN_IN_REQUIRED: Code = Code::new(
    "auth.recent_sign_in_required",
    Kind::StepUpRequired,
    "prove yourself again first: POST /api/v1/auth/step-up",
);
/// A refresh token that is unknown or expired, or whose session has ended.
pub const REFRESH_TOKEN_INVALID: Code = Code::new(
    "auth.refresh_token_invalid",
    Kind::Unauthenticated,
    "the refresh token does not hold; sign in again",
);
/// A spent refresh token was presented: its session was ended (RFC 9700, section 4.14.2).
pub const REFRESH_TOKEN_REUSED: Code = Code::new(
    "auth.refresh_token_reused",
    Kind::Unauthenticated,
    "the refresh token was used before; its session has been ended, sign in again",
);
/// The session of the request has ended.
pub const SESSION_ENDED: Code =
    Code::new("auth.session_ended", Kind::Unauthenticated, "the session has ended; sign in again");
/// A program's document that does not hold, or a program that no rule knows.
pub const WORKLOAD_REFUSED: Code = Code::new(
    "auth.workload_refused",
    Kind::Unauthenticated,
    "the program's document does not hold",
);
/// No identity provider of this name.
pub const ISSUER_UNKNOWN: Code =
    Code::new("auth.issuer_unknown", Kind::NotFound, "there is no such identity provider");
/// An identity provider of this name or issuer identifier exists.
pub const ISSUER_EXISTS: Code =
    Code::new("auth.issuer_exists", Kind::Conflict, "there is such an identity provider already");
/// Nobody can be sent to an identity provider.
pub const FEDERATION_UNCONFIGURED: Code = Code::new(
    "auth.federation_unconfigured",
    Kind::NotFound,
    "nobody can sign in with an identity provider here: the server's public URL is not configured",
);
/// What came back from an identity provider does not hold.
pub const FEDERATION_FAILED: Code = Code::new(
    "auth.federation_failed",
    Kind::Unauthenticated,
    "what came back from the identity provider does not hold; start again",
);
/// The identity provider, or the person there, refused.
pub const FEDERATION_REFUSED: Code = Code::new(
    "auth.federation_refused",
    Kind::Denied,
    "the identity provider refused, or you did there",
);
/// The identity provider vouches for somebody whom no rule lets in, or whose account is locked.
pub const FEDERATION_ACCOUNT_REFUSED: Code = Code::new(
    "auth.federation_account_refused",
    Kind::Denied,
    "the identity provider knows you, and you may not sign in here",
);
/// The code by which a program fetches its tokens is unknown, spent or expired, or the verifier is wrong.
pub const HANDOVER_INVALID: Code = Code::new(
    "auth.handover_invalid",
    Kind::Unauthenticated,
    "the code does not hold; sign in again",
);
/// A logout token that does not hold.
pub const LOGOUT_TOKEN_REFUSED: Code =
    Code::new("auth.logout_token_refused", Kind::InvalidRequest, "the logout token does not hold");
/// An identity provider can't be asked, or says what can't be used.
pub const PROVIDER_UNAVAILABLE: Code = Code::new(
    "auth.provider_unavailable",
    Kind::Unavailable,
    "the identity provider can't be asked; try again in a moment",
);
/// A notice that whoever delivers notices did not take.
pub const NOTICE_UNDELIVERED: Code = Code::new(
    "auth.notice_undelivered",
    Kind::Unavailable,
    "a notice could not be delivered; it is tried again",
);
/// Somebody has this username already.
pub const USERNAME_TAKEN: Code =
    Code::new("auth.username_taken", Kind::Conflict, "this username is taken");
/// No user of this id or name.
pub const USER_UNKNOWN: Code =
    Code::new("auth.user_unknown", Kind::NotFound, "there is no such user");
/// No team of this name.
pub const TEAM_UNKNOWN: Code =
    Code::new("auth.team_unknown", Kind::NotFound, "there is no such team");
/// A team of this name exists.
pub const TEAM_EXISTS: Code =
    Code::new("auth.team_exists", Kind::Conflict, "there is such a team already");
/// A team that has members or that the shipped policies name.
pub const TEAM_IN_USE: Code = Code::new(
    "auth.team_in_use",
    Kind::Conflict,
    "the team can't be deleted: it has members, or the shipped policies name it",
);
/// What would leave nobody who can administer.
pub const LAST_ADMINISTRATOR: Code = Code::new(
    "auth.last_administrator",
    Kind::Conflict,
    "this is the last administrator who can sign in; make another one first",
);
/// Giving a role or team that the giver does not hold, or acting on a user who holds more.
pub const GRANT_REFUSED: Code = Code::new(
    "auth.grant_refused",
    Kind::Denied,
    "nobody can give, or act on, more than they hold themselves",
);
/// There are users: the first administrator can't be made again.
pub const BOOTSTRAP_CLOSED: Code =
    Code::new("auth.bootstrap_closed", Kind::Conflict, "the first administrator exists already");
/// A bootstrap token that is unknown, spent or expired.
pub const BOOTSTRAP_TOKEN_INVALID: Code = Code::new(
    "auth.bootstrap_token_invalid",
    Kind::Unauthenticated,
    "the bootstrap link does not hold; restart the server for a new one",
);

/// Every code of this crate.
pub const ALL: &[Code] = &[
    TOKEN_MALFORMED,
    TOKEN_FORGED,
    TOKEN_FOREIGN,
    TOKEN_PREMATURE,
    TOKEN_EXPIRED,
    TOKEN_REVOKED,
    TOKEN_BOUND,
    PROOF_INVALID,
    PROOF_NONCE_REQUIRED,
    PROOFS_TOO_MANY,
    REVOCATIONS_UNKNOWN,
    API_TOKEN_REFUSED,
    API_TOKEN_UNKNOWN,
    API_TOKEN_CHAINED,
    API_TOKENS_TOO_MANY,
    SIGNING_KEY_MISSING,
    SIGNING_KEY_REFUSED,
    SIGNING_KEY_UNPUBLISHED,
    DISCOVERY_UNCONFIGURED,
    VERIFICATION_KEY_REFUSED,
    INVALID_TOKEN,
    RATE_LIMIT_REFUSED,
    INVALID_CREDENTIALS,
    PASSWORD_REFUSED,
    PASSWORD_CHANGE_REQUIRED,
    ENROLMENT_REQUIRED,
    HASHING_OVERLOADED,
    LOGIN_THROTTLED,
    CHALLENGE_INVALID,
    SECOND_FACTOR_REQUIRED,
    RECENT_SIGN_IN_REQUIRED,
    REFRESH_TOKEN_INVALID,
    REFRESH_TOKEN_REUSED,
    SESSION_ENDED,
    WORKLOAD_REFUSED,
    ISSUER_UNKNOWN,
    ISSUER_EXISTS,
    FEDERATION_UNCONFIGURED,
    FEDERATION_FAILED,
    FEDERATION_REFUSED,
    FEDERATION_ACCOUNT_REFUSED,
    HANDOVER_INVALID,
    LOGOUT_TOKEN_REFUSED,
    PROVIDER_UNAVAILABLE,
    NOTICE_UNDELIVERED,
    USERNAME_TAKEN,
    USER_UNKNOWN,
    TEAM_UNKNOWN,
    TEAM_EXISTS,
    TEAM_IN_USE,
    LAST_ADMINISTRATOR,
    GRANT_REFUSED,
    BOOTSTRAP_CLOSED,
    BOOTSTRAP_TOKEN_INVALID,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_carry_the_crates_prefix() {
        let names: BTreeSet<_> = ALL.iter().map(Code::name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("auth.")));
    }
}
