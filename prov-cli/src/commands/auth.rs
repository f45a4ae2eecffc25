//! `prov auth`: sessions, tokens, signing keys.

use clap::Subcommand;
use serde_json::{Value, json};
use ureq::http::Method;

use super::Session;
use super::issuer::IssuerVerb;
use crate::client::segment;
use crate::failure::Outcome;
use crate::{output, prompt};

/// Sessions, tokens and signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Your sessions
    #[command(subcommand)]
    Session(SessionVerb),
    /// The devices you have signed in on
    #[command(subcommand)]
    Device(DeviceVerb),
    /// What you were told of your account: sign-ins on new devices
    Notices,
    /// API tokens, and what any token is worth
    #[command(subcommand)]
    Token(TokenVerb),
    /// The keys that sign tokens
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Identity providers that people sign in with
    #[command(subcommand)]
    Issuer(IssuerVerb),
    /// Print the public keys as a JSON Web Key Set
    Jwks,
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionVerb {
    /// List your sessions
    List,
    /// End one, for example `prov auth session kill sess_01J…`
    Kill {
        /// Which
        id: String,
    },
    /// End all of them, this one too
    KillAll,
}

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceVerb {
    /// List them
    List,
    /// Recognise one no more, for example `prov auth device forget dev_01J…`
    Forget {
        /// Which
        id: String,
    },
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make an API token for a program and print it, this once:
    /// `prov auth token create backup --scope read:users --expires-in 90d`
    Create {
        /// What to call it
        name: String,
        /// What it is to be good for, such as `read:users`; `*` for any action or part of the API.
        /// Repeat for several
        #[arg(long = "scope", required = true, value_name = "ACTION:PART")]
        scopes: Vec<String>,
        /// How long it is good
        #[arg(long, value_name = "DURATION")]
        expires_in: String,
    },
    /// List your API tokens
    List,
    /// Give an API token a new value and print it, this once
    Rotate {
        /// Which
        id: String,
        /// How long the old value holds on, at most `24h`; without it, it ends at once
        #[arg(long, value_name = "DURATION")]
        overlap: Option<String>,
    },
    /// Delete an API token, for example `prov auth token delete pat_01J…`
    Delete {
        /// Which
        id: String,
    },
    /// Ask what a token is worth (RFC 7662); the token is read from stdin
    Introspect,
    /// Revoke a token (RFC 7009); the token is read from stdin
    Revoke,
}

/// What to do with signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// List the keys with their states
    List,
    /// Make the next key the active one: `prov auth keys rotate --at-once` after a leak
    Rotate {
        /// Also when the next key was not published long enough; verifiers that have not read it
        /// yet refuse new tokens until they do
        #[arg(long)]
        at_once: bool,
    },
}

impl Auth {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        match self {
            Self::Session(SessionVerb::List) => {
                session.show(&client.get("/api/v1/auth/sessions")?, &[])
            }
            Self::Session(SessionVerb::Kill { id }) => {
                client.delete(&format!("/api/v1/auth/sessions/{}", segment(&id)))?;
                session.done("session ended");
                Ok(())
            }
            Self::Session(SessionVerb::KillAll) => {
                client.delete("/api/v1/auth/sessions")?;
                session.done("all sessions ended");
                Ok(())
            }
            Self::Device(DeviceVerb::List) => {
                session.show(&client.get("/api/v1/auth/devices")?, &[])
            }
            Self::Device(DeviceVerb::Forget { id }) => {
                client.delete(&format!("/api/v1/auth/devices/{}", segment(&id)))?;
                session.done("device forgotten");
                Ok(())
            }
            Self::Notices => session.show(&client.get("/api/v1/auth/notices")?, &[]),
            Self::Token(verb) => verb.run(session),
            Self::Keys(KeysVerb::List) => session.show(&client.get("/api/v1/auth/keys")?, &[]),
            Self::Keys(KeysVerb::Rotate { at_once }) => {
                let rotation = if at_once { "at_once" } else { "published" };
                let body = json!({ "rotation": rotation });
                session.show(&client.post("/api/v1/auth/keys/rotate", &body)?, &[])
            }
            Self::Issuer(verb) => verb.run(session),
            Self::Jwks => {
                let jwks = client.anonymous(&Method::GET, "/.well-known/jwks.json", None)?;
                output::print(&output::json(&jwks)?)
            }
        }
    }
}

impl TokenVerb {
    fn run(self, session: &Session) -> Outcome {
        const TOKENS: &str = "/api/v1/auth/tokens";
        let client = &session.client;
        let given = || -> Outcome<Value> {
            let token = prompt::secret("token", None)?;
            Ok(json!({ "token": token.as_str() }))
        };
        match self {
            Self::Create { name, scopes, expires_in } => {
                let body = json!({ "name": name, "scopes": scopes, "expires_in": expires_in });
                session.show(&client.post(TOKENS, &body)?, &[])
            }
            Self::List => session.show(&client.get(TOKENS)?, &[]),
            Self::Rotate { id, overlap } => {
                let body =
                    overlap.map_or_else(|| json!({}), |overlap| json!({ "overlap": overlap }));
                let path = format!("{TOKENS}/{}/rotate", segment(&id));
                session.show(&client.post(&path, &body)?, &[])
            }
            Self::Delete { id } => {
                client.delete(&format!("{TOKENS}/{}", segment(&id)))?;
                session.done("token deleted");
                Ok(())
            }
            Self::Introspect => {
                session.show(&client.post("/api/v1/auth/introspect", &given()?)?, &[])
            }
            Self::Revoke => {
                let body = given()?;
                // Whoever holds a token may revoke it: one needn't be signed in.
                client.anonymous(&Method::POST, "/api/v1/auth/revoke", Some(&body))?;
                session.done("revoked");
                Ok(())
            }
        }
    }
}
