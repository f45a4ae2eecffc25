//! Registering passkeys, and the ceremonies they are registered and proved in.

use prov_core::audit::{Action, Outcome};
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{
    Error, FactorMethod, Kind, Result, SecurityContext, Timestamp, UserId, codes as core_codes,
};
use serde_json::Value;

use super::enrol::device_name;
use super::{Caller, Decided, Device, MfaService, PasskeyRequest, news, person, require_recent};
use crate::codes;
use crate::factors::{
    MOST_PASSKEYS, Passkey, PasskeyId, PasskeyOwner, UserFactors, credential_digest,
};
use crate::passkeys::{Asked, Ceremony, Purpose, Registered, RegistrationAnswer, RelyingParty};

impl MfaService {
    /// Begins to register a passkey or security key for the caller: what the browser is to be asked. It
    /// counts after [`finish_passkey`](Self::finish_passkey), in the same session, within five minutes.
    ///
    /// # Errors
    /// [`codes::PASSKEYS_NOT_CONFIGURED`]; [`codes::STEP_UP_REQUIRED`] when there is a factor and none
    /// was proved recently; [`codes::SIGN_IN_NOT_RECENT`] when there is none and the caller has not
    /// proved themselves in the last 15 minutes; [`codes::FACTOR_COUNT_REACHED`] with ten passkeys;
    /// [`core_codes::INVALID_REQUEST`] for a name that is empty, longer than 64 characters, or has
    /// control characters.
    pub async fn begin_passkey(
        &self,
        context: &SecurityContext,
        name: &str,
    ) -> Result<PasskeyRequest> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        let relying_party = self.relying_party()?;
        let name = device_name(name)?;
        let factors = self.look(&user).await?;
        let allowed = may_add(context, &factors, self.clock.now());
        self.record_refusal(&caller, Action::MFA_PASSKEY_ADD, allowed).await?;
        let shown = &context.principal().name;
        let asked = relying_party.ask_to_register(&user, shown, &factors.passkeys)?;
        let ceremony = Ceremony {
            session: context.authentication().session.clone(),
            name: Some(name),
            ..self.ceremony(Purpose::Register, Some(&user), &asked)
        };
        self.begin(&caller, ceremony, asked).await
    }

    /// Takes what the browser answered to [`begin_passkey`](Self::begin_passkey). From then on the
    /// passkey is a second factor, and signs in without a password where it can.
    ///
    /// # Errors
    /// [`codes::PASSKEY_REFUSED`], saying why; [`codes::PASSKEY_KNOWN`]; those of
    /// [`begin_passkey`](Self::begin_passkey); [`core_codes::INVALID_REQUEST`] when the answer is none.
    pub async fn finish_passkey(
        &self,
        context: &SecurityContext,
        credential: Value,
    ) -> Result<Device> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        let relying_party = self.relying_party()?;
        let answer = RegistrationAnswer::read(credential)?;
        let added = self.add(context, &user, relying_party, &answer).await;
        let action = Action::MFA_PASSKEY_ADD;
        let added = self.record_refusal(&caller, action.clone(), added).await;
        let passkey = match added {
            Err(error) if matches!(error.kind(), Kind::InvalidRequest | Kind::Conflict) => {
                let facts = [("code", error.code().name().into())];
                self.record(&caller, action, Outcome::Failure, &facts).await?;
                return Err(error);
            }
            other => other?,
        };
        let facts = [
            ("device", passkey.id.as_str().into()),
            ("synced", passkey.synced.into()),
            ("attested", passkey.attested.into()),
        ];
        self.record(&caller, action, Outcome::Success, &facts).await?;
        Ok(Device::of_passkey(&passkey))
    }

    async fn add(
        &self,
        context: &SecurityContext,
        user: &UserId,
        relying_party: &RelyingParty,
        answer: &RegistrationAnswer,
    ) -> Result<Passkey> {
        let ceremony = self.take_ceremony(&answer.client.challenge).await?.filter(|ceremony| {
            ceremony.purpose == Purpose::Register
                && ceremony.user.as_ref() == Some(user)
                && ceremony.session == context.authentication().session
        });
        let Some(Ceremony { state, name, .. }) = ceremony else {
            return Err(Error::new(codes::PASSKEY_REFUSED)
                .detail("no registration waits for this answer; begin again"));
        };
        let registered = relying_party.register(answer, &state)?;
        let owner = credential_digest(&registered.credential_id);
        if self.store.load::<PasskeyOwner>(&owner).await?.is_some() {
            return Err(codes::PASSKEY_KNOWN.into());
        }
        let passkey = self.passkey(registered, name)?;
        let decide = |factors: &mut UserFactors, now| {
            may_add(context, factors, now)?;
            factors.passkeys.push(passkey.clone());
            Ok(Decided::Changed(()))
        };
        let news = news::added(context, FactorMethod::Webauthn, &passkey.name);
        self.decide_and_tell(user, decide, |()| Some(news.clone())).await?;
        Ok(passkey)
    }

    fn passkey(&self, registered: Registered, name: Option<String>) -> Result<Passkey> {
        Ok(Passkey {
            id: PasskeyId::generate(&*self.clock)?,
            name: name.unwrap_or_default(),
            credential_id: registered.credential_id,
            credential: registered.credential,
            counter: registered.counter,
            synced: registered.synced,
            discoverable: registered.discoverable,
            attested: registered.attested,
            created_at: self.clock.now(),
            last_used_at: None,
        })
    }

    pub(super) fn relying_party(&self) -> Result<&RelyingParty> {
        self.relying_party.as_ref().ok_or_else(|| codes::PASSKEYS_NOT_CONFIGURED.into())
    }

    pub(super) fn ceremony(
        &self,
        purpose: Purpose,
        user: Option<&UserId>,
        asked: &Asked,
    ) -> Ceremony {
        let until = self.clock.now().checked_add(Ceremony::LIFETIME);
        Ceremony {
            digest: Ceremony::digest_of(&asked.challenge),
            purpose,
            user: user.cloned(),
            session: None,
            name: None,
            state: asked.state.clone(),
            expires_at: until.unwrap_or(Timestamp::MAX),
        }
    }

    /// Remembers a ceremony and records that it began.
    pub(super) async fn begin(
        &self,
        caller: &Caller<'_>,
        ceremony: Ceremony,
        asked: Asked,
    ) -> Result<PasskeyRequest> {
        self.store.create(&ceremony).await?;
        let facts = [("purpose", serde_json::json!(ceremony.purpose))];
        self.record(caller, Action::MFA_PASSKEY_BEGIN, Outcome::Success, &facts).await?;
        Ok(PasskeyRequest::new(asked.options, Ceremony::LIFETIME))
    }

    /// Takes the ceremony of this challenge away, for the one answer it gets. `None` when there is none,
    /// or somebody else took it.
    pub(super) async fn take_ceremony(&self, challenge: &str) -> Result<Option<Ceremony>> {
        let digest = Ceremony::digest_of(challenge);
        let Some(stored) = self.store.load::<Ceremony>(&digest).await? else { return Ok(None) };
        let taking = Batch::new().delete(Ceremony::key(digest), Expect::Version(stored.version));
        match self.store.commit(taking).await {
            Ok(_) => Ok(Some(stored.entity).filter(|c| c.expires_at > self.clock.now())),
            Err(error) if error.is(core_codes::CONFLICT) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the caller may have one more passkey now.
fn may_add(context: &SecurityContext, factors: &UserFactors, now: Timestamp) -> Result<()> {
    require_recent(context, factors, now)?;
    if factors.passkeys.len() >= MOST_PASSKEYS {
        return Err(codes::FACTOR_COUNT_REACHED.into());
    }
    Ok(())
}
