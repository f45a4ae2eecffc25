//! Counts, tails and exports are of all nodes, at any of them.

use aws_lc_rs::digest::{SHA256, digest};
use prov_audit::{News, Tail, Tailed, verify_range};
use prov_core::Clock;

use super::*;
use crate::retention::{Bench as BenchOfYears, key_of};

pub(super) fn name_of(node: &str) -> String {
    format!("prov.example/audit/{node}/standard")
}

fn question(bench: &Bench) -> Question {
    Question::parse("action:kms.*", bench.clock.now()).unwrap()
}

/// The next events of a tail, as origin and place, until there are so many. Nothing may be wrong meanwhile.
async fn events(tail: &mut Tail, count: usize) -> Vec<(String, u64, Tailed)> {
    let mut found = Vec::new();
    while found.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), tail.next()).await;
        for tailed in next.expect("nothing came").unwrap() {
            match &tailed.news {
                News::Event(event) => found.push((event.origin.clone(), event.seq, tailed)),
                News::Alarm(log) if log.alarm.is_none() => {}
                other => panic!("{other:?}"),
            }
        }
    }
    found
}

/// What a tail says that is no event.
async fn told(tail: &mut Tail) -> News {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), tail.next()).await;
        for tailed in next.expect("nothing came").unwrap() {
            if !matches!(tailed.news, News::Event(_)) {
                return tailed.news;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_and_exported_is_of_all_nodes_and_proved_complete() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 300).await;
    two.record(&bench, 20).await;
    run_until(&[&one, &two], &one, 300).await;
    run_until(&[&one, &two], &two, 20).await;
    let of_kms = |stats: &prov_audit::Stats| {
        let kms = stats.by_action.iter().filter(|one| one.action == "kms.encrypt");
        kms.map(|one| one.count).sum::<u64>()
    };
    let all = two.log.stats(None).await.unwrap();
    assert_eq!((all.logs.len(), of_kms(&all)), (4, 320), "{all:?}");
    assert_eq!(all.events(STANDARD), all.indexed());
    let of_one = two.log.stats(Some("prov.example/audit/one")).await.unwrap();
    assert_eq!((of_one.logs.len(), of_kms(&of_one)), (2, 300), "{of_one:?}");
    assert_eq!(of_kms(&two.log.stats(Some(&name_of("two"))).await.unwrap()), 20);
    let unknown = two.log.stats(Some("prov.example/audit/t")).await.unwrap_err();
    assert!(unknown.is(codes::UNKNOWN_LOG), "{unknown:?}");
    let unknown = Query::new().origin("prov.example/audit/t");
    let unknown = two.log.count(&unknown, CountBy::Action).await.unwrap_err();
    assert!(unknown.is(codes::UNKNOWN_LOG), "{unknown:?}");

    // The other's leaves, byte for byte, and that they are all there are.
    let (at_one, at_two) = (leaves(&one.log, "one").await, leaves(&two.log, "one").await);
    assert_eq!(at_one[..300], at_two[..300]);
    let (proof, key) = two.log.joined_range_proof(&name_of("one"), 100..290).await.unwrap();
    assert_eq!(&key, one.log.verifier_key(STANDARD));
    let checkpoint = prov_audit::Checkpoint::open(&proof.checkpoint.note, &key).unwrap();
    verify_range(&at_two[100..290], 100, &proof.hashes, &checkpoint).unwrap();
    assert!(verify_range(&at_two[101..290], 100, &proof.hashes, &checkpoint).is_err());
    let (newest, _) = two.log.joined_checkpoint(&name_of("one")).await.unwrap();
    assert_eq!(newest.size, two.size_of("one"));
    let beyond = two.log.joined_range_proof(&name_of("one"), 0..9000).await;
    assert!(beyond.unwrap_err().is(prov_core::codes::INVALID_REQUEST));
    let unknown = two.log.joined_leaves("nobody", 0).await.unwrap_err();
    assert!(unknown.is(codes::UNKNOWN_LOG), "{unknown:?}");
    // From its end on, and from behind it, a log has nothing, whatever became of the files.
    let size = two.size_of("one");
    std::fs::remove_dir_all(two.mirror_of("one").join("segments")).unwrap();
    for from in [size, size + 1, u64::MAX] {
        let mut reader = two.log.joined_leaves(&name_of("one"), from).await.unwrap();
        assert_eq!(reader.range(), size..size);
        assert!(reader.next().await.unwrap().is_empty());
    }
}

