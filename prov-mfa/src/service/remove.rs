//! Taking every factor of a user away.

use prov_core::audit::{Action, Outcome};
use prov_core::{Result, SecurityContext, UserId};

use super::{Caller, Decided, MfaService, Removed, news, require_recent};
use crate::factors::UserFactors;

impl MfaService {
    /// Removes every second factor of a user, their backup codes, and what counts against them: for
    /// an administrator, when a phone is lost. Who resets themselves needs a second factor proved in
    /// the last 15 minutes, as for [`remove`](Self::remove).
    ///
    /// Sessions go on: whoever calls this ends them afterwards, by
    /// [`SignIn::sign_out`](prov_core::SignIn::sign_out), as the API does.
    ///
    /// That the caller may do this to others is for the policies to decide, before this is called.
    ///
    /// # Errors
    /// [`STEP_UP_REQUIRED`](crate::codes::STEP_UP_REQUIRED) and
    /// [`SIGN_IN_NOT_RECENT`](crate::codes::SIGN_IN_NOT_RECENT) for oneself; when the store can't be written.
    pub async fn reset(&self, context: &SecurityContext, user: &UserId) -> Result<Removed> {
        let caller = Caller::known(context, user);
        let own = context.principal().id == user.as_str();
        let decide = |factors: &mut UserFactors, now| {
            if own {
                require_recent(context, factors, now)?;
            }
            Ok(Decided::Removed((Removed::all_of(factors), factors.has_confirmed())))
        };
        let decided =
            self.decide_and_tell(user, decide, |(_, had)| had.then(|| news::reset(context, own)));
        let (removed, _) = self.record_refusal(&caller, Action::MFA_RESET, decided.await).await?;
        let facts = [
            ("totp_devices", removed.totp_devices.into()),
            ("passkeys", removed.passkeys.into()),
            ("backup_codes", removed.backup_codes.into()),
        ];
        self.record(&caller, Action::MFA_RESET, Outcome::Success, &facts).await?;
        Ok(removed)
    }
}
