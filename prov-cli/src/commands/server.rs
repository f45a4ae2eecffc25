//! `prov server`: the server itself.

use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;
use serde_json::json;
use ureq::http::Method;

use super::Session;
use crate::cli::Global;
use crate::failure::{Failure, Outcome};
use crate::prompt;

/// The server itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Create the first administrator with the one-time token the server printed at its first start
    Init {
        /// Their name
        #[arg(long, default_value = "admin")]
        user: String,
        /// A file with the one-time token instead of asking (`-`: stdin)
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// A file with their password instead of asking
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Run the server: starts `reference-server`, which stands beside this program
    Run {
        /// Arguments of `reference-server`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Read the configuration and say what is wrong with it, without starting
    CheckConfig {
        /// The file; `security.toml` by default
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// How each component of a running server is
    Doctor,
}

impl Server {
    pub(crate) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Init { user, token_file, password_file } => {
                let session = Session::of(global)?;
                let token = prompt::secret("one-time token", token_file.as_deref())?;
                let password =
                    prompt::secret("password of the administrator", password_file.as_deref())?;
                let body = json!({ "token": token.as_str(), "username": user, "password": password.as_str() });
                session.client.anonymous(&Method::POST, "/api/v1/auth/bootstrap", Some(&body))?;
                session.done(&format!(
                    "administrator {user} created; sign in with `prov login --user {user}`"
                ));
                Ok(())
            }
            Self::Run { arguments } => reference_server(&arguments),
            Self::CheckConfig { config } => {
                let mut arguments = vec!["check-config".to_owned()];
                if let Some(path) = config {
                    arguments.extend(["--config".to_owned(), path.display().to_string()]);
                }
                reference_server(&arguments)
            }
            Self::Doctor => {
                let session = Session::of(global)?;
                let (ready, answer) = session.client.state()?;
                session.show(&answer, &[])?;
                if ready {
                    Ok(())
                } else {
                    Err(Failure::Failed("the server can't work".to_owned()))
                }
            }
        }
    }
}

/// Runs the server's own program and ends as it ends.
fn reference_server(arguments: &[String]) -> Outcome {
    let beside = std::env::current_exe()
        .ok()
        .map(|path| path.with_file_name("reference-server"))
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("reference-server"));
    let status = Command::new(&beside)
        .args(arguments)
        .status()
        .map_err(|e| Failure::of(&format!("starting `{}`", beside.display()), e))?;
    if status.success() { Ok(()) } else { Err(Failure::Failed(format!("it ended with {status}"))) }
}
