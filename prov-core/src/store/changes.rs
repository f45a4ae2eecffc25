//! News of what changed, for whoever keeps a snapshot in memory.

use async_broadcast::{InactiveReceiver, Receiver, RecvError, Sender};

use super::Key;

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a third piece of news would be a new contract")]
pub enum Change {
    /// The record under this key was written or deleted.
    Changed(Key),
    /// Some news was lost (the reader was slow, or the connection to the other nodes broke): read
    /// everything you keep again.
    Missed,
}

/// A stream of changes, from the moment it was asked for.
#[derive(Debug)]
pub struct Changes {
    receiver: Receiver<Change>,
}

impl Changes {
    /// The next change; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<Change> {
        match self.receiver.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Overflowed(_)) => Some(Change::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

/// For stores: where changes are told.
#[derive(Debug, Clone)]
pub struct ChangeSender {
    sender: Sender<Change>,
    // Keeps the channel open while nobody listens.
    idle: InactiveReceiver<Change>,
}

impl ChangeSender {
    /// A channel that remembers `capacity` changes for a slow reader before it says
    /// [`Change::Missed`].
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let (mut sender, receiver) = async_broadcast::broadcast(capacity.max(1));
        sender.set_overflow(true);
        sender.set_await_active(false);
        Self { sender, idle: receiver.deactivate() }
    }

    /// Tells every listener.
    pub fn send(&self, change: Change) {
        // Fails only when nobody listens, which is fine.
        let _ = self.sender.try_broadcast(change);
    }

    /// A stream of what is told from now on.
    #[must_use]
    pub fn subscribe(&self) -> Changes {
        Changes { receiver: self.idle.activate_cloned() }
    }
}
