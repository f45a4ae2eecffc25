//! Signed notes (C2SP signed-note), the checkpoints in them (C2SP tlog-checkpoint), and what witnesses
//! add to them (C2SP tlog-cosignature).

mod checkpoint;
mod cosigner;
mod key;
mod lines;
mod second;

pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::{open, open_text, read, sign, sign_text};
pub use cosigner::CosignerKey;
pub(crate) use cosigner::{Cosigner, cosigned_at};
pub use key::VerifierKey;
pub(crate) use key::{SigningKey, checked_name};
#[cfg(any(test, feature = "witnesses"))]
pub(crate) use lines::lines;
pub(crate) use lines::{Line, split};
pub(crate) use second::{SecondKey, is_seconded};
