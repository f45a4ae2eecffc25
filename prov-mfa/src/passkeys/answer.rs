//! What browsers answer, as JSON (WebAuthn level 3, section 5.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::{Error, Result, codes as core_codes};
use serde::Deserialize;
use serde_json::Value;
use webauthn_rs_core::proto::{PublicKeyCredential, RegisterPublicKeyCredential};

use crate::factors::credential_digest;

/// Longer than any answer: a chain of certificates of a few kilobytes.
const LONGEST: usize = 64 * 1024;

/// A new credential.
#[derive(Debug)]
pub(crate) struct RegistrationAnswer {
    pub(crate) credential: RegisterPublicKeyCredential,
    pub(crate) client: ClientData,
}

/// A proof that a credential is at hand.
#[derive(Debug)]
pub(crate) struct AssertionAnswer {
    pub(crate) credential: PublicKeyCredential,
    pub(crate) client: ClientData,
}

/// What the browser says of the ceremony, as far as this crate reads it itself (WebAuthn level 3,
/// section 5.8.1).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientData {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    /// The challenge, in base 64 for URLs: it names the ceremony.
    pub(crate) challenge: String,
    /// The page that asked.
    #[serde(default)]
    pub(crate) origin: String,
    /// Whether it was asked out of a frame of another site.
    #[serde(default)]
    pub(crate) cross_origin: bool,
    /// The page around such a frame.
    pub(crate) top_origin: Option<String>,
}

impl RegistrationAnswer {
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] naming `credential`.
    pub(crate) fn read(answer: Value) -> Result<Self> {
        let credential: RegisterPublicKeyCredential =
            serde_json::from_value(answer).map_err(|e| malformed("credential").source(e))?;
        let client = client_data("credential", &credential.response.client_data_json)?;
        Ok(Self { credential, client })
    }
}

impl AssertionAnswer {
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] naming `assertion`.
    pub(crate) fn read(answer: &str) -> Result<Self> {
        if answer.len() > LONGEST {
            return Err(malformed("assertion"));
        }
        let credential: PublicKeyCredential =
            serde_json::from_str(answer).map_err(|e| malformed("assertion").source(e))?;
        let client = client_data("assertion", &credential.response.client_data_json)?;
        Ok(Self { credential, client })
    }
}

impl AssertionAnswer {
    /// The credential that is said to answer, in base 64 for URLs.
    pub(crate) fn credential_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.credential.raw_id)
    }

    /// What names that credential in the audit log.
    pub(crate) fn digest(&self) -> String {
        credential_digest(&self.credential_id())
    }
}

fn client_data(field: &'static str, json: &[u8]) -> Result<ClientData> {
    serde_json::from_slice(json).map_err(|e| malformed(field).source(e))
}

fn malformed(field: &'static str) -> Error {
    Error::new(core_codes::INVALID_REQUEST)
        .field(field, "the public key credential as the browser's `toJSON` gives it")
}
