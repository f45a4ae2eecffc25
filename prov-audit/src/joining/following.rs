//! Taking in what other nodes publish.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{Error, Result};

use super::part::{self, Refused};
use super::records::{Announced, Follower, PartRecord};
use super::{JoinAlarmKind, Keys, Peer};
use crate::codes;
use crate::files::io_error;
use crate::journal::{Content, Mirror, Piece, Stub, continues};
use crate::leaf::Leaf;
use crate::log::{Log, blocking};
use crate::note::Checkpoint;

/// So many parts are taken in at once.
const AT_ONCE: u64 = 16;

/// So often a node says from which record on it needs a log, also when nothing is new.
const SAY_AGAIN: Duration = Duration::from_hours(1);

/// What the newest checkpoint of a log is for whoever is told about it.
pub(super) const PUBLISHED: &str = "the checkpoint that is published";

/// What a log says of itself, signed.
#[derive(Debug, Clone)]
struct Said {
    checkpoint: Checkpoint,
    stub: Option<Stub>,
}

/// What came of taking in a log.
pub(super) type Taken = Result<bool, Refused>;

/// Takes in what there is of a log. Whether there was anything; or what is wrong with it.
pub(super) async fn take_in(log: &Log, peer: &Arc<Peer>, announced: &Announced) -> Result<Taken> {
    let said = match signed(peer, announced) {
        Ok(said) => said,
        Err(refused) => return Ok(Err(refused)),
    };
    {
        let mut known = peer.known.lock();
        (known.published, known.time) = (said.checkpoint.size, Some(announced.at));
    }
    let (looked, keys) = (said.clone(), peer.keys.clone());
    let place = match with_mirror(peer, move |mirror| look(mirror, &looked, &keys)).await? {
        Ok(place) => place,
        Err(refused) => return Ok(Err(refused)),
    };
    say_where(log, peer, place).await?;
    let taken = take_parts(log, peer, &said, place).await?;
    if let Some(stub) = said.stub
        && let Err(refused) = prune(log, peer, stub).await?
    {
        return Ok(Err(refused));
    }
    Ok(taken)
}

/// What is announced, if it is signed with the key that the mirror was begun with, and with the second.
fn signed(peer: &Peer, announced: &Announced) -> Result<Said, Refused> {
    if announced.key != peer.keys.first.to_string() {
        let what = format!("the log shows itself under the key `{}`", announced.key);
        return Err(Refused::new(JoinAlarmKind::KeyChanged, what));
    }
    let checkpoint = peer.keys.open(&announced.checkpoint, PUBLISHED)?;
    let stub = announced.pruned.as_ref().map(|note| peer.keys.open_stub(note));
    Ok(Said { checkpoint, stub: stub.transpose()? })
}

/// Does something with the mirror, which is opened when it is not.
async fn with_mirror<T: Send + 'static>(
    peer: &Arc<Peer>,
    work: impl FnOnce(&mut Mirror) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (slot, dir, durable) =
        (Arc::<Mutex<_>>::clone(&peer.mirror), peer.dir.clone(), Arc::clone(&peer.durable));
    blocking(move || {
        let mut slot = slot.lock();
        let mirror = match &mut *slot {
            Some(mirror) => mirror,
            None => slot.insert(Mirror::open(&dir, durable)?),
        };
        let done = work(mirror);
        if done.is_err() {
            // Nobody knows what was written of what was begun.
            *slot = None;
        }
        done
    })
    .await
}

/// Holds what is said against what is here. Gives the number of the next record.
fn look(mirror: &mut Mirror, said: &Said, keys: &Keys) -> Result<Result<u64, Refused>> {
    let (published, here) = (said.checkpoint.size, mirror.checkpoint().size);
    if published <= here && mirror.root_at(published)? != said.checkpoint.root {
        return Ok(Err(forked(published).signed(&said.checkpoint)));
    }
    if published < here {
        let what = format!("it says that it has {published} events, and had {here}");
        return Ok(Err(Refused::new(JoinAlarmKind::RolledBack, what).signed(&said.checkpoint)));
    }
    if let Some(stub) = &said.stub {
        let (next, before) = (mirror.size(), stub.before);
        if here == 0 && next <= before {
            mirror.begin_behind(stub.clone());
        } else if next < before {
            let what = format!(
                "events {next} to {before} were pruned before they came here; remove the directory of \
                 the mirror to have it made anew without them"
            );
            return Ok(Err(Refused::new(JoinAlarmKind::Gap, what)));
        }
    }
    if published == here {
        let is_less = keys.open(&mirror.checkpoint().note, PUBLISHED).is_err();
        let held = mirror.hold_signatures(&said.checkpoint, is_less);
        held.map_err(|e| io_error(e, "writing a mirror's checkpoint"))?;
    }
    if let Some(stub) = &said.stub {
        let held = mirror.hold_stub(stub, keys.second.as_ref());
        held.map_err(|e| io_error(e, "writing how far a mirror is pruned"))?;
    }
    Ok(Ok(mirror.size()))
}

fn forked(size: u64) -> Refused {
    let what = format!(
        "what is signed over {size} events does not continue what was signed before: there are two logs \
         of this name"
    );
    Refused::new(JoinAlarmKind::Fork, what)
}

