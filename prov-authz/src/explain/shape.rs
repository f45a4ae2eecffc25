//! An explanation as JSON: the shape in which the HTTP API answers, for those who have no server.

use serde::{Serialize, Serializer};

use super::{Explanation, Lever, PolicyNote, Remedy};

#[derive(Serialize)]
struct Shape<'e> {
    decision: &'static str,
    determining_policies: &'e [String],
    errors: &'e [String],
    decision_id: String,
    revision: &'e str,
    summary: &'e str,
    determined_by: &'e [PolicyNote],
    nearest_permits: &'e [PolicyNote],
    would_allow: Vec<&'e [Lever]>,
    remedies: &'e [Remedy],
    allowed_to_teams: &'e [String],
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape {
            decision: if self.decision.allowed { "ALLOW" } else { "DENY" },
            determining_policies: &self.decision.determining_policies,
            errors: &self.decision.errors,
            decision_id: self.decision.decision_id.to_string(),
            revision: self.decision.revision.as_str(),
            summary: &self.summary,
            determined_by: &self.determined_by,
            nearest_permits: &self.nearest_permits,
            would_allow: self.remedies.iter().map(|remedy| remedy.needs.as_slice()).collect(),
            remedies: &self.remedies,
            allowed_to_teams: &self.allowed_to_teams,
        }
        .serialize(serializer)
    }
}
