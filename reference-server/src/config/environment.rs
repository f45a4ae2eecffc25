//! Environment names and the settings they stand for.

use super::Environment;

/// Names that deployments rely on, with the setting each stands for. Every other setting is
/// `PROV__SECTION__KEY`.
pub const NAMED: &[(&str, &str)] = &[
    ("DATABASE_URL", "store.url"),
    ("JWT_ISSUER", "jwt.issuer"),
    ("JWT_AUDIENCE", "jwt.audience"),
    ("JWT_PRIVATE_KEY_PATH", "jwt.private_key_path"),
    ("JWT_PUBLIC_KEY_PATH", "jwt.public_key_path"),
    ("CEDAR_POLICIES_PATH", "cedar.policies_path"),
    ("CEDAR_ENABLE_HOT_RELOAD", "cedar.hot_reload"),
    ("KMS_BACKEND", "kms.backend"),
    ("MFA_TOTP_ISSUER", "mfa.totp_issuer"),
    ("MFA_WEBAUTHN_RP_ID", "mfa.webauthn_rp_id"),
    ("RUST_LOG", "telemetry.log"),
];

/// What a setting of our own starts with.
const PREFIX: &str = "PROV__";

/// The settings that the environment makes, `section.key` and text; `PROV__…` comes last and wins.
pub(super) fn settings(environment: &Environment) -> Vec<(String, String)> {
    let named = NAMED
        .iter()
        .filter_map(|(name, path)| Some(((*path).to_owned(), environment.get(*name)?.clone())));
    let ours = environment.iter().filter_map(|(name, value)| {
        let path = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
        Some((path, value.clone()))
    });
    named.chain(ours).filter(|(_, value)| !value.is_empty()).collect()
}

/// The environment name of a setting, for messages.
#[must_use]
pub fn named_in(path: &str) -> String {
    NAMED.iter().find(|(_, setting)| *setting == path).map_or_else(
        || format!("{PREFIX}{}", path.to_uppercase().replace('.', "__")),
        |(name, _)| (*name).to_owned(),
    )
}
