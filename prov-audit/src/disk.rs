//! The file system as the log uses it: the journal, its segments, tiles and checkpoints, and whoever
//! verifies them. The index and the sinks, which are made again or repeated, use the real one.
//!
//! It is the standard library's. In the crate's own tests it is a wrapper around it that can put a
//! disk in memory in the place of a folder: one whose power fails between any two operations, and
//! which fails, fills up or tears what is written.

#[cfg(not(test))]
mod real;
#[cfg(test)]
pub(crate) mod simulated;

#[cfg(not(test))]
pub(crate) use real::*;
#[cfg(test)]
pub(crate) use simulated::*;
