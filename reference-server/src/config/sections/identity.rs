//! Who may sign in, and how tokens prove it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use prov_core::duration_text;
use serde::Deserialize;

use super::super::{ConfigError, list};
use super::{Config, DAY, MINUTE};

section! {
    /// `[jwt]`: access and refresh tokens.
    Jwt {
        /// Who issues them (`iss`).
        issuer: String = "control-center".to_owned(),
        /// For whom they are (`aud`).
        #[serde(deserialize_with = "list::deserialize")]
        audience: Vec<String> = vec!["orchestrator".to_owned(), "cli".to_owned()],
        /// How long an access token holds.
        #[serde(with = "duration_text")]
        access_token_ttl: Duration = Duration::from_secs(15 * MINUTE),
        /// How long a refresh token holds.
        #[serde(with = "duration_text")]
        refresh_token_ttl: Duration = Duration::from_secs(7 * DAY),
        /// The signature algorithm: `RS256`, `ES256` or `EdDSA`.
        algorithm: String = "RS256".to_owned(),
        /// How long a key signs before the next takes over; `0s`: until somebody rotates.
        #[serde(with = "duration_text")]
        key_rotation: Duration = Duration::from_secs(30 * DAY),
        /// How long a server goes on that can't hear of other servers' revocations; then it refuses.
        #[serde(with = "duration_text")]
        revocation_bound: Duration = Duration::from_secs(30),
        /// Binds tokens to the keys of clients that prove to hold one (DPoP, RFC 9449); needs
        /// `server.public_url`. A client that sends no proof gets tokens as before.
        dpop: bool = false,
        /// Asks for a nonce of this server in each proof, so that none can be made in advance.
        dpop_nonces: bool = false,
        /// Binds tokens to the certificates of clients that have one (RFC 8705); needs `server.tls`, which
        /// then asks for them. A client that gets another certificate signs in again.
        bind_to_certificates: bool = false,
        /// A PEM private key to sign with instead of a generated one.
        private_key_path: Option<PathBuf> = None,
        /// The public key that must belong to it.
        public_key_path: Option<PathBuf> = None,
    }
}

section! {
    /// `[passwords]`: the cost of Argon2id, and which may be chosen.
    Passwords {
        /// Memory per hash in KiB; at least 19456.
        memory_kib: u32 = 19 * 1024,
        /// Passes; at least 2 at 19 MiB.
        iterations: u32 = 2,
        /// Hashes computed at once; each holds its memory.
        workers: usize = 2,
        /// How many guesses a new password must withstand, by the estimate of `zxcvbn`; with 0 only
        /// what stands on its lists is refused.
        fewest_guesses: u64 = 100_000_000,
        /// Words of the site that no password may be, besides `prov` and the user's own names.
        #[serde(deserialize_with = "list::deserialize")]
        site_words: Vec<String> = Vec::new(),
        /// A list of stolen passwords: one in a line, or its SHA-1 as Pwned Passwords has it.
        breached_list: Option<PathBuf> = None,
    }
}

section! {
    /// `[federation]`: how identity providers are reached. Which there are, the API says.
    Federation {
        /// Certificates (PEM) of authorities that are trusted besides the machine's.
        ca_path: Option<PathBuf> = None,
        /// Asks identity providers on this machine too, also without TLS. Dangerous: whoever may enter an
        /// issuer can then have this machine asked.
        insecure_loopback: bool = false,
    }
}

section! {
    /// `[workloads]`: programs that prove who they are by SPIFFE documents.
    Workloads {
        /// The socket of an agent that speaks the SPIFFE Workload API, `unix:///run/spire/sockets/agent.sock`:
        /// it tells which trust domains there are, and of every change.
        endpoint: Option<String> = None,
        /// The file with the bundle of each trust domain; read again when it changes, and counts before the
        /// agent's. With neither no program is known, and no client is asked for a certificate.
        bundles: BTreeMap<String, PathBuf> = BTreeMap::new(),
        /// What JWT-SVIDs must name as their audience; that of `[jwt]` unless said otherwise.
        #[serde(deserialize_with = "list::deserialize")]
        audience: Vec<String> = Vec::new(),
        /// `[[workloads.rules]]`
        rules: Vec<WorkloadRule> = Vec::new(),
    }
}

