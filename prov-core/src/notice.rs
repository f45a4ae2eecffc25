//! The port through which people are told what happened to their account.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Result, UserId};

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

/// What a person is told.
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
}

impl News {
    /// Somebody signed in on a device that was never seen before.
    #[must_use]
    pub const fn new_device(device: Option<String>, ip: Option<IpAddr>) -> Self {
        Self::NewDevice { device, ip }
    }

    /// The name of this kind of news, for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NewDevice { .. } => "new_device",
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
