//! Keys for data: encrypt under named keys, bound to a context, wherever the keys are kept.
//!
//! ```
//! # use std::sync::Arc;
//! # use prov_core::{Clock, SystemClock};
//! use prov_kms::{EncryptionContext, Envelope, FileKey};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> prov_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
//! let key = FileKey::create(&folder.path().join("data.key"))?;
//! let name = key.key_name().clone();
//! let envelope = Envelope::new(Arc::new(key), clock);
//!
//! let context: EncryptionContext = "env=prod,service=api".parse()?;
//! let sealed = envelope.encrypt(&name, b"attack at dawn", &context).await?;
//! assert!(sealed.to_string().starts_with("prov:v1:file:"));
//! assert_eq!(envelope.decrypt(&sealed, &context).await?.expose(), b"attack at dawn");
//!
//! let other: EncryptionContext = "env=dev,service=api".parse()?;
//! assert!(envelope.decrypt(&sealed, &other).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! * [`KmsBackend`]: whoever keeps keys. [`LocalKeyring`] (in the record store, under a root key
//!   file), [`FileKey`] (one file, no server), `AgeBackend` (feature `age`), or your own: run
//!   `conformance::all` (feature `conformance`) against it.
//! * [`Envelope`]: messages, streams and files under data keys that the backend wraps. Each
//!   ciphertext commits to its key and context; the context is bound twice.
//! * [`Kms`]: the service over it, with key states, versions and an audit event for every use;
//!   feature `axum` gives it the endpoints of `api`.
//! * [`SealedStore`]: a [`Store`](prov_core::store::Store) in which nothing can be read or moved.
//!
//! # Formats
//!
//! Everything encrypted is a Cobblestone-256 message (<https://c2sp.org/chunked-encryption>); they
//! differ in the key and in what they are bound to. A list in brackets is each part behind its length
//! as four big-endian bytes, so that no two lists give the same bytes.
//!
//! | what | under which key | bound to |
//! |---|---|---|
//! | message, after its wrapped key | its data key | SHA-256 of `[prov-kms data v1, message, key name, context]` |
//! | file, after its header line | its data key | the same with `file` |
//! | wrapped data key, local | the key's version | `[prov-kms local wrap v1, name, version, aad]` |
//! | wrapped data key, file key | the file key | `[prov-kms file key wrap v1, name, aad]` |
//! | version of a local key | the root key | `[prov-kms local key v1, name, version]` |
//! | sealed record | a store key | `[prov-kms sealed record v1, kind, id]` |
//!
//! The `aad` of a message's or file's data key is `[prov-kms wrap v1, message or file, backend,
//! context]`, where a context counts as the SHA-256 of `[prov-kms context v1, name, value, …]` in
//! order of names. age wraps carry an HMAC instead, see `AgeBackend`.
//!
//! # What it does not do
//!
//! * It hides no lengths: a ciphertext is as long as its plaintext and a constant.
//! * It does not lock memory; keys are wiped when they are dropped, as far as the libraries
//!   underneath wipe their copies.
//! * It does not decide who may use a key: that is for the layers in front.

#[cfg(feature = "age")]
mod age;
#[cfg(feature = "axum")]
pub mod api;
mod atomic_file;
mod backend;
mod ciphertext;
mod cobblestone;
pub mod codes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod context;
mod encoding;
mod envelope;
mod failure;
mod file_key;
mod key_file;
mod kms;
mod local;
mod root_key;
mod sealed;

#[cfg(feature = "age")]
pub use age::{
    AgeBackend, AgeFileFormat, AgeKeys, decrypt_age_file, decrypt_age_stream, encrypt_age_file,
    encrypt_age_stream,
};
pub use backend::{
    Aad, BackendInfo, Capabilities, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey,
};
pub use ciphertext::Ciphertext;
pub use context::EncryptionContext;
pub use envelope::{CacheLimits, Envelope, StreamHeader};
pub use file_key::FileKey;
pub use kms::{DataKeySpec, GeneratedKey, KeyInfo, KeyState, Kms};
pub use local::LocalKeyring;
pub use root_key::RootKey;
pub use sealed::SealedStore;

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
