use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A log: when each of its events was, and whether it matches.
type Events = Vec<(i64, bool)>;

fn hit(seq: u64, time: i64) -> Hit {
    Hit { seq, time, segment: 0, place: 0 }
}

/// What a search finds below `before` that looks at no more than `looks` events.
fn search(events: &Events, before: u64, most: usize, looks: usize) -> Found {
    let mut found = Found::default();
    let below = usize::try_from(before).unwrap().min(events.len());
    for (seq, (time, matches)) in events.iter().enumerate().take(below).rev() {
        if found.hits.len() == most {
            break;
        }
        if below - seq > looks {
            found.stopped = Some((seq as u64 + 1, events[seq + 1].0));
            break;
        }
        found.hits.extend(matches.then(|| hit(seq as u64, *time)));
    }
    found
}

/// Every page, one after the other; `looks` says how far each search gets.
fn walk(logs: &[Events], most: usize, looks: &[usize]) -> Vec<(usize, Hit)> {
    let mut looks = looks.iter().cycle().copied();
    let mut places: Vec<u64> = logs.iter().map(|events| events.len() as u64).collect();
    let mut all = Vec::new();
    while places.iter().any(|place| *place > 0) {
        let each = logs.iter().zip(&places);
        let found = each
            .map(|(events, before)| search(events, *before, most + 1, looks.next().unwrap()))
            .collect();
        let page = Joint::of(found, most);
        assert!(page.hits.len() <= most);
        let pairs = || page.places.iter().zip(&places);
        assert!(pairs().all(|(next, last)| next <= last), "{page:?} after {places:?}");
        assert!(pairs().any(|(next, last)| next < last), "{page:?} gets no further");
        places.clone_from(&page.places);
        all.extend(page.hits);
    }
    all
}

fn events() -> impl Strategy<Value = Events> {
    prop::collection::vec((0..40_i64, prop::bool::weighted(0.6)), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_pages_have_each_hit_once(
        mut logs in prop::collection::vec(events(), 1..4),
        most in 1..7_usize,
        looks in prop::collection::vec(prop_oneof![1..8_usize, Just(100)], 1..9),
        in_order: bool,
    ) {
        if in_order {
            for events in &mut logs {
                events.sort_by_key(|(time, _)| *time);
            }
        }
        let given = walk(&logs, most, &looks);
        let of_log = |of: usize, events: &Events| {
            let matching = events.iter().enumerate().filter(|(_, (_, matches))| *matches);
            matching.map(|(seq, _)| (of, seq as u64)).collect::<Vec<_>>()
        };
        let expected: BTreeSet<_> =
            logs.iter().enumerate().flat_map(|(of, events)| of_log(of, events)).collect();
        let places: BTreeSet<_> = given.iter().map(|(of, hit)| (*of, hit.seq)).collect();
        prop_assert_eq!(given.len(), places.len(), "one is given twice");
        prop_assert_eq!(places, expected);
        if in_order {
            let order = |(of, hit): &(usize, Hit)| (Reverse(hit.time), *of, Reverse(hit.seq));
            prop_assert!(given.is_sorted_by_key(order), "the newest first: {:?}", given);
        }
    }
}

#[test]
fn what_waits_for_a_log_that_was_not_looked_at_comes_on_a_later_page() {
    let x = Found { hits: vec![hit(120, 120), hit(90, 90)], stopped: Some((50, 50)) };
    let y = Found { hits: Vec::new(), stopped: Some((200, 100)) };
    let page = Joint::of(vec![x, y], 10);
    assert_eq!((page.hits, page.places), (vec![(0, hit(120, 120))], vec![91, 200]));
}

#[test]
fn a_clock_that_was_put_back_hides_nothing() {
    let one = || Found { hits: vec![hit(9, 40), hit(8, 70)], stopped: Some((5, 60)) };
    let page = Joint::of(vec![one()], 10);
    assert_eq!((page.hits.len(), page.places), (2, vec![5]));
    // Nor does the one behind a hit that has to wait come before it.
    let page = Joint::of(vec![one(), Found { hits: Vec::new(), stopped: Some((3, 50)) }], 10);
    assert_eq!((page.hits.len(), page.places), (0, vec![10, 3]));
}
