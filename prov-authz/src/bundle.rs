//! Signed policy sets: a list of the files with their SHA-256 and a rising version, signed as a
//! [signed note](https://c2sp.org/signed-note) by as many people as a site asks for.
//!
//! ```
//! use prov_authz::{BundleSigner, PolicyFiles, TrustRoot, bundle_manifest, sign_bundle};
//!
//! let ann = BundleSigner::generate("ann.example")?;
//! let note = sign_bundle(&bundle_manifest(&PolicyFiles::shipped(), 1), &ann)?;
//! let bundle = PolicyFiles::shipped().with_bundle(Some(note));
//!
//! let trusted = TrustRoot::new([ann.verifier_key()], 1)?;
//! assert_eq!(trusted.verify(&bundle).unwrap().version, 1);
//! assert!(trusted.verify(&PolicyFiles::shipped()).is_err(), "unsigned");
//! # Ok::<(), prov_core::Error>(())
//! ```

mod key;
mod manifest;
mod note;
mod trust;

pub use key::BundleSigner;
pub use manifest::{Bundle, bundle_manifest};
pub use note::sign_bundle;
pub use trust::TrustRoot;

#[cfg(test)]
mod tests;
