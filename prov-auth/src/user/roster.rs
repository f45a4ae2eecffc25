use std::collections::BTreeSet;

use prov_core::store::Entity;
use prov_core::{Result, UserId};
use serde::{Deserialize, Serialize};

use crate::codes;

/// Who can sign in and administer. Every change of it is a compare-and-swap in the batch of the
/// change that causes it: two administrators who demote each other at the same moment can't both
/// succeed, and the first administrator is made once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct AdminRoster {
    admins: BTreeSet<UserId>,
}

impl AdminRoster {
    pub(crate) const ID: &'static str = "usable";

    pub(crate) fn add(&mut self, user: &UserId) {
        self.admins.insert(user.clone());
    }

    /// # Errors
    /// [`codes::LAST_ADMINISTRATOR`] when nobody would remain.
    pub(crate) fn remove(&mut self, user: &UserId) -> Result<()> {
        self.admins.remove(user);
        if self.admins.is_empty() { Err(codes::LAST_ADMINISTRATOR.into()) } else { Ok(()) }
    }

    pub(crate) fn len(&self) -> usize {
        self.admins.len()
    }
}

impl Entity for AdminRoster {
    const KIND: &'static str = "auth.admin_roster";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
