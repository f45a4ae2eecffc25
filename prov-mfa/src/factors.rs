//! Everything known of one user's second factors, in one record: what is decided about it is pure
//! computation, and compare-and-swap of the record makes every decision count once.

mod attempts;
mod backup;
mod device;
mod id;
mod passkey;
mod proof;

pub(crate) use attempts::{Attempts, Limit};
pub(crate) use backup::BackupSet;
pub use device::TotpId;
pub(crate) use device::{DeviceState, TotpDevice};
pub use id::FactorId;
pub use passkey::PasskeyId;
#[cfg(feature = "webauthn")]
pub(crate) use passkey::{Asserted, HeldPasskey, credential_digest};
pub(crate) use passkey::{Passkey, PasskeyOwner};
pub(crate) use proof::SessionProof;
use prov_core::store::Entity;
use prov_core::{FactorMethod, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::spelling::{BackupCode, TotpCode};

/// Authenticator apps of one user, at most: each one more makes guessing as much easier.
pub(crate) const MOST_DEVICES: usize = 5;
/// Passkeys of one user, at most: what fits into one record.
#[cfg(feature = "webauthn")]
pub(crate) const MOST_PASSKEYS: usize = 10;

/// The record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserFactors {
    pub(crate) user: UserId,
    pub(crate) totp: Vec<TotpDevice>,
    #[serde(default)]
    pub(crate) passkeys: Vec<Passkey>,
    pub(crate) backup: Option<BackupSet>,
    pub(crate) attempts: Attempts,
    pub(crate) proofs: Vec<SessionProof>,
    /// By when the policy wants a factor, since a sign-in without one.
    #[serde(default)]
    pub(crate) enrol_by: Option<Timestamp>,
}

impl Entity for UserFactors {
    const KIND: &'static str = "mfa.factors";

    fn id(&self) -> String {
        self.user.as_str().to_owned()
    }

    /// A record that holds no confirmed factor ends with the last thing that it is kept for.
    fn expires_at(&self) -> Option<Timestamp> {
        if self.has_confirmed() || self.backup.is_some() || self.enrol_by.is_some() {
            return None;
        }
        let pending = self.totp.iter().filter_map(|device| match device.state {
            DeviceState::Pending { until } => Some(until),
            DeviceState::Confirmed { .. } => None,
        });
        pending
            .chain(self.attempts.last())
            .chain(self.proofs.iter().map(|proof| proof.until))
            .max()
            .or(Some(Timestamp::UNIX_EPOCH))
    }
}

/// Which devices a code may belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// Any confirmed one.
    AnyConfirmed,
    /// This one, confirmed or waiting to be.
    Device(&'a TotpId),
}

/// What became of a code. The reason of a rejection is for the audit log only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked<T> {
    /// It held, and is used up.
    Held(T),
    /// It did not; the attempt counts.
    Rejected(&'static str),
    /// It was not looked at, because there were too many attempts: the next one is heard then.
    Limited(Timestamp),
}

impl UserFactors {
    /// The record of a user of whom nothing is known.
    pub(crate) const fn none_of(user: UserId) -> Self {
        Self {
            user,
            totp: Vec::new(),
            passkeys: Vec::new(),
            backup: None,
            attempts: Attempts::none(),
            proofs: Vec::new(),
            enrol_by: None,
        }
    }

