use std::time::Duration;

use prov_core::{Error, Result, codes as core_codes};

use crate::note::VerifierKey;

/// How the logs of several nodes are joined.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JoinOptions {
    /// The keys of the logs that are joined; all that show themselves unless set.
    pub keys: Vec<VerifierKey>,
    /// How often the store is asked when it tells nothing; 2 seconds unless set.
    pub every: Duration,
    /// After how long without what a log has published that is an alarm; 30 seconds unless set.
    pub patience: Duration,
}

impl Default for JoinOptions {
    fn default() -> Self {
        let (every, patience) = (Duration::from_secs(2), Duration::from_secs(30));
        Self { keys: Vec::new(), every, patience }
    }
}

impl JoinOptions {
    /// All logs that show themselves, each under the key that it shows first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins the log of this key, and no others but those of the keys given so.
    #[must_use]
    pub fn key(mut self, key: VerifierKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Asks the store this often when it tells nothing.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// What a log has published may be missing for so long.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.every < Duration::from_millis(100) {
            let what = "other nodes are looked for every 100 ms at most";
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        Ok(())
    }
}
