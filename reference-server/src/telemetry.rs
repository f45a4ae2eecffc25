//! Log lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Telemetry, TelemetryFormat};

/// Starts logging to stderr, once per process.
///
/// # Errors
/// When the filter is not understood.
pub fn start(telemetry: &Telemetry) -> Result<(), String> {
    let filter = EnvFilter::try_new(&telemetry.log)
        .map_err(|e| format!("`telemetry.log`: {e}; write `info` or `prov_auth=debug,info`"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match telemetry.format {
        TelemetryFormat::Json => lines.json().try_init(),
        TelemetryFormat::Text => lines.with_target(false).try_init(),
    };
    started.map_err(|e| e.to_string())
}
