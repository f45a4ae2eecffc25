//! Devices that a user has signed in on.
//!
//! A device is recognised by 256 random bits that it keeps, as a cookie or a file. They are no
//! credential: nobody signs in with them. They tell the user's own attempts from those of strangers, so
//! that a stranger's failures keep nobody out, and they make a sign-in on an unknown device news.
//!
//! What a device presents is never taken over for a user it was not handed out to: whoever put it there
//! would be known to that user from then on. A browser that several people use gets another value when
//! one of them is new on it, and the others are recognised by that one.

use std::net::IpAddr;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::store::{Entity, Term};
use prov_core::{Result, SecretText, Timestamp, UserId, random};
use serde::{Deserialize, Serialize};

prov_core::typed_id!(
    /// Names one device of a user.
    DeviceId, "dev"
);

/// A device that a user has signed in on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Device {
    /// Names it.
    pub id: DeviceId,
    /// What it called itself when it was new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// From which address its user last signed in on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// When its user first signed in on it.
    pub created_at: Timestamp,
    /// When its user last signed in on it.
    pub last_used_at: Timestamp,
}

/// A device as it is remembered: of what it presents, only a hash together with its user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeviceRecord {
    pub(crate) digest: String,
    pub(crate) user: UserId,
    /// Of what it presents, a hash without the user: who else is known by it.
    #[serde(default)]
    pub(crate) browser: String,
    pub(crate) device: Device,
    pub(crate) expires_at: Timestamp,
}

impl DeviceRecord {
    /// What names the device that presents this, as one of this user's: the same browser is another
    /// device for another user.
    pub(crate) fn digest_of(presented: &SecretText, user: &UserId) -> String {
        let text = format!("device\0{}\0{}", user.as_str(), presented.expose());
        hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// What names a browser, whoever uses it.
    pub(crate) fn browser_of(presented: &SecretText) -> String {
        let text = format!("browser\0{}", presented.expose());
        hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// Recognised by what it `presents` from now on.
    pub(crate) fn presenting(mut self, presents: &SecretText) -> Self {
        self.digest = Self::digest_of(presents, &self.user);
        self.browser = Self::browser_of(presents);
        self
    }

    /// Finds everybody who is known by what a browser presents.
    pub(crate) fn browser_term(presented: &SecretText) -> Term {
        Term::new("browser", Self::browser_of(presented))
    }

    /// Finds the devices of a user.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }
}

impl Entity for DeviceRecord {
    const KIND: &'static str = "auth.device";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn terms(&self) -> Vec<Term> {
        let browser = Term::new("browser", self.browser.as_str());
        vec![Self::user_term(&self.user), browser]
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// What a new device is to present from now on.
///
/// # Errors
/// When the operating system gives no randomness.
pub(crate) fn fresh() -> Result<SecretText> {
    Ok(SecretText::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?)))
}
