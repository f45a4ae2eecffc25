//! An SSH certificate authority: short-lived OpenSSH certificates instead of keys that stay for ever.
//!
//! * [`SshAuthority`] holds the two CA keys (one for users, one for hosts, Ed25519, in the store) and
//!   is the [`SecretEngine`](crate::SecretEngine) `ssh`.
//! * [`Ssh`] is the service: every certificate it signs is a lease, so it can be listed and revoked;
//!   [`Ssh::krl`] is the revocation list for sshd.
//! * [`SshRole`] says what may be signed. What a role forces (a command, source addresses) no caller
//!   can drop or widen; a caller can only ask for less.
//!
//! On the servers: `TrustedUserCAKeys` with the user CA's key, `RevokedKeys` with the revocation list,
//! refreshed by writing a new file and renaming it over the old one (sshd refuses every key when that
//! file is missing or broken). On the clients: `@cert-authority * <host CA's key>` in `known_hosts`.

mod address;
mod authority;
mod ca_key;
mod certificate;
mod key;
mod krl;
mod ledger;
mod merge;
mod names;
mod role;
mod roles;
mod serials;
mod service;

pub use address::AddressRange;
pub use authority::{DEFAULT_ROLE, ENGINE, SshAuthority};
pub use ca_key::CaPublicKey;
pub use certificate::CertificateType;
pub use key::KeyType;
pub use krl::Krl;
pub use role::SshRole;
pub use roles::SshRoles;
pub use service::{
    IssuedCertificate, IssuedPair, Ssh, SshHostRequest, SshPairRequest, SshSignRequest, SshStats,
};
