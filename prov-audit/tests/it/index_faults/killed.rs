//! `kill -9` of a process that records, asks, erases and prunes: after each start everything is found by its terms,
//! once, and nobody who was erased in any row of the index, or any other file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use prov_audit::{LogOptions, Retention, codes};
use prov_core::audit::RetentionClass;
use prov_core::{ManualClock, SecurityContext};

use super::kept::Kept;
use super::*;
use crate::bench_log::ORIGIN;

/// Tells the child where to work, and how many were there before it.
const CHILD: &str = "PROV_AUDIT_INDEX_KILLED";

/// How often a process is killed.
const KILLS: u32 = 40;

/// After every second kill everything is looked at; the other ones befall what a kill left.
const KILLS_UNSEEN: u32 = 2;

/// People who do something at the same time.
const AT_ONCE: u32 = 6;

/// Far more people than a process gets to.
const MOST: u32 = 100_000;

const HOUR: Duration = Duration::from_hours(1);

fn person_name(person: u32) -> String {
    format!("canary{person}")
}

fn account(person: u32) -> String {
    format!("user_{person}")
}

/// A log whose events are kept for a day, as process number `round` opens it, a month after the one before.
async fn opened(dir: &Path, round: u32) -> (Arc<ManualClock>, Arc<dyn Store>, Log) {
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    clock.advance(HOUR * 24 * 30 * round);
    let store = Kept::open(&dir.join("store"), Arc::<ManualClock>::clone(&clock)).await;
    let shared = Arc::<ManualClock>::clone(&clock);
    let options = LogOptions::new(dir.join("log"), ORIGIN, Arc::clone(&store), shared)
        .segment_bytes(64 << 10)
        .checkpoint_every(Duration::from_millis(20))
        .index_patience(Duration::from_secs(20))
        .retention(Retention::new(HOUR * 24, HOUR * 24));
    let log = Log::open(options).await.unwrap();
    (clock, store, log)
}

/// Not a test of its own: the process that is killed.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child where to work")]
async fn child_that_is_killed() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (round, dir) = told.split_once(' ').unwrap();
    let round = round.parse().unwrap();
    let (clock, _store, log) = opened(Path::new(dir), round).await;
    // The first of those who still do something; who comes before has done all he does.
    let first = AtomicU32::new(round * MOST);
    tokio::join!(
        record(&log, &clock, &first),
        ask(&log, &first),
        erase(&log, &clock, &first, round * MOST),
        prune(&log),
    );
}

async fn record(log: &Log, clock: &ManualClock, first: &AtomicU32) {
    for batch in 1_u32.. {
        let first_now = first.load(Ordering::Acquire);
        let events = (0..40).map(|number| {
            let person = first_now + number % AT_ONCE;
            let id = RequestId::generate(clock).unwrap();
            let facts = RequestFacts::new(id, clock.now())
                .from_client(Some(std::net::Ipv4Addr::from(0x0A00_0000 + person).into()))
                .by_agent(Some("CanaryAgent/1.0"));
            let actor = Actor::account(PrincipalKind::User, account(person), person_name(person));
            let event = Event::new(clock, Action::KMS_ENCRYPT, Outcome::Success);
            log.record(event.by(actor).in_request(&facts))
        });
        let told = join_all(events).await;
        let told: Vec<_> = told.into_iter().map(|receipt| receipt.unwrap()).collect();
        for (number, receipt) in (0..).zip(told) {
            println!("! recorded {} {} {}", first_now + number % AT_ONCE, receipt.seq, receipt.id);
        }
        clock.advance(HOUR);
        if batch % 2 == 0 {
            first.fetch_add(AT_ONCE, Ordering::AcqRel);
        }
    }
}

