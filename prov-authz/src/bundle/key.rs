//! Keys of signed notes, in the text forms every signed-note tool reads.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, SecretBytes, SecretText, codes, random};

/// The algorithm byte of Ed25519 in a signed note's key.
const ED25519_TYPE: u8 = 1;
/// What a private key's text starts with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// Somebody's public key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) name: String,
    pub(super) bytes: [u8; 32],
}

impl PublicKey {
    /// Reads `name+hash+base64`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refuse = || {
            let shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
            Error::new(codes::INVALID_REQUEST).detail(format!(
                "`{shown}` is no key of a signer; it looks like `name+hash+base64`, as \
                 `prov policy bundle keygen` prints it"
            ))
        };
        let (name, hash, key) = parts(text.trim()).ok_or_else(refuse)?;
        let key = STANDARD.decode(key).map_err(|_| refuse())?;
        let Some((&ED25519_TYPE, bytes)) = key.split_first() else { return Err(refuse()) };
        let bytes = bytes.try_into().map_err(|_| refuse())?;
        let parsed = Self { name: checked_name(name)?.to_owned(), bytes };
        if hex::encode(parsed.hash()) == hash { Ok(parsed) } else { Err(refuse()) }
    }

    /// The first four bytes of SHA-256 over name, newline, algorithm and key: a hint for people and
    /// tools, which anybody can write; see [`TrustRoot`](super::TrustRoot).
    pub(super) fn hash(&self) -> [u8; 4] {
        let text = [self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.bytes].concat();
        digest(&SHA256, &text).as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn verifies(&self, message: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message.as_bytes(), signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_TYPE][..], &self.bytes].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.hash()), STANDARD.encode(key))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Somebody who signs policy sets: an Ed25519 key (RFC 8032) with a name.
pub struct BundleSigner {
    pair: Ed25519KeyPair,
    seed: SecretBytes,
    public: PublicKey,
}

impl BundleSigner {
    /// A fresh key under a name such as `ann.example/policies`: without white space and `+`.
    ///
    /// # Errors
    /// [`INVALID_REQUEST`](codes::INVALID_REQUEST) for another name; when the operating system gives
    /// no randomness.
    pub fn generate(name: &str) -> Result<Self> {
        let seed: [u8; 32] = random::bytes()?;
        Self::of(name, SecretBytes::new(seed.to_vec()))
    }

    /// Reads `PRIVATE+KEY+name+hash+base64`.
    ///
    /// # Errors
    /// [`INVALID_REQUEST`](codes::INVALID_REQUEST) when it is anything else.
    pub fn parse(text: &SecretText) -> Result<Self> {
        let refuse = || {
            Error::new(codes::INVALID_REQUEST).detail(
                "this is no private key of a signer; it looks like `PRIVATE+KEY+name+hash+base64`, \
                 as `prov policy bundle keygen` writes it",
            )
        };
        let rest = text.expose().trim().strip_prefix(PRIVATE).ok_or_else(refuse)?;
        let (name, hash, key) = parts(rest).ok_or_else(refuse)?;
        let key = SecretBytes::new(STANDARD.decode(key).map_err(|_| refuse())?);
        let Some((&ED25519_TYPE, seed)) = key.expose().split_first() else { return Err(refuse()) };
        let signer = Self::of(name, SecretBytes::new(seed.to_vec()))?;
        if hex::encode(signer.public.hash()) == hash { Ok(signer) } else { Err(refuse()) }
    }

    fn of(name: &str, seed: SecretBytes) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|e| {
            Error::new(codes::INVALID_REQUEST).detail("a private key has 32 bytes").source(e)
        })?;
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| {
            Error::new(codes::INTERNAL).context("a public key of Ed25519 has 32 bytes")
        })?;
        let public = PublicKey { name: checked_name(name)?.to_owned(), bytes };
        Ok(Self { pair, seed, public })
    }

    /// The public half as text, for [`TrustRoot::new`](super::TrustRoot::new).
    #[must_use]
    pub fn verifier_key(&self) -> String {
        self.public.to_string()
    }

    /// The private half as text, for [`parse`](Self::parse).
    #[must_use]
    pub fn private_key(&self) -> SecretText {
        let key = [&[ED25519_TYPE][..], self.seed.expose()].concat();
        let (name, hash) = (&self.public.name, hex::encode(self.public.hash()));
        SecretText::new(format!("{PRIVATE}{name}+{hash}+{}", STANDARD.encode(key)))
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, message: &str) -> Vec<u8> {
        self.pair.sign(message.as_bytes()).as_ref().to_vec()
    }
}

impl fmt::Debug for BundleSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleSigner({})", self.public)
    }
}

/// Name, hash and key; the key may have a `+` of its own.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.splitn(3, '+');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// What a key may be called: not empty, no white space, no plus sign (C2SP signed-note).
fn checked_name(name: &str) -> Result<&str> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > 200 || name.chars().any(odd) {
        return Err(Error::new(codes::INVALID_REQUEST)
            .detail("a signer's name has 1 to 200 bytes and no white space and no `+`"));
    }
    Ok(name)
}
