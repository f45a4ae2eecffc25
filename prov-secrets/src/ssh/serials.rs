//! Serial numbers: unique for ever, rising on each node.

use std::sync::Arc;

use prov_core::store::{Batch, Entity, Expect, Store, StoreExt};
use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// How many are reserved by one durable write. What a node did not use when it stops is skipped.
const BLOCK: u64 = 1024;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct NextSerial {
    next: u64,
}

impl NextSerial {
    const ID: &'static str = "next";
}

impl Entity for NextSerial {
    const KIND: &'static str = "secrets.ssh_serial";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// Gives out serial numbers from blocks that are reserved in the store.
#[derive(Debug)]
pub(crate) struct Serials {
    store: Arc<dyn Store>,
    /// The next one and the end of the block.
    block: Mutex<(u64, u64)>,
}

impl Serials {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, block: Mutex::new((0, 0)) }
    }

    /// A serial that nobody had and nobody gets again; from 1.
    pub(crate) async fn next(&self) -> Result<u64> {
        let mut block = self.block.lock().await;
        if block.0 >= block.1 {
            *block = self.reserve().await?;
        }
        let serial = block.0;
        block.0 += 1;
        Ok(serial)
    }

    async fn reserve(&self) -> Result<(u64, u64)> {
        for _ in 0..32 {
            let (expect, first) = match self.store.load::<NextSerial>(NextSerial::ID).await? {
                Some(stored) => (Expect::Version(stored.version), stored.next),
                None => (Expect::Absent, 1),
            };
            let end = first.checked_add(BLOCK).ok_or(codes::INTERNAL)?;
            let put = NextSerial { next: end }.put(expect)?;
            match self.store.commit(Batch::new().with(put)).await {
                Ok(_) => return Ok((first, end)),
                Err(error) if error.is(codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(codes::CONFLICT).context("32 lost races for a block of serials"))
    }
}
