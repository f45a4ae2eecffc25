//! A second factor proved within a session.

use prov_core::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};

/// This session answered with a factor, and may change the user's factors until then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionProof {
    pub(crate) session: SessionId,
    pub(crate) until: Timestamp,
}
