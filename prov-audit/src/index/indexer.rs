#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prov_core::{Error, Result, codes as core_codes};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::adding::Adding;
use super::failure::{Failure, not_open, unwiped};
use super::filling::Filling;
use super::pace::{Batch, GATHER, REST};
use super::persons::Persons;
use super::places::SPAN;
use super::schema::Position;
use super::terms::Terms;
use super::{IndexShared, Indexed, MOST_FAILURES, gaps, removal, schema};
use crate::files::io_error;
use crate::merkle::leaf_hash;
use crate::people::Vault;
use crate::segment::{self, SegmentCursor};

/// What the thread can be asked to do.
#[derive(Debug)]
pub(super) enum Order {
    Rebuild(oneshot::Sender<Result<()>>),
    Forget(Vec<i64>, oneshot::Sender<Result<()>>),
    Prune(oneshot::Sender<Result<()>>),
}

impl Order {
    fn answer(self, done: Result<()>) {
        let (Self::Rebuild(reply) | Self::Forget(_, reply) | Self::Prune(reply)) = self;
        // Who asked may have gone.
        let _ = reply.send(done);
    }
}

/// How long readers are waited for when something was taken out: longer than any question takes.
const EMPTYING: Duration = Duration::from_secs(5);

/// Of more than these it is looked up first who is there at all.
const FEW: usize = 16;

/// What is free is overwritten whenever the index has grown by this part of itself.
const WIPED_PART: u64 = 16;

/// How far the thread stands behind others where all want the processor: it gets a tenth of what they get.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 10;

/// The one that reads the log and writes the index.
#[derive(Debug)]
pub(super) struct Indexer {
    file: PathBuf,
    log: Indexed,
    vault: Arc<Vault>,
    shared: Arc<IndexShared>,
    open: Option<Open>,
    /// The file of the index beside what SQLite has of it: see [`gaps`].
    free: Option<File>,
    terms: Terms,
    /// Whose keys are away that the next records need, by their pseudonyms.
    lacking: BTreeSet<String>,
    /// How many times in a row those whose keys ended could not be taken out.
    unended: u32,
}

/// An index that is being written.
#[derive(Debug)]
struct Open {
    db: Connection,
    cursor: SegmentCursor,
    filling: Filling,
    persons: Persons,
    /// The oldest record that it holds, or will.
    oldest: u64,
    /// How many records it had when what is free in it was last overwritten.
    wiped: u64,
}

impl Indexer {
    pub(super) fn new(
        file: PathBuf,
        log: Indexed,
        vault: Arc<Vault>,
        shared: Arc<IndexShared>,
    ) -> Self {
        let (terms, lacking) = (Terms::default(), BTreeSet::new());
        Self { file, log, vault, shared, open: None, free: None, terms, lacking, unended: 0 }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        // The processor belongs to whoever records. On Linux this is of one thread, elsewhere of the whole program.
        // Where it can't be had, the rests between batches must do.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(BEHIND);
        let mut failed = 0;
        while !self.shared.stopping.load(Ordering::Acquire) {
            let done = self.step();
            self.shared.failing.store(done.is_err(), Ordering::Release);
            match done {
                Ok(batch) => {
                    failed = 0;
                    if let Some(batch) = batch {
                        self.give_way(&batch);
                    }
                }
                Err(failure) => {
                    failed += 1;
                    let is_removed = self.put_right(failure, failed);
                    self.refuse_orders(is_removed);
                    std::thread::sleep(REST);
                }
            }
        }
    }

    /// After a failure: what is damaged is made anew, as is what can't be read or written for long. What
    /// only lacks room stays, as it is, and goes on when there is some. Says whether it is removed.
    fn put_right(&mut self, failure: Failure, times: u32) -> bool {
        // What was read and not written yet is read again.
        self.open = None;
        let is_lost = match failure {
            Failure::Damaged(error) => {
                tracing::warn!(?error, "the audit index is damaged; it is made anew from the log");
                true
            }
            Failure::Passing(error) => {
                tracing::warn!(?error, times, "the audit index failed; it is tried again");
                false
            }
            Failure::Io(error) => {
                tracing::warn!(?error, times, "the audit index can't be read or written");
                times.is_multiple_of(MOST_FAILURES)
            }
        };
        if !is_lost {
            return false;
        }
        let removed = self.discard();
        if let Err(failure) = &removed {
            tracing::warn!(?failure, "the audit index can't be removed");
        }
        removed.is_ok()
    }

