//! From a proof of who somebody is to a session, bound to what they hold.

use prov_core::store::{Batch, Stored};
use prov_core::{
    Amr, Confirmation, Enrolment, Error, FactorMethod, RequestFacts, Result, Timestamp,
};

use super::AuthService;
use crate::federation::Origin;
use crate::possession::{certificate_thumbprint, check_certificate};
use crate::user::UserRecord;
use crate::{LoginOutcome, codes};

/// How somebody proved who they are, before a session is opened.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) amr: Vec<Amr>,
    pub(super) authenticated_at: Timestamp,
    pub(super) origin: Option<Origin>,
    /// What is still to be done.
    pub(super) enrolment: Enrolment,
    /// What the session is to be bound to.
    pub(super) bound_to: Option<Confirmation>,
}

impl Proof {
    /// By these, now, which is enough.
    pub(super) fn of(amr: &[Amr], now: Timestamp) -> Self {
        let (amr, enrolment) = (amr.to_vec(), Enrolment::NotAsked);
        Self { amr, authenticated_at: now, origin: None, enrolment, bound_to: None }
    }

    /// By a password, now.
    pub(super) fn by_password(now: Timestamp) -> Self {
        Self::of(&[Amr::Pwd], now)
    }
}

impl AuthService {
    /// A session, or a challenge where a second factor is enrolled and was not used; together with `also`.
    pub(super) async fn after_proof(
        &self,
        stored: Stored<UserRecord>,
        mut proof: Proof,
        generation: u64,
        request: &RequestFacts,
        also: &Batch,
    ) -> Result<LoginOutcome> {
        let mut methods: Vec<FactorMethod> = Vec::new();
        if !proof.amr.contains(&Amr::Mfa) {
            methods = self.second_factors_of(&stored).await?;
            if methods.is_empty() {
                proof.enrolment = self.enrolment_of(&stored).await?;
            }
        }
        if methods.is_empty() {
            let tokens = self.open_session(stored, &proof, generation, request, also).await?;
            return Ok(LoginOutcome::Tokens(tokens));
        }
        let passkey_options = match &self.parts.second_factor {
            Some(port) if methods.contains(&FactorMethod::Webauthn) => {
                port.passkey_options(&stored.user.id, request).await?
            }
            _ => None,
        };
        let challenge = self.challenge(&stored, proof, also).await?;
        let expires_in = self.options.challenge_lifetime;
        Ok(LoginOutcome::MfaRequired { challenge, methods, passkey_options, expires_in })
    }

    /// The key and the certificate that the request proves to be its sender's, as far as what is issued is to
    /// be bound to them: whoever sends a DPoP proof wants it to be (RFC 9449, section 5), and whoever has a
    /// certificate gets it where the options say so (RFC 8705, section 3).
    pub(super) async fn proved_possession(
        &self,
        request: &RequestFacts,
    ) -> Result<Option<Confirmation>> {
        let key = match self.proofs.as_ref().filter(|_| request.proof.is_some()) {
            Some(proofs) => Some(proofs.verify(request, None).await?),
            None => None,
        };
        let certificate = request.certificate.as_ref();
        let certificate = certificate.filter(|_| self.options.bind_to_certificates);
        Ok(Confirmation::of(key, certificate.map(|der| certificate_thumbprint(der))))
    }

    /// Refuses a refresh token where what it is bound to is not proved to be its sender's: clients here are
    /// public ones (RFC 9449, section 5; RFC 8705, section 4).
    pub(super) fn check_possession(
        bound_to: Option<&Confirmation>,
        proved: Option<&Confirmation>,
        request: &RequestFacts,
    ) -> Result<()> {
        let Some(bound_to) = bound_to else { return Ok(()) };
        let proved = proved.and_then(|proved| proved.key.as_ref());
        let holds = check_certificate(bound_to, request.certificate.as_ref()).is_ok()
            && bound_to.key.as_ref().is_none_or(|wanted| proved == Some(wanted));
        if holds {
            return Ok(());
        }
        Err(Error::new(codes::REFRESH_TOKEN_INVALID).detail(
            "this refresh token is bound to a key or a certificate: prove that it is yours",
        ))
    }
}
