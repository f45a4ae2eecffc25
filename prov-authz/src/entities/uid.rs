//! The name of an entity, small.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::EntityRef;

/// Type (without namespace, shared) and id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Uid {
    pub(crate) kind: Arc<str>,
    pub(crate) id: SmolStr,
}

impl Uid {
    pub(crate) fn is(&self, kind: &str, id: &str) -> bool {
        self.id == id && *self.kind == *kind
    }

    pub(crate) fn reference(&self) -> EntityRef {
        EntityRef::new(self.kind.to_string(), self.id.to_string())
    }
}

impl Ord for Uid {
    fn cmp(&self, other: &Self) -> Ordering {
        // Types are shared, so their texts are seldom looked at.
        let same = Arc::ptr_eq(&self.kind, &other.kind);
        let kinds = if same { Ordering::Equal } else { self.kind.cmp(&other.kind) };
        kinds.then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Uid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `Server::"web-1"`.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.kind, self.id.escape_debug())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
