use argon2::Params;
use prov_core::{Error, Result, codes};

/// The cost of one Argon2id computation (RFC 9106). A password whose hash is cheaper in any of the
/// three is hashed again when its owner signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordParameters {
    /// Memory in KiB (`m`), 8 to 1,048,576 per lane.
    pub memory_kib: u32,
    /// Passes over the memory (`t`), 1 to 100.
    pub passes: u32,
    /// Lanes (`p`), 1 to 16. One computation uses one thread whatever this says.
    pub lanes: u32,
}

/// 19 MiB, two passes, one lane: the least that OWASP and ASVS 5.0 (appendix C) accept.
impl Default for PasswordParameters {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl PasswordParameters {
    const MOST_MEMORY_KIB: u32 = 1024 * 1024;
    const MOST_PASSES: u32 = 100;
    const MOST_LANES: u32 = 16;

    /// Parameters of this cost. Below the default is for tests only.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] outside the limits of the fields.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self> {
        let refuse = |field: &str, message: &str| {
            Err(Error::new(codes::INVALID_REQUEST)
                .detail("the password hashing parameters are not valid")
                .field(field, message))
        };
        if !(1..=Self::MOST_LANES).contains(&lanes) {
            return refuse("lanes", "give 1 to 16");
        }
        if !(8 * lanes..=Self::MOST_MEMORY_KIB).contains(&memory_kib) {
            return refuse("memory_kib", "give at least 8 per lane and at most 1048576");
        }
        if !(1..=Self::MOST_PASSES).contains(&passes) {
            return refuse("passes", "give 1 to 100");
        }
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Whether a hash of cost `self` is cheaper to guess than one of `policy`.
    pub(super) fn is_below(self, policy: Self) -> bool {
        self.memory_kib < policy.memory_kib
            || self.passes < policy.passes
            || self.lanes < policy.lanes
    }

    pub(super) fn of(params: &Params) -> Result<Self> {
        Self::new(params.m_cost(), params.t_cost(), params.p_cost())
    }

    pub(super) fn params(self, output: usize) -> Result<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(output)).map_err(|e| {
            Error::new(codes::INTERNAL).context("building Argon2 parameters").source(e.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_outside_the_limits_are_refused() {
        for (m, t, p) in [(7, 1, 1), (8, 0, 1), (8, 1, 0), (8, 1, 2), (u32::MAX, 1, 1), (8, 101, 1)]
        {
            assert!(PasswordParameters::new(m, t, p).is_err(), "{m} {t} {p}");
        }
    }

    #[test]
    fn one_cheaper_parameter_is_enough_to_be_below() {
        let policy = PasswordParameters::new(64, 3, 2).unwrap();
        for (m, t, p, below) in
            [(63, 9, 9, true), (512, 2, 2, true), (512, 3, 1, true), (64, 3, 2, false)]
        {
            let kept = PasswordParameters { memory_kib: m, passes: t, lanes: p };
            assert_eq!(kept.is_below(policy), below, "{kept:?}");
        }
    }
}
