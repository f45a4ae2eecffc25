//! The policies of a set, shared with those sets before and after it that have them as well.

use std::sync::Arc;
#[cfg(any(test, feature = "testing"))]
use std::sync::OnceLock;

use cedar_policy::Policy;
#[cfg(any(test, feature = "testing"))]
use cedar_policy::PolicySet;
#[cfg(any(test, feature = "testing"))]
use prov_core::{Error, Result, codes};

use super::PolicyInfo;

/// Policies by id.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    /// In the order of their ids, each with what people are told of it.
    by_id: Vec<(Arc<PolicyInfo>, Arc<Policy>)>,
    /// Made when somebody asks Cedar about all of them, which the engine never does.
    #[cfg(any(test, feature = "testing"))]
    set: OnceLock<PolicySet>,
}

impl Policies {
    /// The one of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Policy>> {
        let at = self.by_id.binary_search_by(|(told, _)| told.id.as_str().cmp(id)).ok()?;
        self.by_id.get(at).map(|(_, policy)| policy)
    }

    /// All, by id.
    #[cfg(feature = "testing")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.by_id.iter().map(|(_, policy)| policy.as_ref())
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
        let set =
            PolicySet::from_policies(self.by_id.iter().map(|(_, policy)| Policy::clone(policy)))
                .map_err(|error| Error::new(codes::INTERNAL).source(error))?;
        Ok(self.set.get_or_init(|| set))
    }
}

/// Of policies whose ids differ.
impl FromIterator<(Arc<PolicyInfo>, Arc<Policy>)> for Policies {
    fn from_iter<I: IntoIterator<Item = (Arc<PolicyInfo>, Arc<Policy>)>>(all: I) -> Self {
        let mut by_id: Vec<_> = all.into_iter().collect();
        by_id.sort_unstable_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        Self {
            by_id,
            #[cfg(any(test, feature = "testing"))]
            set: OnceLock::new(),
        }
    }
}
