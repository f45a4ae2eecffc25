//! Everything known of one user's second factors, in one record: what is decided about it is pure
//! computation, and compare-and-swap of the record makes every decision count once.

mod attempts;
mod backup;
mod device;
mod proof;

pub(crate) use attempts::{Attempts, Limit};
pub(crate) use backup::BackupSet;
pub use device::TotpId;
pub(crate) use device::{DeviceState, TotpDevice};
pub(crate) use proof::SessionProof;
use prov_core::store::Entity;
use prov_core::{FactorMethod, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::spelling::{BackupCode, TotpCode};

/// Authenticator apps of one user, at most: each one more makes guessing as much easier.
pub(crate) const MOST_DEVICES: usize = 5;

/// The record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserFactors {
    pub(crate) user: UserId,
    pub(crate) totp: Vec<TotpDevice>,
    pub(crate) backup: Option<BackupSet>,
    pub(crate) attempts: Attempts,
    pub(crate) proofs: Vec<SessionProof>,
}

impl Entity for UserFactors {
    const KIND: &'static str = "mfa.factors";

    fn id(&self) -> String {
        self.user.as_str().to_owned()
    }

    /// A record that holds no confirmed factor ends with the last thing that it is kept for.
    fn expires_at(&self) -> Option<Timestamp> {
        if self.has_confirmed() || self.backup.is_some() {
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
            backup: None,
            attempts: Attempts::none(),
            proofs: Vec::new(),
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

    pub(crate) fn has_confirmed(&self) -> bool {
        self.confirmed().next().is_some()
    }

    /// Unused backup codes that stand in for a factor there is.
    pub(crate) fn backup_codes_left(&self) -> usize {
        self.backup.as_ref().filter(|_| self.has_confirmed()).map_or(0, BackupSet::left)
    }

    /// The factors the user can answer with.
    pub(crate) fn methods(&self) -> Vec<FactorMethod> {
        let totp = self.has_confirmed().then_some(FactorMethod::Totp);
        let backup = (self.backup_codes_left() > 0).then_some(FactorMethod::BackupCode);
        totp.into_iter().chain(backup).collect()
    }

    /// Whether this session proved a factor that is still recent.
    pub(crate) fn is_proved_by(&self, session: Option<&SessionId>, now: Timestamp) -> bool {
        session.is_some_and(|id| self.proofs.iter().any(|p| p.session == *id && p.until > now))
    }

    /// Removes a device; the last confirmed one takes the backup codes with it.
    pub(crate) fn remove(&mut self, id: &TotpId) -> Option<TotpDevice> {
        let place = self.totp.iter().position(|device| device.id == *id)?;
        let removed = self.totp.remove(place);
        if !self.has_confirmed() {
            self.backup = None;
        }
        Some(removed)
    }

    /// Checks a code and uses up its time step; confirms a device that waited for its first code.
    /// Whatever is answered holds only if this state of the record is stored.
    pub(crate) fn check_totp(
        &mut self,
        which: Which<'_>,
        code: &TotpCode,
        limit: &Limit,
        now: Timestamp,
    ) -> prov_core::Result<Checked<TotpId>> {
        if let Some(until) = self.attempts.totp.exhausted(limit) {
            return Ok(Checked::Limited(until));
        }
        let mut reason = "wrong_code";
        for device in &mut self.totp {
            if !which.includes(device) {
                continue;
            }
            match device.claim(code, now)? {
                Claim::Fresh => {
                    let id = device.id.clone();
                    self.attempts.totp.forget();
                    return Ok(Checked::Held(id));
                }
                Claim::Replayed => reason = "replayed",
                Claim::Wrong => {}
            }
        }
        if self.totp.is_empty() {
            // A user without a factor costs as much as one with.
            crate::totp::matching_step(&TotpDevice::nobody(), code, now)?;
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
