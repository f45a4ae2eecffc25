//! Whether the log signs with ML-DSA-44 too, as the store remembers it.

use std::sync::Arc;

use prov_core::store::{Entity, Expect, Store, StoreExt};
use prov_core::{Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use crate::note::SecondKey;
use crate::options::LogOptions;
use crate::people::secret;

/// That what a log signed last it signed with ML-DSA-44 too. Without it somebody who has broken Ed25519 could
/// have the log itself sign, for the second time, what is not its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SignsTwice {
    log: String,
}

impl Entity for SignsTwice {
    const KIND: &'static str = "audit.signs_twice";

    fn id(&self) -> String {
        self.log.clone()
    }
}

/// The second key of the log of this name, if it is to sign with one.
pub(super) async fn before(options: &LogOptions, name: &str) -> Result<Option<SecondKey>> {
    if !options.ml_dsa_44 {
        // What is signed from now on will not have it.
        if options.store.load::<SignsTwice>(name).await?.is_some() {
            options.store.remove::<SignsTwice>(name).await?;
        }
        return Ok(None);
    }
    let is_in_force = options.store.load::<SignsTwice>(name).await?.is_some();
    let seed = secret(&*options.store, &format!("checkpoint-key-ml-dsa-44/{name}")).await?;
    let clock = Arc::clone(&options.clock);
    SecondKey::from_seed(name, &seed, clock, is_in_force).map(Some)
}

/// Remembers it, once the newest checkpoint has it.
pub(super) async fn after(store: &dyn Store, name: &str) -> Result<()> {
    let known = SignsTwice { log: name.to_owned() };
    let batch = prov_core::store::Batch::new().with(known.put(Expect::Absent)?);
    match store.commit(batch).await {
        Err(error) if error.is(core_codes::CONFLICT) => Ok(()),
        other => other.map(drop),
    }
}
