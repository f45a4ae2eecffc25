//! The commands, one file per area.

pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod completions;
pub(crate) mod issuer;
pub(crate) mod kms;
pub(crate) mod login;
pub(crate) mod mfa;
pub(crate) mod policy;
pub(crate) mod secrets;
pub(crate) mod server;
pub(crate) mod ssh;
pub(crate) mod team;
pub(crate) mod user;

use clap::Args;
use serde_json::Value;

use crate::cli::{Area, Cli, Global, OutputFormat};
use crate::client::{Client, segment};
use crate::failure::Outcome;
use crate::{output, profile};

/// What a command works with.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) format: OutputFormat,
}

impl Session {
    fn of(global: &Global) -> Outcome<Self> {
        let client = Client::new(profile::settings(global)?)?;
        Ok(Self { client, format: global.output })
    }

    /// Prints an answer.
    pub(crate) fn show(&self, answer: &Value, columns: &[&str]) -> Outcome {
        output::show(self.format, answer, columns)
    }

    /// Says that something was done, to people only.
    pub(crate) fn done(&self, what: &str) {
        if self.format == OutputFormat::Table {
            Self::ask(what);
        }
    }

    /// Asks the person for something, without which the command does not go on, whatever its output is.
    pub(crate) fn ask(what: &str) {
        eprintln!("{what}");
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Part {
    /// At most this many (1 to 1000)
    #[arg(long)]
    limit: Option<u32>,
    /// Continue where an earlier answer ended
    #[arg(long)]
    cursor: Option<String>,
}

impl Part {
    /// The path with this part, and further parameters, as query.
    pub(crate) fn of(&self, path: &str, parameters: &[(&str, Option<&str>)]) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let own = [("limit", limit.as_deref()), ("cursor", self.cursor.as_deref())];
        let query: Vec<String> = parameters
            .iter()
            .chain(&own)
            .filter_map(|(name, value)| Some(format!("{name}={}", segment((*value)?))))
            .collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }
}

impl Part {
    /// The same as members of a body.
    pub(crate) fn into(self, body: &mut Value) {
        let Some(object) = body.as_object_mut() else { return };
        object.extend(self.limit.map(|limit| ("limit".to_owned(), limit.into())));
        object.extend(self.cursor.map(|cursor| ("cursor".to_owned(), cursor.into())));
    }
}

/// Runs a command.
pub(crate) fn run(cli: Cli) -> Outcome {
    let Cli { global, area } = cli;
    match area {
        Area::Completions(command) => command.run(),
        Area::Man => completions::man(),
        Area::Server(command) => command.run(&global),
        Area::Login(command) => command.run(&Session::of(&global)?),
        Area::Logout => login::logout(&Session::of(&global)?),
        Area::Whoami => login::whoami(&Session::of(&global)?),
        Area::Passwd(command) => command.run(&Session::of(&global)?),
        Area::Auth(command) => command.run(&Session::of(&global)?),
        Area::User(command) => command.run(&Session::of(&global)?),
        Area::Team(command) => command.run(&Session::of(&global)?),
        Area::Mfa(command) => command.run(&Session::of(&global)?),
        Area::Policy(command) => command.run(&global),
        Area::Audit(command) => command.run(&global),
        Area::Kms(command) => command.run(&global),
        Area::Secrets(command) => command.run(&Session::of(&global)?),
        Area::Ssh(command) => command.run(&Session::of(&global)?),
    }
}
