use std::sync::Arc;
use std::time::Duration;

use prov_core::store::Store;
use prov_core::{Clock, Result};
use tower_layer::Layer;

use super::Idempotent;
use super::ledger::Ledger;

/// What can be chosen about kept answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IdempotencyOptions {
    /// How long a key holds: 24 hours.
    pub keep: Duration,
    /// The largest request body, in bytes: 1 MiB. It is read whole before anything is done.
    pub max_body: usize,
    /// The largest answer that is kept, in bytes: 32 KiB.
    pub max_answer: usize,
    /// How many keys one caller may use while one holds, on one server: 10,000.
    pub keys_per_caller: u32,
    /// The name of this server among those that share the store.
    pub node: String,
}

impl Default for IdempotencyOptions {
    fn default() -> Self {
        Self {
            keep: Duration::from_hours(24),
            max_body: 1024 * 1024,
            max_answer: 32 * 1024,
            keys_per_caller: 10_000,
            node: "local".to_owned(),
        }
    }
}

impl IdempotencyOptions {
    /// On the server of this name.
    #[must_use]
    pub fn on_node(mut self, node: impl Into<String>) -> Self {
        self.node = node.into();
        self
    }

    /// With request bodies up to so many bytes.
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// With answers kept up to so many bytes.
    #[must_use]
    pub const fn with_max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    /// With so many keys for one caller.
    #[must_use]
    pub const fn with_keys_per_caller(mut self, keys: u32) -> Self {
        self.keys_per_caller = keys;
        self
    }
}

/// Does a request with an `Idempotency-Key` once, however often it is sent
/// (draft-ietf-httpapi-idempotency-key-header).
///
/// Stands inside authentication and authorization, so that whoever repeats a request must be allowed
/// it again, and around the router.
///
/// Rules:
/// * Looked at are POST, PUT, PATCH and DELETE of a signed-in caller; a key belongs to that caller,
///   method and path. Requests without the header, and to routes of [`Repeat::Executed`], pass.
/// * The first is remembered durably before it is done, its answer before it is sent.
/// * A repetition gets the kept answer, marked `idempotency-replayed: true`; nothing is done.
/// * Another body or query under the same key: 422.
/// * While the first runs: 409 with `Retry-After`.
/// * The first ended with 5xx, or its server died meanwhile: 409
///   [`IDEMPOTENT_OUTCOME_UNKNOWN`](crate::codes::IDEMPOTENT_OUTCOME_UNKNOWN), never a second time.
/// * A 4xx says that nothing was done: the key is free again.
/// * Answers of routes of [`Repeat::Withheld`] hold secrets and are not kept, nor are those that are
///   too large: a repetition gets 409
///   [`IDEMPOTENT_ANSWER_WITHHELD`](crate::codes::IDEMPOTENT_ANSWER_WITHHELD).
/// * A key ends after 24 hours; a caller has 10,000 of them in that time, then 429.
///
/// Give it a store that seals what it keeps: answers are for their callers only.
///
/// [`Repeat::Executed`]: crate::Repeat::Executed
/// [`Repeat::Withheld`]: crate::Repeat::Withheld
///
/// ```
/// use std::sync::Arc;
/// use prov_core::{SystemClock, store::MemoryStore};
/// use prov_http::{IdempotencyLayer, IdempotencyOptions};
///
/// let clock = Arc::new(SystemClock::new());
/// let store = Arc::new(MemoryStore::new(clock.clone()));
/// let layer = IdempotencyLayer::new(store, clock, IdempotencyOptions::default()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct IdempotencyLayer {
    pub(super) ledger: Arc<Ledger>,
}

impl IdempotencyLayer {
    /// A layer that remembers here.
    ///
    /// # Errors
    /// When the operating system gives no randomness to name this run by.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: IdempotencyOptions,
    ) -> Result<Self> {
        Ok(Self { ledger: Arc::new(Ledger::new(store, clock, options)?) })
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = Idempotent<S>;

    fn layer(&self, inner: S) -> Idempotent<S> {
        Idempotent { inner, ledger: Arc::clone(&self.ledger) }
    }
}
