//! V9: self-contained tokens.

use super::{Requirement, met};

pub(super) const REQUIREMENTS: &[Requirement] = &[
    met(
        "9.1.1",
        "signatures are checked before anything is believed",
        &[
            "prov-auth/tests/it/token_refusals.rs::signatures_by_other_means_are_refused",
            "prov-auth/tests/it/token_refusals.rs::no_byte_of_a_token_can_be_changed",
            "prov-auth/tests/it/jose.rs::no_signature_vector_is_accepted_that_should_not_be",
        ],
    ),
    met(
        "9.1.2",
        "allowed algorithms only, never `none`, asymmetric only",
        &[
            "prov-auth/tests/it/token_clauses.rs::rfc_8725_3_1_a_key_is_for_one_algorithm",
            "prov-auth/tests/it/token_clauses.rs::rfc_9068_4_step_5_an_unsigned_token_is_refused",
            "prov-auth/tests/it/token_algorithms.rs::a_token_that_names_another_algorithm_than_its_keys_is_refused",
        ],
    ),
    met(
        "9.1.3",
        "keys from configured sources only; `jku`, `x5u`, `jwk` do nothing",
        &[
            "prov-auth/tests/it/token_refusals.rs::a_header_that_is_not_ours_is_refused",
            "prov-auth/tests/it/token_clauses.rs::rfc_8725_3_10_a_key_id_is_looked_up_and_never_a_path_or_a_query",
            "prov-auth/tests/it/federation_sign_in.rs::tokens_with_another_algorithm_type_or_key_are_refused",
        ],
    ),
    met(
        "9.2.1",
        "only between `nbf` and `exp`",
        &[
            "prov-auth/tests/it/token_clauses.rs::rfc_9068_4_step_6_the_end_is_before_exp_with_seconds_of_leeway",
            "prov-auth/tests/it/token_refusals.rs::a_token_ends_by_the_clock_also_when_it_is_known",
            "prov-auth/tests/it/token_refusals.rs::claims_that_are_not_for_us_are_refused",
        ],
    ),
    met(
        "9.2.2",
        "the type of the token is the one for the purpose",
        &[
            "prov-auth/tests/it/token_clauses.rs::rfc_9068_4_step_1_both_spellings_of_the_type_and_nothing_else",
            "prov-auth/tests/it/federation_logout.rs::a_logout_token_is_good_once_and_no_other_token_is_one",
            "prov-auth/tests/it/workload_tokens.rs::every_wrong_document_is_refused",
        ],
    ),
    met(
        "9.2.3",
        "only tokens that name this service as audience",
        &[
            "prov-auth/tests/it/token_clauses.rs::rfc_9068_4_steps_3_and_4_issuer_and_audience_are_compared_exactly",
        ],
    ),
    met(
        "9.2.4",
        "tokens of one key for several audiences say for which",
        &[
            "prov-auth/tests/it/token_clauses.rs::rfc_9068_2_2_the_seven_required_claims_and_those_about_the_sign_in_are_there",
            "prov-auth/tests/it/login_enrolment.rs::nobody_else_takes_their_tokens",
        ],
    ),
];
