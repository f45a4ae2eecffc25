//! What differs between two sets.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::load::parsed_policies;
use crate::{PolicyFiles, PolicyInfo};

/// What differs between two sets, by policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyDiff {
    /// Policies of the second set alone, by id.
    pub added: Vec<PolicyInfo>,
    /// Policies of the first set alone.
    pub removed: Vec<PolicyInfo>,
    /// Policies that are in both and say something else.
    pub changed: Vec<ChangedPolicy>,
    /// Whether the schemas differ.
    pub schema_changed: bool,
}

/// A policy before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChangedPolicy {
    /// As the first set has it.
    pub before: PolicyInfo,
    /// As the second set has it.
    pub after: PolicyInfo,
}

impl PolicyDiff {
    /// From one set to another. A policy that only moved to another file or line is no difference;
    /// files that do not parse have no policies.
    #[must_use]
    pub fn between(from: &PolicyFiles, to: &PolicyFiles) -> Self {
        let by_id = |files: &PolicyFiles| -> BTreeMap<String, PolicyInfo> {
            parsed_policies(files).into_iter().map(|policy| (policy.id.clone(), policy)).collect()
        };
        let (mut before, after) = (by_id(from), by_id(to));
        let mut diff =
            Self { schema_changed: from.schema.text != to.schema.text, ..Self::default() };
        for (id, policy) in after {
            match before.remove(&id) {
                None => diff.added.push(policy),
                Some(old) if old.text != policy.text => {
                    diff.changed.push(ChangedPolicy { before: old, after: policy });
                }
                Some(_) => {}
            }
        }
        diff.removed = before.into_values().collect();
        diff
    }

    /// Whether nothing differs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && !self.schema_changed
    }
}
