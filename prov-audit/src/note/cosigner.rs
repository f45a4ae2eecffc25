//! Keys of cosigners, and what they sign (C2SP tlog-cosignature): witnesses, and logs that sign with
//! ML-DSA-44 too.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prov_core::{Error, Result, SecretBytes, codes as core_codes};

use super::{Checkpoint, Line, checked_name, split};
use crate::codes;

/// Bytes of an ML-DSA-44 signature (FIPS 204, table 2).
const ML_DSA_44_SIGNATURE: usize = 2420;

/// With what a cosigner signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    MlDsa44,
}

impl Algorithm {
    /// The signature type of a signed note's key.
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 4,
            Self::MlDsa44 => 6,
        }
    }

    const fn key_length(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::MlDsa44 => 1312,
        }
    }
}

/// The public key of a cosigner: `name+hash+key`, as C2SP tlog-cosignature has it, with Ed25519
/// (type 4) or ML-DSA-44 (type 6).
///
/// A witness says that a log only ever grew: whoever asks for the word of several of them can't be
/// shown a log that others are not shown. A log that is the cosigner of its own checkpoints, under its
/// own name, signs them with ML-DSA-44 besides (C2SP tlog-checkpoint): whoever wants that is not shown
/// another log by somebody who has broken Ed25519.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey {
    name: String,
    algorithm: Algorithm,
    public: Vec<u8>,
}

impl CosignerKey {
    /// The name of the cosigner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it signs with ML-DSA-44.
    #[must_use]
    pub fn is_ml_dsa_44(&self) -> bool {
        self.algorithm == Algorithm::MlDsa44
    }

    /// Checks that this key cosigned a checkpoint, and says when it did.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when it did not.
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<Timestamp> {
        let refuse = |what: &str| {
            let name = &self.name;
            Error::new(core_codes::INVALID_REQUEST)
                .detail(format!("the checkpoint {what} the cosigner's key of `{name}`"))
        };
        let split =
            split(&checkpoint.note).ok_or_else(|| refuse("is no note, so not signed with"))?;
        cosigned_at(self, checkpoint, split.0, &split.1)
            .map_err(|()| refuse("has a signature that says it is, and is not, of"))?
            .ok_or_else(|| refuse("is not signed with"))
    }

    /// The key alone: two keys of different names may be one.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The same key as a cosigner of another name: what it signs as one holds for no other (the message
    /// names the cosigner).
    pub(super) fn named(&self, name: String) -> Self {
        Self { name, algorithm: self.algorithm, public: self.public.clone() }
    }

    /// Whether a signature line says that it was made with this key.
    pub(crate) fn claims(&self, line: &Line<'_>) -> bool {
        line.name == self.name && line.id == self.id()
    }

    /// The first four bytes of SHA-256 over name, newline, algorithm and key.
    fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.clone().into_bytes();
        bytes.extend([b'\n', self.algorithm.byte()]);
        bytes.extend(&self.public);
        let hash = digest(&SHA256, &bytes);
        hash.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// When this key cosigned a checkpoint, of which `text` is the note's text. `None` when the
    /// signature is not one of this key over it.
    fn time_of(&self, checkpoint: &Checkpoint, text: &str, signature: &[u8]) -> Option<Timestamp> {
        let (time, signature) = signature.split_first_chunk::<8>()?;
        let seconds = i64::try_from(u64::from_be_bytes(*time)).ok().filter(|time| *time > 0)?;
        let verified = match self.algorithm {
            Algorithm::Ed25519 => {
                let message = ed25519_message(seconds, text);
                UnparsedPublicKey::new(&ED25519, &self.public).verify(&message, signature)
            }
            Algorithm::MlDsa44 => {
                let message = ml_dsa_message(&self.name, seconds, checkpoint)?;
                UnparsedPublicKey::new(&ML_DSA_44, &self.public).verify(&message, signature)
            }
        };
        verified.ok()?;
        Timestamp::from_second(seconds).ok()
    }
}

