//! V7: sessions.

use super::{Requirement, met, partly};

pub(super) const REQUIREMENTS: &[Requirement] = &[
    met(
        "7.1.1",
        "timeouts are documented, and why they differ from NIST SP 800-63B",
        &["docs/authentication.md#How long a session lasts"],
    ),
    met(
        "7.1.2",
        "how many sessions at once, and what happens with one more",
        &[
            "docs/authentication.md#How many sessions there are",
            "prov-auth/tests/it/session_lifecycle.rs::one_session_too_many_ends_the_one_used_least_recently_with_an_event",
        ],
    ),
    met(
        "7.1.3",
        "how sessions here and at identity providers belong together",
        &["docs/authentication.md#Sessions that begin at an identity provider"],
    ),
    met(
        "7.2.1",
        "tokens are verified by the server",
        &[
            "prov-auth/tests/it/layers_authn.rs::nothing_presented_is_asked_for",
            "reference-server/tests/it/coverage.rs::without_a_token_every_other_route_asks_to_sign_in",
        ],
    ),
    met(
        "7.2.2",
        "tokens of a session are made for it, not static",
        &[
            "prov-auth/tests/it/login_password.rs::the_right_password_gives_tokens_that_say_who_and_how",
            "prov-auth/tests/it/refresh_tokens.rs::tokens_end_and_inventions_never_begin",
        ],
    ),
    met(
        "7.2.3",
        "reference tokens are unique, from a CSPRNG, of 128 bits at least",
        &[
            "prov-auth/tests/it/asvs.rs::asvs_7_2_3_refresh_tokens_share_no_part_that_could_be_guessed",
            "prov-auth/src/refresh/tests.rs::only_texts_this_installation_made_are_tokens",
        ],
    ),
    met(
        "7.2.4",
        "signing in, also again, makes a new token and ends the one before",
        &[
            "prov-auth/tests/it/login_mfa.rs::stepping_up_ends_the_access_token_before_it_and_that_one_alone",
            "prov-auth/tests/it/asvs.rs::asvs_7_2_4_every_sign_in_is_a_session_of_its_own",
            "prov-auth/tests/it/login_mfa.rs::stepping_up_renews_what_was_proved_and_refreshing_keeps_it",
        ],
    ),
    met(
        "7.3.1",
        "a session that is not used ends",
        &[
            "prov-auth/tests/it/refresh_tokens.rs::tokens_end_and_inventions_never_begin",
            "prov-auth/src/refresh/tests.rs::a_session_slides_but_ends",
        ],
    ),
    met(
        "7.3.2",
        "a session ends however much it is used",
        &["prov-auth/src/refresh/tests.rs::a_session_slides_but_ends"],
    ),
    met(
        "7.4.1",
        "an ended session is of no more use, self-contained tokens included",
        &[
            "prov-auth/tests/it/token_revocation.rs::a_revoked_session_takes_its_tokens_with_it_and_no_others",
            "prov-auth/tests/it/session_lifecycle.rs::signing_out_ends_one_session_and_ending_all_ends_all",
            "reference-server/tests/it/two_nodes.rs::what_one_server_knows_or_revokes_the_other_does_too",
        ],
    ),
    met(
        "7.4.2",
        "all sessions of a disabled or deleted account end",
        &[
            "prov-auth/tests/it/refresh_tokens.rs::a_locked_or_deleted_user_refreshes_nothing",
            "prov-auth/tests/it/user_accounts.rs::locking_and_resetting_end_everything",
            "prov-auth/tests/it/api_tokens.rs::what_happens_to_the_owner_happens_to_the_token_at_once",
        ],
    ),
    met(
        "7.4.3",
        "other sessions can be ended after a factor was changed; a password ends them by itself",
        &[
            "prov-auth/tests/it/session_lifecycle.rs::changing_the_password_ends_the_other_sessions",
            "prov-auth/tests/it/session_lifecycle.rs::signing_out_ends_one_session_and_ending_all_ends_all",
        ],
    ),
    met(
        "7.4.4",
        "signing out is in sight wherever somebody is signed in",
        &[
            "reference-server/tests/it/passkeys.rs::a_passkey_is_registered_and_signs_in_and_a_copy_of_it_does_not",
        ],
    ),
    met(
        "7.4.5",
        "administrators end somebody's sessions",
        &[
            "prov-auth/tests/it/user_accounts.rs::locking_and_resetting_end_everything",
            "reference-server/tests/it/cli.rs::second_factors",
        ],
    ),
    met(
        "7.5.1",
        "signing in anew before what affects signing in is changed",
        &[
            "prov-auth/tests/it/session_lifecycle.rs::changing_the_password_ends_the_other_sessions",
            "prov-mfa/tests/it/enrolment.rs::a_stolen_session_can_not_add_an_app_beside_another",
            "prov-mfa/tests/it/enrolment.rs::a_stolen_password_only_token_can_not_bind_the_first_app",
            "prov-mfa/tests/it/passkeys.rs::a_stolen_session_can_not_add_a_passkey_beside_a_factor_or_take_one_away",
        ],
    ),
    partly(
        "7.5.2",
        "users see their sessions and end any of them, having proved themselves again",
        &["prov-auth/tests/it/session_lifecycle.rs::sessions_are_listed_and_ended_one_by_one"],
        "ending asks for no proof: whoever finds a stranger in the list ends that session at once, also where their second factor is what was stolen; \
         whoever stole a session gains nothing by ending others, whose owner signs in again and is told of every change (6.3.7)",
    ),
    met(
        "7.5.3",
        "another proof before what is highly sensitive",
        &[
            "prov-auth/tests/it/layers_authn.rs::api_tokens_are_made_after_a_recent_sign_in_only",
            "prov-mfa/src/require/service/tests.rs::a_route_that_asks_gets_a_recent_factor_or_a_challenge",
            "reference-server/tests/it/main_job.rs::deploying_to_production_takes_a_second_factor_an_approval_and_the_right_hour",
        ],
    ),
    met(
        "7.6.1",
        "sessions with identity providers last and end as documented",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_sign_in_that_must_be_recent_is",
            "prov-auth/tests/it/federation_logout.rs::the_sessions_that_are_meant_end_and_no_others",
            "prov-auth/tests/it/federation_peer.rs::people_sign_in_and_are_signed_out_by_their_provider",
        ],
    ),
    met(
        "7.6.2",
        "no session begins without something that its user does",
        &[
            "prov-auth/tests/it/federation_codes.rs::following_a_link_signs_nobody_in",
            "reference-server/tests/it/federation.rs::people_sign_in_at_their_terminal_with_the_provider_an_administrator_has_entered",
        ],
    ),
];
