//! Personal data in the log: sealed under a key of its subject, so that destroying the key erases
//! the person and every proof still holds.
//!
//! * A subject is an account (kind and id). Its data key and a random pseudonym (`pid`) are one
//!   entity in the store, under an id that is a keyed hash of the account.
//! * What is personal (name, address, user agent) is AES-256-GCM-SIV under that key, with the log's
//!   origin as associated data. That it belongs to its event, the leaf's hash says.
//! * Events of nobody known (a failed login under an unknown name) are sealed under a key that is
//!   shared by all such events of one day (UTC) and ends by itself. A key for each claimed name would
//!   let a stranger fill the store.
//! * prov's own background work is no person: nothing is sealed.

mod cipher;
mod subject;
mod vault;

pub(crate) use cipher::{PersonalData, Sealed};
#[cfg(feature = "sqlite-index")]
pub(crate) use vault::{KeyAtHand, Opened, folded};
pub(crate) use vault::{Vault, secret};
