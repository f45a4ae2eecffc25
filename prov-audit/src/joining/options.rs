use std::time::Duration;

use prov_core::{Error, Result, codes as core_codes};

use super::peer::taken_apart;
use crate::codes;
use crate::note::{CosignerKey, VerifierKey};

/// How the logs of several nodes are joined.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JoinOptions {
    /// The keys of the logs that are joined; all that show themselves unless set.
    pub keys: Vec<VerifierKey>,
    /// The keys for ML-DSA-44 of logs of which nothing is believed that is not signed with them too.
    pub ml_dsa_44: Vec<CosignerKey>,
    /// How often the store is asked when it tells nothing; 2 seconds unless set.
    pub every: Duration,
    /// After how long without what a log has published that is an alarm; 30 seconds unless set.
    pub patience: Duration,
}

impl Default for JoinOptions {
    fn default() -> Self {
        let (every, patience) = (Duration::from_secs(2), Duration::from_secs(30));
        Self { keys: Vec::new(), ml_dsa_44: Vec::new(), every, patience }
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

    /// Believes nothing of the log of this key's name that is not signed with this key for ML-DSA-44 too: the
    /// one of [`Log::ml_dsa_44_key`](crate::Log::ml_dsa_44_key) there. Which logs are joined it does not say.
    #[must_use]
    pub fn ml_dsa_44(mut self, key: CosignerKey) -> Self {
        self.ml_dsa_44.push(key);
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

    /// Checks that they make sense.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when they do not; [`codes::BAD_VERIFIER_KEY`] for a second key that can't
    /// be one.
    pub fn check(&self) -> Result<()> {
        if self.every < Duration::from_millis(100) {
            let what = "other nodes are looked for every 100 ms at most";
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        self.ml_dsa_44.iter().enumerate().try_for_each(|(at, key)| self.check_second(at, key))
    }

    /// A key that would be of no effect is a mistake.
    fn check_second(&self, at: usize, key: &CosignerKey) -> Result<()> {
        let name = key.name();
        let refuse = |what: String| Err(Error::new(codes::BAD_VERIFIER_KEY).detail(what));
        if !key.is_ml_dsa_44() {
            let what = "is none for ML-DSA-44 (`log-ml-dsa-44.vkey`)";
            return refuse(format!("the second key of the log `{name}` {what}"));
        }
        if taken_apart(name).is_none() {
            return refuse(format!("`{name}` is no name of a log that is joined"));
        }
        if self.ml_dsa_44.iter().take(at).any(|known| known.name() == name) {
            return refuse(format!("the log `{name}` has two keys for ML-DSA-44"));
        }
        if !self.keys.is_empty() && !self.keys.iter().any(|known| known.name() == name) {
            return refuse(format!("the log `{name}` is none of those that are joined"));
        }
        Ok(())
    }
}
