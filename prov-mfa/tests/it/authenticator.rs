//! A security key of our own, which can do what no honest one does.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::{ORIGIN, SITE};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const MAY_BE_COPIED: u8 = 0x08;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

/// One credential, and how it misbehaves.
#[expect(clippy::struct_excessive_bools, reason = "each is one way to misbehave")]
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    /// What it says of its user; empty: nothing.
    pub(crate) handle: String,
    pub(crate) counter: u32,
    pub(crate) site: String,
    pub(crate) origin: String,
    pub(crate) verifies: bool,
    pub(crate) present: bool,
    pub(crate) synced: bool,
    pub(crate) discoverable: bool,
    pub(crate) framed: bool,
    /// Whether it says what it did of extensions: nothing.
    pub(crate) extended: bool,
    /// The type it writes instead of the right one.
    pub(crate) kind: Option<&'static str>,
    pub(crate) forged: bool,
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            id: digest(&SHA256, pair.public_key().as_ref()).as_ref().to_vec(),
            pair,
            handle: String::new(),
            counter: 0,
            site: SITE.to_owned(),
            origin: ORIGIN.to_owned(),
            verifies: true,
            present: true,
            synced: false,
            discoverable: true,
            framed: false,
            extended: false,
            kind: None,
            forged: false,
        }
    }

    /// The same key in another device: what counters are there to find.
    pub(crate) fn copied(&self) -> Self {
        let pkcs8 = self.pair.to_pkcs8v1().unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        Self {
            pair,
            id: self.id.clone(),
            handle: self.handle.clone(),
            site: self.site.clone(),
            origin: self.origin.clone(),
            ..*self
        }
    }

    /// Answers `navigator.credentials.create` with a self-made credential without attestation.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        options["user"]["id"].as_str().unwrap().clone_into(&mut self.handle);
        let client = self.client_data("webauthn.create", &options["challenge"]);
        let data = self.authenticator_data(true);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        json!({
            "id": b64(&self.id), "rawId": b64(&self.id), "type": "public-key",
            "response": { "clientDataJSON": b64(&client), "attestationObject": b64(object) },
            "clientExtensionResults": { "credProps": { "rk": self.discoverable } },
        })
    }

    /// Answers `navigator.credentials.get`.
    pub(crate) fn get(&mut self, options: &Value) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        let client = self.client_data("webauthn.get", &options["challenge"]);
        let data = self.authenticator_data(false);
        let mut signed = data.clone();
        signed.extend(digest(&SHA256, client.as_bytes()).as_ref());
        if self.forged {
            signed.push(0);
        }
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        let mut response = json!({
            "clientDataJSON": b64(&client), "authenticatorData": b64(data),
            "signature": b64(signature),
        });
        if !self.handle.is_empty() {
            response["userHandle"] = json!(self.handle);
        }
        json!({
            "id": b64(&self.id), "rawId": b64(&self.id), "type": "public-key",
            "response": response, "clientExtensionResults": {},
        })
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> String {
        let kind = self.kind.unwrap_or(kind);
        let client = json!({
            "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.framed,
        });
        client.to_string()
    }

    fn authenticator_data(&self, creates: bool) -> Vec<u8> {
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let mut data = digest(&SHA256, self.site.as_bytes()).as_ref().to_vec();
        data.push(
            flag(self.present, PRESENT)
                | flag(self.verifies, VERIFIED)
                | flag(self.synced, MAY_BE_COPIED)
                | flag(self.extended, EXTENDED)
                | flag(creates, ATTESTED),
        );
        data.extend(self.counter.to_be_bytes());
        if creates {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            // An uncompressed point: 4, x, y.
            let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
            data.extend(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20");
            data.extend(x);
            data.extend(b"\x22\x58\x20");
            data.extend(y);
        }
        if self.extended {
            data.extend(b"\xa0");
        }
        data
    }
}
