use prov_core::ManualClock;

use super::*;

struct Door {
    clock: ManualClock,
    throttle: Throttle,
}

impl Door {
    fn new() -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let throttle = Throttle::new(Arc::new(clock.clone()), ThrottleOptions::default());
        Self { clock, throttle }
    }

    fn knock(&self, name: &str, ip: &str) -> Result<Attempt, Wait> {
        let place = Place::Address(Some(ip.parse().unwrap()));
        self.throttle.begin(&name.parse().unwrap(), place, false)
    }

    fn wait(&self, name: &str, ip: &str) -> Option<u64> {
        match self.knock(name, ip) {
            Ok(_) => None,
            Err(Wait::Caller(wait) | Wait::Account(wait)) => Some(wait.as_secs()),
        }
    }
}

#[test]
fn waits_grow_and_are_forgotten() {
    let door = Door::new();
    for _ in 0..5 {
        assert_eq!(door.wait("alice", "192.0.2.1"), None);
    }
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        assert_eq!(door.wait("alice", "192.0.2.1"), Some(expected));
        door.clock.advance(Duration::from_secs(expected));
        assert_eq!(door.wait("alice", "192.0.2.1"), None, "after {expected} s");
    }
    door.clock.advance(Duration::from_hours(2));
    for _ in 0..5 {
        assert_eq!(door.wait("alice", "192.0.2.1"), None);
    }
}

#[test]
fn waiting_costs_nothing_more() {
    let door = Door::new();
    for _ in 0..5 {
        let _ = door.knock("alice", "192.0.2.1");
    }
    for _ in 0..100 {
        assert_eq!(door.wait("alice", "192.0.2.1"), Some(1));
    }
}

#[test]
fn who_guesses_at_one_address_stops_nobody_at_another() {
    let door = Door::new();
    for _ in 0..50 {
        let _ = door.knock("alice", "192.0.2.1");
    }
    assert!(door.wait("alice", "192.0.2.1").is_some());
    assert_eq!(door.wait("alice", "198.51.100.7"), None);
}

#[test]
fn one_address_can_not_go_through_all_accounts() {
    let door = Door::new();
    let refused = (0..200).filter(|n| door.wait(&format!("user{n}"), "192.0.2.1").is_some());
    assert_eq!(refused.count(), 170);
    assert_eq!(door.wait("somebody", "192.0.2.2"), None);
}

#[test]
fn the_addresses_of_one_ipv6_subscriber_are_one() {
    let door = Door::new();
    for n in 0..5 {
        assert_eq!(door.wait("alice", &format!("2001:db8::{n}")), None);
    }
    assert!(door.wait("alice", "2001:db8::ffff").is_some());
    assert_eq!(door.wait("alice", "2001:db8:0:1::1"), None);
}

#[test]
fn many_addresses_share_a_slow_budget_and_a_known_one_is_exempt() {
    let door = Door::new();
    let home = door.knock("alice", "203.0.113.5").unwrap();
    door.throttle.succeeded(&home);
    let guessed = (0..1000)
        .filter(|n| door.wait("alice", &format!("10.0.{}.{}", n / 250, n % 250)).is_none());
    assert_eq!(guessed.count(), 100);
    assert!(matches!(door.knock("alice", "198.51.100.1"), Err(Wait::Account(_))));
    assert_eq!(door.wait("alice", "203.0.113.5"), None, "the owner gets in");
    let as_told = door.throttle.begin(
        &"alice".parse().unwrap(),
        Place::Address(Some("198.51.100.2".parse().unwrap())),
        true,
    );
    assert!(as_told.is_ok());
    door.clock.advance(Duration::from_mins(2));
    assert_eq!(door.wait("alice", "198.51.100.1"), None, "it trickles back");
}

#[test]
fn success_makes_the_budget_whole_and_forgiving_takes_one_back() {
    let door = Door::new();
    for _ in 0..4 {
        let _ = door.knock("alice", "192.0.2.1");
    }
    let right = door.knock("alice", "192.0.2.1").unwrap();
    door.throttle.succeeded(&right);
    for _ in 0..5 {
        assert_eq!(door.wait("alice", "192.0.2.1"), None);
    }
    let door = Door::new();
    for _ in 0..200 {
        let unjudged = door.knock("alice", "192.0.2.1").unwrap();
        door.throttle.forgive(&unjudged);
    }
}

#[test]
fn an_account_of_ones_own_does_not_refill_the_address() {
    let door = Door::new();
    let mut guesses = 0;
    for n in 0..100 {
        if door.wait(&format!("victim{n}"), "192.0.2.1").is_none() {
            guesses += 1;
        }
        if let Ok(own) = door.knock("mallory", "192.0.2.1") {
            door.throttle.succeeded(&own);
        }
    }
    assert!(guesses <= 30, "{guesses} guesses");
}

#[test]
fn a_refused_attempt_leaves_nothing_behind_that_was_not_there() {
    let door = Door::new();
    for n in 0..30 {
        let _ = door.knock(&format!("user{n}"), "192.0.2.1").unwrap();
    }
    let kept = || {
        let state = door.throttle.state.lock();
        (state.pairs.len(), state.addresses.len(), state.accounts.len())
    };
    assert_eq!(kept(), (30, 1, 30));
    for n in 0..1000 {
        assert!(door.wait(&format!("unheard{n}"), "192.0.2.1").is_some());
    }
    assert_eq!(kept(), (30, 1, 30), "what nobody hashed for pushes nothing out");
    for n in 0..70 {
        let _ = door.knock("user0", &format!("10.0.0.{n}")).unwrap();
    }
    for n in 0..29 {
        let _ = door.knock("user0", &format!("10.0.1.{n}")).unwrap();
    }
    let before = kept();
    assert!(matches!(door.knock("user0", "10.0.2.1"), Err(Wait::Account(_))));
    assert_eq!(kept(), before, "neither of the address");
}

#[test]
fn memory_is_bounded() {
    let mut recent = Recent::default();
    for n in 0..300_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        recent.put(key, ());
    }
    assert!(recent.len() <= 2 * Recent::<()>::PLACES);
}

#[test]
fn a_device_is_counted_apart_from_its_address_and_from_other_devices() {
    let door = Door::new();
    let alice: Username = "alice".parse().unwrap();
    let on = |device| door.throttle.begin(&alice, Place::Device(device), false);
    for n in 0..1000 {
        let _ = door.knock("alice", &format!("192.0.2.{}", n % 250));
    }
    assert!(matches!(door.knock("alice", "198.51.100.9"), Err(Wait::Account(_))));
    for _ in 0..5 {
        assert!(on("laptop").is_ok());
    }
    assert!(matches!(on("laptop"), Err(Wait::Caller(_))), "it has a budget of its own");
    assert!(on("phone").is_ok());
}
