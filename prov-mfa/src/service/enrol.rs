//! Beginning an enrolment.

use std::time::Duration;

use prov_core::audit::{Action, Outcome};
use prov_core::{Error, Result, SecurityContext, Timestamp, codes as core_codes};

use super::{Caller, Decided, Enrollment, MfaService, person, require_recent};
use crate::factors::{DeviceState, MOST_DEVICES, TotpDevice, TotpId, UserFactors};
use crate::{codes, totp};

/// How long an enrolment waits for its first code.
const PENDING_FOR: Duration = Duration::from_mins(15);
/// Characters in the name of a device.
const LONGEST_NAME: usize = 64;

impl MfaService {
    /// Begins to enrol an authenticator app for the caller. It counts only after
    /// [`verify_totp`](Self::verify_totp) with its first code, within 15 minutes; beginning again
    /// replaces an enrolment that waits.
    ///
    /// # Errors
    /// [`codes::STEP_UP_REQUIRED`] when there is a factor and none was proved recently;
    /// [`codes::SIGN_IN_NOT_RECENT`] when there is none and the caller has not proved themselves in
    /// the last 15 minutes;
    /// [`codes::FACTOR_COUNT_REACHED`] with five apps; [`core_codes::INVALID_REQUEST`] for a name
    /// that is empty, longer than 64 characters, or has control characters.
    pub async fn enroll(&self, context: &SecurityContext, name: &str) -> Result<Enrollment> {
        let user = person(context)?;
        let caller = Caller::known(context, &user);
        let device = self.pending(name)?;
        let decided = self.decide(&user, |factors, now| {
            require_recent(context, factors, now)?;
            add_pending(factors, &device)
        });
        let until = self.record_refusal(&caller, Action::MFA_TOTP_ENROLL, decided.await).await?;
        let (issuer, account) = (&self.config.totp_issuer, &context.principal().name);
        let (secret, uri) = totp::for_the_app(&device.secret, issuer, account)?;
        let facts = [("device", device.id.as_str().into())];
        self.record(&caller, Action::MFA_TOTP_ENROLL, Outcome::Success, &facts).await?;
        Ok(Enrollment::new(device.id, secret, uri, until))
    }

    /// A device that waits for its first code.
    fn pending(&self, name: &str) -> Result<TotpDevice> {
        let name = device_name(name)?;
        let now = self.clock.now();
        Ok(TotpDevice {
            id: TotpId::generate(&*self.clock)?,
            name,
            secret: totp::fresh_secret()?,
            created_at: now,
            state: DeviceState::Pending {
                until: now.checked_add(PENDING_FOR).unwrap_or(Timestamp::MAX),
            },
        })
    }
}

/// What a device may be called.
pub(super) fn device_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control)
    {
        let message = "1 to 64 characters, without control characters";
        return Err(Error::new(core_codes::INVALID_REQUEST).field("name", message));
    }
    Ok(name.to_owned())
}

/// Puts the device into the record in place of any other that waits.
fn add_pending(factors: &mut UserFactors, device: &TotpDevice) -> Result<Decided<Timestamp>> {
    let DeviceState::Pending { until } = device.state else {
        return Err(Error::new(core_codes::INTERNAL).context("a fresh device waits for its code"));
    };
    factors.totp.retain(TotpDevice::is_confirmed);
    if factors.totp.len() >= MOST_DEVICES {
        return Err(codes::FACTOR_COUNT_REACHED.into());
    }
    factors.totp.push(device.clone());
    Ok(Decided::Changed(until))
}
