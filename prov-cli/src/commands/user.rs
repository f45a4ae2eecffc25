//! `prov user`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Part, Session};
use crate::client::segment;
use crate::failure::Outcome;
use crate::prompt;

/// Users. A user is named by id or by name.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// List users
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Create a user, for example `prov user create alice --team sre --role operator`
    Create {
        /// The name to sign in with
        name: String,
        /// Their e-mail address
        #[arg(long)]
        email: Option<String>,
        /// Their name as people write it
        #[arg(long)]
        display_name: Option<String>,
        /// A role; may be repeated
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A team; may be repeated
        #[arg(long = "team", value_name = "TEAM")]
        teams: Vec<String>,
        /// A file with the password instead of asking
        #[arg(long, value_name = "FILE", conflicts_with = "temporary")]
        password_file: Option<PathBuf>,
        /// Let the server make a temporary password and show it this once
        #[arg(long)]
        temporary: bool,
    },
    /// Show one user
    Show {
        /// Who
        user: String,
    },
    /// Change e-mail address or display name
    Update {
        /// Who
        user: String,
        /// The new e-mail address
        #[arg(long)]
        email: Option<String>,
        /// The new display name
        #[arg(long)]
        display_name: Option<String>,
    },
    /// Delete a user and end everything they hold
    Delete {
        /// Who
        user: String,
    },
    /// Lock a user out; ends their sessions
    Lock {
        /// Who
        user: String,
    },
    /// Let a locked user in again
    Unlock {
        /// Who
        user: String,
    },
    /// Give a user a temporary password, which they must change
    ResetPassword {
        /// Who
        user: String,
    },
    /// Set all roles of a user: `prov user set-roles alice operator auditor`
    SetRoles {
        /// Who
        user: String,
        /// The roles; none takes all away
        roles: Vec<String>,
    },
    /// Set all teams of a user
    SetTeams {
        /// Who
        user: String,
        /// The teams; none takes all away
        teams: Vec<String>,
    },
}

const COLUMNS: &[&str] = &["id", "username", "email", "roles", "teams", "locked"];

impl User {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        let path = |user: &str, verb: &str| format!("/api/v1/users/{}{verb}", segment(user));
        match self {
            Self::List { part } => {
                session.show(&client.get(&part.of("/api/v1/users", &[]))?, COLUMNS)
            }
            Self::Create { name, email, display_name, roles, teams, password_file, temporary } => {
                let mut body = json!({ "username": name, "roles": roles, "teams": teams });
                if !temporary {
                    let password =
                        prompt::secret("password of the new user", password_file.as_deref())?;
                    merge(&mut body, [("password", Some(password.as_str().to_owned()))]);
                }
                merge(&mut body, [("email", email), ("display_name", display_name)]);
                session.show(&client.post("/api/v1/users", &body)?, &[])
            }
            Self::Show { user } => session.show(&client.get(&path(&user, ""))?, &[]),
            Self::Update { user, email, display_name } => {
                let mut body = Value::Object(Map::new());
                merge(&mut body, [("email", email), ("display_name", display_name)]);
                session.show(&client.patch(&path(&user, ""), &body)?, &[])
            }
            Self::Delete { user } => {
                client.delete(&path(&user, ""))?;
                session.done("deleted");
                Ok(())
            }
            Self::Lock { user } => {
                session.show(&client.post(&path(&user, "/lock"), &json!({}))?, &[])
            }
            Self::Unlock { user } => {
                session.show(&client.post(&path(&user, "/unlock"), &json!({}))?, &[])
            }
            Self::ResetPassword { user } => {
                session.show(&client.post(&path(&user, "/password-reset"), &json!({}))?, &[])
            }
            Self::SetRoles { user, roles } => {
                session.show(&client.put(&path(&user, "/roles"), &json!({ "roles": roles }))?, &[])
            }
            Self::SetTeams { user, teams } => {
                session.show(&client.put(&path(&user, "/teams"), &json!({ "teams": teams }))?, &[])
            }
        }
    }
}

/// Adds the members that have a value.
pub(crate) fn merge<const N: usize>(body: &mut Value, members: [(&str, Option<String>); N]) {
    if let Some(object) = body.as_object_mut() {
        for (name, value) in members {
            if let Some(value) = value {
                object.insert(name.to_owned(), Value::String(value));
            }
        }
    }
}
