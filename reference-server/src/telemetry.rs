//! Log lines.

use std::io::IsTerminal;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Telemetry, TelemetryFormat};

/// The filter of a running server, which can be changed.
#[derive(Clone)]
pub struct LogFilter(Arc<dyn Fn(EnvFilter) + Send + Sync>);

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogFilter")
    }
}

impl LogFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn parse(text: &str) -> Result<EnvFilter, String> {
        EnvFilter::try_new(text)
            .map_err(|e| format!("`telemetry.log`: {e}; write `info` or `prov_auth=debug,info`"))
    }

    /// Filters by `next` from now on.
    pub fn set(&self, next: EnvFilter) {
        (self.0)(next);
    }
}

/// Starts logging to stderr, once per process.
///
/// # Errors
/// When the filter is not understood, or logging was started already.
pub fn start(telemetry: &Telemetry) -> Result<LogFilter, String> {
    let (filter, handle) = reload::Layer::new(LogFilter::parse(&telemetry.log)?);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match telemetry.format {
        TelemetryFormat::Json => registry.with(lines.json()).try_init(),
        TelemetryFormat::Text => registry.with(lines.with_target(false)).try_init(),
    };
    started.map_err(|e| e.to_string())?;
    Ok(LogFilter(Arc::new(move |next| {
        // Fails only when the subscriber is gone, and with it the process.
        let _ = handle.reload(next);
    })))
}