section! {
    /// `[[workloads.rules]]`: what programs get. Whom no rule knows does not get in.
    WorkloadRule {
        /// An id, or `spiffe://domain/path/*` for all below a path.
        id: String = String::new(),
        /// Roles.
        roles: Vec<prov_core::Role> = Vec::new(),
        /// Teams.
        teams: Vec<prov_core::TeamName> = Vec::new(),
    }
}

section! {
    /// `[notices]`: how people are told what happens to their accounts, besides where they look themselves.
    Notices {
        /// A webhook (`https://…`) that takes them and writes the mail, as Standard Webhooks has it.
        webhook_url: Option<String> = None,
        /// A file with its secret: `whsec_` and base64.
        webhook_secret_path: Option<PathBuf> = None,
        /// Certificates (PEM) that the webhook's may be signed by, besides those of the machine.
        webhook_ca_path: Option<PathBuf> = None,
    }
}

/// What types can't say.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let refuse = |message: &str| {
        Err(ConfigError::Invalid {
            origin: "the configuration".to_owned(),
            message: message.to_owned(),
        })
    };
    if !["RS256", "ES256", "EdDSA"].contains(&&*config.jwt.algorithm) {
        return refuse("`jwt.algorithm`: `RS256`, `ES256` or `EdDSA`");
    }
    if !config.jwt.key_rotation.is_zero()
        && config.jwt.key_rotation < Duration::from_secs(10 * MINUTE)
    {
        return refuse("`jwt.key_rotation`: at least `10m`, or `0s` for never");
    }
    if config.jwt.revocation_bound < Duration::from_secs(5)
        || config.jwt.revocation_bound > Duration::from_secs(60 * MINUTE)
    {
        return refuse("`jwt.revocation_bound`: `5s` to `60m`");
    }
    if config.jwt.audience.is_empty() {
        return refuse("`jwt.audience` is empty: no token would be for anybody");
    }
    if config.jwt.public_key_path.is_some() && config.jwt.private_key_path.is_none() {
        return refuse("`jwt.public_key_path` without `jwt.private_key_path` signs nothing");
    }
    if config.passwords.memory_kib < 19 * 1024 || config.passwords.iterations < 2 {
        return refuse("`passwords`: at least `memory_kib = 19456` and `iterations = 2`");
    }
    if config.passwords.workers == 0 {
        return refuse("`passwords.workers`: at least 1");
    }
    if config.jwt.access_token_ttl.is_zero()
        || config.jwt.access_token_ttl > Duration::from_secs(DAY)
    {
        return refuse("`jwt.access_token_ttl`: more than nothing and at most `24h`");
    }
    if config.jwt.refresh_token_ttl < config.jwt.access_token_ttl {
        return refuse("`jwt.refresh_token_ttl` is shorter than `jwt.access_token_ttl`");
    }
    if config.jwt.dpop && config.server.public_url.is_none() {
        return refuse("`jwt.dpop` needs `server.public_url`: a proof names the URL it is for");
    }
    if config.jwt.dpop_nonces && !config.jwt.dpop {
        return refuse("`jwt.dpop_nonces` without `jwt.dpop` asks nobody for anything");
    }
    if config.jwt.bind_to_certificates && config.server.tls.is_none() {
        return refuse(
            "`jwt.bind_to_certificates` needs `server.tls`: no client shows one without",
        );
    }
    if config.notices.webhook_url.is_some() != config.notices.webhook_secret_path.is_some() {
        return refuse("`notices`: `webhook_url` and `webhook_secret_path` go together");
    }
    Ok(())
}
