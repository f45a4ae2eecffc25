//! Refresh tokens: rotation, replay, and what a racing client gets.
//!
//! A session is one family of refresh tokens. Each is good for one exchange and numbered; the
//! session remembers the hash of the current one.
//!
//! * The **current** token rotates, by compare-and-swap on the session.
//! * A token **spent within the grace** gets exactly the answer its first use got (and, if that was
//!   used meanwhile, the newest answer that follows from it). So a lost answer, two tabs, or a
//!   retry never sign anybody out, and a family never forks.
//! * A token **spent before** that is a replay: the session ends (RFC 9700, section 4.14.2).
//! * Whatever this server did not make is unknown and changes nothing. Tokens carry a MAC, so that
//!   a spent one is told from an invented one without remembering every token of a family; nobody
//!   who merely knows a session's id can end it.
//!
//! The answer that a spent token may still get is sealed under that very token. Who reads the
//! store alone learns no token from it.

mod rotation;
mod seal;
mod token;

#[cfg(test)]
use rotation::Rotated;
pub(crate) use rotation::{SpentToken, Step, judge, later, rotated};
pub(crate) use seal::TokenPair;
pub(crate) use token::{RefreshKey, RefreshToken};

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
