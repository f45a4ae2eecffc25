//! Requests that may be sent twice and are done once (`Idempotency-Key`); feature `idempotency`.

mod budget;
mod future;
mod header;
mod layer;
mod ledger;
mod record;
mod running;
mod service;

pub use future::IdempotencyFuture;
pub use layer::{IdempotencyLayer, IdempotencyOptions};
pub use service::Idempotent;
