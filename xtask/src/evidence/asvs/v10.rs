//! V10: OAuth and OpenID Connect. prov is a client of identity providers, a resource server, and issues the
//! tokens for its own API; it is no authorization server for clients of others, and no OpenID provider.

use super::{Requirement, met, not_applicable, partly};

/// What many requirements are about, and prov is not.
const NO_SERVER: &str =
    "no authorization endpoint and no registered clients: tokens are for prov's own API only";
const BOUND: &[&str] = &[
    "prov-auth/tests/it/possession_tokens.rs::a_bound_token_is_taken_with_a_proof_and_in_no_other_way",
    "prov-auth/tests/it/possession_tokens.rs::a_token_is_bound_to_the_certificate_of_the_connection",
    "reference-server/tests/it/bound_tokens.rs::a_client_of_others_gets_bound_tokens_and_uses_them",
];
const NO_PROVIDER: &str = "prov issues no ID tokens and is no OpenID provider";

pub(super) const REQUIREMENTS: &[Requirement] = &[
    partly(
        "10.1.1",
        "tokens go only where they are needed",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_program_fetches_its_tokens_once_with_its_verifier",
            "reference-server/tests/it/passkeys.rs::the_page_may_load_nothing_from_elsewhere_and_runs_nothing_inline",
        ],
        "the page `/passkeys` holds its access token in the page's memory while it is open",
    ),
    met(
        "10.1.2",
        "answers of a provider only to the browser and the request that began it",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_state_is_good_once_for_one_browser_one_issuer_and_ten_minutes",
        ],
    ),
    met(
        "10.2.1",
        "PKCE and `state` against forged answers",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_state_is_good_once_for_one_browser_one_issuer_and_ten_minutes",
            "prov-auth/src/federation/record.rs::tickets_are_read_strictly_and_pkce_is_that_of_the_rfc",
        ],
    ),
    met(
        "10.2.2",
        "several providers can't be mixed up",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::mixed_up_answers_are_refused_before_the_code_goes_anywhere",
        ],
    ),
    met(
        "10.2.3",
        "only the scopes that are configured are asked for",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::somebody_comes_back_with_an_account_roles_and_teams_by_rule",
        ],
    ),
    met(
        "10.3.1",
        "only access tokens for this audience",
        &[
            "prov-auth/tests/it/token_clauses.rs::rfc_9068_4_steps_3_and_4_issuer_and_audience_are_compared_exactly",
        ],
    ),
    met(
        "10.3.2",
        "scopes and delegation are part of the decision",
        &[
            "prov-auth/tests/it/api_tokens.rs::a_token_is_its_owner_limited_to_its_scopes",
            "prov-authz/tests/it/layer.rs::a_credential_with_scopes_is_good_for_what_they_cover_and_its_owner_may_do",
            "reference-server/tests/it/workloads.rs::a_program_that_acts_for_somebody_presents_both_and_has_never_more_than_whom_it_acts_for",
        ],
    ),
    met(
        "10.3.3",
        "users are known by what is never given to another",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_person_is_issuer_and_subject_and_nothing_else",
            "prov-auth/tests/it/user_accounts.rs::a_deleted_name_is_free_and_its_id_is_not",
        ],
    ),
    met(
        "10.3.4",
        "strength and time of the sign-in are checked where they matter",
        &[
            "prov-auth/tests/it/layers_authn.rs::a_route_that_asks_for_a_recent_sign_in_challenges_an_older_one",
            "prov-mfa/src/require/service/tests.rs::a_route_that_asks_gets_a_recent_factor_or_a_challenge",
        ],
    ),
    partly(
        "10.3.5",
        "tokens are bound to their sender",
        BOUND,
        "where the operator has switched DPoP or binding to certificates on, and for those who sign in so; nobody must",
    ),
    not_applicable(
        "10.4.1",
        "redirect URIs are registered and compared exactly",
        "no registered clients; a program's code goes to a loopback address of the person's own machine only",
    ),
    met(
        "10.4.2",
        "a code is good once, and a second use ends what it gave",
        &[
            "prov-auth/tests/it/federation_codes.rs::a_code_that_is_presented_again_ends_what_it_gave_and_nothing_else",
            "prov-auth/tests/it/federation_codes.rs::a_code_that_is_presented_again_ends_the_challenge_it_gave_and_the_session_of_that",
            "prov-auth/tests/it/federation_codes.rs::of_two_who_present_a_code_at_once_nobody_goes_on_with_a_session",
            "prov-auth/tests/it/federation_sign_in.rs::a_program_fetches_its_tokens_once_with_its_verifier",
        ],
    ),
    met(
        "10.4.3",
        "a code lives a minute",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_program_fetches_its_tokens_once_with_its_verifier",
        ],
    ),
    not_applicable("10.4.4", "clients get the grants they need only", NO_SERVER),
    met(
        "10.4.5",
        "a replayed refresh token ends its session",
        &[
            "prov-auth/tests/it/refresh_tokens.rs::a_lost_answer_is_given_again_and_a_replay_ends_the_session",
            "prov-auth/src/refresh/histories.rs::no_history_of_a_hundred_thousand_signs_out_the_innocent_or_spares_a_thief",
            "prov-auth/tests/it/possession_tokens.rs::a_refresh_token_is_bound_to_the_key_and_stays_the_owners_when_it_is_stolen",
        ],
    ),
    met(
        "10.4.6",
        "codes need PKCE with S256",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_program_fetches_its_tokens_once_with_its_verifier",
            "prov-auth/src/federation/record.rs::tickets_are_read_strictly_and_pkce_is_that_of_the_rfc",
        ],
    ),
    not_applicable("10.4.7", "clients that register themselves", NO_SERVER),
    met(
        "10.4.8",
        "refresh tokens end, however often they are renewed",
        &["prov-auth/src/refresh/tests.rs::a_session_slides_but_ends"],
    ),
    met(
        "10.4.9",
        "users revoke refresh tokens and reference tokens",
        &[
            "prov-auth/tests/it/session_lifecycle.rs::sessions_are_listed_and_ended_one_by_one",
            "prov-auth/tests/it/session_lifecycle.rs::who_holds_a_token_may_revoke_it",
            "reference-server/tests/it/cli.rs::api_tokens_are_good_for_their_scopes_until_they_are_deleted",
        ],
    ),
    not_applicable("10.4.10", "confidential clients are authenticated", NO_SERVER),
    not_applicable("10.4.11", "clients get the scopes they need only", NO_SERVER),
    not_applicable("10.4.12", "clients get the response modes they need only", NO_SERVER),
    not_applicable("10.4.13", "codes only by pushed requests", NO_SERVER),
    partly(
        "10.4.14",
        "only tokens that are bound to their sender",
        BOUND,
        "bound tokens are given to those who show a key; others get bearer tokens",
    ),
    not_applicable("10.4.15", "authorization details from the client's backend", NO_SERVER),
    not_applicable("10.4.16", "clients prove themselves by keys", NO_SERVER),
    met(
        "10.5.1",
        "an ID token is for the request that asked for it (`nonce`)",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::claims_that_do_not_hold_are_one_answer_and_change_nothing",
        ],
    ),
    met(
        "10.5.2",
        "users are known by `sub`",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_person_is_issuer_and_subject_and_nothing_else",
        ],
    ),
    met(
        "10.5.3",
        "metadata that name another issuer are refused",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_provider_that_is_not_what_it_says_is_not_used",
        ],
    ),
    met(
        "10.5.4",
        "an ID token names this client as audience",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::claims_that_do_not_hold_are_one_answer_and_change_nothing",
        ],
    ),
    met(
        "10.5.5",
        "back-channel logout: type, event, no nonce, once, short",
        &[
            "prov-auth/tests/it/federation_logout.rs::a_logout_token_that_does_not_hold_ends_nothing",
            "prov-auth/tests/it/federation_logout.rs::a_logout_token_is_good_once_and_no_other_token_is_one",
        ],
    ),
    not_applicable("10.6.1", "response types of a provider", NO_PROVIDER),
    not_applicable("10.6.2", "nobody is signed out of a provider by a stranger", NO_PROVIDER),
    not_applicable("10.7.1", "users consent to each request", NO_SERVER),
    not_applicable("10.7.2", "what is consented to is shown", NO_SERVER),
    not_applicable("10.7.3", "consents can be seen and withdrawn", NO_SERVER),
];
