//! Checking proofs of possession (RFC 9449, section 4.3).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use prov_core::store::Store;
use prov_core::{Clock, Error, RequestFacts, Result, codes as core_codes, random};
use serde::Deserialize;

use super::nonce::Nonces;
use super::replay::{Name, Replays};
use super::shared::SharedReplays;
use super::target::Place;
use crate::codes;
use crate::token::{base64url, from_object, open_proof};

/// How proofs of possession are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProofOptions {
    /// How old a proof may be; 1 minute unless said otherwise, 5 at most.
    pub max_age: Duration,
    /// How far in the future a proof may have been made, for clocks that differ; 10 seconds unless said
    /// otherwise, 30 at most.
    pub leeway: Duration,
    /// How many proofs are remembered within that time, about 20 bytes each; a million unless said
    /// otherwise. When there is no room, proofs are refused.
    pub remembered: usize,
    /// Whether proofs must carry a nonce of this server (section 8), which makes them useless that were made
    /// in advance. Clients then ask twice the first time.
    pub nonces: bool,
    /// Whether a proof that was shown to one node is refused by all others over the same store, which costs
    /// one commit for each proof. A single process needs it not; several without it take a proof once each.
    pub shared: bool,
}

impl Default for ProofOptions {
    fn default() -> Self {
        Self {
            max_age: Duration::from_mins(1),
            leeway: Duration::from_secs(10),
            remembered: 1 << 20,
            nonces: false,
            shared: false,
        }
    }
}

impl ProofOptions {
    /// With nonces or without.
    #[must_use]
    pub fn with_nonces(mut self, nonces: bool) -> Self {
        self.nonces = nonces;
        self
    }

    /// Remembering proofs for all nodes over one store, or for this one alone.
    #[must_use]
    pub fn with_shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }

    /// With room for another number of proofs.
    #[must_use]
    pub fn with_remembered(mut self, most: usize) -> Self {
        self.remembered = most;
        self
    }

    /// With another age.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    fn check(&self) -> Result<()> {
        let refuse = |field: &str, message: &str| {
            Err(Error::new(core_codes::INVALID_REQUEST)
                .detail("the options of proofs are not valid")
                .field(field, message))
        };
        if self.max_age < Duration::from_secs(1) || self.max_age > Duration::from_mins(5) {
            return refuse("max_age", "give 1 second to 5 minutes");
        }
        if self.leeway > Duration::from_secs(30) {
            return refuse("leeway", "give 30 seconds at most");
        }
        if self.remembered == 0 {
            return refuse("remembered", "a proof that is not remembered can be shown again");
        }
        Ok(())
    }
}

/// Checks proofs of possession (DPoP, RFC 9449): that the client holds the key, now, for this request.
///
/// * The proof is signed by the key it brings, by ES256, ES384, `EdDSA`, RS256 or PS256, and brings nothing private.
/// * It is for this method, and for this URL as the server is reached from outside; query, fragment and
///   equivalent spellings aside.
/// * It is at most a minute old and good once. What was seen is remembered on this node and, with
///   [`with_shared_memory`](Self::with_shared_memory), by all nodes over one store. Without it, an attacker who
///   reads what travels inside of TLS could show a proof once to each of several nodes.
/// * With an access token, it is for exactly that one (`ath`).
///
/// An [`AuthnLayer`](crate::AuthnLayer) asks it of every token that is bound to a key.
#[derive(Debug)]
pub struct ProofVerifier {
    place: Place,
    options: ProofOptions,
    replays: Replays,
    shared: Option<SharedReplays>,
    nonces: Option<Nonces>,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// The algorithms proofs may be signed by, as `WWW-Authenticate` and metadata name them.
pub(crate) const ALGORITHMS: [&str; 6] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256", "ES384"];

/// Longer than the id of any proof (RFC 9449, section 4.2, asks for 96 random bits or a UUID).
const LONGEST_ID: usize = 256;

impl ProofVerifier {
    /// Checks proofs for the server that is reached at `public_url`. Nonces are those of this process, see
    /// [`with_nonce_key`](Self::with_nonce_key).
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for a URL or options that can't be right; and when the operating
    /// system gives no randomness.
    pub fn new(public_url: &str, options: ProofOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        options.check()?;
        let nonces = if options.nonces { Some(Nonces::new(&random::bytes::<32>()?)) } else { None };
        let span = options.max_age + options.leeway;
        let replays = Replays::new(options.remembered, span);
        let place = Place::new(public_url)?;
        Ok(Self { place, options, replays, shared: None, nonces, clock })
    }

