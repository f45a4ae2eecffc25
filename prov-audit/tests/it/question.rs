//! The query language, counting, and what bounds them.

use std::num::NonZeroU32;
use std::time::Duration;

use prov_audit::{CountBy, Log, Query, Question};
use prov_core::audit::{Action, Event, Outcome, Recorder, RetentionClass};
use prov_core::{Clock, codes};

use crate::bench_log::Bench;

async fn filled(bench: &Bench) -> Log {
    let log = bench.open().await;
    let denied = |mut event: Event| {
        event.outcome = Outcome::Denied;
        event
    };
    log.record(bench.event(Action::AUTH_LOGIN, "user_1", "alice")).await.unwrap();
    let decision = bench.event(Action::AUTHZ_DECISION, "user_1", "alice").with("action", "deploy");
    log.record(denied(decision.on("Server", "prod-7"))).await.unwrap();
    log.record(
        bench.event(Action::KMS_DECRYPT, "user_2", "bob").with("note", "Disk is nearly full"),
    )
    .await
    .unwrap();
    log.record(denied(bench.event(Action::KMS_DECRYPT, "user_2", "bob"))).await.unwrap();
    let custom = Action::custom("break_glass.activate").unwrap();
    log.record(bench.event(custom, "user_1", "alice")).await.unwrap();
    log
}

