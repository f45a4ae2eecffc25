//! The signing keys, with their events.

use prov_core::audit::Action;
use prov_core::{Result, SecurityContext};

use super::AuthService;
#[cfg(feature = "axum")]
use crate::SigningKeys;
use crate::{RotatedKeys, Rotation, SigningKeyInfo};

impl AuthService {
    /// What is known of each signing key, the newest first.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<SigningKeyInfo> {
        self.parts.keys.keys()
    }

    /// Makes the pending key active.
    ///
    /// # Errors
    /// Those of [`SigningKeys::rotate`](crate::SigningKeys::rotate).
    pub async fn rotate_signing_keys(
        &self,
        context: &SecurityContext,
        rotation: Rotation,
    ) -> Result<RotatedKeys> {
        let result = self.parts.keys.rotate(rotation).await;
        let mut event = self.event(Action::AUTH_KEY_ROTATE).in_context(context);
        if let Ok(keys) = &result {
            event = event.on("signing-key", &*keys.active).with("retired", &*keys.retired);
        }
        self.conclude(context.request(), event, result).await
    }

    /// The public keys as a JWK set, and for how long verifiers may keep it.
    #[cfg(feature = "axum")]
    pub(crate) fn keys(&self) -> &SigningKeys {
        &self.parts.keys
    }
}
