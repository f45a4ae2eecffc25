//! Taking factors away.

use prov_core::audit::{Action, Outcome};
use prov_core::{FactorResponse, Result, SecurityContext, UserId};

use super::{Caller, Decided, MfaService, Removed, person, require_recent};
use crate::codes;
use crate::factors::TotpId;

impl MfaService {
    /// Removes one of the caller's authenticator apps. With the last one, the backup codes go as well
    /// and signing in asks for no second factor any more. Needs a second factor that was proved in
    /// the last 15 minutes, or a valid code of one as `proof`, which is used up.
    ///
    /// # Errors
    /// [`codes::STEP_UP_REQUIRED`] without either; [`codes::SIGN_IN_NOT_RECENT`] where no app is
    /// confirmed and the caller has not proved themselves recently; those of [`verify_totp`](Self::verify_totp) for
    /// the proof; [`codes::FACTOR_UNKNOWN`] when the caller has no such app.
    pub async fn disable(
        &self,
        context: &SecurityContext,
        id: &TotpId,
        proof: Option<&FactorResponse>,
    ) -> Result<()> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        if let Some(proof) = proof {
            self.use_up(&caller, &user, proof, Some(context)).await?;
        }
        let decided = self.decide(&user, |factors, now| {
            if proof.is_none() {
                require_recent(context, factors, now)?;
            }
            let removed = factors.remove(id).ok_or(codes::FACTOR_UNKNOWN)?;
            Ok(Decided::Changed((removed.is_confirmed(), factors.has_confirmed())))
        });
        let action = Action::MFA_TOTP_DISABLE;
        let (confirmed, left) = self.record_refusal(&caller, action.clone(), decided.await).await?;
        let facts = [
            ("device", id.as_str().into()),
            ("confirmed", confirmed.into()),
            ("second_factor_left", left.into()),
        ];
        self.record(&caller, action, Outcome::Success, &facts).await
    }

    /// Removes every second factor of a user, their backup codes, and what counts against them: for
    /// an administrator, when a phone is lost. Who resets themselves needs a second factor proved in
    /// the last 15 minutes, as for [`disable`](Self::disable).
    ///
    /// That the caller may do this to others is for the policies to decide, before this is called.
    ///
    /// # Errors
    /// [`codes::STEP_UP_REQUIRED`] and [`codes::SIGN_IN_NOT_RECENT`] for oneself; when the store can't be written.
    pub async fn reset(&self, context: &SecurityContext, user: &UserId) -> Result<Removed> {
        let caller = Caller::known(context, user);
        let own = context.principal().id == user.as_str();
        let decided = self.decide(user, |factors, now| {
            if own {
                require_recent(context, factors, now)?;
            }
            Ok(Decided::Removed(Removed::all_of(factors)))
        });
        let removed = self.record_refusal(&caller, Action::MFA_RESET, decided.await).await?;
        let facts = [
            ("totp_devices", removed.totp_devices.into()),
            ("backup_codes", removed.backup_codes.into()),
        ];
        self.record(&caller, Action::MFA_RESET, Outcome::Success, &facts).await?;
        Ok(removed)
    }
}
