//! Bodies of requests and answers.

mod passkeys;
mod policy;

use prov_core::{FactorMethod, FactorResponse, Result, SecretText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::passkeys::{
    AssertionAnswerBody, AssertionBeginRequest, AssertionFinishRequest, AssertionPurpose,
    DevicePatch, PasskeyBeginRequest, PasskeyFinishRequest, PasskeyRequestBody, SignedInBody,
};
pub use self::policy::PolicyBody;
use crate::qr::QrImage;
use crate::{BackupCodes, BackupVerified, Device, Enrollment, MfaStatus, Removed, TotpVerified};

/// What the app is called when nothing is said.
const DEFAULT_NAME: &str = "authenticator";

/// Begins an enrolment.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnrollRequest {
    /// What the user calls the device, 1 to 64 characters.
    #[schema(example = "phone")]
    pub name: Option<String>,
}

impl EnrollRequest {
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT_NAME)
    }
}

/// A begun enrolment: the only answer that ever shows the secret.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct EnrollmentBody {
    /// Names the authenticator app.
    #[schema(example = "totp_01JQ8ZK3V9M2T4R6X8Y0A1B2C3")]
    pub id: String,
    /// The secret in base 32, for typing.
    #[schema(value_type = String)]
    secret: Shown,
    /// The secret as a URI, for authenticator apps.
    #[schema(value_type = String)]
    otpauth_uri: Shown,
    /// The URI as a QR code: an SVG document.
    #[schema(value_type = String)]
    qr_svg: Shown,
    /// The URI as a QR code: a PNG in a `data:` URI.
    #[schema(value_type = String)]
    qr_png: Shown,
    /// The enrolment is void unless a code confirms it before (RFC 3339).
    pub expires_at: String,
}

impl EnrollmentBody {
    pub(super) fn of(begun: &Enrollment) -> Result<Self> {
        let image = QrImage::of(begun.otpauth_uri.expose())?;
        Ok(Self {
            id: begun.id.to_string(),
            secret: Shown(begun.secret.clone()),
            otpauth_uri: Shown(begun.otpauth_uri.clone()),
            qr_svg: Shown(image.svg().into()),
            qr_png: Shown(image.png_data_uri()?.into()),
            expires_at: begun.expires_at.to_string(),
        })
    }
}

/// A secret on its way to the one who owns it, for the only time.
#[derive(Debug)]
struct Shown(SecretText);

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A code of one authenticator app.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TotpVerifyRequest {
    /// The app, as the enrolment named it.
    #[schema(example = "totp_01JQ8ZK3V9M2T4R6X8Y0A1B2C3")]
    pub id: String,
    /// The six digits; spaces and dashes are understood.
    #[schema(value_type = String, example = "123456")]
    pub code: SecretText,
}

/// A code that held.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct TotpVerifiedBody {
    /// Always true; a code that does not hold is a problem.
    pub verified: bool,
    /// Whether it was the first one, which confirmed the enrolment.
    pub confirmed: bool,
}

impl TotpVerifiedBody {
    pub(super) const fn of(verified: TotpVerified) -> Self {
        Self { verified: true, confirmed: verified.confirmed_now }
    }
}

/// A proof for a change, where the token has no recent second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ProofRequest {
    /// Which factor: `totp`, `backup_code` or `webauthn`.
    #[schema(value_type = String, example = "totp")]
    pub method: FactorMethod,
    /// The code of an app or from the paper.
    #[schema(value_type = Option<String>, example = "123456")]
    pub code: Option<SecretText>,
    /// The assertion of a passkey, as the browser's `toJSON` gives it.
    #[schema(value_type = Option<Object>)]
    pub assertion: Option<serde_json::Value>,
}

impl ProofRequest {
    pub(super) fn into_response(self) -> Result<FactorResponse> {
        FactorResponse::of(self.method, self.code, self.assertion.as_ref())
    }
}

