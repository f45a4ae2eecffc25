//! What users are told of their own account: kept for them, and handed to whoever delivers it.

mod board;
#[cfg(feature = "https")]
mod webhook;

use std::time::Duration;

pub(crate) use board::{Notices, ToldOnce};
use prov_core::store::{Entity, Term};
use prov_core::{Notice, Timestamp, UserId};
use serde::{Deserialize, Serialize};
#[cfg(feature = "https")]
pub use webhook::Webhook;

use crate::refresh::later;

/// A notice as it is remembered. Nobody deletes one, its user neither: whoever signs in with what they
/// stole could hide that they did. It ends by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NoticeRecord {
    pub(crate) notice: Notice,
    pub(crate) user: UserId,
    /// What is left to be done for it to be told outside; nothing, once it was, or when nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Delivery>,
}

/// A notice that is still to be told outside.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// How often it was tried.
    pub(crate) tries: u32,
    /// When it is tried next; in the future also while somebody is trying.
    pub(crate) next_at: Timestamp,
}

/// For how long a user can read a notice.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);
/// After how long nobody tries to tell it outside any more.
const TRIED_FOR: Duration = Duration::from_hours(3 * 24);
/// The first wait after a try, which is longer than any try takes; every other is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

impl NoticeRecord {
    /// A notice for this user, to be told outside if `outside`.
    pub(crate) fn new(user: UserId, notice: Notice, outside: bool) -> Self {
        let delivery = outside.then_some(Delivery { tries: 0, next_at: notice.at });
        Self { notice, user, delivery }
    }

    /// Finds the notices of a user.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }

    /// Finds those that are still to be told outside.
    pub(crate) fn waiting() -> Term {
        Term::new("delivery", "waiting")
    }

    /// Claims the next try, if one is due: others leave it alone until the wait is over.
    pub(crate) fn claim(&mut self, now: Timestamp) -> bool {
        let Some(delivery) = self.delivery.as_mut().filter(|delivery| delivery.next_at <= now)
        else {
            return false;
        };
        let doubled =
            FIRST_WAIT.saturating_mul(1_u32.checked_shl(delivery.tries).unwrap_or(u32::MAX));
        delivery.next_at = later(now, doubled.min(LONGEST_WAIT));
        delivery.tries = delivery.tries.saturating_add(1);
        true
    }

    /// Whether it has been tried for long enough.
    pub(crate) fn is_given_up(&self, now: Timestamp) -> bool {
        later(self.notice.at, TRIED_FOR) <= now
    }
}

impl Entity for NoticeRecord {
    const KIND: &'static str = "auth.notice";

    fn id(&self) -> String {
        self.notice.id.as_str().to_owned()
    }

    fn terms(&self) -> Vec<Term> {
        let mut terms = vec![Self::user_term(&self.user)];
        terms.extend(self.delivery.map(|_| Self::waiting()));
        terms
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(later(self.notice.at, KEPT_FOR))
    }
}

#[cfg(test)]
mod tests {
    use prov_core::{Clock, ManualClock, News, NoticeId};

    use super::*;

    #[test]
    fn tries_get_rarer_nobody_else_tries_meanwhile_and_one_day_it_is_given_up() {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let notice = Notice::new(
            NoticeId::generate(&clock).unwrap(),
            clock.now(),
            News::new_device(None, None),
        );
        let mut record = NoticeRecord::new(UserId::generate(&clock).unwrap(), notice, true);
        for wait in [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            assert!(record.claim(clock.now()));
            assert!(!record.claim(clock.now()), "somebody is trying");
            clock.advance(Duration::from_secs(wait - 1));
            assert!(!record.claim(clock.now()), "{wait}");
            clock.advance(Duration::from_secs(1));
        }
        assert!(!record.is_given_up(clock.now()));
        clock.advance(TRIED_FOR);
        assert!(record.is_given_up(clock.now()));
    }
}
