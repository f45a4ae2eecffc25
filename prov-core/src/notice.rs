//! The port through which people are told what happened to their account.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::Batch;
use crate::{FactorMethod, Result, UserId};

crate::typed_id!(
    /// Names one notice. Later ones sort behind earlier ones.
    NoticeId, "note"
);

/// Something a person should know of their own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Notice {
    /// Names it. Who is told of it twice knows it again by this.
    pub id: NoticeId,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub news: News,
}

impl Notice {
    /// News of that moment.
    #[must_use]
    pub const fn new(id: NoticeId, at: Timestamp, news: News) -> Self {
        Self { id, at, news }
    }
}

/// What a person is told. Never holds a secret. Addresses are those of whoever did it, where that is
/// somebody with the person's own credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum News {
    /// They signed in on a device that was never seen before.
    #[non_exhaustive]
    NewDevice {
        /// What the device calls itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// Their password is another one.
    #[non_exhaustive]
    PasswordChanged {
        /// Who changed it.
        by: ChangedBy,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// They are written to elsewhere.
    #[non_exhaustive]
    EmailChanged {
        /// Who changed it.
        by: ChangedBy,
        /// Where they were written to until then, which is where they are to be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<String>,
    },
    /// They can answer with one more second factor.
    #[non_exhaustive]
    SecondFactorAdded {
        /// Of which kind.
        factor: FactorMethod,
        /// What it is called.
        name: String,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// They can answer with one second factor less.
    #[non_exhaustive]
    SecondFactorRemoved {
        /// Of which kind.
        factor: FactorMethod,
        /// What it was called.
        name: String,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// All their second factors were taken away.
    #[non_exhaustive]
    SecondFactorsReset {
        /// Who did it.
        by: ChangedBy,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// There are new backup codes; those before are void.
    #[non_exhaustive]
    BackupCodesMade {
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// Nothing of theirs signs them in any more.
    AccountLocked,
    /// They can sign in again.
    AccountUnlocked,
    /// There is a new API token of theirs.
    #[non_exhaustive]
    ApiTokenMade {
        /// What it is called.
        name: String,
        /// When it ends.
        ends_at: Timestamp,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// An API token of theirs has a new value.
    #[non_exhaustive]
    ApiTokenRenewed {
        /// What it is called.
        name: String,
        /// When it ends.
        ends_at: Timestamp,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// An API token of theirs ends soon, and with it whatever uses it: time to renew it.
    #[non_exhaustive]
    ApiTokenEnds {
        /// What it is called.
        name: String,
        /// When it ends.
        ends_at: Timestamp,
    },
    /// So many wrong passwords in a row that further ones have to wait.
    #[non_exhaustive]
    FailedAttempts {
        /// How many at least.
        attempts: u32,
        /// Where the last one came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// Somebody who got past the first step has failed at the second factor, again and again.
    #[non_exhaustive]
    SecondFactorFailed {
        /// Which factor they tried.
        factor: FactorMethod,
        /// From where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
}

/// Who changed something of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the person, or anybody else")]
pub enum ChangedBy {
    /// Whoever was signed in as the person.
    Yourself,
    /// Somebody who may manage the account.
    Administrator,
}

impl News {
    /// Somebody signed in on a device that was never seen before.
    #[must_use]
    pub const fn new_device(device: Option<String>, ip: Option<IpAddr>) -> Self {
        Self::NewDevice { device, ip }
    }

    /// The password is another one.
    #[must_use]
    pub const fn password_changed(by: ChangedBy, ip: Option<IpAddr>) -> Self {
        Self::PasswordChanged { by, ip }
    }

    /// The address is another one than `previous`.
    #[must_use]
    pub const fn email_changed(by: ChangedBy, previous: Option<String>) -> Self {
        Self::EmailChanged { by, previous }
    }

    /// There is one more second factor.
    #[must_use]
    pub fn second_factor_added(
        factor: FactorMethod,
        name: impl Into<String>,
        ip: Option<IpAddr>,
    ) -> Self {
        Self::SecondFactorAdded { factor, name: name.into(), ip }
    }

    /// There is one second factor less.
    #[must_use]
    pub fn second_factor_removed(
        factor: FactorMethod,
        name: impl Into<String>,
        ip: Option<IpAddr>,
    ) -> Self {
        Self::SecondFactorRemoved { factor, name: name.into(), ip }
    }

    /// There is no second factor any more.
    #[must_use]
    pub const fn second_factors_reset(by: ChangedBy, ip: Option<IpAddr>) -> Self {
        Self::SecondFactorsReset { by, ip }
    }

    /// There are new backup codes.
    #[must_use]
    pub const fn backup_codes_made(ip: Option<IpAddr>) -> Self {
        Self::BackupCodesMade { ip }
    }

    /// There is a new API token.
    #[must_use]
    pub fn api_token_made(name: impl Into<String>, ends_at: Timestamp, ip: Option<IpAddr>) -> Self {
        Self::ApiTokenMade { name: name.into(), ends_at, ip }
    }

    /// An API token has a new value.
    #[must_use]
    pub fn api_token_renewed(
        name: impl Into<String>,
        ends_at: Timestamp,
        ip: Option<IpAddr>,
    ) -> Self {
        Self::ApiTokenRenewed { name: name.into(), ends_at, ip }
    }

    /// An API token ends soon.
    #[must_use]
    pub fn api_token_ends(name: impl Into<String>, ends_at: Timestamp) -> Self {
        Self::ApiTokenEnds { name: name.into(), ends_at }
    }

    /// So many wrong passwords in a row.
    #[must_use]
    pub const fn failed_attempts(attempts: u32, ip: Option<IpAddr>) -> Self {
        Self::FailedAttempts { attempts, ip }
    }

    /// Too many wrong answers of this factor.
    #[must_use]
    pub const fn second_factor_failed(factor: FactorMethod, ip: Option<IpAddr>) -> Self {
        Self::SecondFactorFailed { factor, ip }
    }

    /// The name of this kind of news, for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NewDevice { .. } => "new_device",
            Self::PasswordChanged { .. } => "password_changed",
            Self::EmailChanged { .. } => "email_changed",
            Self::SecondFactorAdded { .. } => "second_factor_added",
            Self::SecondFactorRemoved { .. } => "second_factor_removed",
            Self::SecondFactorsReset { .. } => "second_factors_reset",
            Self::BackupCodesMade { .. } => "backup_codes_made",
            Self::AccountLocked => "account_locked",
            Self::AccountUnlocked => "account_unlocked",
            Self::ApiTokenMade { .. } => "api_token_made",
            Self::ApiTokenRenewed { .. } => "api_token_renewed",
            Self::ApiTokenEnds { .. } => "api_token_ends",
            Self::FailedAttempts { .. } => "failed_attempts",
            Self::SecondFactorFailed { .. } => "second_factor_failed",
        }
    }
}

/// Whom a notice is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addressee {
    /// Who.
    pub user: UserId,
    /// The name they sign in with.
    pub name: String,
    /// Where they are written to, if that is known.
    pub email: Option<String>,
}

impl Addressee {
    /// The user of this name, who is written to there.
    #[must_use]
    pub fn new(user: UserId, name: impl Into<String>, email: Option<String>) -> Self {
        Self { user, name: name.into(), email }
    }
}

/// Tells people outside of prov, by mail for example. Contract: answers within seconds; may be asked to
/// tell the same notice more than once, and by more than one node; what it can't deliver it says, and is
/// asked again later.
#[async_trait]
pub trait Notifier: Debug + Send + Sync + 'static {
    /// Tells a person.
    ///
    /// # Errors
    /// When it could not be handed to whatever delivers it.
    async fn notify(&self, to: &Addressee, notice: &Notice) -> Result<()>;
}

/// Where news for people is put, for them to read and to be told outside. Contract: what is pinned can be
/// taken down by nobody; of news that strangers can cause there is a bounded amount.
#[async_trait]
pub trait NoticeBoard: Debug + Send + Sync + 'static {
    /// What puts up a notice for this user: to be committed together with the change that is the news, so
    /// that there is neither without the other. Of what repeats itself, such as failed attempts, committing a
    /// second one within the time in which one is enough is a [`CONFLICT`](crate::codes::CONFLICT).
    ///
    /// # Errors
    /// When the store can't be read.
    async fn pin(&self, user: &UserId, news: News) -> Result<Batch>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_the_kind_that_the_news_is_called_by() {
        let at: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let ip = Some("192.0.2.1".parse().unwrap());
        let yourself = ChangedBy::Yourself;
        let all = [
            News::new_device(None, ip),
            News::password_changed(yourself, ip),
            News::email_changed(ChangedBy::Administrator, Some("a@example.org".to_owned())),
            News::second_factor_added(FactorMethod::Totp, "phone", ip),
            News::second_factor_removed(FactorMethod::Webauthn, "key", ip),
            News::second_factors_reset(yourself, ip),
            News::backup_codes_made(ip),
            News::AccountLocked,
            News::AccountUnlocked,
            News::api_token_made("ci", at, ip),
            News::api_token_renewed("ci", at, ip),
            News::api_token_ends("ci", at),
            News::failed_attempts(5, ip),
            News::second_factor_failed(FactorMethod::Totp, ip),
        ];
        for news in all {
            let written = serde_json::to_value(&news).unwrap();
            assert_eq!(written["kind"], news.kind());
            assert_eq!(serde_json::from_value::<News>(written).unwrap(), news);
        }
    }
}
