use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use prov_core::audit::RetentionClass;

use super::part::Refused;
use super::{JoinAlarm, JoinOptions, JoinedLog, Peer};
use crate::log::place;

/// What is known of a log, own or not, beside its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// How many events it says it has.
    pub(super) published: u64,
    /// When its node said that.
    pub(super) time: Option<Timestamp>,
    /// What is wrong with it, and whether that is recorded.
    pub(super) alarm: Option<(JoinAlarm, bool)>,
    /// What was wrong, that it is over is not recorded yet.
    pub(super) ended: Option<JoinAlarm>,
    /// Since when something is missing.
    pub(super) lacking_since: Option<Timestamp>,
    /// What the others were told last: from which record on it is needed, and when.
    pub(super) told: Option<(u64, Timestamp)>,
}

impl Known {
    /// Notes that something is wrong. What was known before stays as it was.
    pub(super) fn raise(&mut self, refused: Refused, now: Timestamp) {
        let Refused { kind, detail, checkpoint } = refused;
        if self.alarm.as_ref().is_none_or(|(alarm, _)| alarm.kind != kind) {
            self.alarm = Some((JoinAlarm { kind, since: now, detail, checkpoint }, false));
        }
    }

    /// Nothing is wrong any more. That something was stays until it is recorded, however often it is seen
    /// to be over before.
    pub(super) fn clear(&mut self) {
        if let Some((alarm, true)) = self.alarm.take() {
            self.ended = Some(alarm);
        }
    }
}

/// At most so many logs are joined, and as many remembered that are not.
pub(super) const MOST: usize = 256;

/// What whoever asks the log and whoever joins it share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) options: JoinOptions,
    peers: RwLock<BTreeMap<String, Arc<Peer>>>,
    /// Of this node's own logs, by class.
    own: [Mutex<Known>; 2],
    /// Logs that are not joined, and why.
    refused: Mutex<BTreeMap<String, Known>>,
    /// From which record on other nodes need each of this node's own logs.
    needed: [AtomicU64; 2],
}

impl Shared {
    pub(super) fn new(options: JoinOptions) -> Self {
        Self {
            options,
            peers: RwLock::default(),
            own: Default::default(),
            refused: Mutex::default(),
            // Nothing is pruned before the others were asked.
            needed: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    pub(super) fn add(&self, peer: Arc<Peer>) {
        // What was wrong with it before it was joined is over when it is taken in.
        if let Some(known) = self.refused.lock().remove(&peer.name) {
            *peer.known.lock() = known;
        }
        self.peers.write().insert(peer.name.clone(), peer);
    }

    pub(super) fn peer(&self, name: &str) -> Option<Arc<Peer>> {
        self.peers.read().get(name).cloned()
    }

    /// Every mirror, by the names of the logs.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.read().values().cloned().collect()
    }

    pub(super) fn own(&self, class: RetentionClass) -> &Mutex<Known> {
        let [standard, break_glass] = &self.own;
        if place(class) == 0 { standard } else { break_glass }
    }

    /// Changes what is known of a log that is not joined.
    pub(super) fn refuse(&self, name: &str, change: impl FnOnce(&mut Known)) {
        let mut refused = self.refused.lock();
        if refused.len() < MOST || refused.contains_key(name) {
            change(refused.entry(name.to_owned()).or_default());
        }
    }

    /// Shows everything that is known of every log.
    pub(super) fn each(&self, each: &mut dyn FnMut(&str, &mut Known)) {
        for peer in self.peers() {
            each(&peer.name, &mut peer.known.lock());
        }
        for (name, known) in self.refused.lock().iter_mut() {
            each(name, known);
        }
    }

    pub(super) fn set_needed(&self, class: RetentionClass, from: u64) {
        if let Some(needed) = self.needed.get(place(class)) {
            needed.store(from, Ordering::Release);
        }
    }

    /// From which record on another node still needs a log of this one; `None` when none does.
    pub(crate) fn needed_from(&self, class: RetentionClass) -> Option<u64> {
        let needed = self.needed.get(place(class))?.load(Ordering::Acquire);
        (needed != u64::MAX).then_some(needed)
    }

    /// The logs of other nodes, and those that are not joined.
    pub(crate) fn others(&self) -> Vec<JoinedLog> {
        let refused = self.refused.lock().clone();
        let refused = refused.into_iter().map(|(name, known)| JoinedLog {
            origin: name,
            log: String::new(),
            own: false,
            verifier_key: String::new(),
            ml_dsa_44_key: None,
            size: 0,
            pruned: 0,
            published: known.published,
            behind: known.published,
            time: known.time,
            directory: String::new(),
            alarm: known.alarm.map(|(alarm, _)| alarm),
        });
        self.peers.read().values().map(|peer| peer.status()).chain(refused).collect()
    }

    /// What is known of an own log.
    pub(crate) fn of_own(
        &self,
        class: RetentionClass,
    ) -> (u64, Option<Timestamp>, Option<JoinAlarm>) {
        let known = self.own(class).lock().clone();
        (known.published, known.time, known.alarm.map(|(alarm, _)| alarm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joining::JoinAlarmKind;

    #[test]
    fn that_an_alarm_is_over_is_not_forgotten_before_it_is_recorded() {
        let mut known = Known::default();
        known.raise(Refused::new(JoinAlarmKind::Gap, "events are missing"), Timestamp::UNIX_EPOCH);
        known.clear();
        assert!(known.ended.is_none(), "of what nobody was told, nobody need hear that it is over");
        known.raise(Refused::new(JoinAlarmKind::Gap, "events are missing"), Timestamp::UNIX_EPOCH);
        known.alarm.as_mut().unwrap().1 = true;
        known.clear();
        known.clear();
        assert_eq!(known.ended.take().unwrap().kind, JoinAlarmKind::Gap);
        assert!(known.alarm.is_none());
    }
}