/// When `key` cosigned a checkpoint, if any of these lines is its own. `Err(())` when one that says it
/// is was not made by it, or not over this checkpoint.
pub(crate) fn cosigned_at(
    key: &CosignerKey,
    checkpoint: &Checkpoint,
    text: &str,
    lines: &[Line<'_>],
) -> Result<Option<Timestamp>, ()> {
    let mut found = None;
    for line in lines.iter().filter(|line| key.claims(line)) {
        let time = key.time_of(checkpoint, text, &line.signature).ok_or(())?;
        found = found.max(Some(time));
    }
    Ok(found)
}

fn ed25519_message(seconds: i64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

/// The `cosigned_message` of a whole tree; `None` when a name is too long for it.
fn ml_dsa_message(cosigner: &str, seconds: i64, checkpoint: &Checkpoint) -> Option<Vec<u8>> {
    let mut message = b"subtree/v1\n\0".to_vec();
    message.push(u8::try_from(cosigner.len()).ok()?);
    message.extend(cosigner.as_bytes());
    message.extend(seconds.to_be_bytes());
    message.push(u8::try_from(checkpoint.origin.len()).ok()?);
    message.extend(checkpoint.origin.as_bytes());
    message.extend(0_u64.to_be_bytes());
    message.extend(checkpoint.size.to_be_bytes());
    message.extend(checkpoint.root);
    Some(message)
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.algorithm.byte()];
        key.extend(&self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}+{})", self.name, hex::encode(self.id()))
    }
}

impl FromStr for CosignerKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(codes::BAD_VERIFIER_KEY).detail(
                "the key of a cosigner looks like `name+hash+base64`, for cosignatures with Ed25519 \
                 or ML-DSA-44",
            )
        };
        let mut parts = text.trim_end_matches('\n').splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse());
        };
        let key = STANDARD.decode(key).map_err(|_| refuse())?;
        let (kind, public) = key.split_first().ok_or_else(refuse)?;
        let known = [Algorithm::Ed25519, Algorithm::MlDsa44];
        let algorithm = known.into_iter().find(|one| one.byte() == *kind).ok_or_else(refuse)?;
        let name = checked_name(name)?.to_owned();
        let parsed = Self { name, algorithm, public: public.to_vec() };
        if public.len() == algorithm.key_length() && hex::encode(parsed.id()) == id {
            Ok(parsed)
        } else {
            Err(refuse())
        }
    }
}

/// The private keys of a witness, one of each algorithm.
pub(crate) struct Cosigner {
    ed25519: (Ed25519KeyPair, CosignerKey),
    ml_dsa: MlDsa,
}

impl Cosigner {
    /// The witness of this name, from two 32-byte seeds.
    pub(crate) fn from_seeds(
        name: &str,
        ed25519: &SecretBytes,
        ml_dsa: &SecretBytes,
    ) -> Result<Self> {
        let failed = |e: aws_lc_rs::error::KeyRejected| {
            Error::new(core_codes::INTERNAL).context("reading the keys of a witness").source(e)
        };
        let name = checked_name(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(ed25519.expose()).map_err(failed)?;
        let public = pair.public_key().as_ref().to_vec();
        let key = CosignerKey { name: name.to_owned(), algorithm: Algorithm::Ed25519, public };
        Ok(Self { ed25519: (pair, key), ml_dsa: MlDsa::from_seed(name, ml_dsa)? })
    }

    /// The public keys: Ed25519, then ML-DSA-44.
    pub(crate) fn keys(&self) -> [&CosignerKey; 2] {
        [&self.ed25519.1, self.ml_dsa.key()]
    }

    /// The signature lines that say: at `time` this was the largest tree of its log that was seen.
    pub(crate) fn cosign(
        &self,
        checkpoint: &Checkpoint,
        text: &str,
        time: Timestamp,
    ) -> Result<String> {
        // No signature is said to be of no time at all.
        let seconds = time.as_second().max(1);
        let (pair, key) = &self.ed25519;
        let signature = pair.sign(&ed25519_message(seconds, text));
        let classic = signature_line(key, seconds, signature.as_ref());
        Ok(classic + &self.ml_dsa.cosign(checkpoint, time)?)
    }
}

/// A private key for ML-DSA-44, of a cosigner of this name.
pub(crate) struct MlDsa {
    pair: PqdsaKeyPair,
    key: CosignerKey,
}

impl MlDsa {
    /// The key of this name from its 32-byte seed.
    pub(crate) fn from_seed(name: &str, seed: &SecretBytes) -> Result<Self> {
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed.expose()).map_err(|e| {
            Error::new(core_codes::INTERNAL).context("reading a key for ML-DSA-44").source(e)
        })?;
        let public = pair.public_key().as_ref().to_vec();
        let name = checked_name(name)?.to_owned();
        Ok(Self { pair, key: CosignerKey { name, algorithm: Algorithm::MlDsa44, public } })
    }

