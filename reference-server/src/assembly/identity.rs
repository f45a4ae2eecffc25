//! Who may sign in, and how tokens prove it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use prov_auth::{
    AuthOptions, AuthParts, AuthService, PasswordHasher, PasswordParameters, PoolOptions,
    Revocations, SigningKeyOptions, SigningKeys, TokenIssuer, TokenOptions, TokenVerifier,
};
use prov_core::audit::Recorder;
use prov_core::store::Store;
use prov_core::{Clock, Result, SecretText};
use prov_mfa::MfaService;

use super::{second_factors, unreadable};
use crate::background::Background;
use crate::config::Config;

pub(super) struct Identity {
    pub(super) keys: Arc<SigningKeys>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) mfa: Arc<MfaService>,
    pub(super) auth: Arc<AuthService>,
}

pub(super) async fn open(
    config: &Config,
    store: &Arc<dyn Store>,
    recorder: &Arc<dyn Recorder>,
    clock: &Arc<dyn Clock>,
) -> Result<Identity> {
    let tokens = TokenOptions::new(&config.jwt.issuer, &config.jwt.audience)
        .with_lifetime(config.jwt.access_token_ttl);
    let keys =
        SigningKeys::open(Arc::clone(store), Arc::clone(clock), key_options(config, &tokens)?);
    let keys = Arc::new(keys.await?);
    let bound = config.jwt.revocation_bound;
    let revocations = Revocations::open_with_bound(Arc::clone(store), Arc::clone(clock), bound);
    let revocations = revocations.await?;
    let issuer =
        TokenIssuer::new(Arc::clone(&keys), Arc::clone(&revocations), Arc::clone(clock), &tokens)?;
    let verifier = TokenVerifier::new(
        Arc::clone(&keys),
        Arc::clone(&revocations),
        Arc::clone(clock),
        &tokens,
    )?;
    let mfa = MfaService::new(
        Arc::clone(store),
        Arc::clone(recorder),
        Arc::clone(clock),
        second_factors::options(config)?,
    )?;
    let mfa = Arc::new(mfa);
    let parts = AuthParts {
        store: Arc::clone(store),
        clock: Arc::clone(clock),
        recorder: Arc::clone(recorder),
        keys: Arc::clone(&keys),
        issuer: Arc::new(issuer),
        verifier: Arc::new(verifier),
        revocations: Arc::clone(&revocations),
        passwords: Arc::new(hasher(config)?),
        second_factor: Some(Arc::<MfaService>::clone(&mfa)),
    };
    let options = AuthOptions::default()
        .with_refresh_lifetime(config.jwt.refresh_token_ttl)
        .with_public_url(config.server.public_url.as_deref())
        .with_permissions(permissions());
    let auth = AuthService::open(parts, options).await?;
    Ok(Identity { keys, revocations, mfa, auth })
}

impl Identity {
    /// Learns of what other nodes change, and rotates keys.
    pub(super) fn look_after(&self, background: &mut Background) {
        let auth = Arc::clone(&self.auth);
        background.run("identities", |stop| auth.run(stop));
    }
}

/// What scopes of API tokens can cover: every action on every part of the API.
fn permissions() -> Vec<(String, String)> {
    let owned = |(action, part): (&str, &str)| (action.to_owned(), part.to_owned());
    crate::api::route_list().iter().filter_map(|route| route.scope().map(owned)).collect()
}

/// Keys are kept until the last token they signed has ended, with room for clocks that differ.
fn key_options(config: &Config, tokens: &TokenOptions) -> Result<SigningKeyOptions> {
    const ROOM: Duration = Duration::from_mins(5);
    let every = config.jwt.key_rotation;
    let options = SigningKeyOptions::default()
        .with_retention(tokens.lifetime + tokens.leeway + ROOM)
        .with_rotation((!every.is_zero()).then_some(every))
        .with_algorithm(config.jwt.algorithm.parse()?);
    let Some(path) = &config.jwt.private_key_path else { return Ok(options) };
    let pem = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    let options = options.with_private_key(SecretText::new(pem));
    let Some(path) = &config.jwt.public_key_path else { return Ok(options) };
    let pem = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    Ok(options.with_public_key(pem))
}

fn hasher(config: &Config) -> Result<PasswordHasher> {
    let passwords = &config.passwords;
    let parameters = PasswordParameters::new(passwords.memory_kib, passwords.iterations, 1)?;
    let workers = NonZeroUsize::new(passwords.workers).unwrap_or(NonZeroUsize::MIN);
    PasswordHasher::new(parameters, PoolOptions::new(workers))
}