/// Asks for one after the other: an answer is right, or there is none yet.
async fn ask(log: &Log, first: &AtomicU32) {
    for number in 0.. {
        let person = first.load(Ordering::Acquire) + number % AT_ONCE;
        match log.query(&Query::new().user(person_name(person))).await {
            Ok(page) => {
                let of = Some(account(person));
                if page.items.iter().any(|event| event.actor.id != of) {
                    println!("! wrong {person} gets {:?}", page.items);
                }
            }
            Err(error) if error.is(codes::INDEX_BEHIND) => {}
            Err(error) => println!("! wrong {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Erases every third of those who do nothing any more.
async fn erase(log: &Log, clock: &ManualClock, first: &AtomicU32, mut next: u32) {
    let admin = SecurityContext::system("privacy", clock).unwrap();
    loop {
        while next < first.load(Ordering::Acquire) {
            println!("! erasing {next}");
            match log.erase_subject(&admin, PrincipalKind::User, &account(next)).await {
                Ok(known) => println!("! erased {next} {known}"),
                Err(error) => println!("! wrong {error:?}"),
            }
            next += 3;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn prune(log: &Log) {
    loop {
        tokio::time::sleep(Duration::from_millis(25)).await;
        if let Err(error) = log.prune().await {
            println!("! wrong {error:?}");
        }
    }
}

/// What the processes said before they were killed.
#[derive(Debug, Default)]
struct Told {
    /// The events of each, by their numbers.
    recorded: BTreeMap<u32, BTreeMap<u64, String>>,
    erasing: BTreeSet<u32>,
    erased: BTreeSet<u32>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let Some((_, line)) = line.split_once("! ") else { return };
        let words: Vec<&str> = line.split(' ').collect();
        // A kill may cut the last line.
        let person = words.get(1).and_then(|word| word.parse::<u32>().ok());
        match (words.as_slice(), person) {
            (["recorded", _, seq, id], Some(person)) if id.len() == 36 => {
                let of = self.recorded.entry(person).or_default();
                of.insert(seq.parse().unwrap(), (*id).to_owned());
            }
            (["erasing", _], Some(person)) => {
                self.erasing.insert(person);
            }
            (["erased", _, known], Some(person)) if known.len() > 3 => {
                assert_eq!(*known, "true", "{person} was not known");
                self.erased.insert(person);
            }
            (["wrong", ..], _) => panic!("{line}"),
            _ => {}
        }
    }

    /// Lets process number `round` say so much, and kills it.
    fn kill(&mut self, dir: &Path, round: u32, wanted: u32) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "index_faults::killed::child_that_is_killed", "--nocapture"])
            .env(CHILD, format!("{round} {}", dir.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (said, heard) = std::sync::mpsc::channel();
        let hearing = std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| said.send(line)).unwrap();
        });
        let mut left = wanted;
        while left > 0 {
            let line = heard.recv_timeout(Duration::from_secs(20)).expect("it goes on");
            left -= u32::from(line.contains("! "));
            self.hear(&line);
        }
        // Anywhere in what it does, also before it has opened anything.
        std::thread::sleep(Duration::from_millis(u64::from(wanted % 29)));
        assert_eq!(child.try_wait().unwrap(), None, "it ends by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        for line in heard {
            self.hear(&line);
        }
        hearing.join().unwrap();
    }
}

/// The events of everybody that a log has, by their numbers.
async fn all_of(log: &Log) -> BTreeMap<String, BTreeMap<u64, String>> {
    let oldest = log.oldest(RetentionClass::Standard).await.unwrap();
    let mut leaves = log.leaves(RetentionClass::Standard, oldest).await.unwrap();
    let mut all = BTreeMap::<String, BTreeMap<u64, String>>::new();
    loop {
        let some = leaves.next().await.unwrap();
        if some.is_empty() {
            return all;
        }
        for leaf in some {
            let json: serde_json::Value = serde_json::from_slice(&leaf.leaf).unwrap();
            let Some(account) = json["actor"]["id"].as_str() else { continue };
            let id = json["id"].as_str().unwrap().to_owned();
            all.entry(account.to_owned()).or_default().insert(leaf.seq, id);
        }
    }
}

/// What answers a question, by its numbers: nothing may be there twice.
async fn answers(log: &Log, mut query: Query) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    loop {
        let page = log.query(&query).await.unwrap();
        for event in page.items {
            let twice = found.insert(event.seq, event.id.to_string());
            assert_eq!(twice, None);
        }
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return found;
        }
    }
}

/// Looks at everything that is there after a start. Says how many of the events that were acknowledged it found.
async fn check(dir: &Path, round: u32, told: &Told, scanned: &mut BTreeSet<u32>) -> usize {
    let (_clock, store, log) = opened(dir, round).await;
    let all = all_of(&log).await;
    let oldest = log.oldest(RetentionClass::Standard).await.unwrap();
    let (mut acknowledged, mut gone) = (0, Vec::new());
    for (person, recorded) in &told.recorded {
        let mut found = answers(&log, Query::new().user(person_name(*person))).await;
        found.retain(|seq, _| *seq >= oldest);
        let there = all.get(&account(*person)).cloned().unwrap_or_default();
        let kept: BTreeMap<_, _> = recorded.range(oldest..).collect();
        assert!(kept.iter().all(|(seq, id)| there.get(*seq) == Some(*id)), "round {round}");
        if told.erased.contains(person) || (told.erasing.contains(person) && found.is_empty()) {
            assert_eq!(found, BTreeMap::new(), "round {round}: {person} was erased");
            gone.push(*person);
            continue;
        }
        assert_eq!(found, there, "round {round}: {person}");
        let address = std::net::Ipv4Addr::from(0x0A00_0000 + *person);
        assert_eq!(answers(&log, Query::new().ip(address)).await, there, "of {person}");
        acknowledged += kept.len();
    }
    log.close().await.unwrap();
    gone.retain(|person| told.erased.contains(person) && scanned.insert(*person));
    let mut of_gone = Vec::new();
    for person in &gone {
        let address = std::net::Ipv4Addr::from(0x0A00_0000 + *person).to_string();
        of_gone.extend(hashes_of(&*store, &person_name(*person), &address).await);
    }
    let files = found_in(&dir.join("log"), &of_gone);
    assert_eq!(files, Vec::<PathBuf>::new(), "round {round}: of {gone:?}");
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn after_forty_kills_everything_is_found_once_and_nobody_who_was_erased() {
    let dir = tempfile::tempdir().unwrap();
    let (mut told, mut scanned, mut acknowledged) = (Told::default(), BTreeSet::new(), 0);
    for round in 0..KILLS {
        told.kill(dir.path(), round, round * 97 % 400);
        if (round + 1) % KILLS_UNSEEN == 0 {
            acknowledged += check(dir.path(), round, &told, &mut scanned).await;
            // Who was looked at is pruned by the next.
            told.recorded.clear();
        }
    }
    let (erased, scanned) = (told.erased.len(), scanned.len());
    println!("{acknowledged} events found, {erased} people erased, {scanned} looked for in files");
    // How many there are in the time between two kills is the machine's matter; without any nothing was shown.
    assert!(acknowledged > 100 && scanned > 2, "{acknowledged} events, {scanned} people");
    let kills = usize::try_from(KILLS).unwrap();
    keep_index_row("`kill -9` while it records, asks, erases and prunes", kills, 0);
}
