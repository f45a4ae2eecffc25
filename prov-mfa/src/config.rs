//! What an operator may set.

use std::num::NonZeroU32;
use std::time::Duration;

use prov_core::{Error, Result, codes, duration_text};
use serde::Deserialize;

use crate::totp::MOST_DRIFT_STEPS;

/// The section `[mfa]`.
///
/// ```
/// let config: prov_mfa::MfaConfig =
///     serde_json::from_str(r#"{"totp_issuer": "Example", "rate_limit_window": "10m"}"#).unwrap();
/// assert_eq!(config.rate_limit.get(), 5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MfaConfig {
    /// What authenticator apps show above the code; 1 to 64 characters without `:`.
    pub totp_issuer: String,
    /// Attempts at one factor of one user that are heard within the window; at most 100. More than
    /// five weakens six-digit codes.
    pub rate_limit: NonZeroU32,
    /// How long an attempt that failed counts; at most a day.
    #[serde(with = "duration_text")]
    pub rate_limit_window: Duration,
    /// Steps of 30 seconds before and after the present one whose codes of an authenticator app are taken, for
    /// clocks that differ: 1, so that a code is good for 90 seconds, or 0, for its own 30 seconds (ASVS 6.5.5).
    pub totp_drift_steps: u8,
    /// Passkeys and security keys; without it none can be registered, and those there are can't be
    /// checked.
    #[cfg(feature = "webauthn")]
    pub passkeys: Option<crate::PasskeyOptions>,
}

impl Default for MfaConfig {
    /// Issuer `prov`, five attempts in five minutes.
    fn default() -> Self {
        const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
        Self {
            totp_issuer: "prov".to_owned(),
            rate_limit: FIVE,
            rate_limit_window: Duration::from_mins(5),
            totp_drift_steps: MOST_DRIFT_STEPS,
            #[cfg(feature = "webauthn")]
            passkeys: None,
        }
    }
}

impl MfaConfig {
    /// Shown above the code by authenticator apps.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.totp_issuer = issuer.into();
        self
    }

    /// So many attempts in so long a time.
    #[must_use]
    pub fn with_rate_limit(mut self, attempts: NonZeroU32, window: Duration) -> Self {
        self.rate_limit = attempts;
        self.rate_limit_window = window;
        self
    }

    /// Forgiving the clocks of authenticator apps so many steps.
    #[must_use]
    pub fn with_totp_drift_steps(mut self, steps: u8) -> Self {
        self.totp_drift_steps = steps;
        self
    }

    /// With passkeys.
    #[cfg(feature = "webauthn")]
    #[must_use]
    pub fn with_passkeys(mut self, options: crate::PasskeyOptions) -> Self {
        self.passkeys = Some(options);
        self
    }

    /// Checks the limits that stand at the fields.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |field: &str, message: &str| {
            Err(Error::new(codes::INVALID_REQUEST).field(format!("mfa.{field}"), message))
        };
        let issuer = self.totp_issuer.trim();
        if issuer.is_empty() || issuer.chars().count() > 64 || issuer.contains([':', '\0']) {
            return refuse("totp_issuer", "1 to 64 characters without `:`");
        }
        if self.rate_limit.get() > 100 {
            return refuse("rate_limit", "at most 100 attempts");
        }
        if self.rate_limit_window.is_zero() || self.rate_limit_window > Duration::from_hours(24) {
            return refuse("rate_limit_window", "more than nothing and at most `24h`");
        }
        if self.totp_drift_steps > MOST_DRIFT_STEPS {
            return refuse("totp_drift_steps", "0 or 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_disarm_the_limit_or_break_the_uri_are_refused() {
        assert!(MfaConfig::default().check().is_ok());
        for issuer in ["", " ", "a:b", "a\0b", &"x".repeat(65)] {
            assert!(MfaConfig::default().with_issuer(issuer).check().is_err(), "{issuer:?}");
        }
        let limited = |attempts: u32, window| {
            MfaConfig::default().with_rate_limit(NonZeroU32::new(attempts).unwrap(), window)
        };
        assert!(limited(101, Duration::from_mins(5)).check().is_err());
        assert!(limited(5, Duration::ZERO).check().is_err());
        assert!(limited(5, Duration::from_hours(25)).check().is_err());
        let drift = |steps| MfaConfig::default().with_totp_drift_steps(steps).check();
        assert!(drift(0).is_ok() && drift(1).is_ok() && drift(2).is_err());
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<MfaConfig>(r#"{"rate_limt": 1}"#).is_err());
        assert!(serde_json::from_str::<MfaConfig>(r#"{"rate_limit": 0}"#).is_err());
    }
}
