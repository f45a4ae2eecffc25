//! The port to identity providers: one bounded exchange over HTTPS.

#[cfg(feature = "https")]
mod addresses;
#[cfg(feature = "https")]
mod client;

use std::fmt::Debug;

#[cfg(feature = "https")]
pub(crate) use addresses::names_loopback;
use async_trait::async_trait;
use bytes::Bytes;
#[cfg(feature = "https")]
pub use client::{HttpsClient, HttpsOptions};
use http::{Request, Response};
use prov_core::Result;

/// Asks an identity provider. Contract: no redirect is followed, the answer has a bounded size and comes
/// in bounded time, and nothing but HTTPS is spoken, unless an operator has permitted plain HTTP to this
/// very machine. Feature `https` brings one, [`HttpsClient`](crate::HttpsClient).
#[async_trait]
pub trait Fetch: Debug + Send + Sync + 'static {
    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`PROVIDER_UNAVAILABLE`](crate::codes::PROVIDER_UNAVAILABLE) when there is no answer within the
    /// bounds, or the address may not be asked.
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>>;
}
