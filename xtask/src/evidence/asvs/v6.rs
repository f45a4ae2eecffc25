//! V6: authentication.

use super::{Requirement, met, not_applicable, partly};

/// Nothing is sent to a phone, a mailbox or an app: there is no way out of band.
const IN_BAND: &str = "nothing is sent out of band: no SMS, no call, no mail, no push";

pub(super) const REQUIREMENTS: &[Requirement] = &[
    met(
        "6.1.1",
        "what stands against guessing is documented, and that nobody is locked out by it",
        &["docs/authentication.md#How guessing is slowed"],
    ),
    met(
        "6.1.2",
        "words of the site that no password may be are documented",
        &["docs/authentication.md#Words that no password may be"],
    ),
    met(
        "6.1.3",
        "all ways to sign in are documented with their strength",
        &["docs/authentication.md#Ways to sign in, and how strong each is"],
    ),
    met(
        "6.2.1",
        "eight characters at least",
        &["prov-auth/src/password/policy.rs::length_is_counted_in_characters_after_normalisation"],
    ),
    met(
        "6.2.2",
        "users change their password",
        &["prov-auth/tests/it/session_lifecycle.rs::changing_the_password_ends_the_other_sessions"],
    ),
    met(
        "6.2.3",
        "changing it takes the current one",
        &["prov-auth/tests/it/session_lifecycle.rs::changing_the_password_ends_the_other_sessions"],
    ),
    met(
        "6.2.4",
        "none of the 3000 most common",
        &[
            "prov-auth/src/password/strength.rs::the_embedded_list_counts_also_where_no_estimate_is_asked_for",
            "prov-auth/src/password/blocklist.rs::what_anybody_would_try_first_is_blocked",
        ],
    ),
    met(
        "6.2.5",
        "any composition",
        &["prov-auth/src/password/policy.rs::no_composition_is_asked_for"],
    ),
    met(
        "6.2.6",
        "fields mask what is typed",
        &[
            "reference-server/tests/it/passkeys.rs::the_password_field_masks_and_hinders_no_password_manager",
        ],
    ),
    met(
        "6.2.7",
        "pasting and password managers are welcome",
        &[
            "reference-server/tests/it/passkeys.rs::the_password_field_masks_and_hinders_no_password_manager",
        ],
    ),
    met(
        "6.2.8",
        "a password is neither cut nor folded (it is normalised by NFKC, as NIST SP 800-63B asks)",
        &["prov-auth/tests/it/asvs.rs::asvs_6_2_8_nothing_of_a_password_is_cut_off_or_folded"],
    ),
    met(
        "6.2.9",
        "64 characters and more",
        &["prov-auth/src/password/policy.rs::length_is_counted_in_characters_after_normalisation"],
    ),
    met(
        "6.2.10",
        "no password ends by age",
        &["prov-auth/tests/it/asvs.rs::asvs_6_2_10_a_password_does_not_end_by_age"],
    ),
    met(
        "6.2.11",
        "those words are refused",
        &[
            "prov-auth/src/password/policy.rs::the_users_own_names_and_the_sites_words_are_refused",
            "reference-server/src/assembly/identity.rs::words_of_the_site_are_no_passwords",
        ],
    ),
    met(
        "6.2.12",
        "passwords that were stolen elsewhere are refused, by the operator's list",
        &[
            "prov-auth/src/password/policy.rs::what_is_guessed_or_was_stolen_is_refused_without_being_repeated",
        ],
    ),
    met(
        "6.3.1",
        "guessing and credential stuffing are hindered as documented",
        &[
            "prov-auth/tests/it/login_password.rs::guessing_is_throttled_alike_for_users_who_exist_and_who_do_not",
            "prov-auth/src/login/throttle/tests.rs::one_address_can_not_go_through_all_accounts",
            "prov-auth/tests/it/login_password.rs::a_stranger_can_not_keep_the_owner_out",
            "prov-auth/tests/it/devices.rs::no_stranger_keeps_a_known_device_out_and_none_guesses_more_for_it",
        ],
    ),
    met(
        "6.3.2",
        "no default accounts",
        &[
            "reference-server/tests/it/main_job.rs::the_bootstrap_token_is_good_for_one_administrator",
            "prov-auth/tests/it/user_bootstrap.rs::where_there_is_anybody_there_is_no_bootstrap",
        ],
    ),
    partly(
        "6.3.3",
        "several factors must be used",
        &[
            "prov-mfa/tests/it/policy.rs::a_role_counts_also_where_it_is_inherited_and_a_team_by_itself",
            "prov-auth/tests/it/login_enrolment.rs::their_session_is_good_for_enrolling_and_for_nothing_else",
        ],
        "where the operator's policy says so, by role and team; the default asks for none, and no rule asks for a passkey in particular",
    ),
    met(
        "6.3.4",
        "no way in that is not documented; all of one strength",
        &[
            "reference-server/tests/it/coverage.rs::who_may_come_in_is_written_down",
            "docs/authentication.md#Ways to sign in, and how strong each is",
        ],
    ),
    met(
        "6.3.5",
        "users hear of suspicious attempts: on a new device, in vain and many, and past the first step only",
        &[
            "prov-auth/tests/it/notices.rs::guesses_are_told_when_they_are_slowed_and_once_a_day_however_many_there_are",
            "prov-auth/tests/it/notices.rs::whoever_signs_in_after_guesses_reads_of_them_at_once",
            "prov-auth/tests/it/notices.rs::who_knows_the_password_and_not_the_second_factor_gives_themselves_away",
            "prov-mfa/tests/it/notices.rs::who_fails_until_the_limit_is_told_of_once",
            "prov-auth/tests/it/devices.rs::a_new_device_is_news_once_and_is_listed",
            "reference-server/tests/it/devices.rs::the_terminal_shows_at_the_next_sign_in_what_happened_meanwhile",
            "reference-server/tests/it/devices.rs::a_webhook_is_told_of_a_new_device_signed_as_standard_webhooks_has_it",
        ],
    ),
    not_applicable(
        "6.3.6",
        "e-mail is no factor",
        "nothing sends e-mail, and no address signs anybody in",
    ),
    met(
        "6.3.7",
        "users hear of changes to how they sign in",
        &[
            "prov-auth/tests/it/notices.rs::a_changed_password_is_news_whoever_changed_it",
            "prov-auth/tests/it/notices.rs::a_lock_and_another_address_are_news_once_they_are_so",
            "prov-auth/tests/it/notices.rs::an_api_token_is_news_when_it_is_made_and_renewed_and_the_news_is_no_secret",
            "prov-auth/tests/it/notices.rs::nobody_hides_one_notice_behind_many_others",
            "prov-mfa/tests/it/notices.rs::an_app_is_news_when_it_counts_and_when_it_goes",
            "prov-mfa/tests/it/notices.rs::passkeys_and_backup_codes_are_news_too",
            "prov-mfa/tests/it/notices.rs::a_reset_is_news_to_whose_factors_it_takes",
            "reference-server/tests/it/notices.rs::every_change_of_how_somebody_signs_in_reaches_them",
            "reference-server/tests/it/notices.rs::the_terminal_says_what_changed_meanwhile",
        ],
    ),
    met(
        "6.3.8",
        "failures do not tell which users exist",
        &[
            "prov-auth/tests/it/login_password.rs::every_way_to_be_wrong_is_one_answer_after_one_hash_of_the_policys_cost",
            "prov-auth/tests/it/login_password.rs::a_spent_account_is_looked_up_alike_for_users_who_exist_and_who_do_not",
            "reference-server/tests/it/limits.rs::unknown_wrong_and_locked_are_answered_alike",
        ],
    ),
    met(
        "6.4.1",
        "initial passwords are random, short-lived, and good for choosing one's own only",
        &[
            "prov-auth/tests/it/login_password.rs::a_password_that_must_be_changed_is_good_for_that_alone",
            "prov-auth/tests/it/asvs.rs::asvs_6_4_1_a_temporary_password_ends_after_a_day",
            "reference-server/tests/it/main_job.rs::a_first_password_is_good_for_its_own_change_only",
        ],
    ),
    not_applicable(
        "6.4.2",
        "no hints and no secret questions",
        "there are none: an account has a password, second factors and identities at providers",
    ),
    met(
        "6.4.3",
        "resetting a password is no way around the second factor",
        &[
            "prov-auth/tests/it/complaints.rs::kratos_4134_a_reset_password_is_no_session_and_no_way_around_the_second_factor",
        ],
    ),
    partly(
        "6.4.4",
        "who has lost a factor is proofed as at enrolment",
        &[
            "prov-mfa/tests/it/removal.rs::an_administrators_reset_removes_everything_and_frees_the_user",
            "prov-mfa/tests/it/removal.rs::nobody_resets_themselves_around_the_rule",
        ],
        "an administrator resets, with an event, and every session ends; how the person is proofed before is up to the organisation",
    ),
    met(
        "6.4.5",
        "reminders before something that signs in ends: API tokens; passwords and factors do not",
        &[
            "prov-auth/tests/it/notices.rs::an_api_token_that_ends_soon_is_told_once_on_all_nodes",
            "prov-auth/tests/it/notices.rs::a_token_that_was_renewed_is_told_of_again",
            "docs/authentication.md#What users are told",
        ],
    ),
    met(
        "6.4.6",
        "administrators reset a password without choosing it",
        &[
            "prov-auth/tests/it/user_accounts.rs::locking_and_resetting_end_everything",
            "prov-auth/tests/it/asvs.rs::asvs_6_4_1_a_temporary_password_ends_after_a_day",
        ],
    ),
    met(
        "6.5.1",
        "codes work once",
        &[
            "prov-mfa/tests/it/replay.rs::signing_in_takes_a_code_once_on_all_nodes_in_all_spellings",
            "prov-mfa/tests/it/races.rs::a_backup_code_is_used_up_by_exactly_one",
        ],
    ),
    met(
        "6.5.2",
        "backup codes of 112 bits and more, kept as (keyed) hashes",
        &[
            "prov-mfa/tests/it/backup_codes.rs::ten_codes_of_125_bits_work_once_each_in_any_spelling",
            "prov-mfa/tests/it/complaints.rs::no_backup_code_can_be_read_in_the_store",
        ],
    ),
    met(
        "6.5.3",
        "codes and seeds come from a CSPRNG",
        &[
            "prov-mfa/src/base32.rs::fresh_codes_differ_are_read_back_and_use_the_whole_alphabet",
            "prov-mfa/src/totp.rs::secrets_have_160_bits_and_differ",
        ],
    ),
    met(
        "6.5.4",
        "backup codes of 20 bits at least",
        &[
            "prov-mfa/tests/it/backup_codes.rs::ten_codes_of_125_bits_work_once_each_in_any_spelling",
        ],
    ),
    partly(
        "6.5.5",
        "a TOTP code lives 30 seconds",
        &[
            "prov-mfa/src/totp.rs::without_drift_a_code_lives_its_30_seconds_and_not_a_second_more",
            "prov-mfa/src/totp.rs::one_step_of_drift_each_way_and_not_a_second_more",
            "prov-mfa/tests/it/replay.rs::without_drift_the_code_of_another_step_is_none",
        ],
        "with `mfa.totp_drift_steps = 0`; by default one step each way is forgiven for clocks (RFC 6238, section 5.2), so that a code is good for 90 seconds, once",
    ),
    met(
        "6.5.6",
        "every factor can be revoked",
        &[
            "prov-mfa/tests/it/removal.rs::removing_an_app_needs_a_recent_factor_or_a_code",
            "prov-mfa/tests/it/removal.rs::an_administrators_reset_removes_everything_and_frees_the_user",
            "prov-mfa/tests/it/complaints.rs::a_removed_passkey_is_not_demanded_any_more",
        ],
    ),
    not_applicable(
        "6.5.7",
        "biometrics only beside something one has or knows",
        "no biometric reaches prov: where an authenticator verifies its user so, it is itself what one has",
    ),
    met(
        "6.5.8",
        "TOTP goes by the server's clock",
        &[
            "prov-mfa/src/totp.rs::one_step_of_drift_each_way_and_not_a_second_more",
            "prov-mfa/tests/it/replay.rs::drift_is_one_step_and_never_goes_back",
        ],
    ),
    not_applicable("6.6.1", "phone and SMS", IN_BAND),
    not_applicable("6.6.2", "codes bound to the request they were made for", IN_BAND),
    not_applicable("6.6.3", "such codes can't be guessed", IN_BAND),
    not_applicable("6.6.4", "no push bombing", IN_BAND),
    met(
        "6.7.1",
        "what verifies cryptographic credentials can't be changed unnoticed",
        &[
            "prov-kms/tests/it/sealed.rs::swapped_moved_and_changed_rows_do_not_open",
            "prov-auth/tests/it/workload_tokens.rs::files_are_read_again_and_half_a_file_cuts_nobody_off",
        ],
    ),
    met(
        "6.7.2",
        "challenges of 64 bits at least, never the same",
        &["prov-mfa/tests/it/passkeys.rs::challenges_have_256_bits_and_are_never_the_same"],
    ),
    met(
        "6.8.1",
        "nobody is somebody else by another provider",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_person_is_issuer_and_subject_and_nothing_else",
        ],
    ),
    met(
        "6.8.2",
        "assertions without a signature that holds are refused",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::tokens_with_another_algorithm_type_or_key_are_refused",
            "prov-auth/tests/it/federation_sign_in.rs::claims_that_do_not_hold_are_one_answer_and_change_nothing",
        ],
    ),
    not_applicable("6.8.3", "SAML assertions are good once", "SAML is not spoken"),
    met(
        "6.8.4",
        "strength and time of a provider's sign-in are checked; without its word the weakest is assumed",
        &[
            "prov-auth/tests/it/federation_sign_in.rs::a_second_factor_is_asked_for_here_unless_the_providers_word_is_trusted",
            "prov-auth/tests/it/federation_sign_in.rs::a_sign_in_that_must_be_recent_is",
            "docs/authentication.md#Sessions that begin at an identity provider",
        ],
    ),
];
