//! Passkeys and security keys: what is asked of browsers, and whether their answers hold.
//!
//! The rules of WebAuthn level 3 are checked by webauthn-rs-core, but for assertions of the form that nearly every
//! authenticator gives, which [`usual`] knows. What the library leaves to its user is done here and in the
//! service: every ceremony asks for user verification, its state is kept by the server and taken away before the
//! answer is looked at, a credential has one owner, an answer out of a frame of another site is refused, and the
//! credential an assertion is checked with is the one that is stored now.

mod answer;
mod ceremony;
mod handle;
mod makers;
mod options;
mod relying_party;
mod usual;

pub(crate) use answer::{AssertionAnswer, RegistrationAnswer};
pub(crate) use ceremony::{Ceremony, Purpose};
pub(crate) use handle::{handle_of, user_of};
pub use options::{AttestationPolicy, Discoverable, PasskeyOptions};
pub(crate) use relying_party::{Asked, COUNTER_WENT_BACK, Registered, RelyingParty};
