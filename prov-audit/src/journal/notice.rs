//! What the log says about itself, in itself.

use std::fmt;
use std::sync::Arc;

/// Something that befell the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// There is no room; events are refused from here on.
    Full,
    /// There is room again; so many events were refused meanwhile.
    Resumed {
        /// How many.
        refused: u64,
    },
    /// A file was deleted, replaced or changed by somebody else.
    Tampered {
        /// Its name in the log's directory.
        file: String,
    },
}

type LeafOf = dyn Fn(&Notice) -> Vec<u8> + Send + Sync;

/// Makes the leaf of a notice.
#[derive(Clone)]
pub(crate) struct Notices(Arc<LeafOf>);

impl Notices {
    pub(crate) fn new(leaf_of: impl Fn(&Notice) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Arc::new(leaf_of))
    }

    pub(super) fn leaf(&self, notice: &Notice) -> Vec<u8> {
        (self.0)(notice)
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}
