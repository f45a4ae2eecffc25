//! Whether whoever presents a credential proves the possession of what it is bound to.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use prov_core::{Error, Identity, Presented, RequestFacts, Result};

use crate::codes;
use crate::possession::{ALGORITHMS, ProofVerifier, Proved, check_certificate};

/// Where a nonce for the next proof stands (RFC 9449, section 8).
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What is known of proofs, with the challenges that ask for them.
#[derive(Debug)]
pub(super) struct Proofs {
    pub(super) verifier: Arc<ProofVerifier>,
    invalid_token: HeaderValue,
    invalid_proof: HeaderValue,
    nonce_required: HeaderValue,
}

impl Proofs {
    pub(super) fn new(verifier: Arc<ProofVerifier>) -> Self {
        let asking = |error: &str| {
            HeaderValue::try_from(format!("{}, error=\"{error}\"", Self::challenge()))
                .unwrap_or(HeaderValue::from_static("DPoP"))
        };
        Self {
            verifier,
            invalid_token: asking("invalid_token"),
            invalid_proof: asking("invalid_dpop_proof"),
            nonce_required: asking("use_dpop_nonce"),
        }
    }

    /// RFC 9449, section 7.1.
    pub(super) fn challenge() -> String {
        format!("DPoP realm=\"prov\", algs=\"{}\"", ALGORITHMS.join(" "))
    }

    /// How whoever presented a token with a proof is asked for another.
    pub(super) fn asks_again(&self, reason: &Error) -> HeaderValue {
        let challenge = if reason.is(codes::PROOF_NONCE_REQUIRED) {
            &self.nonce_required
        } else if reason.is(codes::PROOF_INVALID) {
            &self.invalid_proof
        } else {
            &self.invalid_token
        };
        challenge.clone()
    }
}

/// Scheme and credential of what is presented.
fn credential<'p>(presented: &Presented<'p>) -> Option<(&'p str, &'p str)> {
    let (scheme, token) = presented.authorization?.split_once(' ')?;
    Some((scheme, token.trim_start_matches(' ')))
}

/// Whether the credential is presented with a proof.
pub(super) fn is_with_proof(presented: &Presented<'_>) -> bool {
    credential(presented).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("DPoP"))
}

/// Refuses a credential that is bound to a key or a certificate where the request does not prove that these
/// are its sender's, and one that is presented as bound and is not (RFC 9449, section 7.1; RFC 8705, section
/// 3). Without anything that checks proofs, no credential that is bound to a key is taken. The proof, if there
/// is one, holds as far as this node can tell.
pub(super) fn check(
    identity: &Identity,
    presented: &Presented<'_>,
    proofs: Option<&Proofs>,
) -> Result<Option<Proved>> {
    let unproved = |why| Err(Error::new(codes::TOKEN_BOUND).context(why));
    let bound_to = identity.authentication.confirmation.as_deref();
    let key = bound_to.and_then(|confirmation| confirmation.key.as_deref());
    let proved = match (credential(presented).filter(|_| is_with_proof(presented)), key) {
        (None, None) => None,
        (None, Some(_)) => return unproved("bound to a key and presented without a proof"),
        (Some(_), None) => return unproved("presented with a proof and bound to no key"),
        (Some((_, token)), Some(key)) => {
            let Some(proofs) = proofs else { return unproved("nobody here checks proofs") };
            let proved = proofs.verifier.verify_here(presented.request, Some(token))?;
            if proved.thumbprint != key {
                return unproved("bound to another key");
            }
            Some(proved)
        }
    };
    let shown = presented.certificates.and_then(|chain| chain.first());
    bound_to.map_or(Ok(()), |bound_to| check_certificate(bound_to, shown))?;
    Ok(proved)
}

/// What an answer still needs when it comes back from within.
#[derive(Debug, Default)]
pub(super) struct Finish {
    nonce: Option<HeaderValue>,
    is_with_proof: bool,
}

impl Finish {
    /// Of the answer to this request.
    pub(super) fn of(request: &RequestFacts, headers: &HeaderMap, proofs: Option<&Proofs>) -> Self {
        let Some(proofs) = proofs else { return Self::default() };
        let presented = Presented::new(request).with_authorization(
            headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()),
        );
        // Whoever sends proofs is always told what the next one is to carry (section 8.2).
        let nonce = request.proof.as_ref().and_then(|_| proofs.verifier.nonce());
        let nonce = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok());
        Self { nonce, is_with_proof: is_with_proof(&presented) }
    }

    /// Of an answer of this layer itself, whose challenge is right already.
    pub(super) fn of_refusal(self) -> Self {
        Self { is_with_proof: false, ..self }
    }

    /// Gives a nonce, and makes the challenges of the layers within, which know one scheme only, those of the
    /// scheme that was used.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        if let Some(nonce) = self.nonce {
            headers.insert(NONCE, nonce);
        }
        let challenge = headers.get(WWW_AUTHENTICATE).filter(|_| self.is_with_proof);
        let of_bearers = challenge.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if let Some(rest) = of_bearers
            && let Ok(value) = HeaderValue::try_from(format!("DPoP {rest}"))
        {
            headers.insert(WWW_AUTHENTICATE, value);
        }
    }
}
