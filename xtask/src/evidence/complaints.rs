//! What users of comparable software complain about, and the test that it can't happen here.

use std::fmt::Write as _;

use super::cell;

/// One complaint, or several about one thing.
struct Complaint {
    /// `owner/repository#number`, or an advisory.
    of: &'static [&'static str],
    about: &'static str,
    tests: &'static [&'static str],
}

const fn complaint(
    of: &'static [&'static str],
    about: &'static str,
    tests: &'static [&'static str],
) -> Complaint {
    Complaint { of, about, tests }
}

const HISTORIES: &str = "prov-auth/src/refresh/histories.rs::no_history_of_a_hundred_thousand_signs_out_the_innocent_or_spares_a_thief";

const COMPLAINTS: &[(&str, &[Complaint])] = &[
    (
        "Refreshing",
        &[
            complaint(
                &["keycloak/keycloak#16081"],
                "two tabs that refresh at once sign everything out",
                &["prov-auth/tests/it/refresh_tokens.rs::racing_refreshes_get_one_answer"],
            ),
            complaint(
                &["ory/hydra#1831"],
                "a lost answer can't be asked for again",
                &[
                    "prov-auth/tests/it/refresh_tokens.rs::a_lost_answer_is_given_again_and_a_replay_ends_the_session",
                ],
            ),
            complaint(
                &["nightscout/nocturne#326", "JiRaska/open-bank-oss#3619"],
                "races are taken for thefts",
                &[
                    HISTORIES,
                    "prov-auth/tests/it/refresh_interleavings.rs::no_history_signs_out_the_innocent_or_spares_a_replay",
                ],
            ),
            complaint(
                &["neondatabase/mcp-server-neon#232", "neondatabase/mcp-server-neon#235"],
                "several processes share one refresh token, and stragglers are signed out",
                &["prov-auth/src/refresh/tests.rs::a_straggler_gets_the_newest_pair_of_the_chain"],
            ),
            complaint(
                &["keycloak/keycloak#50999"],
                "a replay within the same second is not noticed",
                &[
                    "prov-auth/tests/it/complaints.rs::keycloak_50999_a_replay_is_noticed_also_when_no_second_has_passed",
                ],
            ),
            complaint(
                &["keycloak/keycloak#46054"],
                "two uses at one moment both succeed",
                &[
                    "prov-auth/tests/it/refresh_tokens.rs::racing_refreshes_get_one_answer",
                    HISTORIES,
                ],
            ),
            complaint(
                &["keycloak/keycloak#51312"],
                "a refresh while the session is revoked brings a token that holds",
                &[
                    "prov-auth/tests/it/session_lifecycle.rs::a_refresh_while_everything_ends_leaves_no_token_that_holds",
                ],
            ),
        ],
    ),
    (
        "Revocation",
        &[
            complaint(
                &["keycloak/keycloak#31296"],
                "revoked tokens hold again after a restart",
                &[
                    "prov-auth/tests/it/token_revocation.rs::a_revoked_token_goes_alone",
                    "prov-auth/tests/it/token_revocation.rs::everything_of_a_user_made_before_is_revoked_and_what_is_made_after_holds",
                ],
            ),
            complaint(
                &["keycloak/keycloak#37144", "keycloak/keycloak#37621"],
                "what is revoked can't be revoked again, and comes back from the cache of another node",
                &[
                    "prov-auth/tests/it/complaints.rs::keycloak_37621_what_is_revoked_can_be_revoked_again",
                    "reference-server/tests/it/two_nodes.rs::what_one_server_knows_or_revokes_the_other_does_too",
                ],
            ),
            complaint(
                &["cmackenzie1/torii-rs#83", "cardstack/boxel#5698", "nazarli-shabnam/clevis#67"],
                "signing out leaves the JWT good until its end, and nobody can stop a stolen one",
                &[
                    "prov-auth/tests/it/session_lifecycle.rs::signing_out_ends_one_session_and_ending_all_ends_all",
                    "prov-auth/tests/it/token_revocation.rs::everything_can_be_revoked_at_once",
                ],
            ),
        ],
    ),
    (
        "Speed",
        &[
            complaint(
                &["zitadel/zitadel#8479", "zitadel/zitadel#6462"],
                "introspection asks the database until the instance stands still",
                &[
                    "prov-auth/tests/it/complaints.rs::zitadel_8479_introspection_and_verification_ask_no_database",
                ],
            ),
            complaint(
                &["zitadel/zitadel#10260"],
                "a flood of sign-ins takes the machine with it",
                &[
                    "prov-auth/src/password/hasher/tests.rs::a_full_queue_sheds_with_a_hint_when_to_come_back",
                    "prov-auth/src/password/hasher/tests.rs::a_caller_who_gives_up_leaves_its_place",
                ],
            ),
        ],
    ),
    (
        "Lockout and limits",
        &[
            complaint(
                &["keycloak/keycloak#26172", "authelia/authelia#4730"],
                "a stranger locks the owner out by guessing",
                &[
                    "prov-auth/tests/it/login_password.rs::a_stranger_can_not_keep_the_owner_out",
                    "prov-auth/tests/it/devices.rs::no_stranger_keeps_a_known_device_out_and_none_guesses_more_for_it",
                ],
            ),
            complaint(
                &["GHSA-m5mf-3963-4x26"],
                "user name and e-mail address, or two spellings, have a budget each",
                &[
                    "prov-auth/tests/it/complaints.rs::ghsa_m5mf_3963_4x26_all_spellings_of_a_name_share_one_budget",
                ],
            ),
            complaint(
                &["authelia/authelia#11972"],
                "attempts at unknown users are not counted",
                &[
                    "prov-auth/tests/it/login_password.rs::guessing_is_throttled_alike_for_users_who_exist_and_who_do_not",
                ],
            ),
            complaint(
                &["learnhouse/learnhouse#961"],
                "behind a proxy everybody shares one limit",
                &[
                    "prov-auth/tests/it/layers_rate_limit.rs::inside_an_edge_the_address_behind_the_trusted_proxy_counts",
                    "reference-server/tests/it/limits.rs::a_trusted_proxy_speaks_for_its_clients",
                ],
            ),
        ],
    ),
    (
        "One-time passwords",
        &[
            complaint(
                &["CVE-2025-6015", "openbao/openbao#1629"],
                "white space in a code gets around what is used up, and the limit",
                &[
                    "prov-mfa/tests/it/complaints.rs::white_space_makes_no_code_new_and_no_guess_free",
                ],
            ),
            complaint(
                &["kanidm/kanidm#2129"],
                "a code works twice",
                &[
                    "prov-mfa/tests/it/replay.rs::signing_in_takes_a_code_once_on_all_nodes_in_all_spellings",
                ],
            ),
            complaint(
                &["idenplane/idenplane#398"],
                "parallel attempts are counted as one",
                &[
                    "prov-mfa/tests/it/races.rs::of_a_hundred_guesses_with_the_right_one_among_them_no_more_than_five_are_heard",
                ],
            ),
            complaint(
                &["eugenioenko/autentico#360"],
                "each sign-in that is begun brings new guesses",
                &[
                    "reference-server/tests/it/limits.rs::autentico_360_sign_ins_begun_in_parallel_bring_no_further_guesses",
                ],
            ),
        ],
    ),
    (
        "Keys",
        &[
            complaint(
                &["ramosbugs/openidconnect-rs#232", "openfga/openfga#3099"],
                "a provider's new key is not fetched",
                &[
                    "prov-auth/tests/it/federation_sign_in.rs::keys_are_fetched_again_when_needed_and_never_more_than_every_thirty_seconds",
                ],
            ),
            complaint(
                &["zitadel/zitadel#7961"],
                "verifiers refuse tokens of a key that was just made",
                &[
                    "prov-auth/tests/it/token_third_party.rs::twenty_rotations_under_load_lose_no_token_at_verifiers_that_cache_the_keys",
                ],
            ),
            complaint(
                &["salvo-rs/salvo#1665", "sbdchd/squawk#928", "spiceai/spiceai#10619"],
                "two cryptographic backends in one build break the process at the first token",
                &[
                    "xtask/src/arrows.rs::salvo_1665_tokens_are_made_and_checked_by_one_backend_only",
                ],
            ),
        ],
    ),
    (
        "Passkeys, backup codes, recovery",
        &[
            complaint(
                &["kanidm/kanidm#1542", "kanidm/webauthn-rs#378", "kanidm/webauthn-rs#372"],
                "keys are made such that they can't sign in without a user name",
                &[
                    "prov-mfa/tests/it/complaints.rs::passkeys_are_asked_to_be_discoverable_and_sign_in_without_a_user_name",
                ],
            ),
            complaint(
                &["authelia/authelia#9094"],
                "nobody sees which keys sign in by themselves",
                &[
                    "prov-mfa/tests/it/complaints.rs::a_key_that_can_not_sign_in_by_itself_is_told_from_one_that_can",
                ],
            ),
            complaint(
                &["ory/kratos#2225"],
                "a key that was removed is still demanded",
                &["prov-mfa/tests/it/complaints.rs::a_removed_passkey_is_not_demanded_any_more"],
            ),
            complaint(
                &["ory/kratos#4134"],
                "recovering an account is a whole session",
                &[
                    "prov-auth/tests/it/complaints.rs::kratos_4134_a_reset_password_is_no_session_and_no_way_around_the_second_factor",
                ],
            ),
            complaint(
                &["onaio/onadata#3239"],
                "backup codes lie in the database as they are typed",
                &["prov-mfa/tests/it/complaints.rs::no_backup_code_can_be_read_in_the_store"],
            ),
        ],
    ),
];

/// Everything that is named as showing something.
pub(super) fn evidence() -> impl Iterator<Item = &'static str> {
    let all = COMPLAINTS.iter().flat_map(|(_, complaints)| *complaints);
    all.flat_map(|complaint| complaint.tests).copied()
}

/// The page.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Complaints about others, as tests\n\n\
         Made by `cargo xtask evidence` from `xtask/src/evidence/complaints.rs`. What users of comparable software have reported about signing in, tokens and\n\
         second factors; each with the test that it can't happen here.\n",
    );
    for (group, complaints) in COMPLAINTS {
        let _ = write!(page, "\n## {group}\n\n| reported as | about | test |\n|---|---|---|\n");
        for Complaint { of, about, tests } in *complaints {
            let of = of.iter().map(|name| link(name)).collect::<Vec<_>>().join(", ");
            let _ = writeln!(page, "| {of} | {about} | {} |", cell(tests));
        }
    }
    page
}

fn link(name: &str) -> String {
    match name.split_once('#') {
        Some((repository, number)) => {
            let kind = if name == "zitadel/zitadel#7961" { "discussions" } else { "issues" };
            format!("[{name}](https://github.com/{repository}/{kind}/{number})")
        }
        None => name.to_owned(),
    }
}
