//! The policies of a set, shared with those sets before and after it that have them as well.

use std::collections::BTreeMap;
use std::sync::Arc;
#[cfg(any(test, feature = "testing"))]
use std::sync::OnceLock;

use cedar_policy::Policy;
#[cfg(any(test, feature = "testing"))]
use cedar_policy::PolicySet;
#[cfg(any(test, feature = "testing"))]
use prov_core::{Error, Result, codes};

/// Policies by id.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    by_id: BTreeMap<String, Arc<Policy>>,
    /// Made when somebody asks Cedar about all of them, which the engine never does.
    #[cfg(any(test, feature = "testing"))]
    set: OnceLock<PolicySet>,
}

impl Policies {
    /// Adds one whose id is new.
    pub(crate) fn insert(&mut self, id: String, policy: Arc<Policy>) {
        self.by_id.insert(id, policy);
    }

    /// The one of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Policy>> {
        self.by_id.get(id)
    }

    /// All, by id.
    #[cfg(feature = "testing")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.by_id.values().map(AsRef::as_ref)
    }

    /// All, as Cedar takes them.
    ///
    /// # Errors
    /// When Cedar refuses one, which it can't: each stood in a set of Cedar's, and the ids differ.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn as_set(&self) -> Result<&PolicySet> {
        if let Some(set) = self.set.get() {
            return Ok(set);
        }
        let set = PolicySet::from_policies(self.by_id.values().map(|p| Policy::clone(p)))
            .map_err(|error| Error::new(codes::INTERNAL).source(error))?;
        Ok(self.set.get_or_init(|| set))
    }
}
