//! What is counted of second factors, for metrics: on this node, since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use prov_core::FactorMethod;

/// The kinds of factors there are.
const METHODS: [FactorMethod; 3] =
    [FactorMethod::Totp, FactorMethod::Webauthn, FactorMethod::BackupCode];

/// What became of the responses of one kind of factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodStats {
    /// Which kind.
    pub method: FactorMethod,
    /// Held.
    pub held: u64,
    /// Did not hold.
    pub rejected: u64,
    /// Were not looked at, because there were too many.
    pub limited: u64,
}

/// What is counted of second factors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MfaStats {
    /// By kind of factor.
    pub methods: Vec<MethodStats>,
    /// Passkeys whose counter went back: each may have been copied.
    pub cloned: u64,
    /// Sign-ins of users who must have a second factor and had none when their grace was over.
    pub overdue: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    methods: [[AtomicU64; 3]; 3],
    pub(crate) cloned: AtomicU64,
    pub(crate) overdue: AtomicU64,
}

/// What became of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Became {
    Held,
    Rejected,
    Limited,
}

impl Counters {
    pub(crate) fn count(&self, method: FactorMethod, became: Became) {
        let place = METHODS.iter().position(|known| *known == method);
        let of_method = place.and_then(|place| self.methods.get(place));
        if let Some(counter) = of_method.and_then(|counters| counters.get(became as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> MfaStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let methods =
            METHODS.iter().zip(&self.methods).map(|(method, [held, rejected, limited])| {
                let (held, rejected, limited) = (of(held), of(rejected), of(limited));
                MethodStats { method: *method, held, rejected, limited }
            });
        MfaStats {
            methods: methods.collect(),
            cloned: of(&self.cloned),
            overdue: of(&self.overdue),
        }
    }
}
