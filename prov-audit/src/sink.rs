//! Carrying events to where others collect them.
//!
//! A [`Sink`] follows the log's files behind the writer: nothing is queued for it, so that a
//! receiver that is dead, stalled or slow costs whoever records nothing, and the log itself is what
//! it catches up from. What was confirmed by the receiver is remembered in a file beside the log, so
//! that every event is delivered at least once, across restarts and outages.
//!
//! ```
//! # use std::sync::Arc;
//! # async fn start(log: Arc<prov_audit::Log>, stop: impl Future<Output = ()> + Send) -> prov_core::Result<()> {
//! use prov_audit::format::Format;
//! use prov_audit::sink::{FileReceiver, OnFailure, SinkOptions};
//!
//! let lines = FileReceiver::new("/var/log/prov", Format::Jsonl)?;
//! let options = SinkOptions::new("archive").break_glass(OnFailure::FailClosed);
//! let sink = log.add_sink(options, lines).await?;
//! sink.run(stop).await; // until told to stop
//! # Ok(()) }
//! ```

mod backoff;
#[cfg(feature = "sinks")]
mod client;
#[cfg(feature = "sinks")]
mod cloudwatch;
mod cursor;
#[cfg(feature = "sinks")]
mod elasticsearch;
mod file;
#[cfg(feature = "sinks")]
mod http;
#[cfg(feature = "sinks")]
mod nats;
mod options;
mod receiver;
#[cfg(feature = "sinks")]
mod relp;
mod runner;
#[cfg(feature = "sinks")]
mod s3;
mod shared;
#[cfg(feature = "sinks")]
mod signature;
#[cfg(feature = "sinks")]
mod splunk;
mod status;
#[cfg(feature = "sinks")]
mod syslog;
#[cfg(feature = "sinks")]
mod wire;

#[cfg(feature = "witnesses")]
pub(crate) use client::Answer;
#[cfg(any(feature = "timestamps", feature = "witnesses"))]
pub(crate) use client::Client;
#[cfg(feature = "sinks")]
pub use cloudwatch::CloudwatchReceiver;
#[cfg(feature = "sinks")]
pub use elasticsearch::ElasticsearchReceiver;
pub use file::FileReceiver;
#[cfg(feature = "sinks")]
pub use http::HttpReceiver;
#[cfg(feature = "sinks")]
pub use nats::NatsReceiver;
pub use options::{OnFailure, SinkOptions};
pub use receiver::{Batch, Receiver};
#[cfg(feature = "sinks")]
pub use relp::RelpReceiver;
pub use runner::Sink;
#[cfg(feature = "sinks")]
pub use s3::S3Archive;
pub(crate) use shared::Sinks;
#[cfg(feature = "sinks")]
pub use splunk::SplunkReceiver;
pub use status::{SinkLog, SinkState, SinkStatus};
#[cfg(feature = "sinks")]
pub use syslog::SyslogReceiver;
#[cfg(feature = "witnesses")]
pub(crate) use wire::quoted;
#[cfg(feature = "sinks")]
pub use wire::{Target, TargetOptions};
