//! Where policy sets are read from.

mod directory;
mod git;

pub(crate) use directory::{Reading, Unready, read_directory};