    /// Forgets what has ended by itself.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.totp.retain(|device| !device.has_lapsed(now));
        self.proofs.retain(|proof| proof.until > now);
        self.attempts.prune(now);
    }

    pub(crate) fn confirmed(&self) -> impl Iterator<Item = &TotpDevice> {
        self.totp.iter().filter(|device| device.is_confirmed())
    }

    /// Whether there is a second factor: a confirmed app, or a passkey.
    pub(crate) fn has_confirmed(&self) -> bool {
        self.confirmed().next().is_some() || !self.passkeys.is_empty()
    }

    /// Unused backup codes that stand in for a factor there is.
    pub(crate) fn backup_codes_left(&self) -> usize {
        self.backup.as_ref().filter(|_| self.has_confirmed()).map_or(0, BackupSet::left)
    }

    /// The factors the user can answer with.
    pub(crate) fn methods(&self) -> Vec<FactorMethod> {
        let totp = self.confirmed().next().map(|_| FactorMethod::Totp);
        let passkey = self.passkeys.first().map(|_| FactorMethod::Webauthn);
        let backup = (self.backup_codes_left() > 0).then_some(FactorMethod::BackupCode);
        [totp, passkey, backup].into_iter().flatten().collect()
    }

    /// Whether this session proved a factor that is still recent.
    pub(crate) fn is_proved_by(&self, session: Option<&SessionId>, now: Timestamp) -> bool {
        session.is_some_and(|id| self.proofs.iter().any(|p| p.session == *id && p.until > now))
    }

    /// Removes an app; the last factor takes the backup codes with it.
    pub(crate) fn remove(&mut self, id: &TotpId) -> Option<TotpDevice> {
        let place = self.totp.iter().position(|device| device.id == *id)?;
        let removed = self.totp.remove(place);
        self.drop_backup_without_factor();
        Some(removed)
    }

    /// Removes a passkey; the last factor takes the backup codes with it.
    pub(crate) fn remove_passkey(&mut self, id: &PasskeyId) -> Option<Passkey> {
        let place = self.passkeys.iter().position(|passkey| passkey.id == *id)?;
        let removed = self.passkeys.remove(place);
        self.drop_backup_without_factor();
        Some(removed)
    }

    fn drop_backup_without_factor(&mut self) {
        if !self.has_confirmed() {
            self.backup = None;
        }
    }

    /// Checks a code and uses up its time step; confirms a device that waited for its first code.
    /// Whatever is answered holds only if this state of the record is stored.
    pub(crate) fn check_totp(
        &mut self,
        which: Which<'_>,
        code: &TotpCode,
        drift: u8,
        limit: &Limit,
        now: Timestamp,
    ) -> prov_core::Result<Checked<TotpId>> {
        if let Some(until) = self.attempts.totp.exhausted(limit) {
            return Ok(Checked::Limited(until));
        }
        let mut reason = "wrong_code";
        let enrolled = !self.totp.is_empty();
        for device in &mut self.totp {
            if !which.includes(device) {
                continue;
            }
            match device.claim(code, drift, now)? {
                Claim::Fresh => {
                    let id = device.id.clone();
                    self.attempts.totp.forget();
                    return Ok(Checked::Held(id));
                }
                Claim::Replayed => reason = "replayed",
                Claim::Wrong => {}
            }
        }
        if !enrolled {
            // A user without a factor costs as much as one with.
            crate::totp::matching_step(&TotpDevice::nobody(), code, now, drift)?;
            reason = "not_enrolled";
        }
        self.attempts.totp.count(limit, now);
        Ok(Checked::Rejected(reason))
    }

    /// Checks a backup code and uses it up; as [`Self::check_totp`]. Answers how many are left.
    pub(crate) fn check_backup(
        &mut self,
        code: &BackupCode,
        limit: &Limit,
        now: Timestamp,
    ) -> Checked<usize> {
        if let Some(until) = self.attempts.backup_code.exhausted(limit) {
            return Checked::Limited(until);
        }
        let usable = self.has_confirmed();
        match self.backup.as_mut().filter(|_| usable).map(|set| set.claim(&self.user, code, now)) {
            Some(Claim::Fresh) => {
                self.attempts.backup_code.forget();
                Checked::Held(self.backup_codes_left())
            }
            refused => {
                self.attempts.backup_code.count(limit, now);
                Checked::Rejected(match refused {
                    Some(Claim::Replayed) => "replayed",
                    Some(_) => "wrong_code",
                    None => "not_enrolled",
                })
            }
        }
    }
}

#[cfg(feature = "webauthn")]
impl UserFactors {
    /// Checks an assertion by the passkey it names, and uses it up: its counter moves on. `limit` is
    /// `None` while nobody has proved to be the user: strangers must not spend the user's attempts.
    pub(crate) fn check_passkey(
        &mut self,
        credential: &str,
        verify: impl Fn(&Passkey) -> prov_core::Result<Asserted>,
        limit: Option<&Limit>,
        now: Timestamp,
    ) -> prov_core::Result<Checked<HeldPasskey>> {
        if let Some(until) = limit.and_then(|limit| self.attempts.webauthn.exhausted(limit)) {
            return Ok(Checked::Limited(until));
        }
        let named = |passkey: &&mut Passkey| passkey.credential_id == credential;
        let Some(passkey) = self.passkeys.iter_mut().find(named) else {
            return Ok(self.reject_passkey("not_enrolled", limit, now));
        };
        match verify(passkey)? {
            Asserted::Wrong(reason) => Ok(self.reject_passkey(reason, limit, now)),
            Asserted::Held { counter, credential } => {
                passkey.counter = counter;
                passkey.credential = credential;
                passkey.last_used_at = Some(now);
                let held = HeldPasskey { id: passkey.id.clone(), synced: passkey.synced };
                self.attempts.webauthn.forget();
                Ok(Checked::Held(held))
            }
        }
    }

    /// Counts an assertion that does not hold, as [`Self::check_passkey`].
    pub(crate) fn reject_passkey(
        &mut self,
        reason: &'static str,
        limit: Option<&Limit>,
        now: Timestamp,
    ) -> Checked<HeldPasskey> {
        if let Some(limit) = limit {
            if let Some(until) = self.attempts.webauthn.exhausted(limit) {
                return Checked::Limited(until);
            }
            self.attempts.webauthn.count(limit, now);
        }
        Checked::Rejected(reason)
    }
}

impl Which<'_> {
    fn includes(self, device: &TotpDevice) -> bool {
        match self {
            Self::AnyConfirmed => device.is_confirmed(),
            Self::Device(id) => device.id == *id,
        }
    }
}

/// What a code is to a device or to a set of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Right, and now used up.
    Fresh,
    /// Right once, used up before.
    Replayed,
    /// Not right.
    Wrong,
}

#[cfg(test)]
mod tests;
