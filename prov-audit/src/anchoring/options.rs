use std::time::Duration;

use prov_core::{Error, Result, codes as core_codes};

use super::TsaRoots;

/// How checkpoints are time-stamped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AnchoringOptions {
    /// Where the authority takes requests: `http://…` or `https://…`. A hash is all that is sent, and what
    /// comes back is signed, so that it need not be TLS.
    pub url: String,
    /// The roots that the authority's certificate must lead to.
    pub roots: TsaRoots,
    /// How often; 24 hours unless set, and only when the log has grown.
    pub every: Duration,
    /// How long an answer may take; 30 seconds unless set.
    pub patience: Duration,
    /// How soon is tried again after a failure; 5 minutes unless set.
    pub rest: Duration,
    /// How far the authority's clock may be from ours; 10 minutes unless set.
    pub skew: Duration,
}

impl AnchoringOptions {
    /// The authority at this URL.
    #[must_use]
    pub fn new(url: impl Into<String>, roots: TsaRoots) -> Self {
        Self {
            url: url.into(),
            roots,
            every: Duration::from_hours(24),
            patience: Duration::from_secs(30),
            rest: Duration::from_mins(5),
            skew: Duration::from_mins(10),
        }
    }

    /// Asks this often.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// An answer may take so long.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tries again so soon after a failure.
    #[must_use]
    pub fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] saying what does not.
    pub fn check(&self) -> Result<()> {
        let refuse = |what| Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        if self.every < Duration::from_millis(100) || self.rest < Duration::from_millis(10) {
            return refuse("checkpoints are time-stamped every 100 ms at most");
        }
        if self.patience.is_zero() {
            return refuse("an authority needs time to answer");
        }
        Ok(())
    }
}