    /// Remembering what was seen in this store as well, for every process that does so. Each proof then takes
    /// a commit, after whatever this node can tell by itself.
    #[must_use]
    pub fn with_shared_memory(mut self, store: Arc<dyn Store>) -> Self {
        let span = self.options.max_age + self.options.leeway;
        self.shared = Some(SharedReplays::new(store, Arc::clone(&self.clock), span));
        self
    }

    /// Taking the nonces of every process that has this secret.
    #[must_use]
    pub fn with_nonce_key(mut self, key: &[u8]) -> Self {
        self.nonces = self.nonces.map(|_| Nonces::new(key));
        self
    }

    /// What proofs are to carry from now on, if they must.
    #[must_use]
    pub fn nonce(&self) -> Option<String> {
        let nonces = self.nonces.as_ref()?;
        Some(nonces.at(self.clock.now().as_second()))
    }

    /// The thumbprint (RFC 7638) of the key that the request proves the possession of; for `token`, if one is
    /// presented with it.
    ///
    /// # Errors
    /// [`codes::PROOF_INVALID`]; [`codes::PROOF_NONCE_REQUIRED`]; [`codes::PROOFS_TOO_MANY`]; and when memory
    /// is shared and the store can't be written.
    pub async fn verify(&self, request: &RequestFacts, token: Option<&str>) -> Result<String> {
        let proved = self.verify_here(request, token)?;
        self.remember_everywhere(&proved).await?;
        Ok(proved.thumbprint)
    }

    /// Whether other nodes are asked about proofs.
    pub(crate) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Has all nodes remember a proof that this one has found to hold.
    ///
    /// # Errors
    /// [`codes::PROOF_INVALID`] when another has seen it; when the store can't be written.
    pub(crate) async fn remember_everywhere(&self, proved: &Proved) -> Result<()> {
        match &self.shared {
            Some(shared) => shared.remember(proved.name).await,
            None => Ok(()),
        }
    }

    /// As [`verify`](Self::verify), as far as this node can tell.
    pub(crate) fn verify_here(
        &self,
        request: &RequestFacts,
        token: Option<&str>,
    ) -> Result<Proved> {
        let proof = request.proof.as_ref().ok_or_else(|| invalid("there is none"))?;
        let opened =
            open_proof(proof.expose()).map_err(|e| invalid("its form or key").source(e))?;
        let claims: Claims =
            from_object(&opened.payload).map_err(|e| invalid("its claims").source(e))?;
        if claims.htm != request.method || !self.place.is_target(&claims.htu, &request.path) {
            return Err(invalid("it is for another request"));
        }
        if claims.jti.is_empty() || claims.jti.len() > LONGEST_ID {
            return Err(invalid("an id of no length that ids have"));
        }
        let now = self.clock.now().as_second();
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let age = now.saturating_sub(claims.iat);
        if age > seconds(self.options.max_age) || age < -seconds(self.options.leeway) {
            return Err(invalid("it was not made now"));
        }
        if let Some(token) = token {
            let hash = base64url(digest(&SHA256, token.as_bytes()));
            if claims.ath.as_deref() != Some(&*hash) {
                return Err(invalid("it is for another token"));
            }
        }
        if let Some(nonces) = &self.nonces
            && !claims.nonce.as_deref().is_some_and(|nonce| nonces.accepts(nonce, now))
        {
            return Err(codes::PROOF_NONCE_REQUIRED.into());
        }
        // Last: what does not hold takes no room.
        let at = self.clock.monotonic();
        let name = self.replays.remember(&opened.thumbprint, &claims.jti, at)?;
        Ok(Proved { thumbprint: opened.thumbprint, name })
    }
}

/// A proof that holds, as far as one node can tell.
#[derive(Debug, Clone)]
pub(crate) struct Proved {
    /// Of the key that made it.
    pub(crate) thumbprint: String,
    name: Name,
}

fn invalid(why: &'static str) -> Error {
    Error::new(codes::PROOF_INVALID).context(why)
}
