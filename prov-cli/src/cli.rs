//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    audit, auth, completions, kms, login, mfa, policy, secrets, server, ssh, team, user,
};
use crate::sessions::TokenStore;

/// Security for infrastructure automation: sign in, decide, encrypt, hand out credentials, prove it.
#[derive(Debug, Parser)]
#[command(name = "prov", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) area: Area,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The server, such as `https://prov.example.com:8443`
    #[arg(long, global = true, env = "PROV_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The profile in `config.toml` to take settings from
    #[arg(long, global = true, env = "PROV_PROFILE", default_value = "default")]
    pub(crate) profile: String,
    /// Where profiles and sessions are kept
    #[arg(long, global = true, env = "PROV_CONFIG_DIR", value_name = "FOLDER")]
    pub(crate) config_dir: Option<PathBuf>,
    /// How to print the answer
    #[arg(long, short, global = true, value_enum, default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
    /// Trust this certificate authority (PEM) instead of the public ones
    #[arg(long, global = true, env = "PROV_CA_CERT", value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Talk to a server that is not on this machine without TLS. Dangerous: tokens travel in the clear
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// Where the tokens of a session are kept
    #[arg(long, global = true, env = "PROV_TOKEN_STORE", value_enum, default_value_t = TokenStore::Auto)]
    pub(crate) token_store: TokenStore,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
}

/// The areas.
#[derive(Debug, Subcommand)]
pub(crate) enum Area {
    /// Sign in; asks for the second factor where one is due
    Login(login::Login),
    /// Sign out and forget the tokens
    Logout,
    /// Who the server thinks you are
    Whoami,
    /// Change your password
    Passwd(login::Passwd),
    /// Sessions, tokens and signing keys
    #[command(subcommand)]
    Auth(auth::Auth),
    /// Users
    #[command(subcommand)]
    User(user::User),
    /// Teams
    #[command(subcommand)]
    Team(team::Team),
    /// Second factors
    #[command(subcommand)]
    Mfa(mfa::Mfa),
    /// Policies and decisions
    #[command(subcommand)]
    Policy(policy::Policy),
    /// What happened, and the proof of it
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Keys, encryption and decryption
    #[command(subcommand)]
    Kms(kms::Kms),
    /// Short-lived credentials and their leases
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// SSH certificates
    #[command(subcommand)]
    Ssh(ssh::Ssh),
    /// The server itself
    #[command(subcommand)]
    Server(server::Server),
    /// Print shell completions
    Completions(completions::Completions),
    /// Print the manual page
    Man,
}
