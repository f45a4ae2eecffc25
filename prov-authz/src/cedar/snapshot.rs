//! One policy set with everything derived from it: replaced as a whole, never in part.

use prov_core::{Result, Timestamp};

use super::{PolicySource, Roles};
use crate::load::Compiled;

/// The policy set in force.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) compiled: Compiled,
    pub(super) roles: Roles,
    pub(super) loaded_at: Timestamp,
    pub(super) source: PolicySource,
}

impl Snapshot {
    pub(super) fn new(
        compiled: Compiled,
        loaded_at: Timestamp,
        source: PolicySource,
    ) -> Result<Self> {
        Ok(Self { roles: Roles::new(&compiled.facts)?, compiled, loaded_at, source })
    }
}
