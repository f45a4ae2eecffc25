//! What a decision costs, from the request to the decision with its reasons, beside Cedar as it comes,
//! another engine with an equivalent policy, and the same policies written by hand.
//!
//! Over policy sets of four sizes and sixty thousand resources. Everything is asked the same questions
//! in the same order, and first of all whether it answers them alike.

mod cedar;
mod native;
mod rego;
mod report;
mod run;
mod workload;

pub use report::{Report, Row};
pub use run::{Plan, run};
