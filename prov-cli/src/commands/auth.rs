//! `prov auth`: sessions, tokens, signing keys.

use clap::Subcommand;
use serde_json::json;
use ureq::http::Method;

use super::Session;
use crate::client::segment;
use crate::failure::Outcome;
use crate::{output, prompt};

/// Sessions, tokens and signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Auth {
    /// Your sessions
    #[command(subcommand)]
    Session(SessionVerb),
    /// Any token
    #[command(subcommand)]
    Token(TokenVerb),
    /// The keys that sign tokens
    #[command(subcommand)]
    Keys(KeysVerb),
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

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
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
            Self::Token(verb) => verb.run(session),
            Self::Keys(KeysVerb::List) => session.show(&client.get("/api/v1/auth/keys")?, &[]),
            Self::Keys(KeysVerb::Rotate { at_once }) => {
                let rotation = if at_once { "at_once" } else { "published" };
                let body = json!({ "rotation": rotation });
                session.show(&client.post("/api/v1/auth/keys/rotate", &body)?, &[])
            }
            Self::Jwks => {
                let jwks = client.anonymous(&Method::GET, "/.well-known/jwks.json", None)?;
                output::print(&output::json(&jwks)?)
            }
        }
    }
}

impl TokenVerb {
    fn run(self, session: &Session) -> Outcome {
        let token = prompt::secret("token", None)?;
        let body = json!({ "token": token.as_str() });
        match self {
            Self::Introspect => {
                session.show(&session.client.post("/api/v1/auth/introspect", &body)?, &[])
            }
            Self::Revoke => {
                // Whoever holds a token may revoke it: one needn't be signed in.
                session.client.anonymous(&Method::POST, "/api/v1/auth/revoke", Some(&body))?;
                session.done("revoked");
                Ok(())
            }
        }
    }
}
