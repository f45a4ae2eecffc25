#[cfg(feature = "timestamps")]
use crate::anchoring::TsaRoots;
use crate::witness::WitnessPolicy;

/// Whose word is wanted about a log, besides that it is whole.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Trust {
    /// The newest checkpoint that witnesses cosigned must be cosigned as this policy wants.
    pub witnesses: Option<WitnessPolicy>,
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

    /// That of these authorities: then what [`Report::anchors`](crate::Report::anchors) names existed by
    /// the times in it.
    #[cfg(feature = "timestamps")]
    #[must_use]
    pub fn time_stamps(mut self, roots: TsaRoots) -> Self {
        self.time_stamps = Some(roots);
        self
    }
}
