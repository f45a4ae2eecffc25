//! What the service answers.

#[cfg(feature = "webauthn")]
use std::time::Duration;

use prov_core::{FactorMethod, SecretText, Timestamp};
#[cfg(feature = "webauthn")]
use prov_core::{UserId, VerifiedFactor};

use crate::factors::{DeviceState, Passkey, TotpDevice, UserFactors};
use crate::{FactorId, TotpId};

/// Backup codes left at or below which the user is warned.
const FEW: usize = 2;

/// A begun enrolment. It shows the secret, for the only time.
#[derive(Debug)]
#[non_exhaustive]
pub struct Enrollment {
    /// Names the authenticator app.
    pub id: TotpId,
    /// The secret for typing, in base 32.
    pub secret: SecretText,
    /// The secret for scanning, as an `otpauth` URI.
    pub otpauth_uri: SecretText,
    /// The enrolment is void unless a code confirms it before.
    pub expires_at: Timestamp,
}

impl Enrollment {
    pub(super) const fn new(
        id: TotpId,
        secret: SecretText,
        otpauth_uri: SecretText,
        expires_at: Timestamp,
    ) -> Self {
        Self { id, secret, otpauth_uri, expires_at }
    }
}

/// A code of an authenticator app that held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TotpVerified {
    /// Whether it was the first one, which confirmed the enrolment.
    pub confirmed_now: bool,
}

impl TotpVerified {
    pub(super) const fn new(confirmed_now: bool) -> Self {
        Self { confirmed_now }
    }
}

/// A backup code that held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupVerified {
    /// Codes that are left.
    pub remaining: usize,
    /// Whether so few are left that new ones should be made.
    pub running_out: bool,
}

impl BackupVerified {
    pub(super) const fn new(remaining: usize) -> Self {
        Self { remaining, running_out: remaining <= FEW }
    }
}

/// A set of backup codes. Shown for the only time.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackupCodes {
    /// Ten codes of 125 bits, in groups of five characters.
    pub codes: Vec<SecretText>,
}

impl BackupCodes {
    pub(super) const fn new(codes: Vec<SecretText>) -> Self {
        Self { codes }
    }
}

/// What a browser is to be asked about passkeys.
#[cfg(feature = "webauthn")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PasskeyRequest {
    /// The options, as `PublicKeyCredential.parseCreationOptionsFromJSON` and
    /// `parseRequestOptionsFromJSON` read them.
    pub options: serde_json::Value,
    /// How long an answer is waited for.
    pub expires_in: Duration,
}

#[cfg(feature = "webauthn")]
impl PasskeyRequest {
    pub(super) const fn new(options: serde_json::Value, expires_in: Duration) -> Self {
        Self { options, expires_in }
    }
}

/// What a proved passkey means.
#[cfg(feature = "webauthn")]
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a third meaning would be a new contract")]
pub enum PasskeyOutcome {
    /// The caller proved it again, in their session.
    Proved,
    /// Somebody who was not known before is this user, by this factor: they may be signed in.
    Recognised {
        /// Who.
        user: UserId,
        /// By what.
        factor: VerifiedFactor,
    },
}

/// One authenticator app or passkey, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Names it.
    pub id: FactorId,
    /// What the user calls it.
    pub name: String,
    /// Whether a code confirmed it; only then it counts.
    pub confirmed: bool,
    /// When the enrolment began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Of a passkey: whether it can be on several devices of its user.
    pub synced: Option<bool>,
    /// Of a passkey: whether it signs in without a user name, as far as its browser told.
    pub discoverable: Option<bool>,
}

impl Device {
    pub(super) fn of_passkey(passkey: &Passkey) -> Self {
        Self {
            id: FactorId::Passkey(passkey.id.clone()),
            name: passkey.name.clone(),
            confirmed: true,
            created_at: passkey.created_at,
            last_used_at: passkey.last_used_at,
            synced: Some(passkey.synced),
            discoverable: passkey.discoverable,
        }
    }

    pub(super) fn of(device: &TotpDevice) -> Self {
        let last_used_at = match device.state {
            DeviceState::Pending { .. } => None,
            DeviceState::Confirmed { last_used_at, .. } => Some(last_used_at),
        };
        Self {
            id: FactorId::Totp(device.id.clone()),
            name: device.name.clone(),
            confirmed: device.is_confirmed(),
            created_at: device.created_at,
            last_used_at,
            synced: None,
            discoverable: None,
        }
    }
}

/// What a user has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MfaStatus {
    /// Whether signing in asks for a second factor.
    pub enabled: bool,
    /// The factors the user can answer with.
    pub methods: Vec<FactorMethod>,
    /// Confirmed authenticator apps.
    pub totp_devices: usize,
    /// Passkeys and security keys.
    pub passkeys: usize,
    /// Backup codes that are left.
    pub backup_codes_remaining: usize,
    /// When the present set of backup codes was made.
    pub backup_codes_created_at: Option<Timestamp>,
    /// Whether there is a set of backup codes and two or fewer are left.
    pub backup_codes_running_out: bool,
}

impl MfaStatus {
    pub(super) fn of(factors: &UserFactors) -> Self {
        let left = factors.backup_codes_left();
        Self {
            enabled: factors.has_confirmed(),
            methods: factors.methods(),
            totp_devices: factors.confirmed().count(),
            passkeys: factors.passkeys.len(),
            backup_codes_remaining: left,
            backup_codes_created_at: factors.backup.as_ref().map(|set| set.created_at),
            backup_codes_running_out: factors.backup.is_some() && left <= FEW,
        }
    }
}

/// What an administrator's reset removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Authenticator apps, confirmed or not.
    pub totp_devices: usize,
    /// Passkeys and security keys.
    pub passkeys: usize,
    /// Backup codes that were left.
    pub backup_codes: usize,
}

impl Removed {
    pub(super) fn all_of(factors: &UserFactors) -> Self {
        Self {
            totp_devices: factors.totp.len(),
            passkeys: factors.passkeys.len(),
            backup_codes: factors.backup.as_ref().map_or(0, crate::factors::BackupSet::left),
        }
    }
}
