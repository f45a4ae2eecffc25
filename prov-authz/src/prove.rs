//! Proofs about policies: for every request there is, not only for those that somebody thought of.
//!
//! Policies and claims are compiled to formulas by `cedar-policy-symcc`, and an SMT solver decides them:
//! either no request breaks the claim, or here is one. Such a request is decided by the engine before
//! it is shown.
//!
//! **Invariants** are written in Cedar: a `forbid` says that nothing it matches is ever allowed, a
//! `permit` that everything it matches is always allowed. One with `@assume("…")` says what requests
//! there can't be: a solver knows the schema, but not that a server stands in one environment only.
//!
//! ```cedar
//! @id("deploy-needs-mfa")
//! @description("no deployment to production without a second factor, platform-admin's excepted")
//! forbid (
//!   principal,
//!   action == Provisioning::Action::"deploy",
//!   resource in Provisioning::Environment::"production"
//! )
//! unless { principal in Provisioning::Team::"platform-admin" || context.mfa_verified };
//! ```
//!
//! What is proved is what the policies say. A lying solver can't make a false counterexample, because
//! each is decided again; it could hide a true one, so two questions with known answers come first.

mod counterexample;
mod invariants;
mod prover;
mod solver;

pub use counterexample::Counterexample;
pub use invariants::Invariants;
pub use prover::{Claim, Comparison, Difference, Proof, compare, prove};
pub use solver::SolverCommand;
