//! What is counted of identities, for metrics: on this node, since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a password was not proved, as the audit trail says it; clients learn less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginFailure {
    UnknownUser,
    WrongPassword,
    Locked,
    TemporaryPasswordExpired,
    Throttled,
    Unavailable,
}

impl LoginFailure {
    const ALL: [Self; 6] = [
        Self::UnknownUser,
        Self::WrongPassword,
        Self::Locked,
        Self::TemporaryPasswordExpired,
        Self::Throttled,
        Self::Unavailable,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Locked => "locked",
            Self::TemporaryPasswordExpired => "temporary_password_expired",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What is counted of identities.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthStats {
    /// Passwords that were not proved, by reason; every reason is there.
    pub login_failures: Vec<(&'static str, u64)>,
    /// Sign-ins on devices that were never seen before.
    pub new_devices: u64,
    /// Spent refresh tokens that were presented, each of which has ended its session.
    pub refresh_reuses: u64,
    /// Notices that were handed to whoever delivers them.
    pub notices_delivered: u64,
    /// Notices that nobody took in time.
    pub notices_given_up: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    login_failures: [AtomicU64; LoginFailure::ALL.len()],
    pub(crate) new_devices: AtomicU64,
    pub(crate) refresh_reuses: AtomicU64,
    pub(crate) notices_delivered: AtomicU64,
    pub(crate) notices_given_up: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, failure: LoginFailure) {
        if let Some(counter) = self.login_failures.get(failure as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> AuthStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failures = LoginFailure::ALL.iter().zip(&self.login_failures);
        AuthStats {
            login_failures: failures.map(|(why, counter)| (why.as_str(), of(counter))).collect(),
            new_devices: of(&self.new_devices),
            refresh_reuses: of(&self.refresh_reuses),
            notices_delivered: of(&self.notices_delivered),
            notices_given_up: of(&self.notices_given_up),
        }
    }
}
