//! One passkey or security key, and whose it is.

use aws_lc_rs::digest;
use prov_core::store::Entity;
use prov_core::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

prov_core::typed_id!(
    /// Names one passkey or security key of a user.
    PasskeyId, "passkey"
);

/// A public key credential (WebAuthn level 3, section 4). Kept also by builds that can't check it, so
/// that none of them forgets a user's factor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Passkey {
    pub(crate) id: PasskeyId,
    pub(crate) name: String,
    /// The credential id, in base 64 for URLs.
    pub(crate) credential_id: String,
    /// The public key and what was learnt at registration, in the form of the library that checks it.
    pub(crate) credential: Box<RawValue>,
    /// How often it was used, as it says; 0 for ever where it does not count.
    pub(crate) counter: u32,
    /// Whether it may be copied to other devices of its owner.
    pub(crate) synced: bool,
    /// Whether it names its user by itself, and so signs in without a user name; `None`: not told.
    pub(crate) discoverable: Option<bool>,
    /// Whether its maker vouched for it, as the attestation policy asks.
    pub(crate) attested: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// What an assertion is to the passkey that it names.
#[cfg(feature = "webauthn")]
#[derive(Debug)]
pub(crate) enum Asserted {
    /// It holds; from now on the passkey is this.
    Held { counter: u32, credential: Box<RawValue> },
    /// It does not; the reason is for the audit log only.
    Wrong(&'static str),
}

/// A passkey that was proved.
#[cfg(feature = "webauthn")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldPasskey {
    pub(crate) id: PasskeyId,
    pub(crate) synced: bool,
}

/// Says whose a credential is: no two users have the same (WebAuthn level 3, section 7.1, step 27).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PasskeyOwner {
    /// Of the credential id: SHA-256, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) user: UserId,
}

impl PasskeyOwner {
    pub(crate) fn of(credential_id: &str, user: &UserId) -> Self {
        Self { digest: credential_digest(credential_id), user: user.clone() }
    }
}

/// What names a credential id in the store; the id itself may be longer than a key.
pub(crate) fn credential_digest(credential_id: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, credential_id.as_bytes()))
}

impl Entity for PasskeyOwner {
    const KIND: &'static str = "mfa.passkey_owner";

    fn id(&self) -> String {
        self.digest.clone()
    }
}
