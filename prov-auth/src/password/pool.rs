//! A few threads that hash passwords: a flood of logins takes neither more CPU nor more memory.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use prov_core::{Error, Result, codes as core_codes};
use tokio::sync::oneshot;

use super::worker::{Arena, Computation};
use crate::codes;

/// How many hashes are computed at once and how many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Threads; the memory of the pool is this many times that of one hash.
    pub workers: NonZeroUsize,
    /// Hashes that may wait for a thread; one more is refused with 503 and `Retry-After`.
    pub queue: usize,
    /// How long a thread without work keeps its memory.
    pub idle: Duration,
}

impl PoolOptions {
    /// This many threads, with room for 64 waiting hashes each.
    #[must_use]
    pub const fn new(workers: NonZeroUsize) -> Self {
        let queue = workers.get().saturating_mul(64);
        Self { workers, queue, idle: Duration::from_secs(30) }
    }

    /// With room for another number of waiting hashes.
    #[must_use]
    pub const fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }
}

/// Half of the processors, at least one: the other half serves requests that need no password.
impl Default for PoolOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::new(NonZeroUsize::new(processors.div_ceil(2)).unwrap_or(NonZeroUsize::MIN))
    }
}

/// What the pool has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolUse {
    /// Hashes computed.
    pub computed: u64,
    /// Memory those hashes filled, in KiB, all together: shows their cost.
    pub filled_kib: u64,
    /// Hashes refused because too many were waiting.
    pub shed: u64,
}

#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    options: PoolOptions,
    usual_blocks: usize,
    queue: Mutex<Queue>,
    work: Condvar,
    computed: AtomicU64,
    filled_kib: AtomicU64,
    shed: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    closed: bool,
    jobs: VecDeque<Job>,
}

#[derive(Debug)]
struct Job {
    what: Computation,
    answer: oneshot::Sender<Result<Vec<u8>>>,
}

impl Pool {
    /// Starts the threads. `usual_blocks` is the memory, in KiB, that an idle thread may keep.
    pub(super) fn start(options: PoolOptions, usual_blocks: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            options,
            usual_blocks,
            queue: Mutex::default(),
            work: Condvar::new(),
            computed: AtomicU64::new(0),
            filled_kib: AtomicU64::new(0),
            shed: AtomicU64::new(0),
        });
        // Made before its threads, so that dropping it on a failure stops those already started.
        let mut pool = Self { shared, threads: Vec::new() };
        for number in 0..options.workers.get() {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new()
                .name(format!("prov-password-{number}"))
                .spawn(move || shared.work())
                .map_err(|e| {
                    Error::new(core_codes::INTERNAL)
                        .context("starting a password hashing thread")
                        .source(e)
                })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Computes one hash on a thread of the pool.
    pub(super) async fn compute(&self, what: Computation) -> Result<Vec<u8>> {
        let (answer, result) = oneshot::channel();
        {
            let mut queue = self.shared.queue.lock();
            // A caller who gave up must not keep a place.
            queue.jobs.retain(|job| !job.answer.is_closed());
            if queue.jobs.len() >= self.shared.options.queue {
                self.shared.shed.fetch_add(1, Ordering::Relaxed);
                return Err(
                    Error::new(codes::HASHING_OVERLOADED).retry_after(Duration::from_secs(1))
                );
            }
            queue.jobs.push_back(Job { what, answer });
        }
        self.shared.work.notify_one();
        result.await.map_err(|_| {
            Error::new(core_codes::UNAVAILABLE).context("the password hashing pool has stopped")
        })?
    }

    pub(super) fn usage(&self) -> PoolUse {
        PoolUse {
            computed: self.shared.computed.load(Ordering::Relaxed),
            filled_kib: self.shared.filled_kib.load(Ordering::Relaxed),
            shed: self.shared.shed.load(Ordering::Relaxed),
        }
    }

    pub(super) fn workers(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            queue.jobs.clear();
        }
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut arena = Arena::default();
        while let Some(job) = self.next(&mut arena) {
            if job.answer.is_closed() {
                continue;
            }
            let result = arena.compute(&job.what);
            let filled = u64::from(job.what.parameters.memory_kib)
                .saturating_mul(job.what.parameters.passes.into());
            self.filled_kib.fetch_add(filled, Ordering::Relaxed);
            self.computed.fetch_add(1, Ordering::Relaxed);
            arena.shrink_to(self.usual_blocks);
            // Fails only when the caller gave up meanwhile.
            let _ = job.answer.send(result);
        }
    }

    /// The next job; `None` when the pool closes. Gives the arena back when idle for long.
    fn next(&self, arena: &mut Arena) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if arena.is_empty() {
                self.work.wait(&mut queue);
            } else if self.work.wait_for(&mut queue, self.options.idle).timed_out()
                && queue.jobs.is_empty()
            {
                arena.release();
            }
        }
    }
}
