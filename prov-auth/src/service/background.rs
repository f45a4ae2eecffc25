//! What runs beside requests.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, join, join5, select};
use prov_core::audit::Action;
use prov_core::{Result, SecurityContext};

use super::AuthService;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(15);

impl AuthService {
    /// Everything that has to run beside requests, until `shutdown` is ready: learns of what other
    /// nodes change (signing keys, revocations, API tokens, issuers), keeps issuers' keys fresh, rotates the
    /// signing keys by age, notes when API tokens were last used, reminds of those that end soon, and
    /// delivers notices. Runs on a tokio runtime with its timer; run it once per node.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let end = shutdown.shared();
        let keys = Arc::clone(&self.parts.keys).follow(end.clone());
        let revocations = Arc::clone(&self.parts.revocations).follow(end.clone());
        let api_tokens = Arc::clone(&self.api_tokens).follow(end.clone());
        let federation = Arc::clone(&self.federation).follow(end.clone());
        let notices = self.keep_delivering(end.clone());
        let others = join5(keys, revocations, api_tokens, federation, self.look_after(end));
        join(others, notices).await;
    }

    /// Ends between two looks only, so that what was begun leaves its event.
    async fn look_after(&self, mut end: impl Future<Output = ()> + Unpin) {
        loop {
            if let Err(error) = self.rotate_keys_if_due().await {
                tracing::error!(?error, "the signing keys are due and can't be rotated");
            }
            let pause = pin!(tokio::time::sleep(LOOK_EVERY));
            let is_end = matches!(select(pause, &mut end).await, Either::Right(_));
            if let Err(error) = self.remind_of_api_tokens().await {
                tracing::warn!(?error, "nobody can be reminded of API tokens that end soon");
            }
            if let Err(error) = self.api_tokens.write_uses().await {
                tracing::warn!(?error, "when API tokens were last used can't be written");
            }
            if is_end {
                return;
            }
        }
    }

    /// Rotates the signing keys if it is time, with its event.
    ///
    /// # Errors
    /// Those of [`SigningKeys::rotate_if_due`](crate::SigningKeys::rotate_if_due), and when the event
    /// can't be made durable.
    pub async fn rotate_keys_if_due(&self) -> Result<()> {
        let Some(keys) = self.parts.keys.rotate_if_due().await? else { return Ok(()) };
        let context = SecurityContext::system("key-rotation", self.clock())?;
        let event = self.event(Action::AUTH_KEY_ROTATE).in_context(&context);
        let event = event.on("signing-key", &*keys.active).with("retired", &*keys.retired);
        self.record(context.request(), event).await
    }
}
