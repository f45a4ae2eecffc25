//! Proving a passkey: as a second factor, again in a session, or to sign in without a password.

use std::sync::atomic::Ordering;

use prov_core::audit::{Action, Outcome};
use prov_core::{
    Amr, FactorMethod, RequestFacts, Result, SecretText, SecurityContext, Timestamp, UserId,
    VerifiedFactor,
};

use super::verify::{after, remember_proof};
use super::{Caller, Decided, MfaService, PasskeyOutcome, PasskeyRequest, person};
use crate::codes;
use crate::factors::{Checked, HeldPasskey, UserFactors};
use crate::passkeys::{AssertionAnswer, COUNTER_WENT_BACK, Ceremony, Purpose, handle_of, user_of};

impl MfaService {
    /// Begins to sign in without a user name or password: any passkey of this site may answer.
    ///
    /// # Errors
    /// [`codes::PASSKEYS_NOT_CONFIGURED`]; when the store can't be written.
    pub async fn begin_passkey_sign_in(&self, request: &RequestFacts) -> Result<PasskeyRequest> {
        let asked = self.relying_party()?.ask_to_prove(&[])?;
        let ceremony = self.ceremony(Purpose::SignIn, None, &asked);
        self.begin(&Caller::nobody(request), ceremony, asked).await
    }

    /// Begins to prove one of the caller's passkeys again.
    ///
    /// # Errors
    /// [`codes::PASSKEYS_NOT_CONFIGURED`]; [`codes::FACTOR_MISSING`] when the caller has no passkey;
    /// [`codes::FACTOR_NEEDS_PERSON`] for a program, and for a credential without a session.
    pub async fn begin_passkey_proof(&self, context: &SecurityContext) -> Result<PasskeyRequest> {
        let user = in_session(context)?;
        let begun = self.ask_user(&Caller::known(context, &user), &user).await?;
        begun.ok_or_else(|| codes::FACTOR_MISSING.into())
    }

    /// Takes an answer to [`begin_passkey_sign_in`](Self::begin_passkey_sign_in) or
    /// [`begin_passkey_proof`](Self::begin_passkey_proof). A proof needs the session it was begun for,
    /// which may change second factors for 15 minutes from then on.
    ///
    /// # Errors
    /// [`codes::FACTOR_REJECTED`] for whatever does not hold, [`codes::FACTOR_LIMITED`] after too many.
    pub async fn finish_passkey_assertion(
        &self,
        context: Option<&SecurityContext>,
        assertion: &SecretText,
        request: &RequestFacts,
    ) -> Result<PasskeyOutcome> {
        self.relying_party()?;
        let answer = AssertionAnswer::read(assertion.expose())?;
        let ceremony = self.take_ceremony(&answer.client.challenge).await?;
        match (ceremony, context) {
            (Some(ceremony), Some(context)) if ceremony.purpose == Purpose::Prove => {
                let user = in_session(context)?;
                let caller = Caller::known(context, &user);
                let ceremony = Some(ceremony).filter(|c| c.user.as_ref() == Some(&user));
                let asked = Expected { user: &user, ceremony, stranger: false };
                self.check(&caller, &answer, asked, Some(context)).await?;
                Ok(PasskeyOutcome::Proved)
            }
            (Some(ceremony), _) if ceremony.purpose == Purpose::SignIn => {
                self.recognise(&answer, ceremony, request).await
            }
            _ => self.refuse_nobodys(&Caller::nobody(request), "ceremony_unknown").await,
        }
    }

    async fn recognise(
        &self,
        answer: &AssertionAnswer,
        ceremony: Ceremony,
        request: &RequestFacts,
    ) -> Result<PasskeyOutcome> {
        let handle = answer.credential.response.user_handle.as_ref();
        let Some(user) = handle.and_then(|handle| user_of(handle)) else {
            return self.refuse_nobodys(&Caller::nobody(request), "no_user_handle").await;
        };
        let caller = Caller::signing_in(&user, request);
        let asked = Expected { user: &user, ceremony: Some(ceremony), stranger: true };
        let held = self.check(&caller, answer, asked, None).await?;
        Ok(PasskeyOutcome::Recognised { factor: factor_of(&held), user })
    }

    /// Records an answer that says of nobody that it is theirs.
    async fn refuse_nobodys<T>(&self, caller: &Caller<'_>, reason: &'static str) -> Result<T> {
        let rejected: Checked<T> = Checked::Rejected(reason);
        self.settle(caller, Action::MFA_VERIFY, FactorMethod::Webauthn, rejected).await
    }

