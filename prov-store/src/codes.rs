//! The ways in which opening a database fails. What can go wrong with an open one has the shared
//! codes of [`prov_core::codes`].

use prov_core::{Code, Kind};

/// The database URL is not understood.
pub const URL_NOT_UNDERSTOOD: Code = Code::new(
    "store.url_not_understood",
    Kind::InvalidRequest,
    "the database URL is not understood",
);
/// Another process has this database open.
pub const DATABASE_IN_USE: Code = Code::new(
    "store.database_in_use",
    Kind::Unavailable,
    "another process has this database open; stop it first, or use PostgreSQL for several processes",
);
/// A newer version of this program has written the database.
pub const DATABASE_TOO_NEW: Code = Code::new(
    "store.database_too_new",
    Kind::Unavailable,
    "the database was written by a newer version of this program",
);
/// The file belongs to another program.
pub const DATABASE_FOREIGN: Code = Code::new(
    "store.database_foreign",
    Kind::Unavailable,
    "the database belongs to another program; nothing was changed",
);

/// Every code of this crate.
pub const ALL: &[Code] = &[URL_NOT_UNDERSTOOD, DATABASE_IN_USE, DATABASE_TOO_NEW, DATABASE_FOREIGN];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn slugs_are_unique_also_among_the_shared_codes() {
        let all = || ALL.iter().chain(prov_core::codes::ALL);
        assert_eq!(all().map(Code::slug).collect::<BTreeSet<_>>().len(), all().count());
        assert!(ALL.iter().all(|code| code.name().starts_with("store.")));
    }
}
