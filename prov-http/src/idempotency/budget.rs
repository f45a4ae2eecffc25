//! How many keys one caller may use: what is kept for keys must not grow without bound.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use prov_core::{Error, Result};

use crate::codes;

/// Counts by caller, in windows as long as a key is kept.
#[derive(Debug)]
pub(super) struct Budget {
    each: u32,
    window: Duration,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    window: u128,
    by_caller: HashMap<String, u32>,
}

impl Budget {
    pub(super) fn new(each: u32, window: Duration) -> Self {
        Self { each, window: window.max(Duration::from_secs(1)), used: Mutex::default() }
    }

    /// Counts one new key of this caller.
    ///
    /// # Errors
    /// [`codes::TOO_MANY_IDEMPOTENCY_KEYS`] with the time until the next window.
    pub(super) fn take(&self, caller: &str, monotonic: Duration) -> Result<()> {
        let window = monotonic.as_millis() / self.window.as_millis().max(1);
        let mut used = self.used.lock();
        if used.window != window {
            *used = Used { window, by_caller: HashMap::new() };
        }
        if let Some(count) = used.by_caller.get_mut(caller) {
            if *count >= self.each {
                let into = monotonic.as_millis() % self.window.as_millis().max(1);
                let rest = self.window.as_millis().saturating_sub(into);
                let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(u64::MAX));
                return Err(Error::new(codes::TOO_MANY_IDEMPOTENCY_KEYS)
                    .detail("too many different values of `Idempotency-Key`; leave the header out")
                    .retry_after(rest));
            }
            *count += 1;
        } else {
            used.by_caller.insert(caller.to_owned(), 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_so_many_in_a_window() {
        let budget = Budget::new(2, Duration::from_secs(10));
        let at = Duration::from_secs;
        assert!(budget.take("a", at(1)).is_ok() && budget.take("a", at(2)).is_ok());
        let refused = budget.take("a", at(3)).unwrap_err();
        assert!(refused.is(codes::TOO_MANY_IDEMPOTENCY_KEYS));
        assert_eq!(refused.retry_after_hint(), Some(at(7)));
        assert!(budget.take("b", at(3)).is_ok(), "another caller");
        assert!(budget.take("a", at(10)).is_ok(), "the next window");
        assert_eq!(budget.used.lock().by_caller.len(), 1, "what has ended is forgotten");
    }
}
