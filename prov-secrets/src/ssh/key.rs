//! Public keys that may be certified.

use std::fmt;

use prov_core::{Error, Result};
use serde::{Deserialize, Serialize};
use ssh_key::public::KeyData;
use ssh_key::{EcdsaCurve, HashAlg, PublicKey};

use crate::codes;

/// The shortest RSA key that is certified (NIST SP 800-57: 128 bits of strength).
const SHORTEST_RSA: u32 = 3072;
/// The longest: verifying longer ones costs sshd more than it protects.
const LONGEST_RSA: u32 = 8192;
/// The longest line that is read.
const LONGEST_LINE: usize = 8192;

/// A kind of key, named as OpenSSH names it. DSA is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KeyType {
    /// Ed25519.
    #[serde(rename = "ssh-ed25519")]
    Ed25519,
    /// Ed25519 in a FIDO security key.
    #[serde(rename = "sk-ssh-ed25519@openssh.com")]
    SkEd25519,
    /// ECDSA over NIST P-256.
    #[serde(rename = "ecdsa-sha2-nistp256")]
    EcdsaP256,
    /// ECDSA over NIST P-384.
    #[serde(rename = "ecdsa-sha2-nistp384")]
    EcdsaP384,
    /// ECDSA over NIST P-521.
    #[serde(rename = "ecdsa-sha2-nistp521")]
    EcdsaP521,
    /// ECDSA over NIST P-256 in a FIDO security key.
    #[serde(rename = "sk-ecdsa-sha2-nistp256@openssh.com")]
    SkEcdsaP256,
    /// RSA of 3072 to 8192 bits.
    #[serde(rename = "ssh-rsa")]
    Rsa,
}

impl KeyType {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::SkEd25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::SkEcdsaP256,
        Self::Rsa,
    ];

    /// OpenSSH's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::Rsa => "ssh-rsa",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A public key that is fit to be certified.
#[derive(Debug, Clone)]
pub(crate) struct SubjectKey {
    pub(crate) data: KeyData,
    pub(crate) key_type: KeyType,
    /// `SHA256:…`.
    pub(crate) fingerprint: String,
}

impl SubjectKey {
    /// Reads one line as in an `id_….pub` file.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.len() > LONGEST_LINE || line.chars().any(char::is_control) {
            return Err(refuse("not one line of an OpenSSH public key file"));
        }
        let key = PublicKey::from_openssh(line)
            .map_err(|e| refuse("not an OpenSSH public key").source(e))?;
        Self::of(key.key_data().clone())
    }

    pub(crate) fn of(data: KeyData) -> Result<Self> {
        let key_type = key_type(&data)?;
        let fingerprint = data.fingerprint(HashAlg::Sha256).to_string();
        Ok(Self { data, key_type, fingerprint })
    }
}

fn refuse(why: &'static str) -> Error {
    Error::new(codes::SSH_KEY_REFUSED).field("public_key", why)
}

fn key_type(data: &KeyData) -> Result<KeyType> {
    match data {
        KeyData::Ed25519(_) => Ok(KeyType::Ed25519),
        KeyData::SkEd25519(_) => Ok(KeyType::SkEd25519),
        KeyData::SkEcdsaSha2NistP256(_) => Ok(KeyType::SkEcdsaP256),
        KeyData::Ecdsa(key) => Ok(match key.curve() {
            EcdsaCurve::NistP256 => KeyType::EcdsaP256,
            EcdsaCurve::NistP384 => KeyType::EcdsaP384,
            EcdsaCurve::NistP521 => KeyType::EcdsaP521,
        }),
        KeyData::Rsa(key) if (SHORTEST_RSA..=LONGEST_RSA).contains(&key.key_size()) => {
            Ok(KeyType::Rsa)
        }
        KeyData::Rsa(_) => Err(refuse("an RSA key must have 3072 to 8192 bits")),
        KeyData::Dsa(_) => Err(refuse("DSA keys are broken; use `ssh-keygen -t ed25519`")),
        KeyData::Certificate(_) => Err(refuse("this is a certificate; send the public key itself")),
        _ => Err(refuse("this kind of key is not certified here; use `ssh-keygen -t ed25519`")),
    }
}
