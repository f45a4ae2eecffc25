//! Checking a code of an authenticator app.

use prov_core::audit::{Action, Outcome};
use prov_core::{FactorMethod, Result, SecretText, SecurityContext, Timestamp, UserId};

use super::{Caller, Decided, MfaService, TotpVerified, news, person, require_recent};
use crate::factors::{Checked, SessionProof, TotpId, UserFactors, Which};
use crate::spelling::TotpCode;
use crate::{RECENT_SECOND_FACTOR, codes};

/// Sessions of one user that are remembered as having proved a factor.
const MOST_PROOFS: usize = 16;

impl MfaService {
    /// Checks a code of one of the caller's authenticator apps and uses it up. The first code confirms
    /// an enrolment. For the next 15 minutes, the caller's session may change second factors.
    ///
    /// # Errors
    /// [`codes::FACTOR_UNKNOWN`] when the caller has no such app, [`codes::FACTOR_REJECTED`] for a
    /// wrong or used code, [`codes::FACTOR_LIMITED`] after too many,
    /// [`codes::STEP_UP_REQUIRED`] when it would confirm an app beside another and none was proved
    /// recently; [`codes::SIGN_IN_NOT_RECENT`] when it would confirm the first and the caller has not
    /// proved themselves recently.
    pub async fn verify_totp(
        &self,
        context: &SecurityContext,
        id: &TotpId,
        code: &SecretText,
    ) -> Result<TotpVerified> {
        let code = TotpCode::read(code)?;
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        let drift = self.config.totp_drift_steps;
        let decide = |factors: &mut UserFactors, now| {
            let device = factors.totp.iter().find(|device| device.id == *id);
            let device = device.ok_or(codes::FACTOR_UNKNOWN)?;
            let confirms = (!device.is_confirmed()).then(|| device.name.clone());
            if confirms.is_some() {
                require_recent(context, factors, now)?;
            }
            let checked =
                factors.check_totp(Which::Device(id), &code, drift, &self.limit(), now)?;
            if matches!(checked, Checked::Held(_)) {
                remember_proof(factors, context, now);
            }
            Ok(after(checked).map(|checked| (confirms, checked)))
        };
        let decided = self.decide_and_tell(&user, decide, |(confirms, checked)| {
            let name = confirms.as_ref().filter(|_| matches!(checked, Checked::Held(_)))?;
            Some(news::added(context, FactorMethod::Totp, name))
        });
        let decided = self.record_refusal(&caller, Action::MFA_TOTP_CONFIRM, decided.await).await;
        let (confirms, checked) = decided?;
        let confirms = confirms.is_some();
        let action = if confirms { Action::MFA_TOTP_CONFIRM } else { Action::MFA_VERIFY };
        let held = self.settle(&caller, action.clone(), FactorMethod::Totp, checked).await?;
        let facts = [("method", "totp".into()), ("device", held.as_str().into())];
        self.record(&caller, action, Outcome::Success, &facts).await?;
        Ok(TotpVerified::new(confirms))
    }

    /// Checks a code of any of the user's authenticator apps and uses it up.
    pub(super) async fn use_up_totp(
        &self,
        caller: &Caller<'_>,
        user: &UserId,
        code: &SecretText,
    ) -> Result<()> {
        let code = TotpCode::read(code)?;
        let drift = self.config.totp_drift_steps;
        let checked = self.decide(user, |factors, now| {
            let checked =
                factors.check_totp(Which::AnyConfirmed, &code, drift, &self.limit(), now)?;
            Ok(after(checked))
        });
        let checked = checked.await?;
        let held = self.settle(caller, Action::MFA_VERIFY, FactorMethod::Totp, checked).await?;
        let facts = [("method", "totp".into()), ("device", held.as_str().into())];
        self.record(caller, Action::MFA_VERIFY, Outcome::Success, &facts).await
    }
}

/// What is written after a check: nothing when it was not made.
pub(super) fn after<T>(checked: Checked<T>) -> Decided<Checked<T>> {
    match checked {
        Checked::Limited(_) => Decided::Kept(checked),
        Checked::Held(_) | Checked::Rejected(_) => Decided::Changed(checked),
    }
}

/// Remembers that the caller's session proved a factor.
pub(super) fn remember_proof(factors: &mut UserFactors, context: &SecurityContext, now: Timestamp) {
    let Some(session) = context.authentication().session.clone() else { return };
    let until = now.checked_add(RECENT_SECOND_FACTOR).unwrap_or(Timestamp::MAX);
    factors.proofs.retain(|proof| proof.session != session);
    let surplus = (factors.proofs.len() + 1).saturating_sub(MOST_PROOFS);
    factors.proofs.drain(..surplus);
    factors.proofs.push(SessionProof { session, until });
}
