//! How users are told of their account.

use prov_core::{ChangedBy, FactorMethod, News, Notice};
use serde::Serialize;
use utoipa::ToSchema;

/// Something the caller should know of their account.
#[derive(Debug, Default, Serialize, ToSchema)]
#[non_exhaustive]
pub struct NoticeBody {
    /// Names it; later ones sort behind earlier ones.
    pub id: String,
    /// `new_device`: a sign-in on a device that was never seen before. `password_changed`, `email_changed`,
    /// `second_factor_added`, `second_factor_removed`, `second_factors_reset`, `backup_codes_made`,
    /// `account_locked`, `account_unlocked`, `api_token_made`, `api_token_renewed`: as they say.
    /// `api_token_ends`: soon. `failed_attempts`: so many wrong passwords that further ones have to wait.
    /// `second_factor_failed`: somebody got past the first step and failed at the second again and again.
    #[schema(example = "new_device")]
    pub kind: &'static str,
    /// When it happened (RFC 3339).
    pub at: String,
    /// What the device called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From which address; of what an administrator did, none is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `yourself` or `administrator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "yourself")]
    pub by: Option<ChangedBy>,
    /// Which second factor: `totp`, `webauthn` or `backup_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "totp")]
    pub factor: Option<FactorMethod>,
    /// What the second factor or API token is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the API token ends (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    /// How many attempts there were in vain, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The e-mail address until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

impl From<Notice> for NoticeBody {
    fn from(notice: Notice) -> Self {
        let kind = notice.news.kind();
        let told =
            Self { id: notice.id.to_string(), kind, at: notice.at.to_string(), ..Self::default() };
        let text = |ip: Option<std::net::IpAddr>| ip.map(|ip| ip.to_string());
        match notice.news {
            News::NewDevice { device, ip, .. } => Self { device, ip: text(ip), ..told },
            News::PasswordChanged { by, ip, .. } | News::SecondFactorsReset { by, ip, .. } => {
                Self { by: Some(by), ip: text(ip), ..told }
            }
            News::EmailChanged { by, previous, .. } => Self { by: Some(by), previous, ..told },
            News::SecondFactorAdded { factor, name, ip, .. }
            | News::SecondFactorRemoved { factor, name, ip, .. } => {
                Self { factor: Some(factor), name: Some(name), ip: text(ip), ..told }
            }
            News::BackupCodesMade { ip, .. } => Self { ip: text(ip), ..told },
            News::ApiTokenMade { name, ends_at, ip, .. }
            | News::ApiTokenRenewed { name, ends_at, ip, .. } => {
                let ends_at = Some(ends_at.to_string());
                Self { name: Some(name), ends_at, ip: text(ip), ..told }
            }
            News::ApiTokenEnds { name, ends_at, .. } => {
                Self { name: Some(name), ends_at: Some(ends_at.to_string()), ..told }
            }
            News::FailedAttempts { attempts, ip, .. } => {
                Self { attempts: Some(attempts), ip: text(ip), ..told }
            }
            News::SecondFactorFailed { factor, ip, .. } => {
                Self { factor: Some(factor), ip: text(ip), ..told }
            }
            // Its kind says all there is.
            _ => told,
        }
    }
}
