use jiff::Timestamp;
use prov_core::audit::RetentionClass;
use prov_core::store::Entity;
use prov_core::{Error, Result, codes as core_codes, random};
use serde::{Deserialize, Serialize};

use crate::leaf::Leaf;

/// At most so many holds at once: each event that would be pruned is held against each.
pub(crate) const MOST: usize = 1000;

/// A hold to be placed: it keeps every event that meets all that is said, and erasure from those whom
/// it may be about. Without any condition it keeps everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditNewHold))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NewHold {
    /// Why, for people: a case, a matter.
    pub reason: String,
    /// Only of this log: `standard` or `break_glass`.
    #[serde(default)]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>))]
    pub log: Option<RetentionClass>,
    /// Only events that this account did, or that were done to it, by id: `user_…`, a SPIFFE ID, or any other by
    /// which the log knows an account.
    #[serde(default)]
    pub user: Option<String>,
    /// Only events at or after this moment.
    #[serde(default)]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub from: Option<Timestamp>,
    /// Only events at or before this moment.
    #[serde(default)]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub to: Option<Timestamp>,
}

/// A legal hold: what it is about is neither pruned nor erased until it is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditHold))]
#[non_exhaustive]
pub struct Hold {
    /// Its id: `hold_…`.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Of which log; of all of them unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>))]
    pub log: Option<RetentionClass>,
    /// Of which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// From when on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub from: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub to: Option<Timestamp>,
    /// Who placed it, by id.
    pub placed_by: String,
    /// When.
    #[cfg_attr(feature = "axum", schema(value_type = String, format = "date-time"))]
    pub placed_at: Timestamp,
}

impl NewHold {
    /// A hold on everything, for this reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    /// Only of an account.
    #[must_use]
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user = Some(id.into());
        self
    }

    /// Only of a log.
    #[must_use]
    pub fn log(mut self, class: RetentionClass) -> Self {
        self.log = Some(class);
        self
    }

    pub(crate) fn placed(self, by: &str, at: Timestamp) -> Result<Hold> {
        let refuse =
            |field, what: &str| Err(Error::new(core_codes::INVALID_REQUEST).field(field, what));
        let reason = self.reason.trim();
        let controls = |text: &str| text.contains(char::is_control);
        if reason.is_empty() || reason.chars().count() > 1000 || controls(reason) {
            return refuse("reason", "1 to 1000 characters, no control characters");
        }
        // SPIFFE IDs are the longest ids there are (SPIFFE-ID, section 2.3).
        let is_id = |user: &String| (1..=2048).contains(&user.len()) && !controls(user);
        if self.user.as_ref().is_some_and(|user| !is_id(user)) {
            return refuse("user", "1 to 2048 bytes, no control characters");
        }
        if matches!((self.from, self.to), (Some(from), Some(to)) if from > to) {
            return refuse("to", "not before `from`");
        }
        Ok(Hold {
            id: format!("hold_{}", hex::encode(random::bytes::<10>()?)),
            reason: reason.to_owned(),
            log: self.log,
            user: self.user,
            from: self.from,
            to: self.to,
            placed_by: by.to_owned(),
            placed_at: at,
        })
    }
}

impl Hold {
    /// Whether it keeps an event. One that this version can't read is kept by every hold.
    pub(crate) fn keeps(&self, class: RetentionClass, leaf: Option<&Leaf<'_>>) -> bool {
        if self.log.is_some_and(|log| log != class) {
            return false;
        }
        let Some(leaf) = leaf else { return true };
        let in_time = self.from.is_none_or(|from| leaf.time >= from)
            && self.to.is_none_or(|to| leaf.time <= to);
        let about = |user: &String| {
            leaf.actor.id.as_deref() == Some(user)
                || leaf.resource.as_ref().is_some_and(|resource| resource.id == *user)
        };
        in_time && self.user.as_ref().is_none_or(about)
    }

    /// Whether it keeps what is known of an account from being erased.
    pub(crate) fn keeps_subject(&self, account: &str) -> bool {
        self.user.as_ref().is_none_or(|user| user == account)
    }
}

impl Entity for Hold {
    const KIND: &'static str = "audit.hold";

    fn id(&self) -> String {
        self.id.clone()
    }
}
