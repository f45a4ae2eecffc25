//! The relying party: what is asked of authenticators, and what is accepted of them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::{Error, Result, UserId, codes as core_codes};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use webauthn_attestation_ca::AttestationCaList;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AuthenticationState, COSEAlgorithm, Credential,
    ParsedAttestation, RegistrationState, RequestRegistrationExtensions, ResidentKeyRequirement,
    UserVerificationPolicy,
};

use super::makers::makers;
use super::usual::{Held, Site};
use super::{
    AssertionAnswer, AttestationPolicy, Ceremony, Discoverable, PasskeyOptions, RegistrationAnswer,
    handle_of,
};
use crate::codes;
use crate::factors::{Asserted, Passkey};

/// Checks ceremonies of one site.
pub(crate) struct RelyingParty {
    core: WebauthnCore,
    site: Site,
    discoverable: Discoverable,
    makers: Option<AttestationCaList>,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty")
            .field("discoverable", &self.discoverable)
            .finish_non_exhaustive()
    }
}

/// What is asked of a browser, and what has to be remembered until it answers.
#[derive(Debug)]
pub(crate) struct Asked {
    /// For `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub(crate) options: Value,
    /// For the ceremony.
    pub(crate) state: Box<RawValue>,
    /// The challenge, in base 64 for URLs.
    pub(crate) challenge: String,
}

/// What a registration brought.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) credential_id: String,
    pub(crate) credential: Box<RawValue>,
    pub(crate) counter: u32,
    pub(crate) synced: bool,
    pub(crate) discoverable: Option<bool>,
    pub(crate) attested: bool,
}

impl RelyingParty {
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] naming the option that can't be right.
    pub(crate) fn new(options: &PasskeyOptions, issuer: &str) -> Result<Self> {
        let origins = options.checked_origins()?;
        let site = Site::new(&options.rp_id, &origins);
        let name = options.name.as_deref().unwrap_or(issuer);
        let core = WebauthnCore::new_unsafe_experts_only(
            name,
            &options.rp_id,
            origins,
            Ceremony::LIFETIME,
            None,
            None,
        );
        let makers = match &options.attestation {
            AttestationPolicy::Any => None,
            AttestationPolicy::Under { roots, models } => Some(makers(roots, models)?),
        };
        Ok(Self { core, site, discoverable: options.discoverable, makers })
    }

    /// Asks for a new credential of this user, none of those they have.
    pub(crate) fn ask_to_register(
        &self,
        user: &UserId,
        name: &str,
        known: &[Passkey],
    ) -> Result<Asked> {
        let handle = handle_of(user).ok_or(codes::FACTOR_NEEDS_PERSON)?;
        let known: Vec<Credential> = known.iter().map(credential_of).collect::<Result<_>>()?;
        let attestation = if self.makers.is_some() {
            AttestationConveyancePreference::Direct
        } else {
            AttestationConveyancePreference::None
        };
        let builder = self
            .core
            .new_challenge_register_builder(&handle, name, name)
            .map_err(|e| internal("beginning a registration", e))?
            .attestation(attestation)
            .user_verification_policy(UserVerificationPolicy::Required)
            .credential_algorithms(COSEAlgorithm::secure_algs())
            .require_resident_key(self.discoverable == Discoverable::Required)
            .exclude_credentials(Some(known.into_iter().map(|known| known.cred_id).collect()))
            .extensions(Some(RequestRegistrationExtensions {
                cred_props: Some(true),
                ..Default::default()
            }));
        let (mut asked, state) = self
            .core
            .generate_challenge_register(builder)
            .map_err(|e| internal("beginning a registration", e))?;
        if let Some(selection) = &mut asked.public_key.authenticator_selection {
            selection.resident_key = Some(match self.discoverable {
                Discoverable::Required => ResidentKeyRequirement::Required,
                Discoverable::Preferred => ResidentKeyRequirement::Preferred,
                Discoverable::Discouraged => ResidentKeyRequirement::Discouraged,
            });
        }
        let challenge = URL_SAFE_NO_PAD.encode(&asked.public_key.challenge);
        Ok(Asked { options: value(&asked.public_key)?, state: kept(&state)?, challenge })
    }

    /// Checks the answer to [`Self::ask_to_register`] (WebAuthn level 3, section 7.1).
    ///
    /// # Errors
    /// [`codes::PASSKEY_REFUSED`] saying why.
    pub(crate) fn register(
        &self,
        answer: &RegistrationAnswer,
        state: &RawValue,
    ) -> Result<Registered> {
        let state: RegistrationState = read(state)?;
        if answer.client.cross_origin {
            return Err(refused("it was asked for out of a frame of another site"));
        }
        let mut credential = self
            .core
            .register_credential(&answer.credential, &state, self.makers.as_ref())
            .map_err(|error| refused(in_words(&error)).source(error))?;
        let told = answer.credential.extensions.cred_props.as_ref().and_then(|props| props.rk);
        if self.discoverable == Discoverable::Required && told == Some(false) {
            return Err(refused("it can't sign in without a user name, which is required here"));
        }
        if self.makers.is_none() {
            // What an authenticator said of its maker unasked: certificates that nobody checked.
            credential.attestation = ParsedAttestation::default();
        }
        Ok(Registered {
            credential_id: URL_SAFE_NO_PAD.encode(&credential.cred_id),
            counter: credential.counter,
            synced: credential.backup_eligible,
            discoverable: told,
            attested: self.makers.is_some(),
            credential: kept(&credential)?,
        })
    }

    /// Asks for one of these credentials; for none in particular when there are none.
    pub(crate) fn ask_to_prove(&self, known: &[Passkey]) -> Result<Asked> {
        let known: Vec<Credential> = known.iter().map(credential_of).collect::<Result<_>>()?;
        let builder = self
            .core
            .new_challenge_authenticate_builder(known, Some(UserVerificationPolicy::Required))
            .map_err(|e| internal("beginning an assertion", e))?;
        let (asked, mut state) = self
            .core
            .generate_challenge_authenticate(builder)
            .map_err(|e| internal("beginning an assertion", e))?;
        // The answer is checked with the credential that is stored when it arrives.
        state.set_allowed_credentials(Vec::new());
        let challenge = URL_SAFE_NO_PAD.encode(&asked.public_key.challenge);
        Ok(Asked { options: value(&asked.public_key)?, state: kept(&state)?, challenge })
    }

    /// Checks the answer to [`Self::ask_to_prove`] with the credential it names (WebAuthn level 3,
    /// section 7.2).
    ///
    /// # Errors
    /// When what is stored can't be read.
    pub(crate) fn check(
        &self,
        answer: &AssertionAnswer,
        ceremony: &Ceremony,
        passkey: &Passkey,
    ) -> Result<Asserted> {
        if answer.client.cross_origin {
            return Ok(Asserted::Wrong("cross_origin"));
        }
        let mut credential = credential_of(passkey)?;
        let held = match self.site.held(answer, ceremony, &credential) {
            Some(held) => Ok(held),
            None => self.held(answer, ceremony, &credential)?,
        };
        let Held { counter, backup_state } = match held {
            Ok(held) => held,
            Err(error) => return Ok(Asserted::Wrong(reason(&error))),
        };
        (credential.counter, credential.backup_state) = (counter, backup_state);
        Ok(Asserted::Held { counter: credential.counter, credential: kept(&credential)? })
    }

    /// What an assertion says, by webauthn-rs-core.
    fn held(
        &self,
        answer: &AssertionAnswer,
        ceremony: &Ceremony,
        credential: &Credential,
    ) -> Result<std::result::Result<Held, WebauthnError>> {
        let state: AuthenticationState = read(&ceremony.state)?;
        let checked =
            self.core.authenticate_single_credential(&answer.credential, &state, credential);
        Ok(checked.map(|held| Held { counter: held.counter(), backup_state: held.backup_state() }))
    }
}

