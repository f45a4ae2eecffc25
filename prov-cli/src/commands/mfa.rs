//! `prov mfa`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Session;
use crate::cli::OutputFormat;
use crate::client::segment;
use crate::failure::{Failure, Outcome};
use crate::prompt;

/// Second factors.
#[derive(Debug, Subcommand)]
pub(crate) enum Mfa {
    /// Which factors you have
    Status,
    /// Authenticator app
    #[command(subcommand)]
    Totp(TotpVerb),
    /// Your devices
    Devices,
    /// Printed codes for when the device is lost
    #[command(subcommand)]
    BackupCodes(BackupCodesVerb),
    /// Prove yourself again in this session, for what asks for a recent second factor
    StepUp {
        /// The code of the authenticator app instead of asking
        #[arg(long, value_name = "CODE")]
        totp: Option<String>,
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
    Enroll,
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
            Self::BackupCodes(verb) => verb.run(session),
            Self::StepUp { totp } => {
                let code = code_or_ask(totp)?;
                let body = json!({ "method": "totp", "code": code });
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
            Self::Enroll => {
                let answer = client.post("/api/v1/mfa/totp/enroll", &json!({}))?;
                if session.format != OutputFormat::Table {
                    return session.show(&answer, &[]);
                }
                let text =
                    |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
                let picture = prov_mfa::qr::QrImage::of(text("otpauth_uri"))
                    .map_err(|e| Failure::of("drawing the QR code", e))?;
                println!(
                    "{}\nsecret  {}\nid      {}",
                    picture.terminal(),
                    text("secret"),
                    text("id")
                );
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

fn code_or_ask(code: Option<String>) -> Outcome<String> {
    code.map_or_else(|| prompt::line("code"), Ok)
}
