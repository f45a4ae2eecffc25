//! Signing in: throttling, the second step, and what comes out of it.

mod challenge;
mod guesses;
mod throttle;

use std::time::Duration;

pub(crate) use challenge::{ChallengeRecord, ChallengeToken};
pub(crate) use guesses::{Guessed, Guesses};
use prov_core::{FactorMethod, FactorResponse, SecretText};
pub use throttle::ThrottleOptions;
pub(crate) use throttle::{Attempt, Place, Throttle, Wait, subscriber};

use crate::TokenSet;

/// What a right password leads to.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a third way to sign in would be a new contract")]
pub enum LoginOutcome {
    /// Signed in.
    Tokens(TokenSet),
    /// A second factor is due: answer the challenge.
    MfaRequired {
        /// Names this attempt; 256 random bits, good once.
        challenge: SecretText,
        /// The factors this user can answer with.
        methods: Vec<FactorMethod>,
        /// What the browser is to be asked, where a passkey is among them.
        passkey_options: Option<serde_json::Value>,
        /// How long the challenge is good.
        expires_in: Duration,
    },
}

/// With what a signed-in user proves themselves again.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a third proof would be a new contract")]
pub enum StepUp {
    /// The password; enough only while no second factor is enrolled.
    Password(SecretText),
    /// A second factor.
    Factor(FactorResponse),
}
