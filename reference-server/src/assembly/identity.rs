//! Who may sign in, and how tokens prove it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use prov_auth::{
    AuthOptions, AuthParts, AuthService, AuthnLayer, BreachedPasswords, BundleFiles, HttpsClient,
    HttpsOptions, PasswordHasher, PasswordParameters, PasswordPolicy, PoolOptions, ProofOptions,
    Revocations, SigningKeyOptions, SigningKeys, TokenIssuer, TokenOptions, TokenVerifier,
    TrustBundles, WorkloadApi, WorkloadRule, WorkloadRules, Workloads,
};
use prov_core::audit::Recorder;
use prov_core::store::Store;
use prov_core::{Clock, HealthCheck, Result, SecretText};
use prov_mfa::MfaService;

use super::{notices, second_factors, unreadable};
use crate::background::Background;
use crate::config::Config;

pub(super) struct Identity {
    pub(super) keys: Arc<SigningKeys>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) mfa: Arc<MfaService>,
    pub(super) auth: Arc<AuthService>,
    programs: Option<Programs>,
}

/// Programs, and what keeps up to date who is trusted to vouch for them.
struct Programs {
    known: Arc<Workloads>,
    files: Arc<BundleFiles>,
    agent: Option<Arc<WorkloadApi>>,
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
        outbound: Some(Arc::new(outbound(config)?)),
        notifier: notices::notifier(config, clock)?,
    };
    let options = AuthOptions::default()
        .with_refresh_lifetime(config.jwt.refresh_token_ttl)
        .with_public_url(config.server.public_url.as_deref())
        .with_passwords(password_policy(config)?)
        .with_permissions(permissions())
        .with_proofs(proofs(config))
        .with_certificate_binding(config.jwt.bind_to_certificates);
    let auth = AuthService::open(parts, options).await?;
    let programs = programs(config, &revocations, clock)?;
    Ok(Identity { keys, revocations, mfa, auth, programs })
}

/// How proofs of possession are checked, if tokens may be bound to keys.
fn proofs(config: &Config) -> Option<ProofOptions> {
    // A database on the network may be that of other servers, too.
    let shared = !config.store_url().starts_with("sqlite:");
    let proofs = ProofOptions::default().with_nonces(config.jwt.dpop_nonces).with_shared(shared);
    config.jwt.dpop.then_some(proofs)
}

/// Programs, if any trust domain can be known.
fn programs(
    config: &Config,
    revocations: &Arc<Revocations>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Programs>> {
    if !config.knows_programs() {
        return Ok(None);
    }
    let workloads = &config.workloads;
    let agent = workloads.endpoint.as_ref();
    let agent = agent.map(|socket| WorkloadApi::new(socket, Arc::clone(clock)).map(Arc::new));
    let agent = agent.transpose()?;
    let files = workloads.bundles.iter().map(|(domain, path)| Ok((domain.parse()?, path.clone())));
    let files = Arc::new(BundleFiles::open(files.collect::<Result<Vec<_>>>()?)?);
    let rules = workloads.rules.iter().map(|rule| {
        let roles = rule.roles.iter().copied();
        Ok(WorkloadRule::new(&rule.id, roles)?.with_teams(rule.teams.iter().cloned()))
    });
    let rules = WorkloadRules::new(rules.collect::<Result<Vec<_>>>()?);
    let own = &workloads.audience;
    let audience = if own.is_empty() { &config.jwt.audience } else { own };
    let (revocations, clock) = (Arc::clone(revocations), Arc::clone(clock));
    let told = agent.iter().map(|agent| agent.bundles());
    let bundles = TrustBundles::joined(std::iter::once(files.bundles()).chain(told));
    let known = Arc::new(Workloads::new(bundles, rules, audience, revocations, clock));
    Ok(Some(Programs { known, files, agent }))
}

impl Identity {
    /// Learns of what other nodes change, and rotates keys.
    pub(super) fn look_after(&self, background: &mut Background) {
        let auth = Arc::clone(&self.auth);
        background.run("identities", |stop| auth.run(stop));
        if let Some(Programs { files, agent, .. }) = &self.programs {
            let files = Arc::clone(files);
            background.run("trust bundles", |stop| files.follow(stop));
            if let Some(agent) = agent.clone() {
                background.run("workload api", |stop| agent.follow(stop));
            }
        }
    }

    /// What readiness asks of those who vouch for programs.
    pub(super) fn agent(&self) -> Option<Arc<dyn HealthCheck>> {
        self.programs.as_ref()?.agent.clone().map(|agent| agent as Arc<dyn HealthCheck>)
    }

    /// Asks who sent a request.
    pub(super) fn authn(&self) -> AuthnLayer {
        let layer = self.auth.authn_layer();
        match &self.programs {
            Some(programs) => layer.acting_by(Arc::<Workloads>::clone(&programs.known)),
            None => layer,
        }
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

/// The way to identity providers.
fn outbound(config: &Config) -> Result<HttpsClient> {
    let federation = &config.federation;
    let authorities = match &federation.ca_path {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?),
        None => None,
    };
    if federation.insecure_loopback {
        tracing::warn!("identity providers on this machine are asked without TLS");
    }
    HttpsClient::new(
        HttpsOptions::default()
            .with_authorities(authorities)
            .with_insecure_loopback(federation.insecure_loopback),
    )
}

fn password_policy(config: &Config) -> Result<PasswordPolicy> {
    let policy = PasswordPolicy::default()
        .with_fewest_guesses(config.passwords.fewest_guesses)
        .with_site_words(&config.passwords.site_words);
    let Some(path) = &config.passwords.breached_list else { return Ok(policy) };
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    let list = BreachedPasswords::read(std::io::BufReader::new(file))?;
    tracing::info!(passwords = list.len(), "new passwords are held against a list of stolen ones");
    Ok(policy.with_breached(Arc::new(list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_site_are_no_passwords() {
        let mut config = Config::default();
        config.passwords.site_words = vec!["Kranichfeld".to_owned()];
        let refused = |config: &Config, text: &str| {
            password_policy(config)
                .unwrap()
                .accept(&SecretText::new(text), "password", &[])
                .is_err()
        };
        for text in ["kranichfeld", "Kranichfeld2026!", "KRANICHFELDKRANICHFELD"] {
            assert!(refused(&config, text), "{text}");
        }
        assert!(!refused(&Config::default(), "KranichfeldKranichfeld"), "nobody has said so");
    }
}
