//! Choosing a database by its URL.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::sync::Arc;

use async_trait::async_trait;
use prov_core::HealthCheck;
use prov_core::store::Store;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use prov_core::{Clock, Error, Result};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::codes;

/// A [`Store`] on a database: it can be asked how it is, and closed.
///
/// `Arc<dyn Database>` becomes an `Arc<dyn Store>` or an `Arc<dyn HealthCheck>` wherever one is
/// expected.
#[async_trait]
pub trait Database: Store + HealthCheck {
    /// Waits until what was being written is durable or refused, and lets the database go. From then
    /// on every call fails with [`STORE_UNAVAILABLE`](prov_core::codes::STORE_UNAVAILABLE). Closing
    /// again does nothing.
    async fn close(&self);
}

/// Opens the database that `url` names: `sqlite:path/to/file.db` (made if there is none), or, with
/// the feature `postgres`, `postgres://user:password@host/database`. Records end by `clock`.
///
/// It must be called, and the store used, within a tokio runtime with time and I/O enabled.
///
/// # Errors
/// [`codes::URL_NOT_UNDERSTOOD`], without a word of the URL but its scheme, and whatever opening
/// the database fails with.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub async fn connect(url: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Database>> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let path = url.strip_prefix("sqlite:").unwrap_or_default();
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path == ":memory:" {
                let error = Error::new(codes::URL_NOT_UNDERSTOOD);
                return Err(error.detail("name a file: `sqlite:path/to/file.db`"));
            }
            Ok(Arc::new(crate::SqliteStore::open(path, clock)?))
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(crate::PostgresStore::open(url, clock).await?)),
        _ => Err(unknown(scheme)),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn unknown(scheme: &str) -> Error {
    let mut understood = Vec::new();
    if cfg!(feature = "sqlite") {
        understood.push("`sqlite:path/to/file.db`");
    }
    if cfg!(feature = "postgres") {
        understood.push("`postgres://user:password@host/database`");
    }
    let is_name = scheme.bytes().all(|b| b.is_ascii_lowercase()) && !scheme.is_empty();
    // Anything else may be a path or a password that was pasted in the wrong place.
    let what = if is_name { format!("`{scheme}:` is") } else { "this URL is".to_owned() };
    let understood = understood.join(" and ");
    Error::new(codes::URL_NOT_UNDERSTOOD)
        .detail(format!("{what} not understood; this build understands {understood}"))
}