/// One second factor.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct DeviceBody {
    /// Names it.
    pub id: String,
    /// What kind of factor: `totp` or `webauthn`.
    #[schema(value_type = String, example = "totp")]
    pub method: FactorMethod,
    /// What the user calls it.
    pub name: String,
    /// Whether a code confirmed it; only then it counts.
    pub confirmed: bool,
    /// When the enrolment began (RFC 3339).
    pub created_at: String,
    /// When it was last used (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// Of a passkey: whether it can be on several devices of its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced: Option<bool>,
    /// Of a passkey: whether it signs in without user name and password. Absent: the browser did not
    /// tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discoverable: Option<bool>,
}

impl DeviceBody {
    pub(super) fn of(device: Device) -> Self {
        Self {
            id: device.id.to_string(),
            method: device.id.method(),
            name: device.name,
            confirmed: device.confirmed,
            created_at: device.created_at.to_string(),
            last_used_at: device.last_used_at.map(|at| at.to_string()),
            synced: device.synced,
            discoverable: device.discoverable,
        }
    }
}

/// What the caller has.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct StatusBody {
    /// Whether signing in asks for a second factor.
    pub enabled: bool,
    /// The factors the caller can answer with.
    #[schema(value_type = Vec<String>, example = json!(["totp", "backup_code"]))]
    pub methods: Vec<FactorMethod>,
    /// Confirmed authenticator apps.
    pub totp_devices: usize,
    /// Passkeys and security keys.
    pub passkeys: usize,
    /// Backup codes that are left.
    pub backup_codes_remaining: usize,
    /// When the present set of backup codes was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_codes_created_at: Option<String>,
    /// Present when two or fewer backup codes are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl StatusBody {
    pub(super) fn of(status: MfaStatus) -> Self {
        Self {
            enabled: status.enabled,
            warning: warning(status.backup_codes_running_out, status.backup_codes_remaining),
            methods: status.methods,
            totp_devices: status.totp_devices,
            passkeys: status.passkeys,
            backup_codes_remaining: status.backup_codes_remaining,
            backup_codes_created_at: status.backup_codes_created_at.map(|at| at.to_string()),
        }
    }
}

/// Ten backup codes: the only answer that ever shows them.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct BackupCodesBody {
    /// The codes; each works once.
    #[schema(value_type = Vec<String>)]
    codes: Vec<Shown>,
}

impl BackupCodesBody {
    pub(super) fn of(made: BackupCodes) -> Self {
        Self { codes: made.codes.into_iter().map(Shown).collect() }
    }
}

/// One backup code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BackupVerifyRequest {
    /// The code; small letters, spaces and dashes are understood.
    #[schema(value_type = String, example = "7QK2M-0XZ9T-4HVRD-C8PNB-W3J6E")]
    pub code: SecretText,
}

/// A backup code that held.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct BackupVerifiedBody {
    /// Always true; a code that does not hold is a problem.
    pub verified: bool,
    /// Codes that are left.
    pub remaining: usize,
    /// Present when two or fewer are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl BackupVerifiedBody {
    pub(super) fn of(verified: BackupVerified) -> Self {
        let remaining = verified.remaining;
        Self { verified: true, remaining, warning: warning(verified.running_out, remaining) }
    }
}

/// What an administrator's reset removed.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct RemovedBody {
    /// Authenticator apps, confirmed or not.
    pub totp_devices: usize,
    /// Passkeys and security keys.
    pub passkeys: usize,
    /// Backup codes that were left.
    pub backup_codes: usize,
}

impl RemovedBody {
    pub(super) const fn of(removed: Removed) -> Self {
        Self {
            totp_devices: removed.totp_devices,
            passkeys: removed.passkeys,
            backup_codes: removed.backup_codes,
        }
    }
}

fn warning(running_out: bool, remaining: usize) -> Option<String> {
    running_out.then(|| format!("{remaining} backup codes are left; make new ones"))
}
