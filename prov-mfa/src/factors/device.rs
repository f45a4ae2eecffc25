//! One authenticator app.

use prov_core::{Result, SecretBytes, Timestamp};
use serde::{Deserialize, Serialize};

use super::Claim;
use crate::spelling::TotpCode;
use crate::totp;

prov_core::typed_id!(
    /// Names one authenticator app of a user.
    TotpId, "totp"
);

/// The secret shared with one authenticator app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TotpDevice {
    pub(crate) id: TotpId,
    pub(crate) name: String,
    #[serde(with = "crate::exposed")]
    pub(crate) secret: SecretBytes,
    pub(crate) created_at: Timestamp,
    pub(crate) state: DeviceState,
}

/// Whether the app has shown that it has the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum DeviceState {
    /// It has not; after `until` the enrolment is void.
    Pending { until: Timestamp },
    /// It has. `last_step` is the newest time step whose code was used: no code of that step or of
    /// an earlier one is accepted again (RFC 6238, section 5.2).
    Confirmed { at: Timestamp, last_step: u64, last_used_at: Timestamp },
}

impl TotpDevice {
    pub(crate) const fn is_confirmed(&self) -> bool {
        matches!(self.state, DeviceState::Confirmed { .. })
    }

    pub(crate) fn has_lapsed(&self, now: Timestamp) -> bool {
        matches!(self.state, DeviceState::Pending { until } if until <= now)
    }

    /// A secret that belongs to nobody, for checks that can only fail.
    pub(crate) fn nobody() -> SecretBytes {
        SecretBytes::new(vec![0; 20])
    }

    /// Uses up the time step of this code. The first one confirms the device.
    ///
    /// Once in a million steps an app shows the same digits twice in a row. The second time they are
    /// refused as well: digits that somebody may have seen are worth less than 30 seconds of waiting.
    pub(crate) fn claim(&mut self, code: &TotpCode, drift: u8, now: Timestamp) -> Result<Claim> {
        let Some(step) = totp::matching_step(&self.secret, code, now, drift)? else {
            return Ok(Claim::Wrong);
        };
        let confirmed_at = match self.state {
            DeviceState::Confirmed { last_step, .. } if step <= last_step => {
                return Ok(Claim::Replayed);
            }
            DeviceState::Confirmed { at, .. } => at,
            DeviceState::Pending { .. } => now,
        };
        self.state =
            DeviceState::Confirmed { at: confirmed_at, last_step: step, last_used_at: now };
        Ok(Claim::Fresh)
    }
}
