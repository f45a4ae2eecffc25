//! The program `reference-server`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use reference_server::config::{self, Config, Environment};
use reference_server::{run, telemetry};

/// The prov reference server: every component of prov behind one REST API
#[derive(Debug, Parser)]
#[command(name = "reference-server", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The configuration file; `security.toml` if it is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where keys, the log and the embedded database live
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Serve other addresses than loopback without TLS. Dangerous: tokens travel in the clear
    #[arg(long, global = true)]
    insecure: bool,
    /// Set any setting: `--set jwt.issuer=fleet`; may be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Verb {
    /// Serve until told to stop (the default)
    Run,
    /// Say what is wrong with the configuration, without starting
    CheckConfig,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match configuration(&arguments) {
        Ok(config) => config,
        Err(message) => {
            eprintln!("reference-server: {message}");
            return ExitCode::from(2);
        }
    };
    if matches!(arguments.verb, Some(Verb::CheckConfig)) {
        println!("the configuration is in order");
        return ExitCode::SUCCESS;
    }
    match serve(&config, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("reference-server: {message}");
            ExitCode::FAILURE
        }
    }
}

fn configuration(arguments: &Arguments) -> Result<Config, String> {
    // A name or value that is no UTF-8 can't be a setting of ours.
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut overrides = Vec::new();
    for setting in &arguments.settings {
        let (path, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("`--set {setting}`: write `section.key=value`"))?;
        overrides.push((path.to_owned(), value.to_owned()));
    }
    for (path, value) in
        [("server.listen", &arguments.listen), ("server.data_dir", &arguments.data_dir)]
    {
        overrides.extend(value.iter().map(|value| (path.to_owned(), value.clone())));
    }
    if arguments.insecure {
        overrides.push(("server.insecure".to_owned(), "true".to_owned()));
    }
    config::read(arguments.config.as_deref(), &environment, &overrides).map_err(|e| e.to_string())
}

fn serve(config: &Config, arguments: Arguments) -> Result<(), String> {
    let log_filter = telemetry::start(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("starting the runtime: {e}"))?;
    let reread = Box::new(move || configuration(&arguments));
    // As a trait object: a runtime has several ways to run a future, and the program would hold a
    // copy of everything that is assembled for each of them.
    let run: Pin<Box<dyn Future<Output = Result<(), String>> + '_>> =
        Box::pin(run::run(config, log_filter, reread));
    runtime.block_on(run)
}
