//! Passwords: what may be one, how it is kept, and who computes it.

mod blocklist;
mod hasher;
mod parameters;
mod policy;
mod pool;
mod worker;

pub use hasher::{PasswordHash, PasswordHasher, Verdict};
pub use parameters::PasswordParameters;
pub use policy::PasswordPolicy;
pub use pool::{PoolOptions, PoolUse};
