//! The prov reference server. It assembles the crates and contains no rule of security of its own.

pub mod api;
pub mod assembly;
mod background;
pub mod bootstrap;
pub mod chain;
pub mod config;
pub mod connections;
mod detach;
pub mod metrics;
mod probes;
pub mod reload;
pub mod run;
pub mod serve;
pub mod telemetry;
