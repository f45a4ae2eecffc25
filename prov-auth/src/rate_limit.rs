//! The layer that limits how often one address may ask.

mod bucket;
mod future;
mod layer;
mod limit;
mod limiter;
mod report;
mod service;

pub use future::RateLimitFuture;
pub use layer::RateLimitLayer;
pub use limit::RateLimit;
pub use report::RateLimitReporter;
pub use service::RateLimited;
