//! The port through which people are told what happened to their account.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Result, UserId};

/// Something a person should know of their own account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// They signed in on a device that was never seen before.
    #[non_exhaustive]
    NewDevice {
        /// Who.
        user: UserId,
        /// What the device calls itself.
        device: Option<String>,
        /// From where.
        ip: Option<IpAddr>,
        /// When.
        at: Timestamp,
    },
}

impl Notice {
    /// Somebody signed in on a device that was never seen before.
    #[must_use]
    pub const fn new_device(
        user: UserId,
        device: Option<String>,
        ip: Option<IpAddr>,
        at: Timestamp,
    ) -> Self {
        Self::NewDevice { user, device, ip, at }
    }
}

/// Tells people. Contract: answers within seconds; what it can't deliver it says, and whoever asked goes
/// on without.
#[async_trait]
pub trait Notifier: Debug + Send + Sync + 'static {
    /// Tells the person whom the notice is about.
    ///
    /// # Errors
    /// When it could not be handed to whatever delivers it.
    async fn notify(&self, notice: &Notice) -> Result<()>;
}
