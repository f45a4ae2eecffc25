//! One page out of what was found in each log.

use std::cmp::Reverse;
use std::collections::VecDeque;

use crate::index::{Found, Hit};

/// A page of the hits of several logs, and where each of them goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joint {
    /// The newest first; each with the place of its log among those that were asked.
    pub(super) hits: Vec<(usize, Hit)>,
    /// Below which record each log goes on: 0 where nothing is left.
    pub(super) places: Vec<u64>,
}

impl Joint {
    /// A page of at most so many hits, of searches for one more of each log.
    ///
    /// A log is given in its own order, whatever the clock did; that is what lets it go on behind its last hit
    /// and miss none. Where a search stopped, what is older in the other logs waits: it can't be put in order.
    pub(super) fn of(found: Vec<Found>, most: usize) -> Self {
        let mut logs: Vec<Rest> = found.into_iter().map(Rest::of).collect();
        let mut hits = Vec::new();
        while hits.len() < most {
            let fronts =
                logs.iter().enumerate().filter_map(|(of, log)| Some((log.goes_on_at()?, of)));
            // Of the same moment those of the first log.
            let newest = fronts.max_by_key(|(time, of)| (*time, Reverse(*of)));
            let next = newest.and_then(|(_, of)| Some((of, logs.get_mut(of)?.hits.pop_front()?)));
            let Some(next) = next else { break };
            hits.push(next);
        }
        Self { hits, places: logs.iter().map(Rest::place).collect() }
    }

    /// Whether there is another page.
    pub(super) fn goes_on(&self) -> bool {
        self.places.iter().any(|place| *place > 0)
    }
}

/// What is left of a log.
struct Rest {
    hits: VecDeque<Hit>,
    /// Behind all of them: where the search stopped, and when that was.
    stopped: Option<(u64, i64)>,
}

impl Rest {
    fn of(found: Found) -> Self {
        Self { hits: found.hits.into(), stopped: found.stopped }
    }

    /// When the next of it was, or at the latest, where that is not known; nothing when there is none.
    fn goes_on_at(&self) -> Option<i64> {
        let next = self.hits.front().map(|hit| hit.time);
        next.or(self.stopped.map(|(_, time)| time))
    }

    /// Below which record it goes on.
    fn place(&self) -> u64 {
        let next = self.hits.front().map(|hit| hit.seq + 1);
        next.or(self.stopped.map(|(seq, _)| seq)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
