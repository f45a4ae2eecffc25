//! Passwords: what may be one, how it is kept, and who computes it.

mod blocklist;
mod breached;
mod hasher;
mod parameters;
mod policy;
mod pool;
mod strength;
mod worker;

pub use breached::BreachedPasswords;
pub use hasher::{PasswordHash, PasswordHasher, Verdict};
pub use parameters::PasswordParameters;
pub use policy::PasswordPolicy;
pub use pool::{PoolOptions, PoolUse};