pub(super) async fn leaves(log: &Log, node: &str) -> Vec<Vec<u8>> {
    let mut reader = log.joined_leaves(&name_of(node), 0).await.unwrap();
    assert_eq!(reader.range().start, 0);
    let mut all = Vec::new();
    loop {
        let some = reader.next().await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some.into_iter().map(|leaf| leaf.leaf));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_is_of_all_nodes_and_is_taken_up_at_any_of_them() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 5).await;
    run_until(&[&one, &two], &one, 5).await;
    let known = || one.of("two").is_some();
    beside(&[&one, &two], until("they know each other", known)).await;
    let mut tail = one.log.tail(Some(question(&bench)), None, None).unwrap();
    let mut of_two = one.log.tail(None, Some("prov.example/audit/two".to_owned()), None).unwrap();
    one.record(&bench, 10).await;
    two.record(&bench, 10).await;
    let found = beside(&[&one, &two], events(&mut tail, 20)).await;
    let of = |node: &str, found: &[(String, u64, Tailed)]| {
        let of = found.iter().filter(|(origin, ..)| *origin == name_of(node));
        of.map(|(_, seq, _)| *seq).collect::<Vec<_>>()
    };
    for node in ["one", "two"] {
        let places = of(node, &found);
        assert!(places.len() == 10 && places.is_sorted(), "{node}: {places:?}");
    }
    assert!(of("one", &found)[0] >= 5, "what was before is not given");
    let only = beside(&[&one, &two], events(&mut of_two, 10)).await;
    assert!(of("one", &only).is_empty());

    // Taken up at the other node, behind any of them: the rest, once, and what came since.
    let (origin, seq, last) = &found[12];
    two.record(&bench, 3).await;
    let mut again = two.log.tail(Some(question(&bench)), None, Some(&last.next)).unwrap();
    let rest = beside(&[&one, &two], events(&mut again, 10)).await;
    let mut both: Vec<_> =
        found[..=12].iter().chain(&rest).map(|(origin, seq, _)| (origin, seq)).collect();
    both.sort();
    both.dedup();
    assert_eq!((both.len(), rest.len()), (23, 10), "{origin} {seq}");

    // A node that is new is given from its first event.
    let three = Node::open(&bench, "three").await;
    three.record(&bench, 4).await;
    let more = beside(&[&one, &two, &three], events(&mut again, 4)).await;
    assert_eq!(of("three", &more).len(), 4, "{more:?}");
    for wrong in ["", "7", "5.0", "00000000-x"] {
        assert!(two.log.tail(None, None, Some(wrong)).is_err(), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_of_nobody_is_refused_and_one_of_a_log_elsewhere_is_not() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 1).await;
    let of = |node: &str| Some(format!("prov.example/audit/{node}"));
    for unknown in [of("on"), of(""), Some(String::new()), of("two"), of("two/standard")] {
        let refused = one.log.tail(None, unknown.clone(), None).unwrap_err();
        assert!(refused.is(codes::UNKNOWN_LOG), "{unknown:?}");
    }
    // An earlier tail was in it, at the node whose log it is: it will be here soon.
    let mut at_two = two.log.tail(Some(question(&bench)), of("two"), None).unwrap();
    two.record(&bench, 2).await;
    let (_, _, first) = events(&mut at_two, 1).await.swap_remove(0);
    for origin in [of("two"), Some(name_of("two"))] {
        let mut at_one =
            one.log.tail(Some(question(&bench)), origin.clone(), Some(&first.next)).unwrap();
        if origin == of("two") {
            let refused = one.log.tail(None, of("three"), Some(&first.next)).unwrap_err();
            assert!(refused.is(codes::UNKNOWN_LOG));
        }
        let rest = beside(&[&one, &two], events(&mut at_one, 1)).await;
        assert_eq!((rest[0].0.clone(), rest[0].1), (name_of("two"), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_dropped_while_it_waits_loses_nothing() {
    let bench = Bench::new();
    let one = Node::open(&bench, "one").await;
    let mut tail = one.log.tail(Some(question(&bench)), None, None).unwrap();
    let mut found = Vec::new();
    for round in 0..60_u64 {
        one.record(&bench, 5).await;
        // Cut off anywhere.
        let patience = Duration::from_micros(400 * round);
        if let Ok(next) = tokio::time::timeout(patience, tail.next()).await {
            found.extend(next.unwrap());
        }
    }
    while found.len() < 300 {
        let next = tokio::time::timeout(Duration::from_secs(20), tail.next()).await;
        found.extend(next.expect("something is lost").unwrap());
    }
    let mut places: Vec<u64> = Vec::new();
    for tailed in found {
        if let News::Event(event) = tailed.news {
            places.push(event.seq);
        }
    }
    assert!(places.len() == 300 && places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_says_what_was_pruned_before_it_was_read() {
    let bench = BenchOfYears::new();
    let log = bench.of_years().await;
    let pruned = log.prune().await.unwrap()[0].to;
    let name = key_of(&log).name().to_owned();
    let hash = digest(&SHA256, name.as_bytes());
    let place = format!("{}-5", hex::encode(&hash.as_ref()[..4]));
    let mut tail = log.tail(None, Some(name.clone()), Some(&place)).unwrap();
    let mut first = tail.next().await.unwrap().into_iter();
    let gap = News::Gap { origin: name.clone(), from: 5, to: pruned };
    assert_eq!(first.next().unwrap().news, gap);
    let Some(Tailed { news: News::Event(event), .. }) = first.next() else { panic!("no event") };
    assert_eq!(event.seq, pruned);
    // So does an export.
    assert_eq!(log.joined_leaves(&name, 5).await.unwrap().range().start, pruned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_says_when_something_is_wrong_with_a_log_and_when_no_longer() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    one.record(&bench, 5).await;
    run_until(&[&one, &two], &one, 5).await;
    let mut tail = two.log.tail(Some(question(&bench)), None, None).unwrap();
    // What a node announces is taken away while it does not run.
    let announced = records_of(&bench, "audit.joined_log").await;
    let of_one = announced.into_iter().find(|record| record.id == name_of("one")).unwrap();
    let key = prov_core::store::Key::new("audit.joined_log", of_one.id);
    let taken = prov_core::store::Batch::new().delete(key, prov_core::store::Expect::Any);
    bench.store.commit(taken).await.unwrap();
    let News::Alarm(log) = beside(&[&two], told(&mut tail)).await else { panic!("no alarm") };
    assert_eq!(log.origin, name_of("one"));
    assert_eq!(log.alarm.unwrap().kind, JoinAlarmKind::Withdrawn);
    // A tail that begins now is told as well.
    let mut other = two.log.tail(None, None, None).unwrap();
    let first = other.next().await.unwrap().swap_remove(0);
    assert!(matches!(first.news, News::Alarm(log) if log.alarm.is_some()));
    let place = first.next;
    drop(one);
    let one = Node::open(&bench, "one").await;
    let News::Alarm(log) = beside(&[&one, &two], told(&mut tail)).await else { panic!("no news") };
    assert_eq!((log.origin, log.alarm), (name_of("one"), None));
    // One that goes on behind an earlier tail, which may have told of an alarm, is told how each log is, once.
    let mut again = two.log.tail(None, None, Some(&place)).unwrap();
    let mut states = Vec::new();
    let all = async {
        loop {
            states.extend(again.next().await.unwrap().into_iter().filter_map(
                |told| match told.news {
                    News::Alarm(log) => Some((log.origin, log.alarm)),
                    _ => None,
                },
            ));
        }
    };
    let listened = tokio::time::timeout(Duration::from_secs(3), all);
    assert!(beside(&[&one, &two], listened).await.is_err());
    states.sort_by(|a, b| a.0.cmp(&b.0));
    let names: BTreeSet<&String> = states.iter().map(|(origin, _)| origin).collect();
    assert!(names.len() == 4 && states.len() == 4, "{states:?}");
    assert!(states.iter().all(|(_, alarm)| alarm.is_none()), "{states:?}");
}
