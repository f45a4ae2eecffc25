//! The error codes of this crate.

use prov_core::{Code, Kind};

/// The `Idempotency-Key` header is no key.
pub const IDEMPOTENCY_KEY_INVALID: Code = Code::new(
    "http.idempotency_key_invalid",
    Kind::InvalidRequest,
    "the `Idempotency-Key` header is no key",
);
/// The key came with another request before.
pub const IDEMPOTENCY_KEY_REUSED: Code = Code::new(
    "http.idempotency_key_reused",
    Kind::Unprocessable,
    "this `Idempotency-Key` was used for another request",
);
/// The request with this key is being answered.
pub const IDEMPOTENT_REQUEST_RUNNING: Code = Code::new(
    "http.idempotent_request_running",
    Kind::Conflict,
    "the request with this `Idempotency-Key` is still running",
);
/// The request with this key ended without an answer that could be kept.
pub const IDEMPOTENT_OUTCOME_UNKNOWN: Code = Code::new(
    "http.idempotent_outcome_unknown",
    Kind::Conflict,
    "whether the request with this `Idempotency-Key` took effect is not known",
);
/// The request with this key was done; its answer is not repeated.
pub const IDEMPOTENT_ANSWER_WITHHELD: Code = Code::new(
    "http.idempotent_answer_withheld",
    Kind::Conflict,
    "the request with this `Idempotency-Key` was done, and its answer is not repeated",
);
/// This caller has used too many keys.
pub const TOO_MANY_IDEMPOTENCY_KEYS: Code = Code::new(
    "http.too_many_idempotency_keys",
    Kind::RateLimited,
    "too many different values of `Idempotency-Key`",
);

/// Every code of this crate.
pub const ALL: &[Code] = &[
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_REUSED,
    IDEMPOTENT_REQUEST_RUNNING,
    IDEMPOTENT_OUTCOME_UNKNOWN,
    IDEMPOTENT_ANSWER_WITHHELD,
    TOO_MANY_IDEMPOTENCY_KEYS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_carry_the_crates_prefix() {
        let names: BTreeSet<_> = ALL.iter().map(Code::name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with("http.")));
    }
}
