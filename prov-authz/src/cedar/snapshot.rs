//! One policy set with everything derived from it: replaced as a whole, never in part.

use prov_core::{Result, Timestamp};

use super::memo::Memo;
use super::slice::Slices;
use super::{PolicySource, Roles};
use crate::load::Compiled;

/// The policy set in force.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) compiled: Compiled,
    pub(super) roles: Roles,
    pub(super) slices: Slices,
    /// Decisions of this set; a set that replaces it starts with none.
    pub(super) memo: Memo,
    pub(super) loaded_at: Timestamp,
    pub(super) source: PolicySource,
}

impl Snapshot {
    pub(super) fn new(
        compiled: Compiled,
        loaded_at: Timestamp,
        source: PolicySource,
    ) -> Result<Self> {
        let (roles, slices) = (Roles::new(&compiled.facts)?, Slices::of(&compiled)?);
        Ok(Self { roles, slices, memo: Memo::new(), compiled, loaded_at, source })
    }
}
