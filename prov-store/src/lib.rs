//! Durable records on SQLite and PostgreSQL: two implementations of
//! [`prov_core::store::Store`], chosen by URL.
//!
//! ```
//! use std::sync::Arc;
//! use prov_core::SystemClock;
//! use prov_core::store::{Batch, Expect, Key, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> prov_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let url = format!("sqlite:{}/prov.db", folder.path().display());
//! let store = prov_store::connect(&url, Arc::new(SystemClock::new())).await?;
//!
//! let key = Key::new("app.greeting", "en");
//! let version = store.commit(Batch::new().put(key.clone(), "hello", Expect::Absent)).await?;
//! // Confirmed is durable. Whoever read an older state can't overwrite this one by mistake.
//! store.commit(Batch::new().put(key.clone(), "hi", Expect::Version(version))).await?;
//! assert_eq!(store.get(&key).await?.unwrap().value, "hi");
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! * [`SqliteStore`] (feature `sqlite`, on by default): one file, one process.
//! * [`PostgresStore`] (feature `postgres`): one database, any number of processes, which hear of
//!   each other's [`changes`](prov_core::store::Store::changes).
//!
//! Both commit in groups: batches that wait at the same time share one transaction and one sync of
//! the disk. Both pass the suite `prov_core::store::conformance`. Values are stored as they are given; wrap
//! the store to seal them. The end of a record is kept to the nanosecond until the year 2262, and
//! as that year if later.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod bounds;
pub mod codes;
mod database;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod ending;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod group;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use database::Database;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use database::connect;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
