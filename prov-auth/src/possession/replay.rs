//! Which proofs this node has seen, so that none is good twice.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use hashbrown::HashSet;
use parking_lot::Mutex;
use prov_core::{Error, Result};

use crate::codes;

/// The places that proofs are spread over by the key that made them: whoever fills one keeps out only those
/// who share it.
const SHARDS: usize = 16;

/// Names a proof: 128 bits of a hash of its key and its id. Who finds two proofs with one name has spared
/// us one of their own.
pub(super) type Name = u128;

/// The proofs of two spans of time, of which the older one is forgotten as a whole.
#[derive(Debug, Default)]
struct Shard {
    recent: HashSet<Name>,
    older: HashSet<Name>,
    since: Duration,
}

/// Proofs that were seen within the time in which they could be shown again. In memory, on this node.
#[derive(Debug)]
pub(super) struct Replays {
    shards: [Mutex<Shard>; SHARDS],
    per_shard: usize,
    span: Duration,
}

impl Replays {
    /// Room for so many proofs within `span`, which no proof outlives.
    pub(super) fn new(most: usize, span: Duration) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            per_shard: most.div_ceil(SHARDS),
            span,
        }
    }

    /// Remembers a proof that holds, at this reading of a clock that never goes back; what names it.
    ///
    /// # Errors
    /// [`codes::PROOF_INVALID`] when it was seen before; [`codes::PROOFS_TOO_MANY`] when there is no room:
    /// what can't be remembered could be shown again.
    pub(super) fn remember(&self, key: &str, id: &str, now: Duration) -> Result<Name> {
        let name = name_of(&[key, id]);
        let place = usize::try_from(name_of(&[key]) % SHARDS as u128).unwrap_or(0);
        let Some(shard) = self.shards.get(place) else { return Err(codes::PROOFS_TOO_MANY.into()) };
        let mut shard = shard.lock();
        let age = now.saturating_sub(shard.since);
        if age >= self.span {
            shard.older = if age < self.span * 2 {
                std::mem::take(&mut shard.recent)
            } else {
                HashSet::new()
            };
            shard.recent = HashSet::new();
            shard.since = now;
        }
        if shard.recent.contains(&name) || shard.older.contains(&name) {
            return Err(Error::new(codes::PROOF_INVALID).context("it was shown before"));
        }
        if shard.recent.len() >= self.per_shard {
            let wait = self.span.saturating_sub(now.saturating_sub(shard.since));
            return Err(Error::new(codes::PROOFS_TOO_MANY).retry_after(wait));
        }
        shard.recent.insert(name);
        Ok(name)
    }
}

/// Parts of any length, none of which can be taken for a part of another.
fn name_of(parts: &[&str]) -> Name {
    let mut text = Vec::with_capacity(96);
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let hash = digest(&SHA256, &text);
    hash.as_ref().first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(65);

    #[test]
    fn a_proof_is_good_once_for_as_long_as_it_could_be_shown() {
        let seen = Replays::new(1 << 10, SPAN);
        let at = |second: u64| Duration::from_secs(1000 + second);
        assert!(seen.remember("key", "1", at(0)).is_ok());
        for second in [0, 1, 64] {
            let error = seen.remember("key", "1", at(second)).unwrap_err();
            assert!(error.is(codes::PROOF_INVALID), "{second}");
        }
        // Another key's, another one's, and none that a boundary could be moved in.
        assert!(seen.remember("key", "2", at(2)).is_ok());
        assert!(seen.remember("other", "1", at(2)).is_ok());
        assert!(seen.remember("ke", "y1", at(2)).is_ok());
        assert!(seen.remember("key", "1", at(64 + 65)).is_err());
    }

    #[test]
    fn whoever_shows_a_proof_just_before_a_span_ends_has_it_remembered_for_another() {
        let seen = Replays::new(1 << 10, SPAN);
        assert!(seen.remember("key", "0", Duration::from_secs(1000)).is_ok());
        assert!(seen.remember("key", "1", Duration::from_secs(1064)).is_ok());
        assert!(seen.remember("key", "2", Duration::from_secs(1066)).is_ok());
        assert!(seen.remember("key", "1", Duration::from_secs(1129)).is_err());
    }

    #[test]
    fn what_can_not_be_remembered_is_refused_and_others_have_room() {
        let seen = Replays::new(16 * 8, SPAN);
        let now = Duration::from_secs(1000);
        let full = (0..100).filter(|n| seen.remember("greedy", &n.to_string(), now).is_ok());
        assert_eq!(full.count(), 8);
        let error = seen.remember("greedy", "again", now).unwrap_err();
        assert!(error.is(codes::PROOFS_TOO_MANY));
        assert!(error.retry_after_hint().is_some_and(|wait| wait <= SPAN));
        let others = (0..64).filter(|n| seen.remember(&format!("key {n}"), "1", now).is_ok());
        assert!(others.count() > 50);
        assert!(seen.remember("greedy", "later", now + SPAN).is_ok());
    }
}
