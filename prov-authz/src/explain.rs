//! Why the answer is what it is, clause by clause, and what would change it.

mod grounds;
mod levers;
mod nearest;
mod remedies;
mod shape;
mod teams;

use serde::Serialize;

pub(crate) use grounds::{Grounds, explain};
pub use levers::Lever;

use crate::Decision;
use crate::anatomy::{Fact, Part, Place};

/// What became of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = PolicyOutcome))]
#[expect(clippy::exhaustive_enums, reason = "Cedar knows no other")]
pub enum PolicyOutcome {
    /// Its scope matches and its conditions hold.
    Applies,
    /// Something in its scope does not match, or a condition does not hold.
    DoesNotApply,
    /// A condition could not be evaluated, which denies.
    Failed,
}

/// A policy that had a part in the answer, or nearly had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PolicyNote {
    /// Its id.
    pub id: String,
    /// Its description.
    pub description: String,
    /// `permit` or `forbid`.
    #[cfg_attr(feature = "axum", schema(value_type = String))]
    pub effect: &'static str,
    /// What became of it.
    pub outcome: PolicyOutcome,
    /// Where it stands.
    pub place: Option<Place>,
    /// What decided: of a policy that applies all its conditions, of one that does not those parts that
    /// stand in its way, of one that failed the condition that failed.
    pub parts: Vec<PartNote>,
}

/// A part of a policy, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = PolicyPartNote))]
#[non_exhaustive]
pub struct PartNote {
    /// Which.
    pub part: Part,
    /// As it is written, on one line.
    pub text: String,
    /// Where.
    pub place: Option<Place>,
    /// Whether it lets the policy apply: for `unless`, that what it holds is false.
    pub holds: bool,
    /// Why it could not be evaluated.
    pub error: Option<String>,
    /// The comparisons in it that made it so.
    pub because: Vec<Fact>,
}

/// A way out of a denial: everything in it together, and nothing less, leads to an allowance. It was
/// decided before it was put here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuthzRemedy))]
#[non_exhaustive]
pub struct Remedy {
    /// What is needed.
    pub needs: Vec<Lever>,
    /// The policies that then permit.
    pub permitted_by: Vec<String>,
}

/// A decision with its reasons.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// In one sentence.
    pub summary: String,
    /// The policies that determined it: the permits of an allowance; the forbids, and the policies
    /// that failed, of a denial.
    pub determined_by: Vec<PolicyNote>,
    /// When no policy permits: the permits that come nearest, with what stands in their way. Those
    /// that are about this principal, action and resource if there are any, and else those of whose
    /// scope one part does not match; at most [eight](Self::MOST_PERMITS).
    pub nearest_permits: Vec<PolicyNote>,
    /// Every smallest set of levers that turns this denial into an allowance, fewest first.
    pub remedies: Vec<Remedy>,
    /// For information, never as a way out: the teams to whose members, as the request stands, it
    /// would be allowed. Each was decided.
    pub allowed_to_teams: Vec<String>,
}

impl Explanation {
    /// No more permits are called near.
    pub const MOST_PERMITS: usize = 8;

    /// The ways out by what they need alone.
    #[must_use]
    pub fn would_allow(&self) -> Vec<Vec<Lever>> {
        self.remedies.iter().map(|remedy| remedy.needs.clone()).collect()
    }

    /// Whether a second factor alone would allow it: what a step-up (RFC 9470) is for.
    #[must_use]
    pub fn needs_only_second_factor(&self) -> bool {
        self.remedies.iter().any(|remedy| remedy.needs == [Lever::SecondFactor])
    }
}
