//! What the layers of this crate do to requests and answers.

#[cfg(test)]
mod edge;
#[cfg(test)]
#[cfg(feature = "idempotency")]
mod idempotency;
