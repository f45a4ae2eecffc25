//! Backup codes: making a set, using one up.

use prov_core::audit::{Action, Outcome};
use prov_core::{FactorMethod, News, Result, SecretText, SecurityContext, UserId};

use super::verify::{after, remember_proof};
use super::{BackupCodes, BackupVerified, Caller, Decided, MfaService, person, require_recent};
use crate::codes;
use crate::factors::{BackupSet, Checked, UserFactors};
use crate::spelling::BackupCode;

impl MfaService {
    /// Makes ten new backup codes for the caller; earlier ones are void. They are shown once.
    ///
    /// # Errors
    /// [`codes::FACTOR_MISSING`] without a confirmed factor to stand in for;
    /// [`codes::STEP_UP_REQUIRED`] when none was proved recently.
    pub async fn generate_backup_codes(&self, context: &SecurityContext) -> Result<BackupCodes> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        let (set, shown) = BackupSet::fresh(&user, self.clock.now())?;
        let decide = |factors: &mut UserFactors, now| {
            if !factors.has_confirmed() {
                return Err(codes::FACTOR_MISSING.into());
            }
            require_recent(context, factors, now)?;
            let replaced = factors.backup.replace(set.clone());
            Ok(Decided::Changed(replaced.is_some()))
        };
        let news = News::backup_codes_made(context.request().client);
        let decided = self.decide_and_tell(&user, decide, |_| Some(news.clone()));
        let action = Action::MFA_BACKUP_CODES_GENERATE;
        let replaced = self.record_refusal(&caller, action.clone(), decided.await).await?;
        let facts = [("count", shown.len().into()), ("replaced", replaced.into())];
        self.record(&caller, action, Outcome::Success, &facts).await?;
        Ok(BackupCodes::new(shown))
    }

    /// Checks one of the caller's backup codes and uses it up. For the next 15 minutes, the caller's
    /// session may change second factors.
    ///
    /// # Errors
    /// [`codes::FACTOR_REJECTED`] for a wrong or used code, [`codes::FACTOR_LIMITED`] after too many.
    pub async fn verify_backup_code(
        &self,
        context: &SecurityContext,
        code: &SecretText,
    ) -> Result<BackupVerified> {
        let user = person(context)?;
        self.use_up_backup_code(&Caller::known(context, &user), &user, code, Some(context)).await
    }

    /// Checks one of the user's backup codes and uses it up; with a context, its session proved it.
    pub(super) async fn use_up_backup_code(
        &self,
        caller: &Caller<'_>,
        user: &UserId,
        code: &SecretText,
        context: Option<&SecurityContext>,
    ) -> Result<BackupVerified> {
        let code = BackupCode::read(code)?;
        let decided = self.decide(user, |factors, now| {
            let checked = factors.check_backup(&code, &self.limit(), now);
            if let (Checked::Held(_), Some(context)) = (&checked, context) {
                remember_proof(factors, context, now);
            }
            Ok(after(checked))
        });
        let method = FactorMethod::BackupCode;
        let left = self.settle(caller, Action::MFA_VERIFY, method, decided.await?).await?;
        let verified = BackupVerified::new(left);
        let facts = [("remaining", left.into()), ("running_out", verified.running_out.into())];
        self.record(caller, Action::MFA_BACKUP_CODE_USE, Outcome::Success, &facts).await?;
        Ok(verified)
    }
}
