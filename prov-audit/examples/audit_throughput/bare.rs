//! The least that recording durably can cost on this machine: two threads (one for one event at a time) that write an event's JSON and hash
//! it, one that writes what they gave into a file and syncs it. No tasks, no people, no tree, no index, nobody
//! woken: who recorded looks now and then how far the disk is.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::{Condvar, Mutex};
use prov_core::{Clock, SystemClock};
use serde::Serialize;

const FILE_BYTES: u64 = 64 << 20;

/// As much as the event has that is recorded here, and of its kind.
#[derive(Serialize)]
struct Leaf<'a> {
    v: u8,
    id: uuid::Uuid,
    time: jiff::Timestamp,
    action: &'a str,
    outcome: &'a str,
    actor: [&'a str; 2],
    resource: [&'a str; 2],
    request: [&'a str; 3],
    bytes: u64,
    subject: [&'a str; 2],
}

impl Leaf<'_> {
    fn new(number: u64) -> Self {
        Self {
            v: 1,
            id: uuid::Uuid::from_u64_pair(number, number),
            time: SystemClock::new().now(),
            action: "kms.encrypt",
            outcome: "success",
            actor: ["user", "user_01J9Z8Q2W3E4R5T6Y7U8"],
            resource: ["key", "key_01J9Z8"],
            request: ["req_01J9Z8Q2W3E4R5T6Y7U8", "POST", "/api/v1/kms/encrypt"],
            bytes: 1024,
            subject: ["WdYNyzv1q4dQxUWyW2Q8Zg", SEALED],
        }
    }
}

/// As long as name, address and agent are when they are sealed.
const SEALED: &str = "m5x0Zk3b1vQW7r9sT2uY4pL6aD8fG0hJm5x0Zk3b1vQW7r9sT2uY4pL6aD8fG0hJm5x0Zk3b1vQW7r9sT2uY4pL6aD8fG0hJm5x0";

/// What waits to be written: bytes, and when it was begun.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    begun: Vec<Instant>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    durable: Mutex<u64>,
    advanced: Condvar,
    recorded: AtomicU64,
    stop: AtomicBool,
}

/// How long each event took from its beginning until it was durable, with so many under way.
pub(crate) fn measure(
    dir: &Path,
    flying: usize,
    time: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let file = File::create(dir.join("bare"))?;
    let zeros = vec![0; 1 << 20];
    for at in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all()?;
    let shared = Shared {
        queue: Mutex::default(),
        arrived: Condvar::new(),
        durable: Mutex::default(),
        advanced: Condvar::new(),
        recorded: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let threads = flying.min(2);
    thread::scope(|all| {
        let writer = all.spawn(|| shared.write(&file));
        for _ in 0..threads {
            all.spawn(|| shared.produce(flying / threads));
        }
        thread::sleep(time);
        shared.stop.store(true, Ordering::Relaxed);
        shared.arrived.notify_one();
        writer.join().map_err(|_| "the writer panicked")?.map_err(Into::into)
    })
}

impl Shared {
    /// Has as many under way as it may, until told to stop.
    fn produce(&self, flying: usize) {
        let mut mine = VecDeque::new();
        while !self.stop.load(Ordering::Relaxed) {
            if mine.len() >= flying {
                let oldest = mine.front().copied().unwrap_or_default();
                let mut durable = self.durable.lock();
                if *durable <= oldest {
                    self.advanced.wait_for(&mut durable, Duration::from_millis(100));
                }
                let durable = *durable;
                mine.retain(|number| *number >= durable);
                continue;
            }
            let begun = Instant::now();
            let number = self.recorded.load(Ordering::Relaxed);
            let Ok(leaf) = serde_json::to_vec(&Leaf::new(number)) else { return };
            let hash = digest(&SHA256, &leaf);
            let mut queue = self.queue.lock();
            mine.push_back(self.recorded.fetch_add(1, Ordering::Relaxed));
            queue.bytes.extend(&leaf);
            queue.bytes.extend(hash.as_ref());
            queue.begun.push(begun);
            let is_first = queue.begun.len() == 1;
            drop(queue);
            if is_first {
                self.arrived.notify_one();
            }
        }
    }

    /// Writes and syncs all that there is, over and over.
    fn write(&self, file: &File) -> std::io::Result<Vec<Duration>> {
        let (mut times, mut group, mut at) = (Vec::new(), Queue::default(), 0);
        while !self.stop.load(Ordering::Relaxed) {
            let mut queue = self.queue.lock();
            if queue.begun.is_empty() {
                self.arrived.wait_for(&mut queue, Duration::from_millis(100));
            }
            std::mem::swap(&mut *queue, &mut group);
            drop(queue);
            if at + group.bytes.len() as u64 > FILE_BYTES {
                at = 0;
            }
            file.write_all_at(&group.bytes, at)?;
            file.sync_data()?;
            at += group.bytes.len() as u64;
            times.extend(group.begun.iter().map(Instant::elapsed));
            *self.durable.lock() = times.len() as u64;
            self.advanced.notify_all();
            group.bytes.clear();
            group.begun.clear();
        }
        Ok(times)
    }
}
