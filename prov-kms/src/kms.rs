//! The service: named keys with states, every use on the record.

mod data;
mod key;
mod keys;

use std::sync::Arc;

pub use data::{DataKeySpec, GeneratedKey};
pub use key::{KeyInfo, KeyState};
use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::store::Store;
use prov_core::{Clock, Error, Health, HealthCheck, Result, SecurityContext};

use crate::backend::{KeyName, KmsBackend};
use crate::context::EncryptionContext;
use crate::envelope::{CacheLimits, Envelope};

/// Keys with names and states over an [`Envelope`], for many callers: what a disabled key refuses,
/// and an audit event for every use, durable before the answer. Events name key, version and the
/// *names* of the context, never a value of it and never the data.
///
/// It does not ask whether the caller may: that is the authorization layer's work.
#[derive(Debug)]
pub struct Kms {
    envelope: Envelope,
    store: Arc<dyn Store>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
}

impl Kms {
    /// The key that is used when none is named; made at the first start.
    pub const DEFAULT_KEY: &'static str = "default";
    /// The longest plaintext of [`encrypt`](Self::encrypt): 512 KiB, so that it and its ciphertext
    /// fit into a request of 1 MiB as base64. For more, encrypt a file under a data key.
    pub const MAX_PLAINTEXT: usize = 512 * 1024;

    /// Opens the service and makes sure that there is a default key.
    ///
    /// # Errors
    /// When store, backend or recorder fail.
    pub async fn open(
        backend: Arc<dyn KmsBackend>,
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let envelope = Envelope::new(backend, Arc::clone(&clock));
        let kms = Self { envelope, store, recorder, clock };
        kms.ensure_default_key().await?;
        Ok(kms)
    }

    /// With these limits to the reuse of data keys.
    #[must_use]
    pub fn with_cache(mut self, limits: CacheLimits) -> Self {
        self.envelope = self.envelope.with_cache(limits);
        self
    }

    /// Also decrypts what was encrypted by this backend, as after a move from it to another.
    #[must_use]
    pub fn also_decrypting(mut self, backend: Arc<dyn KmsBackend>) -> Self {
        self.envelope = self.envelope.also_decrypting(backend);
        self
    }

    /// The envelope, without key states and events: for work that is recorded elsewhere.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// An event about a key.
    fn event(&self, action: Action, outcome: Outcome, key: &KeyName) -> Event {
        Event::new(&*self.clock, action, outcome).on("kms-key", key.as_str())
    }

    /// Records how a call ended, before its result is given; a result that can't be recorded is not
    /// given.
    async fn record<T>(
        &self,
        caller: &SecurityContext,
        event: Event,
        result: Result<T>,
    ) -> Result<T> {
        let event = event.in_context(caller);
        let event = match &result {
            Ok(_) => event,
            Err(error) => failed(event, error),
        };
        self.recorder.record_in(caller.request(), event).await?;
        result
    }
}

/// The event of a call that failed: with the code, which is public, and never the cause.
fn failed(mut event: Event, error: &Error) -> Event {
    event.outcome = Outcome::Failure;
    event.with("code", error.code().name())
}

/// The names of a context, for the log: values may say whose data it is.
fn context_names(context: &EncryptionContext) -> Vec<&str> {
    context.iter().map(|(name, _)| name).collect()
}

#[async_trait::async_trait]
impl HealthCheck for Kms {
    fn component(&self) -> &'static str {
        "kms"
    }

    async fn health(&self) -> Health {
        let asked = self.envelope.backend().health().await;
        asked.unwrap_or_else(|error| Health::down(error.public_detail().to_owned()))
    }
}
