//! Integration tests of the audit log: one binary.

#[cfg(test)]
#[cfg(all(feature = "axum", feature = "timestamps"))]
mod anchoring;
#[cfg(test)]
#[cfg(feature = "axum")]
mod api;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod bench_log;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod faults_report;
#[cfg(test)]
mod foreign;
#[cfg(test)]
#[cfg(feature = "axum")]
mod foreign_log;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod index_faults;
#[cfg(test)]
mod joining;
#[cfg(test)]
mod layer;
#[cfg(test)]
mod left;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod people;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod query;
#[cfg(test)]
mod question;
#[cfg(test)]
#[cfg(feature = "sinks")]
mod receivers;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod second;
#[cfg(test)]
mod sinks;
#[cfg(test)]
mod taken;
#[cfg(test)]
mod tamper;
#[cfg(test)]
#[cfg(feature = "axum")]
mod witness;
#[cfg(test)]
#[cfg(all(feature = "axum", feature = "witnesses"))]
mod witnessing;