    /// After a batch, rests: the processor belongs to whoever records, and every batch writes its terms anew.
    /// Unless a query waits, or there is something to do.
    fn give_way(&self, batch: &Batch) {
        let wanted = || self.shared.waiting.load(Ordering::Acquire) > 0 || self.shared.is_called();
        let until = Instant::now() + batch.rest();
        let mut seen = (Instant::now(), self.log.durable.size());
        while Instant::now() < until && !wanted() {
            std::thread::sleep(Duration::from_millis(2));
            if seen.0.elapsed() >= REST {
                if self.shared.traces.load(Ordering::Acquire) {
                    return;
                }
                let now = self.log.durable.size();
                if !batch.is_outrun_by(now.saturating_sub(seen.1), seen.0.elapsed()) {
                    return;
                }
                seen = (Instant::now(), now);
            }
        }
    }

    /// Does what is ordered, and takes in a batch of what is durable; says how that went.
    fn step(&mut self) -> Result<Option<Batch>, Failure> {
        if self.shared.damaged.swap(false, Ordering::AcqRel) {
            self.discard()?;
        }
        let mut orders = std::mem::take(&mut *self.shared.orders.lock()).into_iter();
        while let Some(order) = orders.next() {
            if let Err(failure) = self.obey(order) {
                self.shared.orders.lock().splice(..0, orders);
                return Err(failure);
            }
        }
        self.have_open()?;
        let is_done = self.try_to_forget_ended()?;
        if self.shared.is_called() {
            return Ok(None);
        }
        // While there is more to take out, what is free is not overwritten after each bit of it.
        if is_done && self.shared.traces.load(Ordering::Acquire) {
            self.empty(Duration::ZERO).or_else(|failure| self.discard_erased(&failure))?;
        }
        let known = self.shared.position.size();
        let durable = self.log.durable.wait_beyond(known, REST);
        if durable <= known || self.shared.is_called() {
            return Ok(None);
        }
        let began = Instant::now();
        self.read(durable).or_else(|failure| self.pass_over_what_is_gone(failure))?;
        let (worked, size) = (began.elapsed(), self.shared.position.size());
        let came = self.log.durable.size().saturating_sub(durable);
        self.wipe_now_and_then()?;
        let taken = size.saturating_sub(known);
        Ok((taken > 0).then_some(Batch { taken, came, worked }))
    }

    /// What could not be read may have been pruned meanwhile.
    fn pass_over_what_is_gone(&mut self, failure: Failure) -> Result<(), Failure> {
        let oldest = segment::oldest(&self.log.dir)?;
        if self.open.as_ref().is_some_and(|open| open.oldest < oldest) {
            tracing::debug!(?failure, oldest, "the log was pruned while the index read it");
            return self.prune();
        }
        Err(failure)
    }

    fn obey(&mut self, order: Order) -> Result<(), Failure> {
        let done = match &order {
            Order::Rebuild(_) => self.discard().and_then(|()| self.open()),
            Order::Forget(pids, _) => {
                // What they were called and where they were is remembered there.
                self.terms = Terms::default();
                // Also of an index that can't be opened: to remove it takes no room.
                let done = self.have_open().and_then(|()| self.forget(pids, EMPTYING, &|| true));
                done.or_else(|failure| self.discard_erased(&failure))
            }
            Order::Prune(_) => self.prune(),
        };
        let leaves_traces =
            matches!(order, Order::Forget(..)) && self.shared.traces.load(Ordering::Acquire);
        order.answer(match &done {
            Ok(()) if leaves_traces => Err(Error::new(core_codes::UNAVAILABLE)
                .detail("traces of who was erased are in the index while it is read; they go by themselves")
                .retry_after(REST)),
            Ok(()) => Ok(()),
            Err(failure) => Err(failure.told()),
        });
        done
    }

    fn have_open(&mut self) -> Result<(), Failure> {
        if self.open.is_some() { Ok(()) } else { self.open() }
    }

