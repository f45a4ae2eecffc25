//! One request from end to end: a deployment to a production server.
//!
//! request → rate limit → authentication → second factor → policies → short-lived credential →
//! operation with encrypted configuration → audit → response.
//!
//! Every part is the real one: SQLite, sealed; the log on disk; tokens, codes, policies, certificates.
//! Only the clock is the example's own. It stands at ten on a Monday, so that business hours hold
//! whenever this is run, and half a minute passes in no time.

mod answer;
mod deployment;
mod house;
mod people;
mod walk;

pub use answer::Answer;
pub use deployment::{CONFIGURATION, SERVER};
pub use house::House;
pub use people::Person;
pub use walk::{Refused, Step, Walk, walk};