    /// What the user's browser is to be asked; `None` when they have no passkey.
    pub(super) async fn ask_user(
        &self,
        caller: &Caller<'_>,
        user: &UserId,
    ) -> Result<Option<PasskeyRequest>> {
        let relying_party = self.relying_party()?;
        let passkeys = self.look(user).await?.passkeys;
        if passkeys.is_empty() {
            return Ok(None);
        }
        let asked = relying_party.ask_to_prove(&passkeys)?;
        let ceremony = self.ceremony(Purpose::Prove, Some(user), &asked);
        self.begin(caller, ceremony, asked).await.map(Some)
    }

    /// Checks an assertion as the user's second factor.
    pub(super) async fn use_up_passkey(
        &self,
        caller: &Caller<'_>,
        user: &UserId,
        assertion: &SecretText,
        context: Option<&SecurityContext>,
    ) -> Result<VerifiedFactor> {
        self.relying_party()?;
        let answer = AssertionAnswer::read(assertion.expose())?;
        let ceremony = self.take_ceremony(&answer.client.challenge).await?;
        let ceremony =
            ceremony.filter(|c| c.purpose == Purpose::Prove && c.user.as_ref() == Some(user));
        let asked = Expected { user, ceremony, stranger: false };
        let held = self.check(caller, &answer, asked, context).await?;
        Ok(factor_of(&held))
    }

    /// Checks an assertion with the credential as it is stored now, and moves its counter on.
    async fn check(
        &self,
        caller: &Caller<'_>,
        answer: &AssertionAnswer,
        expected: Expected<'_>,
        context: Option<&SecurityContext>,
    ) -> Result<HeldPasskey> {
        let relying_party = self.relying_party()?;
        let limit = self.limit();
        let limit = (!expected.stranger).then_some(&limit);
        let decided = self.decide(expected.user, |factors, now| {
            let checked = match (&expected.ceremony, expected.is_named_by(answer)) {
                (None, _) => factors.reject_passkey("ceremony_unknown", limit, now),
                (_, false) => factors.reject_passkey("wrong_user", limit, now),
                (Some(ceremony), true) => factors.check_passkey(
                    &answer.credential_id(),
                    |passkey| relying_party.check(answer, ceremony, passkey),
                    limit,
                    now,
                )?,
            };
            Ok(written(factors, checked, context, limit.is_some(), now))
        });
        let checked = decided.await?;
        if checked == Checked::Rejected(COUNTER_WENT_BACK) {
            self.counters.cloned.fetch_add(1, Ordering::Relaxed);
            let facts = [("credential", answer.digest().into())];
            self.record(caller, Action::MFA_PASSKEY_CLONED, Outcome::Denied, &facts).await?;
        }
        let held = self.settle(caller, Action::MFA_VERIFY, FactorMethod::Webauthn, checked).await?;
        let facts = [("method", "webauthn".into()), ("device", held.id.as_str().into())];
        self.record(caller, Action::MFA_VERIFY, Outcome::Success, &facts).await?;
        Ok(held)
    }
}

/// Whose answer is expected to what.
struct Expected<'a> {
    user: &'a UserId,
    /// `None`: nothing was asked that this answers.
    ceremony: Option<Ceremony>,
    /// Whether nobody has proved anything of the user's yet.
    stranger: bool,
}

impl Expected<'_> {
    /// Whether the answer names the user, where it names one (WebAuthn level 3, section 7.2, step 6).
    fn is_named_by(&self, answer: &AssertionAnswer) -> bool {
        let handle = answer.credential.response.user_handle.as_ref();
        handle.is_none_or(|handle| handle_of(self.user).is_some_and(|own| own == **handle))
    }
}

/// What is written after a check. Answers of strangers that do not hold leave nothing.
fn written(
    factors: &mut UserFactors,
    checked: Checked<HeldPasskey>,
    context: Option<&SecurityContext>,
    counted: bool,
    now: Timestamp,
) -> Decided<Checked<HeldPasskey>> {
    match (&checked, context) {
        (Checked::Held(_), Some(context)) => remember_proof(factors, context, now),
        (Checked::Rejected(_), _) if !counted => return Decided::Kept(checked),
        _ => {}
    }
    after(checked)
}

/// A passkey is a key that verified its user: two factors in one (RFC 8176, section 2).
fn factor_of(held: &HeldPasskey) -> VerifiedFactor {
    let key = if held.synced { Amr::Swk } else { Amr::Hwk };
    VerifiedFactor::new(FactorMethod::Webauthn, [key, Amr::User, Amr::Mfa])
}

/// The account of a caller who is in a session: what they prove is remembered of it.
fn in_session(context: &SecurityContext) -> Result<UserId> {
    if context.authentication().session.is_none() {
        return Err(codes::FACTOR_NEEDS_PERSON.into());
    }
    person(context)
}
