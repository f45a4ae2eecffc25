//! What a bench is made of: CPU time, latencies, a table and JSON. A figure is a ratio in one run on
//! one machine; what it leaves out stands beside it.
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

pub mod chain;
mod measure;
mod table;

pub use measure::{Measured, Row, cpu_time, fdatasync_micros, one_after_another, together};
pub use table::{print, write_json};
