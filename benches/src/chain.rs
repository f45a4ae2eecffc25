//! What the chain of layers costs.
//!
//! One handler, one layer more at a time, each arrangement in turn in every round. CPU time is that of
//! the whole process: the threads of the audit log and its index are in it. There is no TCP, no HTTP
//! parsing and no TLS: requests are handed to the service.

mod arrangement;
mod budget;
mod house;
mod report;
mod run;

pub use budget::Budget;
pub use report::{Report, Row};
pub use run::{Plan, run};
