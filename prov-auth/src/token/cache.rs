//! Tokens that were verified before.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use hashbrown::HashMap;
use parking_lot::RwLock;
use prov_core::Identity;

use super::wire::Window;

/// Enough that two cores rarely meet.
const SHARDS: usize = 32;

/// The SHA-256 of a token: nobody can make two tokens with the same one, nor learn a token from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        let digest = digest(&SHA256, token.as_bytes());
        bytes.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    fn shard(&self) -> usize {
        let [first, ..] = self.0;
        usize::from(first) % SHARDS
    }
}

impl std::hash::Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The first byte has chosen the shard.
        let [_, rest @ ..] = &self.0;
        state.write_u64(rest.first_chunk().copied().map_or(0, u64::from_le_bytes));
    }
}

/// A fingerprint is evenly spread already.
#[derive(Debug, Default, Clone, Copy)]
struct AlreadySpread(u64);

impl Hasher for AlreadySpread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// What was found out about a token, and under which set of keys.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub(super) identity: Arc<Identity>,
    pub(super) window: Window,
    pub(super) keys: u64,
}

#[derive(Debug, Default)]
struct Shard {
    by_token: HashMap<Fingerprint, Verified, BuildHasherDefault<AlreadySpread>>,
    oldest_first: VecDeque<Fingerprint>,
}

/// Remembers verified tokens, each shard first in, first out. Only tokens that held get in, so nobody
/// without a valid one can fill it, and whoever has many only makes room by forgetting others.
#[derive(Debug)]
pub(super) struct VerifiedTokens {
    shards: [RwLock<Shard>; SHARDS],
    per_shard: usize,
}

impl VerifiedTokens {
    /// Room for about this many; none when 0.
    pub(super) fn new(entries: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            per_shard: entries.div_ceil(SHARDS),
        }
    }

    /// What is known of the token under exactly these keys. The caller still asks whether it has ended
    /// or was revoked since.
    pub(super) fn find(&self, token: &Fingerprint, keys: u64) -> Option<(Arc<Identity>, Window)> {
        let shard = self.shards.get(token.shard())?.read();
        let known = shard.by_token.get(token).filter(|known| known.keys == keys)?;
        Some((Arc::clone(&known.identity), known.window))
    }

    /// Remembers a token that held.
    pub(super) fn insert(&self, token: Fingerprint, verified: Verified) {
        let Some(shard) = self.shards.get(token.shard()).filter(|_| self.per_shard > 0) else {
            return;
        };
        let mut shard = shard.write();
        if shard.by_token.insert(token, verified).is_some() {
            return;
        }
        shard.oldest_first.push_back(token);
        if shard.oldest_first.len() > self.per_shard
            && let Some(oldest) = shard.oldest_first.pop_front()
        {
            shard.by_token.remove(&oldest);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().by_token.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use prov_core::{Authentication, AuthenticationMethod, Principal, PrincipalKind, Timestamp};

    use super::*;

    fn verified(keys: u64) -> Verified {
        let identity = Arc::new(Identity {
            principal: Principal::new(PrincipalKind::User, "user_1", "alice"),
            authentication: Authentication::new(
                AuthenticationMethod::AccessToken,
                Timestamp::UNIX_EPOCH,
            ),
        });
        Verified { identity, window: Window::between(0, 10), keys }
    }

    #[test]
    fn it_never_holds_more_than_it_has_room_for_and_forgets_the_oldest() {
        let cache = VerifiedTokens::new(64);
        for n in 0..10_000 {
            cache.insert(Fingerprint::of(&n.to_string()), verified(1));
        }
        assert!(cache.len() <= 64);
        assert!(cache.find(&Fingerprint::of("0"), 1).is_none());
        assert!(cache.find(&Fingerprint::of("9999"), 1).is_some());
    }

    #[test]
    fn other_keys_make_every_entry_unknown() {
        let cache = VerifiedTokens::new(64);
        cache.insert(Fingerprint::of("token"), verified(1));
        assert!(cache.find(&Fingerprint::of("token"), 2).is_none());
        cache.insert(Fingerprint::of("token"), verified(2));
        assert!(cache.find(&Fingerprint::of("token"), 2).is_some());
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn no_room_means_nothing_is_remembered() {
        let cache = VerifiedTokens::new(0);
        cache.insert(Fingerprint::of("token"), verified(1));
        assert_eq!(cache.len(), 0);
    }
}