/// Tells the log's node from which record on it is needed.
async fn say_where(log: &Log, peer: &Peer, next: u64) -> Result<()> {
    let now = log.clock().now();
    let again = |at: Timestamp| at.checked_add(SAY_AGAIN).is_ok_and(|due| due <= now);
    let told = peer.known.lock().told;
    if told.is_some_and(|(known, at)| known == next && !again(at)) {
        return Ok(());
    }
    let by = log.origin().to_owned();
    let follower = Follower { log: peer.name.clone(), by, next, at: now };
    log.store().commit(Batch::new().with(follower.put(Expect::Any)?)).await?;
    peer.known.lock().told = Some((next, now));
    Ok(())
}

/// What was read of the parts of a log.
#[derive(Debug, Default)]
struct Read {
    pieces: Vec<Piece>,
    /// Whose keys the index will need.
    people: BTreeSet<String>,
    refused: Option<Refused>,
}

async fn take_parts(log: &Log, peer: &Arc<Peer>, said: &Said, next: u64) -> Result<Taken> {
    if next >= said.checkpoint.size && peer.size() >= said.checkpoint.size {
        return Ok(Ok(false));
    }
    let mut parts = Vec::new();
    let first = next / part::WIDTH;
    for index in first..first.saturating_add(AT_ONCE) {
        let id = PartRecord::id_of(&peer.name, index);
        let Some(found) = log.store().load::<PartRecord>(&id).await? else { break };
        parts.push(found.entity);
    }
    let keys = peer.keys.clone();
    let mut read =
        with_mirror(peer, move |mirror| Ok(read_parts(mirror, &keys, first, parts))).await?;
    peer.vault.have_at_hand(std::mem::take(&mut read.people)).await?;
    let any = !read.pieces.is_empty();
    if any {
        let pieces = read.pieces;
        let next = with_mirror(peer, move |mirror| {
            mirror.extend(pieces).map_err(|e| io_error(e, "writing a mirror"))?;
            Ok((mirror.size(), mirror.stub().map_or(0, |stub| stub.before)))
        });
        let (next, pruned) = next.await?;
        *peer.pruned.lock() = pruned;
        say_where(log, peer, next).await?;
    }
    Ok(read.refused.map_or(Ok(any), Err))
}

/// Reads the parts that continue the mirror, up to the first that does not.
fn read_parts(mirror: &Mirror, keys: &Keys, first: u64, parts: Vec<PartRecord>) -> Read {
    let (mut read, mut edge) = (Read::default(), mirror.edge());
    let mut covered = mirror.checkpoint().size;
    let pruned = mirror.stub().map_or(0, |stub| stub.before);
    for (index, part) in (first..).zip(parts) {
        let piece = if part.index == index && part.log == keys.first.name() {
            part::read(&part, keys)
        } else {
            Err(Refused::new(JoinAlarmKind::BadLeaf, format!("part {index} is another part")))
        };
        let piece = match piece {
            Ok(piece)
                if piece.checkpoint.size <= covered || piece.checkpoint.size < edge.size() =>
            {
                break;
            }
            Ok(piece) => piece,
            Err(refused) => {
                read.refused = Some(refused);
                break;
            }
        };
        let is_behind = edge.size() >= pruned || piece.from != edge.size();
        if matches!(piece.content, Content::Hashes(_)) && is_behind {
            let what =
                format!("events from {} on are not to be had: they were pruned", edge.size());
            read.refused = Some(Refused::new(JoinAlarmKind::Gap, what));
            break;
        }
        if !continues(&mut edge, &piece) {
            read.refused = Some(forked(piece.checkpoint.size).signed(&piece.checkpoint));
            break;
        }
        covered = piece.checkpoint.size;
        read.people.extend(people_in(&piece));
        read.pieces.push(piece);
    }
    read
}

fn people_in(piece: &Piece) -> BTreeSet<String> {
    let Content::Leaves(leaves) = &piece.content else { return BTreeSet::new() };
    let sealed = leaves.iter().filter_map(|leaf| Leaf::read(leaf)?.subject);
    sealed.map(|sealed| sealed.into_owned().pid).collect()
}

/// Takes away what the log pruned, unless it must be kept here.
async fn prune(log: &Log, peer: &Arc<Peer>, stub: Stub) -> Result<Result<(), Refused>> {
    let (before, root) = (stub.before, stub.root);
    let looked = with_mirror(peer, move |mirror| {
        let has = mirror.stub().map_or(0, |stub| stub.before);
        let can = before > has && mirror.can_prune(before).map_err(|e| io_error(e, "pruning"))?;
        let fits = !can || mirror.root_at(before)? == root;
        Ok((has, can, fits))
    });
    match looked.await? {
        // What an index could not take out before.
        (has, false, _) => return prune_index(peer, has).await.map(Ok),
        (_, true, false) => return Ok(Err(forked(before))),
        (_, true, true) => {}
    }
    if log.keeps_of_mirror(peer.class, peer.dir.clone(), before).await? {
        let what = format!(
            "it pruned its events before {before}, of which some must still be kept; they are kept here"
        );
        return Ok(Err(Refused::new(JoinAlarmKind::PrunedEarly, what)));
    }
    with_mirror(peer, move |mirror| {
        mirror.prune(stub).map_err(|e| io_error(e, "pruning a mirror"))
    })
    .await?;
    *peer.pruned.lock() = before;
    prune_index(peer, before).await.map(Ok)
}

async fn prune_index(peer: &Peer, before: u64) -> Result<()> {
    let pruned = peer.index.prune(before).await;
    pruned
        .map_err(|e| Error::new(codes::INDEX_BEHIND).context("pruning a mirror's index").source(e))
}