async fn found(log: &Log, text: &str, bench: &Bench) -> Vec<String> {
    let question = Question::parse(text, bench.clock.now()).unwrap();
    let asked = Query::new().question(question.clone());
    let items = log.query(&asked).await.unwrap().items;
    // What the index finds and what a tail would let through is the same.
    for record in log.query(&Query::new()).await.unwrap().items {
        let there = items.iter().any(|item| item.id == record.id);
        assert_eq!(question.matches(&record), there, "{text}: {record:?}");
    }
    items
        .into_iter()
        .rev()
        .map(|record| format!("{} {}", record.action, record.outcome.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_of_the_language_selects_what_it_says() {
    let bench = Bench::new();
    let log = filled(&bench).await;
    let (login, decision) = ("auth.login success", "authz.decision denied");
    let (decrypt, refused) = ("kms.decrypt success", "kms.decrypt denied");
    let glass = "break_glass.activate success";
    let cases: &[(&str, &[&str])] = &[
        ("", &[login, decision, decrypt, refused, glass]),
        ("actor:alice", &[login, decision, glass]),
        ("actor:ALICE action:deploy", &[decision]),
        ("user:alice and action:deploy and time > 24h", &[decision]),
        ("time < 24h", &[]),
        ("from:1h to:0s", &[login, decision, decrypt, refused, glass]),
        ("not actor:alice", &[decrypt, refused]),
        ("actor!=alice", &[decrypt, refused]),
        ("actor:(alice, user_2) outcome:denied", &[decision, refused]),
        ("outcome:denied or action:auth.*", &[login, decision, refused]),
        ("(outcome:denied or action:auth.*) and actor:bob", &[refused]),
        ("outcome:denied and not (actor:bob or resource:prod-7)", &[]),
        ("resource:Server:prod-7", &[decision]),
        ("log:break_glass", &[glass]),
        ("not log:break_glass action=kms.decrypt", &[decrypt, refused]),
        ("ip:203.0.113.77 outcome:failure", &[]),
        ("ip:::ffff:203.0.113.77 log:break-glass", &[glass]),
        ("\"nearly FULL\"", &[decrypt]),
        ("full disk", &[decrypt]),
        ("text:prod", &[decision]),
        ("canaryagent and things and outcome:denied", &[decision, refused]),
        ("nothing_like_it", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&log, text, &bench).await, *expected, "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let bench = Bench::new();
    let deep = format!("{}actor:a{}", "(".repeat(60), ")".repeat(60));
    let many = "actor:a ".repeat(100);
    let long = "x".repeat(5000);
    let cases = [
        ("acter:alice", "did you mean `actor`"),
        ("actor:", "at character 7: a value is missing"),
        ("actor:alice and", "a condition is missing"),
        ("(actor:alice", "`)` is missing"),
        ("actor:alice)", "at character 12"),
        ("time:24h", "`>` or `<`"),
        ("actor > alice", "`:`, `=` or `!=`"),
        ("from:yesterday", "how long ago"),
        ("ip:here", "an address"),
        ("outcome:maybe", "`success`, `failure` or `denied`"),
        ("log:other", "`standard` or `break_glass`"),
        ("action:\"log in\"", "an action"),
        ("actor:alice | sum", "`count`"),
        ("| count by colour", "counted by"),
        ("| count by actor more", "at character 18"),
        ("\"never closed", "never closed"),
        ("a\0b", "NUL"),
        ("x", "two characters"),
        (deep.as_str(), "brackets"),
        (many.as_str(), "more than 64"),
        (long.as_str(), "at most 4096"),
    ];
    for (text, expected) in cases {
        let refused = Question::parse(text, bench.clock.now()).unwrap_err();
        assert!(refused.is(codes::INVALID_REQUEST), "{text}");
        let [field] = refused.fields() else { panic!("{text}: {refused}") };
        assert_eq!(field.field, "query", "{text}");
        assert!(field.message.contains(expected), "{text}: {}", field.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_adds_up_by_every_field() {
    let bench = Bench::new();
    let log = filled(&bench).await;
    let count = async |text: &str| {
        let question = Question::parse(text, bench.clock.now()).unwrap();
        let by = question.counted().unwrap();
        let counts = log.count(&Query::new().question(question), by).await.unwrap();
        assert!(counts.complete);
        let values: Vec<_> = counts.counts.into_iter().map(|v| (v.value, v.count)).collect();
        (counts.total, values)
    };
    let own =
        |all: &[(&str, u64)]| all.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(count("| count").await, (5, vec![]));
    assert_eq!(count("actor:bob | count").await, (2, vec![]));
    assert_eq!(count("| count by outcome").await, (5, own(&[("success", 3), ("denied", 2)])));
    let actions = own(&[("kms.decrypt", 1), ("authz.decision", 1)]);
    let (total, mut by) = count("outcome:denied | count by action").await;
    by.sort_by(|a, b| b.cmp(a));
    assert_eq!((total, by), (2, actions));
    assert_eq!(count("| count by actor").await, (5, own(&[("user_1", 3), ("user_2", 2)])));
    assert_eq!(count("| count by ip").await, (5, own(&[("203.0.113.77", 5)])));
    let (total, days) = count("| count by day").await;
    assert!(total == 5 && days.iter().map(|(_, n)| n).sum::<u64>() == 5, "{days:?}");
    assert_eq!(count("resource:prod-7 | count by resource").await.1, own(&[("Server:prod-7", 1)]));
    let none = log.count(&Query::new().user("nobody"), CountBy::Actor).await.unwrap();
    assert_eq!((none.total, none.counts.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_many_blocks_pages_are_whole_and_cursors_hold_for_their_question_only() {
    let bench = Bench::new();
    let log = Log::open(bench.options().segment_bytes(8 << 20)).await.unwrap();
    let mut wanted = Vec::new();
    for round in 0..9 {
        let events = (0..1000_u32).map(|i| {
            let user = if (round * 1000 + i).is_multiple_of(450) { "user_rare" } else { "user_1" };
            log.record(bench.event(Action::KMS_ENCRYPT, user, user))
        });
        for receipt in futures_util::future::join_all(events).await {
            wanted.push(receipt.unwrap());
        }
    }
    let mut query = Query::new().user("user_rare").limit(NonZeroU32::new(3).unwrap());
    query = query.from(bench.clock.now() - Duration::from_hours(1));
    let mut read = Vec::new();
    let mut cursors = Vec::new();
    loop {
        let page = log.query(&query).await.unwrap();
        read.extend(page.items.iter().map(|record| record.seq));
        let Some(next) = page.next_cursor else { break };
        cursors.push(next.clone());
        query.cursor = Some(next);
        // Relative times move on between pages; the cursor holds those of the first.
        query.from = Some(bench.clock.now() - Duration::from_mins(59));
    }
    assert_eq!(read.len(), 20);
    assert!(read.windows(2).all(|pair| pair[0] > pair[1]), "{read:?}");
    for (what, mut other) in [
        ("another question", Query::new().user("user_1")),
        ("more conditions", Query::new().user("user_rare").outcome(Outcome::Success)),
        ("no question", Query::new()),
    ] {
        other.cursor = Some(cursors[0].clone());
        let refused = log.query(&other).await.unwrap_err();
        assert_eq!(refused.fields()[0].field, "cursor", "{what}");
    }
    let forged = cursors[0].replacen(|c: char| c.is_ascii_digit(), "7", 3) + "0";
    query.cursor = Some(forged);
    assert_eq!(log.query(&query).await.unwrap_err().fields()[0].field, "cursor");
    let stats = log.stats(None).await.unwrap();
    assert_eq!((stats.events(RetentionClass::Standard), stats.indexed()), (9000, 9000));
}
