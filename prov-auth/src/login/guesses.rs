//! Accounts at which passwords are being guessed, until their owners are told.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use prov_core::UserId;

/// Accounts that are remembered at once; more have to wait for their next wrong password.
const MOST: usize = 4096;

/// What is known of the guesses at one account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guessed {
    /// How many wrong passwords there were in a row, at least.
    pub(crate) attempts: u32,
    /// Where the last one came from.
    pub(crate) ip: Option<IpAddr>,
}

/// Accounts at which so many passwords were wrong that guessing is slowed. They are noted in memory, while the
/// store is written beside requests: the answer to a guess takes no longer where there is somebody to tell.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<HashMap<UserId, Guessed>>);

impl Guesses {
    /// Notes guesses at an account.
    pub(crate) fn note(&self, user: &UserId, guessed: Guessed) {
        let mut noted = self.0.lock();
        if noted.len() < MOST || noted.contains_key(user) {
            noted.insert(user.clone(), guessed);
        }
    }

    /// What was noted of one account since the last time.
    pub(crate) fn take_of(&self, user: &UserId) -> Option<Guessed> {
        self.0.lock().remove(user)
    }

    /// What was noted since the last time.
    pub(crate) fn take(&self) -> HashMap<UserId, Guessed> {
        std::mem::take(&mut *self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use prov_core::ManualClock;

    use super::*;

    #[test]
    fn what_strangers_can_have_noted_is_bounded() {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let noted = Guesses::default();
        let guessed = |attempts| Guessed { attempts, ip: None };
        let first = UserId::generate(&clock).unwrap();
        noted.note(&first, guessed(5));
        for _ in 0..MOST * 2 {
            noted.note(&UserId::generate(&clock).unwrap(), guessed(5));
        }
        noted.note(&first, guessed(6));
        let all = noted.take();
        assert_eq!((all.len(), all[&first].attempts), (MOST, 6));
        assert!(noted.take().is_empty());
    }
}
