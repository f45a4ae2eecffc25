//! What entities are in, directly or not: worked out again for those that moved and those below.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use prov_core::{Error, codes};

use super::{EntitiesSnapshot, Uid};

/// Nothing is in more than this.
const MOST_ANCESTORS: usize = 1024;
/// So much of a circle is written out.
const SHOWN: usize = 8;

/// Why entities can't stand where they are said to.
#[derive(Debug)]
pub(crate) struct Misplaced {
    /// Those that are in themselves, or the one that is in too many others.
    pub(crate) entities: Vec<Uid>,
    /// In words.
    pub(crate) message: String,
}

impl From<Misplaced> for Error {
    fn from(misplaced: Misplaced) -> Self {
        Self::new(codes::INVALID_REQUEST).field("parents", misplaced.message)
    }
}

type Result<T> = std::result::Result<T, Misplaced>;

/// Renews the ancestors of what moved and of everything below it, parents before children.
pub(super) fn renew(snapshot: &mut EntitiesSnapshot, moved: Vec<Uid>) -> Result<()> {
    let mut waiting = below(snapshot, moved);
    let mut ready: Vec<Uid> = Vec::new();
    let known: Vec<Uid> = waiting.keys().cloned().collect();
    for uid in known {
        let parents = snapshot.entity(&uid).map(|entity| Arc::clone(&entity.fact.parents));
        let pending =
            parents.iter().flat_map(|p| p.iter()).filter(|p| waiting.contains_key(*p)).count();
        if pending == 0 {
            ready.push(uid.clone());
        }
        waiting.insert(uid, pending);
    }
    let mut shared = HashMap::new();
    while let Some(uid) = ready.pop() {
        waiting.remove(&uid);
        renew_one(snapshot, &uid, &mut shared)?;
        for child in snapshot.children(&uid) {
            if let Some(pending) = waiting.get_mut(child) {
                *pending -= 1;
                if *pending == 0 {
                    ready.push(child.clone());
                }
            }
        }
    }
    match waiting.keys().min() {
        None => Ok(()),
        Some(first) => Err(circle(snapshot, first, &waiting)),
    }
}

/// What moved and everything below it.
fn below(snapshot: &EntitiesSnapshot, mut moved: Vec<Uid>) -> HashMap<Uid, usize> {
    let mut found = HashMap::with_capacity(moved.len());
    while let Some(uid) = moved.pop() {
        if let Entry::Vacant(vacant) = found.entry(uid) {
            moved.extend(snapshot.children(vacant.key()).cloned());
            vacant.insert(0);
        }
    }
    found
}

/// Lists of ancestors by the list of parents they follow from: siblings share theirs.
type Shared = HashMap<Arc<[Uid]>, Arc<[Uid]>>;

fn renew_one(snapshot: &mut EntitiesSnapshot, uid: &Uid, shared: &mut Shared) -> Result<()> {
    let Some(entity) = snapshot.entity(uid) else { return Ok(()) };
    let mut renewed = entity.clone();
    let parents = &renewed.fact.parents;
    renewed.ancestors = if let Some(known) = shared.get(parents) {
        Arc::clone(known)
    } else {
        let mut all: BTreeSet<&Uid> = parents.iter().collect();
        for parent in parents.iter() {
            all.extend(snapshot.above(&parent.kind, &parent.id));
        }
        if all.len() > MOST_ANCESTORS {
            let message = format!("{uid} would be in more than {MOST_ANCESTORS} others");
            return Err(Misplaced { entities: vec![uid.clone()], message });
        }
        let all: Arc<[Uid]> = all.into_iter().cloned().collect();
        shared.insert(Arc::clone(parents), Arc::clone(&all));
        all
    };
    if let Some(of_kind) = snapshot.kinds.get_mut(&uid.kind) {
        of_kind.entities.insert_mut(uid.id.clone(), renewed);
    }
    Ok(())
}

/// The circle that one of those which wait for each other leads into.
fn circle(snapshot: &EntitiesSnapshot, first: &Uid, waiting: &HashMap<Uid, usize>) -> Misplaced {
    let mut path: Vec<&Uid> = Vec::new();
    let mut at = first;
    while !path.contains(&at) && path.len() <= waiting.len() {
        path.push(at);
        // Whoever waits, waits for one that waits.
        let parents = snapshot.entity(at).map(|entity| entity.fact.parents.as_ref());
        let Some(next) = parents.into_iter().flatten().find(|p| waiting.contains_key(*p)) else {
            break;
        };
        at = next;
    }
    let start = path.iter().position(|uid| *uid == at).unwrap_or(0);
    let ring: Vec<_> = path.into_iter().skip(start).collect();
    let mut shown: Vec<String> = ring.iter().take(SHOWN).map(ToString::to_string).collect();
    if ring.len() > SHOWN {
        shown.push(format!("({} more)", ring.len() - SHOWN));
    }
    shown.push(at.to_string());
    let message = format!("these would be in themselves: {}", shown.join(" in "));
    Misplaced { entities: ring.into_iter().cloned().collect(), message }
}
