//! `prov mfa`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Subcommand;
use serde_json::{Value, json};

use super::Session;
use crate::cli::OutputFormat;
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::terminal::shown;
use crate::{output, prompt};

/// Second factors.
#[derive(Debug, Subcommand)]
pub(crate) enum Mfa {
    /// Which factors you have
    Status,
    /// Authenticator app
    #[command(subcommand)]
    Totp(TotpVerb),
    /// Passkeys and security keys
    #[command(subcommand)]
    Webauthn(WebauthnVerb),
    /// Your devices
    Devices,
    /// Printed codes for when the device is lost
    #[command(subcommand)]
    BackupCodes(BackupCodesVerb),
    /// Who must have a second factor
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Prove yourself again in this session, for what asks for a recent second factor
    StepUp {
        /// The code of the authenticator app instead of asking
        #[arg(long, value_name = "CODE", conflicts_with_all = ["backup_code", "password_file"])]
        totp: Option<String>,
        /// A backup code instead
        #[arg(long, value_name = "CODE", conflicts_with = "password_file")]
        backup_code: Option<String>,
        /// A file with the password (`-`: stdin), enough only while you have no second factor
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Remove all second factors of a user who lost theirs
    Reset {
        /// The user's id
        user: String,
    },
}

/// What to do with the authenticator app.
#[derive(Debug, Subcommand)]
pub(crate) enum TotpVerb {
    /// Show a QR code to scan; confirm it with `prov mfa totp verify`
    Enroll {
        /// What you call the device
        #[arg(long)]
        name: Option<String>,
    },
    /// Confirm an enrolment, or try a code
    Verify {
        /// The id that `enroll` printed
        id: String,
        /// The code; asked for when absent
        code: Option<String>,
    },
    /// Remove it
    Disable {
        /// Its id, from `prov mfa devices`
        id: String,
    },
}

/// What to do with passkeys.
#[derive(Debug, Subcommand)]
pub(crate) enum WebauthnVerb {
    /// Add one: opens the server's page for it in your browser, which asks your authenticator
    Enroll {
        /// Only print the address
        #[arg(long)]
        print: bool,
    },
    /// List them
    List,
    /// Give one another name, for example `prov mfa webauthn rename passkey_01J… desk`
    Rename {
        /// Which, from `list`
        id: String,
        /// What to call it
        name: String,
    },
    /// Remove one
    Remove {
        /// Which, from `list`
        id: String,
    },
}

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Show it
    Show,
    /// Set it, for example `prov mfa policy set --role operator --team sre --grace 7d`; without role and
    /// team, nobody must
    Set {
        /// Whoever has this role, or one above it. Repeat for several
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Whoever is in this team. Repeat for several
        #[arg(long = "team", value_name = "TEAM")]
        teams: Vec<String>,
        /// How long one may go on without, from the next sign-in
        #[arg(long, value_name = "DURATION", default_value = "0s")]
        grace: String,
    },
}

impl PolicyVerb {
    fn run(self, session: &Session) -> Outcome {
        const POLICY: &str = "/api/v1/mfa/policy";
        let answer = match self {
            Self::Show => session.client.get(POLICY)?,
            Self::Set { roles, teams, grace } => {
                let body = json!({ "roles": roles, "teams": teams, "grace": grace });
                session.client.put(POLICY, &body)?
            }
        };
        session.show(&answer, &[])
    }
}

/// What to do with backup codes.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCodesVerb {
    /// Make ten new ones; the old ones end. They are shown once
    Generate,
    /// How many are left
    Status,
    /// Use one up
    Verify {
        /// The code; asked for when absent
        code: Option<String>,
    },
}

