//! What this process is doing at this moment.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// The keyed requests that are being answered here.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashSet<String>>>);

/// One of them; it is over when this is dropped, however that comes about.
#[derive(Debug)]
pub(super) struct Run {
    running: Running,
    id: String,
}

impl Running {
    /// Begins, unless the same is being answered already.
    pub(super) fn begin(&self, id: &str) -> Option<Run> {
        let first = self.0.lock().insert(id.to_owned());
        first.then(|| Run { running: self.clone(), id: id.to_owned() })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.id);
    }
}
