//! Signed notes (C2SP signed-note) with Ed25519, and the checkpoints in them (C2SP tlog-checkpoint).

mod checkpoint;
mod key;

pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::{open, open_text, sign, sign_text};
pub use key::VerifierKey;
pub(crate) use key::{SigningKey, checked_name};
