//! Backup codes: only what is needed to recognise one is kept.

use aws_lc_rs::{constant_time, hmac};
use prov_core::{Result, SecretBytes, SecretText, Timestamp, UserId, random};
use serde::{Deserialize, Serialize};

use super::Claim;
use crate::base32;
use crate::spelling::BackupCode;

/// Codes in a set.
pub(crate) const CODES: usize = 10;
/// Separates these hashes from any other use of the same key.
const PURPOSE: &[u8] = b"prov-mfa backup code 1";

/// A set of codes: HMAC-SHA-256 of each under a key of the set's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BackupSet {
    #[serde(with = "crate::exposed")]
    key: SecretBytes,
    codes: Vec<KeptCode>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptCode {
    #[serde(with = "crate::exposed")]
    mac: SecretBytes,
    used_at: Option<Timestamp>,
}

impl BackupSet {
    /// A fresh set and its codes as they are shown, once.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub(crate) fn fresh(user: &UserId, now: Timestamp) -> Result<(Self, Vec<SecretText>)> {
        let key = SecretBytes::taken_from(&mut random::bytes::<32>()?);
        let shown = (0..CODES).map(|_| base32::fresh_backup_code()).collect::<Result<Vec<_>>>()?;
        let codes = shown
            .iter()
            .map(|code| {
                Ok(KeptCode { mac: mac(&key, user, &BackupCode::read(code)?), used_at: None })
            })
            .collect::<Result<_>>()?;
        Ok((Self { key, codes, created_at: now }, shown))
    }

    /// Codes that are not used up.
    pub(crate) fn left(&self) -> usize {
        self.codes.iter().filter(|code| code.used_at.is_none()).count()
    }

    /// Uses up this code. Every kept code is compared, in constant time.
    pub(crate) fn claim(&mut self, user: &UserId, code: &BackupCode, now: Timestamp) -> Claim {
        let given = mac(&self.key, user, code);
        let mut claim = Claim::Wrong;
        for kept in &mut self.codes {
            let same = constant_time::verify_slices_are_equal(kept.mac.expose(), given.expose());
            if same.is_ok() {
                claim = if kept.used_at.is_none() { Claim::Fresh } else { Claim::Replayed };
                kept.used_at.get_or_insert(now);
            }
        }
        claim
    }
}

/// The keyed hash of a code, bound to its user.
fn mac(key: &SecretBytes, user: &UserId, code: &BackupCode) -> SecretBytes {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
    // The id of a user and a code have fixed lengths: no two inputs run together.
    for part in [PURPOSE, user.as_str().as_bytes(), code.characters().as_bytes()] {
        context.update(part);
    }
    SecretBytes::new(context.sign().as_ref().to_vec())
}
