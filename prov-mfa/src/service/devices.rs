//! Naming factors and taking single ones away.

use prov_core::audit::{Action, Outcome};
use prov_core::{FactorMethod, FactorResponse, Result, SecurityContext};

use super::enrol::device_name;
use super::{Caller, Decided, Device, MfaService, news, person, require_recent};
use crate::codes;
use crate::factors::{FactorId, UserFactors};

impl MfaService {
    /// Gives one of the caller's factors another name.
    ///
    /// # Errors
    /// [`codes::FACTOR_UNKNOWN`] when the caller has no such factor;
    /// [`INVALID_REQUEST`](prov_core::codes::INVALID_REQUEST) for a name that is empty, longer than 64
    /// characters, or has control characters.
    pub async fn rename(
        &self,
        context: &SecurityContext,
        id: &FactorId,
        name: &str,
    ) -> Result<Device> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        let name = device_name(name)?;
        let decided = self.decide(&user, |factors, _| {
            renamed(factors, id, &name).map(Decided::Changed).ok_or(codes::FACTOR_UNKNOWN.into())
        });
        let device = decided.await?;
        let facts = [("device", id.to_string().into())];
        self.record(&caller, Action::MFA_DEVICE_RENAME, Outcome::Success, &facts).await?;
        Ok(device)
    }

    /// Removes one of the caller's factors. With the last one, the backup codes go as well and signing in
    /// asks for no second factor any more. Needs a second factor that was proved in the last 15 minutes,
    /// or a valid response of one as `proof`, which is used up.
    ///
    /// # Errors
    /// [`codes::STEP_UP_REQUIRED`] without either; [`codes::SIGN_IN_NOT_RECENT`] where no factor is
    /// confirmed and the caller has not proved themselves recently; those of
    /// [`verify_totp`](Self::verify_totp) for the proof; [`codes::FACTOR_UNKNOWN`] when the caller has no
    /// such factor.
    pub async fn remove(
        &self,
        context: &SecurityContext,
        id: &FactorId,
        proof: Option<&FactorResponse>,
    ) -> Result<()> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        if let Some(proof) = proof {
            self.use_up(&caller, &user, proof, Some(context)).await?;
        }
        let decide = |factors: &mut UserFactors, now| {
            if proof.is_none() {
                require_recent(context, factors, now)?;
            }
            let (name, confirmed) = taken(factors, id).ok_or(codes::FACTOR_UNKNOWN)?;
            Ok(Decided::Changed((name, confirmed, factors.has_confirmed())))
        };
        let (action, method) = match id {
            FactorId::Totp(_) => (Action::MFA_TOTP_DISABLE, FactorMethod::Totp),
            FactorId::Passkey(_) => (Action::MFA_PASSKEY_REMOVE, FactorMethod::Webauthn),
        };
        let decided = self.decide_and_tell(&user, decide, |(name, confirmed, _)| {
            confirmed.then(|| news::removed(context, method, name))
        });
        let (_, confirmed, left) =
            self.record_refusal(&caller, action.clone(), decided.await).await?;
        let facts = [
            ("device", id.to_string().into()),
            ("confirmed", confirmed.into()),
            ("second_factor_left", left.into()),
        ];
        self.record(&caller, action, Outcome::Success, &facts).await
    }
}

fn renamed(factors: &mut UserFactors, id: &FactorId, name: &str) -> Option<Device> {
    match id {
        FactorId::Totp(id) => {
            let device = factors.totp.iter_mut().find(|device| device.id == *id)?;
            name.clone_into(&mut device.name);
            Some(Device::of(device))
        }
        FactorId::Passkey(id) => {
            let passkey = factors.passkeys.iter_mut().find(|passkey| passkey.id == *id)?;
            name.clone_into(&mut passkey.name);
            Some(Device::of_passkey(passkey))
        }
    }
}

/// The name of the factor that was taken away, and whether it counted; `None`: there is no such factor.
fn taken(factors: &mut UserFactors, id: &FactorId) -> Option<(String, bool)> {
    match id {
        FactorId::Totp(id) => factors.remove(id).map(|device| {
            let confirmed = device.is_confirmed();
            (device.name, confirmed)
        }),
        FactorId::Passkey(id) => factors.remove_passkey(id).map(|passkey| (passkey.name, true)),
    }
}
