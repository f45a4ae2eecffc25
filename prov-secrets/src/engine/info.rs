//! What an engine says about itself: what it can't do is data.

use prov_core::audit::Action;

/// Who ends a credential when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these two are all there is")]
pub enum Expiry {
    /// The outside system itself: it refuses the credential even if prov never comes back.
    Native,
    /// Only the lease manager: while prov is away, the credential lives on.
    NeedsManager,
}

impl Expiry {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::NeedsManager => "needs_manager",
        }
    }
}

/// Whether issuing changes something outside of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these two are all there is")]
pub enum Effect {
    /// It creates something in another system, which an interrupted call may leave behind.
    Outside,
    /// It only computes (a signature, say): what was not handed out does not exist. One durable
    /// write before the credential is made is then enough.
    SelfContained,
}

/// Whether a credential can be prolonged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these two are all there is")]
pub enum Renewal {
    /// Up to the plan's longest time to live.
    UpToMaximum,
    /// Its end is fixed when it is made.
    Never,
}

/// What an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineInfo {
    /// Its name in leases and paths: 1 to 32 characters of `a-z`, `0-9` and `-`, starting with a
    /// letter.
    pub name: String,
    /// What it issues, in a phrase.
    pub description: String,
    /// Who ends its credentials.
    pub expiry: Expiry,
    /// Whether issuing changes something outside.
    pub effect: Effect,
    /// Whether its credentials can be prolonged.
    pub renewal: Renewal,
    /// The audit action of a revocation.
    pub revoke_action: Action,
}

impl EngineInfo {
    /// An engine with an effect outside, whose credentials can't be renewed.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>, expiry: Expiry) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            expiry,
            effect: Effect::Outside,
            renewal: Renewal::Never,
            revoke_action: Action::SECRET_LEASE_REVOKE,
        }
    }

    /// It only computes.
    #[must_use]
    pub fn self_contained(mut self) -> Self {
        self.effect = Effect::SelfContained;
        self
    }

    /// Its credentials can be prolonged.
    #[must_use]
    pub fn renewable(mut self) -> Self {
        self.renewal = Renewal::UpToMaximum;
        self
    }

    /// Revocations are recorded as this action.
    #[must_use]
    pub fn revoked_as(mut self, action: Action) -> Self {
        self.revoke_action = action;
        self
    }
}