fn credential_of(passkey: &Passkey) -> Result<Credential> {
    read(&passkey.credential)
}

/// What a browser is asked.
fn value(from: &impl Serialize) -> Result<Value> {
    serde_json::to_value(from).map_err(unwritten)
}

/// What is kept until it is read again.
fn kept(from: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(from).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::new(core_codes::INTERNAL).context("writing a passkey").source(error)
}

fn read<T: serde::de::DeserializeOwned>(from: &RawValue) -> Result<T> {
    serde_json::from_str(from.get())
        .map_err(|e| Error::new(core_codes::STORE_CORRUPT).context("reading a passkey").source(e))
}

fn internal(context: &'static str, error: WebauthnError) -> Error {
    Error::new(core_codes::INTERNAL).context(context).source(error)
}

fn refused(why: &'static str) -> Error {
    Error::new(codes::PASSKEY_REFUSED).detail(why)
}

/// Why a registration was refused, for its user: they are signed in, and can do something about it.
const fn in_words(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::UserNotVerified => {
            "it did not verify its user: set a PIN or a fingerprint, and begin again"
        }
        WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash => {
            "it was made for another site"
        }
        WebauthnError::CredentialExcludedFromRequest => "it is registered already",
        WebauthnError::CredentialAlteredAlgFromRequest => "it is of a kind that was not asked for",
        WebauthnError::CredentialCrossOrigin => "it was asked for out of a frame of another site",
        WebauthnError::AttestationNotVerifiable
        | WebauthnError::AttestationChainNotTrusted(_)
        | WebauthnError::AttestationUntrustedAaguid
        | WebauthnError::AttestationFormatMissingAaguid => {
            "its maker is none of those that are accepted here"
        }
        _ => "the answer of the browser does not hold; begin again",
    }
}

/// Why an assertion was refused, for the audit log.
const fn reason(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::CredentialPossibleCompromise => COUNTER_WENT_BACK,
        WebauthnError::InvalidRPOrigin => "wrong_origin",
        WebauthnError::InvalidRPIDHash => "wrong_site",
        WebauthnError::UserNotVerified => "user_not_verified",
        WebauthnError::UserNotPresent => "user_not_present",
        WebauthnError::MismatchedChallenge => "wrong_challenge",
        WebauthnError::InvalidClientDataType => "wrong_type",
        WebauthnError::CredentialBackupEligibilityInconsistent => "backup_changed",
        _ => "wrong_signature",
    }
}

/// The reason of a passkey whose counter did not rise: two devices may hold the same key.
pub(crate) const COUNTER_WENT_BACK: &str = "counter_went_back";