impl Mfa {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        match self {
            Self::Status => session.show(&client.get("/api/v1/mfa/status")?, &[]),
            Self::Devices => session.show(&client.get("/api/v1/mfa/devices")?, &[]),
            Self::Totp(verb) => verb.run(session),
            Self::Webauthn(verb) => verb.run(session),
            Self::BackupCodes(verb) => verb.run(session),
            Self::Policy(verb) => verb.run(session),
            Self::StepUp { totp, backup_code, password_file } => {
                let body = proof(totp, backup_code, password_file.as_deref())?;
                let tokens = client.post("/api/v1/auth/step-up", &body)?;
                client.keep_access_token(&tokens)?;
                session.done("proved again");
                Ok(())
            }
            Self::Reset { user } => {
                client.post(&format!("/api/v1/mfa/users/{}/reset", segment(&user)), &json!({}))?;
                session.done("second factors removed");
                Ok(())
            }
        }
    }
}

impl TotpVerb {
    fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        match self {
            Self::Enroll { name } => {
                let mut body = json!({});
                super::user::merge(&mut body, [("name", name)]);
                let answer = client.post("/api/v1/mfa/totp/enroll", &body)?;
                if session.format != OutputFormat::Table {
                    return session.show(&answer, &[]);
                }
                let text =
                    |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
                let picture = prov_mfa::qr::QrImage::of(text("otpauth_uri"))
                    .map_err(|e| Failure::of("drawing the QR code", e))?;
                output::print(&format!(
                    "{}\nsecret  {}\nid      {}",
                    picture.terminal(),
                    shown(text("secret")),
                    shown(text("id"))
                ))?;
                session.done("scan it, then: prov mfa totp verify ID CODE");
                Ok(())
            }
            Self::Verify { id, code } => {
                let body = json!({ "id": id, "code": code_or_ask(code)? });
                session.show(&client.post("/api/v1/mfa/totp/verify", &body)?, &[])
            }
            Self::Disable { id } => {
                client.delete(&format!("/api/v1/mfa/totp/{}", segment(&id)))?;
                session.done("removed");
                Ok(())
            }
        }
    }
}

impl WebauthnVerb {
    fn run(self, session: &Session) -> Outcome {
        const DEVICES: &str = "/api/v1/mfa/devices";
        let client = &session.client;
        match self {
            Self::Enroll { print } => {
                let page = client.page("/passkeys");
                output::print(&page)?;
                if !print && !open_in_browser(&page) {
                    session.done("open this address in a browser");
                }
                Ok(())
            }
            Self::List => {
                let mut all = client.get(DEVICES)?;
                if let Some(items) = all.get_mut("items").and_then(Value::as_array_mut) {
                    let is_passkey = |item: &Value| {
                        item.get("method").is_some_and(|method| method == "webauthn")
                    };
                    items.retain(is_passkey);
                }
                session.show(&all, &[])
            }
            Self::Rename { id, name } => {
                let path = format!("{DEVICES}/{}", segment(&id));
                session.show(&client.patch(&path, &json!({ "name": name }))?, &[])
            }
            Self::Remove { id } => {
                client.delete(&format!("{DEVICES}/{}", segment(&id)))?;
                session.done("removed");
                Ok(())
            }
        }
    }
}

/// Whether a browser could be started.
fn open_in_browser(page: &str) -> bool {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(opener);
    command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl BackupCodesVerb {
    fn run(self, session: &Session) -> Outcome {
        let client = &session.client;
        match self {
            Self::Generate => {
                session.show(&client.post("/api/v1/mfa/backup-codes", &json!({}))?, &[])
            }
            Self::Status => session.show(&client.get("/api/v1/mfa/status")?, &[]),
            Self::Verify { code } => {
                let body = json!({ "code": code_or_ask(code)? });
                session.show(&client.post("/api/v1/mfa/backup-codes/verify", &body)?, &[])
            }
        }
    }
}

/// What proves the caller again.
fn proof(
    totp: Option<String>,
    backup_code: Option<String>,
    password_file: Option<&Path>,
) -> Outcome<Value> {
    if let Some(path) = password_file {
        let password = prompt::secret("password", Some(path))?;
        return Ok(json!({ "password": password.as_str() }));
    }
    match backup_code {
        Some(code) => Ok(json!({ "method": "backup_code", "code": code })),
        None => Ok(json!({ "method": "totp", "code": code_or_ask(totp)? })),
    }
}

fn code_or_ask(code: Option<String>) -> Outcome<String> {
    code.map_or_else(|| prompt::line("code"), Ok)
}
