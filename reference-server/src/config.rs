//! The configuration: command line over environment over `security.toml` over defaults.
//!
//! It is read once, here, and nowhere else. A wrong key is an error that names it and the nearest
//! right one. Secrets are given by file path; nothing here is ever printed.

mod bucket;
mod environment;
mod expand;
mod layers;
mod list;
mod sections;
mod sinks;
mod witnesses;

use std::collections::BTreeMap;
use std::path::Path;

pub use environment::{NAMED, named_in};
pub use sections::{
    Audit, AuditAnchoring, AuditBucket, AuditSink, AuditSinkKind, AuditWitness, AuditWitnessing,
    Bootstrap, Cedar, Config, Federation, Jwt, Kms, KmsAge, KmsBackendName, Mfa, Notices,
    Passwords, Secrets, Server, Store, Telemetry, TelemetryFormat, Tls, WorkloadRule, Workloads,
};

/// What is wrong with the configuration, for the operator who wrote it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file `{path}` can't be read: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not TOML, or a value has the wrong type, or a key is not known.
    #[error("{origin}: {message}")]
    Invalid {
        /// The file, the environment or the command line.
        origin: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// The environment, as it was when the process started.
pub type Environment = BTreeMap<String, String>;

/// Reads the whole configuration.
///
/// `file` must exist if it is given; without it `security.toml` is read from the working directory
/// if there is one. `overrides` are `section.key` paths from the command line.
///
/// # Errors
/// Naming the key, the place and the remedy.
pub fn read(
    file: Option<&Path>,
    environment: &Environment,
    overrides: &[(String, String)],
) -> Result<Config, ConfigError> {
    let mut tree = match file {
        Some(path) => layers::from_file(path, environment)?,
        None if Path::new(DEFAULT_FILE).exists() => {
            layers::from_file(Path::new(DEFAULT_FILE), environment)?
        }
        None => toml::Table::new(),
    };
    for (path, value) in environment::settings(environment) {
        layers::set(&mut tree, &path, &value, "the environment")?;
    }
    for (path, value) in overrides {
        layers::set(&mut tree, path, value, "the command line")?;
    }
    let config = layers::typed(tree)?;
    sections::check(&config)?;
    Ok(config)
}

/// Read when no other file is named and it exists.
pub const DEFAULT_FILE: &str = "security.toml";

#[cfg(test)]
mod tests;