    /// The public half.
    pub(crate) fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// The signature line over a checkpoint.
    pub(crate) fn cosign(&self, checkpoint: &Checkpoint, time: Timestamp) -> Result<String> {
        self.cosign_as(&self.key, checkpoint, time)
    }

    /// The same as a cosigner of another name.
    pub(super) fn cosign_as(
        &self,
        key: &CosignerKey,
        checkpoint: &Checkpoint,
        time: Timestamp,
    ) -> Result<String> {
        let failed = || Error::new(core_codes::INTERNAL).context("signing with ML-DSA-44");
        // As above.
        let seconds = time.as_second().max(1);
        let message = ml_dsa_message(&key.name, seconds, checkpoint).ok_or_else(failed)?;
        let mut signature = vec![0; ML_DSA_44_SIGNATURE];
        let length = self.pair.sign(&message, &mut signature).map_err(|e| failed().source(e))?;
        signature.truncate(length);
        Ok(signature_line(key, seconds, &signature))
    }
}

impl fmt::Debug for MlDsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlDsa({:?})", self.key)
    }
}

fn signature_line(key: &CosignerKey, seconds: i64, signature: &[u8]) -> String {
    let mut bytes = key.id().to_vec();
    bytes.extend(seconds.to_be_bytes());
    bytes.extend(signature);
    format!("\u{2014} {} {}\n", key.name, STANDARD.encode(bytes))
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cosigner").field(&self.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{SigningKey, lines, sign, split};

    fn cosigner(byte: u8) -> Cosigner {
        let seed = SecretBytes::new(vec![byte; 32]);
        Cosigner::from_seeds("w.example/one", &seed, &seed).unwrap()
    }

    #[test]
    fn a_cosignature_of_either_kind_holds_for_its_checkpoint_and_no_other() {
        let key = SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap();
        let (one, other) = (sign(&key, 42, [9; 32]), sign(&key, 43, [9; 32]));
        let time = Timestamp::from_second(1_700_000_000).unwrap();
        let witness = cosigner(3);
        let said = witness.cosign(&one, split(&one.note).unwrap().0, time).unwrap();
        let said = lines(&said).unwrap();
        assert_eq!(said.len(), 2);
        for key in witness.keys() {
            let of = |checkpoint: &Checkpoint, lines: &[Line<'_>]| {
                cosigned_at(key, checkpoint, split(&checkpoint.note).unwrap().0, lines)
            };
            assert_eq!(of(&one, &said), Ok(Some(time)));
            assert_eq!(of(&other, &said), Err(()), "{key:?}");
            assert_eq!(of(&one, &[]), Ok(None));
            for (at, line) in said.iter().enumerate().filter(|(_, line)| key.claims(line)) {
                // Time, and first, middle and last byte of the signature.
                for byte in [7, 8, 40, line.signature.len() - 1] {
                    let mut changed = said.clone();
                    changed[at].signature[byte] ^= 1;
                    assert_eq!(of(&one, &changed), Err(()), "byte {byte} of {key:?}");
                }
                let mut short = said.clone();
                short[at].signature.truncate(7);
                assert_eq!(of(&one, &short), Err(()));
            }
        }
        for key in cosigner(4).keys() {
            assert_eq!(cosigned_at(key, &one, split(&one.note).unwrap().0, &said), Ok(None));
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_no_others() {
        let witness = cosigner(3);
        for key in witness.keys() {
            let text = key.to_string();
            assert_eq!(&text.parse::<CosignerKey>().unwrap(), key);
            let mut cut = text.clone();
            cut.truncate(text.len() - 4);
            assert!(cut.parse::<CosignerKey>().is_err());
            assert!(text.replace("w.example", "v.example").parse::<CosignerKey>().is_err());
        }
        let log = SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap();
        assert!(log.verifier().to_string().parse::<CosignerKey>().is_err(), "a log is no witness");
    }
}