    pub(super) fn open(&mut self) -> Result<(), Failure> {
        let origin = self.log.name.clone();
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| io_error(e, "making the index"))?;
        }
        let db = schema::open(&self.file, &origin)?;
        let position = schema::position(&db, &origin)?;
        let oldest = segment::oldest(&self.log.dir)?;
        let is_ours = position.map(|found| self.is_ours(&found, oldest)).transpose()?;
        if is_ours != Some(true) {
            let error = Error::new(core_codes::INTERNAL).context("an index of another log");
            return Err(Failure::Damaged(error));
        }
        removal::prune(&db, oldest, &|kind, value| self.vault.term(kind, value))?;
        let Position { size, oldest, .. } = Position::of(&db)?;
        tracing::debug!(size, oldest, "audit index opened");
        let cursor = SegmentCursor::at(&self.log.dir, size)?;
        self.shared.oldest.store(oldest, Ordering::Release);
        self.shared.reach(size);
        self.lacking.clear();
        let (filling, persons) = (Filling::of(size, oldest), Persons::load(&db)?);
        self.open = Some(Open { db, cursor, filling, persons, oldest, wiped: size });
        // The program may have been stopped when somebody had been taken out.
        self.empty(Duration::ZERO)
    }

    /// Whether the log has, where the index ends, the leaf that the index saw last. One that holds nothing that
    /// is left, or nothing yet, is of every log of its name.
    fn is_ours(&self, position: &Position, oldest: u64) -> Result<bool, Failure> {
        if position.size > self.log.durable.size() || position.oldest > oldest {
            return Ok(false);
        }
        let last = position.size.checked_sub(1).filter(|last| *last >= oldest);
        let Some(last) = last else { return Ok(true) };
        let records = SegmentCursor::at(&self.log.dir, last)?.read(position.size, 1)?;
        let last = records.first();
        Ok(last.is_some_and(|record| leaf_hash(&record.leaf)[..] == position.last_hash))
    }

    /// Takes in what belongs together of what is durable: a whole span when there is much to do.
    fn read(&mut self, durable: u64) -> Result<(), Failure> {
        if self.waits_for_keys() {
            return Ok(());
        }
        let Some(Open { db, cursor, filling, persons, oldest, .. }) = &mut self.open else {
            return Ok(());
        };
        let wanted = cursor.next_seq() + filling.wanted(durable);
        let (vault, terms) = (&*self.vault, &mut self.terms);
        let mut adding = Adding::new(vault, terms, filling, persons);
        let (mut last, mut lacks) = (None, None);
        while cursor.next_seq() < wanted && lacks.is_none() && !self.shared.is_called() {
            let most = usize::try_from(wanted - cursor.next_seq()).unwrap_or(1);
            let records = cursor.read(durable, most)?;
            if records.is_empty() {
                break;
            }
            let (taken, left) = adding.add_all(&records);
            last = taken.cloned().or(last);
            lacks = left;
        }
        if let Some(last) = last {
            let all = db.unchecked_transaction()?;
            let mut position = Position::of(&all)?;
            adding.finish(&all, &mut position)?;
            (position.size, position.oldest) = (last.seq + 1, *oldest);
            position.last_hash = leaf_hash(&last.leaf).to_vec();
            position.write(&all)?;
            all.commit()?;
            self.shared.reach(position.size);
        }
        if let Some((seq, pids)) = lacks {
            *cursor = SegmentCursor::at(&self.log.dir, seq)?;
            self.lacking = pids;
        }
        Ok(())
    }

    /// Whether keys of what comes next are still away: whoever waits for the index is asked to have them brought,
    /// and until then nothing is read again.
    fn waits_for_keys(&mut self) -> bool {
        self.lacking.retain(|pid| self.vault.lacks(pid));
        if self.lacking.is_empty() {
            return false;
        }
        self.shared.lacking.lock().clone_from(&self.lacking);
        std::thread::sleep(GATHER);
        true
    }

    /// An index that can't be opened keeps nobody waiting, but for erasures, which are obeyed all the same. In one
    /// that is removed is nothing that was pruned.
    fn refuse_orders(&self, is_removed: bool) {
        let mut orders = self.shared.orders.lock();
        let refused = orders.extract_if(.., |order| !matches!(order, Order::Forget(..)));
        for order in refused.collect::<Vec<_>>() {
            let is_done = is_removed && matches!(order, Order::Prune(_));
            order.answer(if is_done { Ok(()) } else { Err(not_open()) });
        }
    }

    /// Takes these out, as long as it may go on, and waits so long for whoever reads.
    fn forget(
        &mut self,
        pids: &[i64],
        patience: Duration,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let Some(Open { db, filling, persons, .. }) = &mut self.open else {
            return Err(not_open().into());
        };
        // Of one it is seen in every stretch whether anything is there.
        let some = if pids.len() > FEW { &persons.among(pids) } else { pids };
        filling.lost(0);
        let taken = removal::forget(db, some, removal::AT_ONCE, go_on)?;
        if !taken.all {
            self.shared.traces.store(true, Ordering::Release);
            return Ok(());
        }
        persons.forget(some);
        let leaves_traces = taken.any || self.shared.traces.load(Ordering::Acquire);
        if leaves_traces { self.empty(patience) } else { Ok(()) }
    }

    /// As [`Self::forget_ended`]. Nobody waits for it: what fails is tried again for a while, before the index goes.
    fn try_to_forget_ended(&mut self) -> Result<bool, Failure> {
        match self.forget_ended() {
            Ok(is_done) => {
                self.unended = 0;
                Ok(is_done)
            }
            Err(failure) => {
                self.unended += 1;
                if self.unended < MOST_FAILURES {
                    return Err(failure);
                }
                self.unended = 0;
                self.discard_erased(&failure).map(|()| true)
            }
        }
    }

    /// Takes out those whose keys ended: nobody can read any more what their terms stem from. Of each there may be
    /// much, of a day on which somebody tried a million names: whoever waits for something else comes between. Says
    /// whether nothing is left.
    fn forget_ended(&mut self) -> Result<bool, Failure> {
        let Some(open) = &self.open else { return Ok(true) };
        let ended = open.persons.ended(self.vault.now());
        if ended.is_empty() {
            return Ok(true);
        }
        self.terms = Terms::default();
        let shared = Arc::clone(&self.shared);
        let go_on = || !shared.is_called() && shared.waiting.load(Ordering::Acquire) == 0;
        for pid in ended {
            // A bit of it is taken out however many wait.
            self.forget(&[pid], Duration::ZERO, &go_on)?;
            if !go_on() {
                break;
            }
        }
        let open = self.open.as_ref();
        Ok(open.is_none_or(|open| open.persons.ended(self.vault.now()).is_empty()))
    }

    /// Where those who must go can't be taken out, of a full disk for example, the whole index goes: it will be made
    /// anew without them.
    fn discard_erased(&mut self, failure: &Failure) -> Result<(), Failure> {
        let what =
            "who was erased, or ended, can't be taken out of the audit index: it is made anew";
        tracing::warn!(?failure, "{what}");
        self.discard()
    }

    /// Takes out what the log has no longer, as an index does that is opened.
    fn prune(&mut self) -> Result<(), Failure> {
        let oldest = segment::oldest(&self.log.dir)?;
        if self.open.as_ref().is_some_and(|open| open.oldest >= oldest) {
            return Ok(());
        }
        self.open = None;
        self.open()?;
        if self.shared.traces.load(Ordering::Acquire) { self.empty(EMPTYING) } else { Ok(()) }
    }

    /// Empties the write-ahead log, where what was taken out still stands, and what is free in the file. That
    /// can't be done while somebody reads: it is tried for so long, and from then on whenever there is time.
    fn empty(&mut self, patience: Duration) -> Result<(), Failure> {
        self.shared.traces.store(true, Ordering::Release);
        let until = Instant::now() + patience;
        while !self.wipe()? {
            if Instant::now() >= until || self.shared.stopping.load(Ordering::Acquire) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.shared.traces.store(false, Ordering::Release);
        Ok(())
    }

    /// Overwrites what is free before anybody must wait for it: an erasure then finds little to overwrite. What it
    /// costs for each record does not grow with the index.
    fn wipe_now_and_then(&mut self) -> Result<(), Failure> {
        let size = self.shared.position.size();
        let is_due = |open: &Open| {
            let (held, new) = (size.saturating_sub(open.oldest), size.saturating_sub(open.wiped));
            new >= (held / WIPED_PART).max(SPAN)
        };
        if self.open.as_ref().is_some_and(is_due) {
            self.wipe()?;
        }
        Ok(())
    }

    /// Empties the write-ahead log and overwrites what is free in the file, unless somebody reads; says whether it
    /// did.
    fn wipe(&mut self) -> Result<bool, Failure> {
        let Some(Open { db, wiped, .. }) = &mut self.open else { return Err(not_open().into()) };
        if !removal::empty(db)? {
            return Ok(false);
        }
        let free = match &mut self.free {
            Some(free) => free,
            none => none.insert(gaps::open(&self.file).map_err(unwiped)?),
        };
        gaps::wipe(free, &gaps::roots(db)?).map_err(unwiped)?;
        // It may have pages as they were, and write them so.
        *db = schema::open(&self.file, &self.log.name)?;
        *wiped = self.shared.position.size();
        Ok(true)
    }

    fn discard(&mut self) -> Result<(), Failure> {
        self.open = None;
        self.shared.position.advance(0);
        for suffix in ["", "-wal", "-shm"] {
            let mut file = self.file.clone().into_os_string();
            file.push(suffix);
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error.into());
                }
                // There may be none.
                Ok(()) | Err(_) => {}
            }
        }
        self.free = None;
        self.shared.unreadable.store(0, Ordering::Release);
        self.shared.traces.store(false, Ordering::Release);
        Ok(())
    }
}
