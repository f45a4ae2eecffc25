#[cfg(feature = "timestamps")]
use crate::anchoring::TsaRoots;
use prov_core::{Error, Result};

use crate::codes;
use crate::note::{Checkpoint, CosignerKey};
use crate::witness::WitnessPolicy;

/// Whose word is wanted about a log, besides that it is whole.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Trust {
    /// The newest checkpoint that witnesses cosigned must be cosigned as this policy wants. Where it names the
    /// log by a key for ML-DSA-44 alone, that is wanted as by `ml_dsa_44`.
    pub witnesses: Option<WitnessPolicy>,
    /// The newest checkpoint, and the statement of how far the log is pruned, must be signed with this key
    /// for ML-DSA-44 too.
    pub ml_dsa_44: Option<CosignerKey>,
    /// There must be a time stamp, and each must be of an authority that leads to one of these roots.
    #[cfg(feature = "timestamps")]
    pub time_stamps: Option<TsaRoots>,
}

impl Trust {
    /// Nobody's.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That of these witnesses: then the log is the one that all others are shown too, up to
    /// [`Report::cosigned_size`](crate::Report::cosigned_size), and as of the times in
    /// [`Report::witnessed`](crate::Report::witnessed).
    #[must_use]
    pub fn witnesses(mut self, policy: WitnessPolicy) -> Self {
        self.witnesses = Some(policy);
        self
    }

    /// The log's own with ML-DSA-44: then nobody else wrote it who has broken Ed25519. The key is the one
    /// of [`Log::ml_dsa_44_key`](crate::Log::ml_dsa_44_key).
    ///
    /// # Errors
    /// [`codes::BAD_VERIFIER_KEY`] for a key of another algorithm.
    pub fn ml_dsa_44(mut self, key: CosignerKey) -> Result<Self> {
        if !key.is_ml_dsa_44() {
            return Err(Error::new(codes::BAD_VERIFIER_KEY)
                .detail("the second key of a log is one for ML-DSA-44 (`log-ml-dsa-44.vkey`)"));
        }
        self.ml_dsa_44 = Some(key);
        Ok(self)
    }

    /// The second keys that are wanted of the log of this name. Of several that a policy names the one counts
    /// that was signed with.
    pub(crate) fn seconds(&self, log: &str, published: Option<&Checkpoint>) -> Vec<&CosignerKey> {
        let mut seconds: Vec<&CosignerKey> = self.ml_dsa_44.iter().collect();
        let policy = self.witnesses.as_ref();
        let named = policy.map(|policy| policy.wanted_ml_dsa_44(log)).unwrap_or_default();
        let signed = |key: &&CosignerKey| published.is_some_and(|known| key.check(known).is_ok());
        let one = named.iter().copied().find(signed).or(named.first().copied());
        seconds.extend(one.filter(|key| self.ml_dsa_44.as_ref() != Some(*key)));
        seconds
    }

    /// That of these authorities: then what [`Report::anchors`](crate::Report::anchors) names existed by
    /// the times in it.
    #[cfg(feature = "timestamps")]
    #[must_use]
    pub fn time_stamps(mut self, roots: TsaRoots) -> Self {
        self.time_stamps = Some(roots);
        self
    }
}
