//! A hundred thousand random histories of a family: clients that race, answers that get lost, a thief.
//!
//! Every request is two moments, as on a real node: reading the session, and writing it by
//! compare-and-swap; anything may happen between the two. What must hold:
//! * nobody is signed out who presents a token spent within the grace: **no false logout**;
//! * a token spent before the grace ends the family, whoever presents it: **no missed theft**;
//! * there is one head: a lost answer that is asked for again leads to the very same successor.

use std::collections::BTreeMap;
use std::time::Duration;

use prov_core::{SecretText, Timestamp};

use super::tests::{GRACE, LIFETIME, family, key, now};
use super::{RefreshToken, Step, judge, later, rotated};
use crate::session::SessionRecord;

const HISTORIES: u64 = 100_000;
const AGENTS: usize = 3;
const THIEF: usize = 2;

/// Numbers that look random and come again with the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn agent(&mut self, of: usize) -> usize {
        usize::try_from(self.below(of as u64)).unwrap()
    }
}

/// A request on its way, with the session as it was read.
struct Request {
    token: RefreshToken,
    read: SessionRecord,
    version: u64,
}

struct World {
    /// The stored session, until it is ended, and how often it was written.
    session: Option<SessionRecord>,
    version: u64,
    /// Seconds since the beginning.
    second: u64,
    held: [Option<RefreshToken>; AGENTS],
    waiting: [Option<Request>; AGENTS],
    /// When each generation was spent, and the text of its successor.
    spent: BTreeMap<u64, (u64, String)>,
    stolen: bool,
    replays: u64,
    repeats: u64,
}

impl World {
    fn new() -> Self {
        let (session, token) = family();
        Self {
            session: Some(session),
            version: 0,
            second: 0,
            held: [Some(token.clone()), Some(token), None],
            waiting: [None, None, None],
            spent: BTreeMap::new(),
            stolen: false,
            replays: 0,
            repeats: 0,
        }
    }

    fn now(&self) -> Timestamp {
        later(now(), Duration::from_secs(self.second))
    }

    /// A request arrives and reads the session.
    fn begin(&mut self, agent: usize) {
        if let (Some(token), Some(session)) = (&self.held[agent], &self.session) {
            let (token, read) = (token.clone(), session.clone());
            self.waiting[agent] = Some(Request { token, read, version: self.version });
        }
    }

    /// The request is judged by what it read and, if it rotates, written if nothing changed since; else
    /// it reads again.
    fn finish(&mut self, agent: usize, lost: bool) {
        let Some(request) = self.waiting[agent].take() else { return };
        let token = request.token;
        let stale = request.version != self.version || self.session.is_none();
        let answer = match judge(&request.read, &token, &key(), self.now(), GRACE).unwrap() {
            Step::Rotate if stale => {
                self.begin(agent);
                return;
            }
            Step::Rotate => Some(self.rotate(&request.read, &token)),
            Step::Repeat(pair) => {
                self.repeats += 1;
                let text = pair.refresh_token.expose().to_owned();
                assert!(!self.is_replay(&token), "an old answer is given to nobody");
                // One chain: whatever is answered is a successor that somebody was given before.
                assert!(self.spent.values().any(|(_, successor)| *successor == text), "a fork");
                Some(text)
            }
            Step::Replayed => {
                assert!(self.is_replay(&token), "a false logout");
                self.replays += 1;
                self.session = None;
                None
            }
            Step::TooFast => None,
            Step::Unknown => panic!("a token of this family is known"),
        };
        if let Some(text) = answer.filter(|_| !lost) {
            self.held[agent] = RefreshToken::read(&key(), &SecretText::new(text));
        }
    }

    fn rotate(&mut self, read: &SessionRecord, token: &RefreshToken) -> String {
        let (second, now) = (self.second, self.now());
        assert!(!self.spent.contains_key(&token.generation), "no token rotates twice");
        let access = (SecretText::new("access"), now);
        let after = rotated(read, token, access, &key(), now, LIFETIME, GRACE).unwrap();
        let text = after.answer.refresh_token.expose().to_owned();
        self.spent.insert(token.generation, (second, text.clone()));
        self.session = Some(after.session);
        self.version += 1;
        text
    }

    /// Whether this token was spent before the grace.
    fn is_replay(&self, token: &RefreshToken) -> bool {
        let spent = self.spent.get(&token.generation);
        spent.is_some_and(|(at, _)| self.second - at > GRACE.as_secs())
    }

    fn act(&mut self, dice: &mut Dice) {
        let agent = dice.agent(AGENTS);
        match dice.below(10) {
            0..=1 => self.second += dice.below(GRACE.as_secs() * 2),
            2 => {
                self.held[THIEF] = self.held[dice.agent(THIEF)].clone();
                self.stolen = true;
            }
            3..=5 => self.begin(agent),
            6..=8 => self.finish(agent, dice.below(3) == 0),
            // One that nothing comes between: what is a replay ends the family, and only that does.
            _ => {
                let Some(token) = self.held[agent].clone() else { return };
                let (alive, replay) = (self.session.is_some(), self.is_replay(&token));
                self.begin(agent);
                self.finish(agent, false);
                assert!(!alive || self.session.is_none() == replay, "missed, or a false logout");
            }
        }
    }

    /// Clients whose answers were lost ask again within the grace.
    fn ask_again(&mut self) {
        for agent in 0..AGENTS {
            let Some(head) = self.session.as_ref().map(|session| session.current.clone()) else {
                return;
            };
            let Some(token) = self.held[agent].clone() else { continue };
            if self.spent.contains_key(&token.generation) && !self.is_replay(&token) {
                self.begin(agent);
                self.finish(agent, false);
                let given = self.held[agent].as_ref().unwrap();
                assert_eq!(given.digest(), head, "whoever asks again is given the head");
            }
        }
    }
}

/// What happened in the histories from `first` on, every second one: replays, repeats, thefts.
fn run(first: u64) -> [u64; 3] {
    let mut happened = [0; 3];
    for seed in (first..HISTORIES).step_by(2) {
        let (mut dice, mut world) = (Dice(seed), World::new());
        for _ in 0..4 + dice.below(12) {
            world.act(&mut dice);
        }
        world.ask_again();
        happened[0] += world.replays;
        happened[1] += world.repeats;
        happened[2] += u64::from(world.stolen);
    }
    happened
}

#[test]
fn no_history_of_a_hundred_thousand_signs_out_the_innocent_or_spares_a_thief() {
    let [one, other] = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        [run(0), other.join().unwrap()]
    });
    let [replays, repeats, thefts] = std::array::from_fn(|i| one[i] + other[i]);
    // Each of them happens often enough to mean something.
    assert!(replays > 1_000 && repeats > 10_000 && thefts > 20_000, "{replays} {repeats} {thefts}");
}
