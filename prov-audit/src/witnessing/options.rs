use std::time::Duration;

use prov_core::{Error, Result, codes as core_codes};

use crate::sink::TargetOptions;
use crate::witness::WitnessPolicy;

/// How witnesses are asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WitnessingOptions {
    /// Which witnesses there are, and how many of them are enough.
    pub policy: WitnessPolicy,
    /// How often; 1 minute unless set. What came since the last time is not cosigned yet.
    pub every: Duration,
    /// How long one of them may take; 10 seconds unless set.
    pub patience: Duration,
    /// How they are connected to: certificates, and whether in the clear.
    pub target: TargetOptions,
}

impl WitnessingOptions {
    /// The witnesses of this policy.
    #[must_use]
    pub fn new(policy: WitnessPolicy) -> Self {
        let (every, patience) = (Duration::from_mins(1), Duration::from_secs(10));
        Self { policy, every, patience, target: TargetOptions::default() }
    }

    /// Asks this often.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// One of them may take so long.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects like this.
    #[must_use]
    pub fn target(mut self, target: TargetOptions) -> Self {
        self.target = target;
        self
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] saying what does not.
    pub fn check(&self) -> Result<()> {
        let refuse = |what| Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        if self.every < Duration::from_millis(100) || self.patience.is_zero() {
            return refuse("witnesses are asked every 100 ms at most, and need time to answer");
        }
        if self.policy.witnesses().iter().all(|witness| witness.url.is_none()) {
            return refuse("no witness of the policy has a URL, so none could be asked");
        }
        Ok(())
    }
}
