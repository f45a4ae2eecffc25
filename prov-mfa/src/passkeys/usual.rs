//! The assertion that nearly every authenticator gives: ES256, for the page and the site that were asked for, with
//! its user verified, and nothing besides.
//!
//! Such a one is checked here, with the library that checks all other signatures of prov, which needs a third of the
//! time. Nothing is refused here: what has another form, or does not hold, webauthn-rs-core decides on, and says
//! why. So a mistake here could only be to accept too much; the tests hold everything that is accepted against
//! what webauthn-rs-core says of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use webauthn_rs_core::proto::{
    COSEAlgorithm, COSEKeyType, CollectedClientData, Credential, ECDSACurve,
};

use super::{AssertionAnswer, Ceremony};

/// Flags of authenticator data (WebAuthn level 3, section 6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKUP_STATE: u8 = 0x10;

/// The hash of the site, the flags and the counter, without attested credential or extensions.
const LENGTH: usize = 32 + 1 + 4;

/// The bytes of a coordinate.
const COORDINATE: usize = 32;

/// Before the coordinates of a point that is not compressed (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Which site asks, and from which pages.
#[derive(Debug)]
pub(super) struct Site {
    id_hash: [u8; 32],
    /// As browsers write them: the ASCII serialisation.
    origins: Vec<String>,
}

/// What an assertion that holds says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) counter: u32,
    pub(super) backup_state: bool,
}

impl Site {
    pub(super) fn new(id: &str, origins: &[url::Url]) -> Self {
        let origins = origins.iter().map(|origin| origin.origin().ascii_serialization()).collect();
        Self { id_hash: sha256(id.as_bytes()), origins }
    }

    /// What the answer to this ceremony says, if it has the usual form and holds for this credential (WebAuthn
    /// level 3, section 7.2). `None` says nothing of it.
    pub(super) fn held(
        &self,
        answer: &AssertionAnswer,
        ceremony: &Ceremony,
        credential: &Credential,
    ) -> Option<Held> {
        let AssertionAnswer { credential: given, client } = answer;
        let is_asked_for = given.raw_id.as_slice() == credential.cred_id.as_slice()
            && client.kind == "webauthn.get"
            && Ceremony::digest_of(&client.challenge) == ceremony.digest
            && self.origins.contains(&client.origin)
            && !client.cross_origin
            && client.top_origin.is_none();
        if !is_asked_for {
            return None;
        }
        let data = &given.response.authenticator_data;
        let data: &[u8; LENGTH] = data.as_slice().try_into().ok()?;
        let (site, rest) = data.split_first_chunk::<32>()?;
        let (flags, counter) = rest.split_first()?;
        let counter = u32::from_be_bytes(counter.try_into().ok()?);
        let has = |flag: u8| flags & flag != 0;
        let known = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKUP_STATE;
        let is_of_its_user = *site == self.id_hash
            && flags & !known == 0
            && has(USER_PRESENT)
            && has(USER_VERIFIED)
            && has(BACKUP_ELIGIBLE) == credential.backup_eligible
            && (has(BACKUP_ELIGIBLE) || !has(BACKUP_STATE))
            && (counter > credential.counter || (counter, credential.counter) == (0, 0));
        if !is_of_its_user {
            return None;
        }
        // What this crate does not read of the client data must be well-formed too.
        let _: CollectedClientData =
            serde_json::from_slice(&given.response.client_data_json).ok()?;
        let signed = [data, &sha256(&given.response.client_data_json)[..]].concat();
        let key = key_of(credential)?;
        key.verify(&signed, &given.response.signature).ok()?;
        Some(Held { counter, backup_state: has(BACKUP_STATE) })
    }
}

/// The key, if it is one for ES256.
fn key_of(credential: &Credential) -> Option<UnparsedPublicKey<Vec<u8>>> {
    let COSEKeyType::EC_EC2(key) = &credential.cred.key else { return None };
    let is_usual = credential.cred.type_ == COSEAlgorithm::ES256
        && key.curve == ECDSACurve::SECP256R1
        && (key.x.len(), key.y.len()) == (COORDINATE, COORDINATE);
    let point = [&[UNCOMPRESSED], key.x.as_slice(), key.y.as_slice()].concat();
    is_usual.then(|| UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests;
