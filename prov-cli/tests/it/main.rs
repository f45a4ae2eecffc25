//! What `prov` says without any server. The commands that need one are run against the real server
//! in `reference-server/tests/it/cli.rs`.

#[cfg(test)]
mod policy;
#[cfg(test)]
mod usage;
