//! The crate from outside.

#[cfg(test)]
mod age_tool;
#[cfg(test)]
mod api;
#[cfg(test)]
mod backends;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod files;
#[cfg(test)]
mod house;
#[cfg(test)]
mod kms;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod root_key;
#[cfg(test)]
mod sealed;
